"""Routes for each kind of input; a dict stands for the table."""

from datetime import UTC, datetime

from quart import Blueprint, abort, current_app
from quart_schema import (
    DataSource,
    validate_querystring,
    validate_request,
    validate_response,
)

from .models import Message, NewUser, PageQuery, UserChanges, UserPage, UserView

views = Blueprint("views", __name__)


def stored_users() -> dict[int, UserView]:
    users: dict[int, UserView] = current_app.extensions["users"]
    return users


@views.post("/users")
@validate_request(NewUser)
@validate_response(UserView, 201)
async def create_user(data: NewUser) -> tuple[UserView, int]:
    """A real one also hashes `data.password`: see password_hashing."""
    users = stored_users()
    profile = data.model_dump(include={"username", "email", "bio"})
    user = UserView(id=len(users) + 1, created_at=datetime.now(UTC), **profile)
    users[user.id] = user
    return user, 201


@views.patch("/users/<int:user_id>")
@validate_request(UserChanges)
@validate_response(UserView)
async def change_user(user_id: int, data: UserChanges) -> UserView:
    users = stored_users()
    if user_id not in users:
        abort(404, "There is no such user.")
    changes = data.model_dump(exclude_unset=True)  # only what was sent
    users[user_id] = users[user_id].model_copy(update=changes)
    return users[user_id]


@views.get("/users")
@validate_querystring(PageQuery)
@validate_response(UserPage)
async def list_users(query_args: PageQuery) -> UserPage:
    found = [user for user in stored_users().values() if user.id > query_args.after]
    page = found[: query_args.limit]
    more = len(found) > len(page)
    return UserPage(users=page, next_after=page[-1].id if more else None)


@views.post("/messages")
@validate_request(Message, source=DataSource.FORM_MULTIPART)
async def take_message(data: Message) -> dict[str, object]:
    sizes = [len(file.read()) for file in data.files]
    return {"text": data.text, "topics": data.topics, "files": sizes}
