"""One user: /users."""

from quart import Blueprint, abort, g, request
from quart.typing import ResponseReturnValue
from quart_schema import validate_request, validate_response
from sqlalchemy import delete, update

from ..authentication import login_required, require_role
from ..background_tasks import send_mail
from ..database_sessions import User, reading, writing
from ..error_handling import UserNotFound
from ..password_hashing import password_hashing
from ..request_validation import NewUser, UserChanges, UserView
from ..task_queue import store_mail

users = Blueprint("users", __name__, url_prefix="/users")
USER_PATH = "/<int(min=1, max=2147483647):user_id>"  # what an integer column holds


@users.post("")
@validate_request(NewUser)
@validate_response(UserView, 201)
async def create_user(data: NewUser) -> tuple[UserView, int]:
    password_hash = await password_hashing().hash(
        data.password.get_secret_value(), client=request.remote_addr or ""
    )
    user = User(**data.model_dump(exclude={"password"}), password_hash=password_hash)
    async with writing() as session:
        session.add(user)
        store_mail(session, user.email, f"Welcome, {user.username}!")
    send_mail(user.email, f"Welcome, {user.username}!")
    return UserView.model_validate(user), 201


@users.get(USER_PATH)
@login_required
@validate_response(UserView)
async def show_user(user_id: int) -> UserView:
    async with reading() as session:
        user = await session.get(User, user_id)
    if user is None:
        raise UserNotFound
    return UserView.model_validate(user)


@users.patch(USER_PATH)
@login_required
@validate_request(UserChanges)
@validate_response(UserView)
async def change_user(user_id: int, data: UserChanges) -> UserView:
    if g.caller.user_id != user_id:
        abort(403, "Only your own profile.")
    async with writing() as session:
        user = await session.get(User, user_id, with_for_update=True)
        if user is None:
            raise UserNotFound
        for name, value in data.model_dump(exclude_unset=True).items():
            setattr(user, name, value)
    return UserView.model_validate(user)


@users.delete(USER_PATH)
@login_required
async def delete_user(user_id: int) -> ResponseReturnValue:
    require_role("admin")
    invited = update(User).where(User.invited_by == user_id).values(invited_by=None)
    doomed = delete(User).where(User.id == user_id).returning(User.id)
    async with writing() as session:
        await session.execute(invited)
        deleted_id = await session.scalar(doomed)
    if deleted_id is None:
        raise UserNotFound
    return "", 204
