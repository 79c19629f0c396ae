"""Views that open a session, and functions that are given one."""

from quart import Blueprint, abort, g
from sqlalchemy import select, update
from sqlalchemy.ext.asyncio import AsyncSession
from sqlalchemy.orm import selectinload

from .database import reading, writing
from .models import User
from .shared import with_session

users = Blueprint("users", __name__, url_prefix="/users")


async def find_user(session: AsyncSession, username: str) -> User | None:
    query = select(User).where(User.username == username)
    return await session.scalar(query.options(selectinload(User.inviter)))


@users.put("/<username>")
async def create_user(username: str) -> tuple[dict[str, int], int]:
    email = f"{username}@example.com"
    user = User(username=username, email=email, password_hash="-")
    async with writing() as session:
        session.add(user)
    return {"id": user.id}, 201


@users.get("/<username>")
async def show_user(username: str) -> dict[str, str | None]:
    async with reading() as session:
        user = await find_user(session, username)
    if user is None:
        abort(404)
    inviter = user.inviter.username if user.inviter else None
    return {"username": user.username, "invited_by": inviter}


async def add_login(username: str) -> int | None:
    session: AsyncSession = g.session
    counted = update(User).where(User.username == username)
    counted = counted.values(logins=User.logins + 1)
    return await session.scalar(counted.returning(User.logins))


@users.post("/<username>/logins")
@with_session
async def count_login(username: str) -> dict[str, int]:
    logins = await add_login(username)
    if logins is None:
        abort(404)
    return {"logins": logins}
