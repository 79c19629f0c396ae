"""Sessions and engines that lose, leak or half-write data."""

import asyncio

from quart import Quart, g
from sqlalchemy import ForeignKey, select
from sqlalchemy.ext.asyncio import (
    AsyncSession,
    async_sessionmaker,
    create_async_engine,
)
from sqlalchemy.orm import DeclarativeBase, Mapped, mapped_column, relationship

from examples.database_sessions.models import User

Sessions = async_sessionmaker[AsyncSession]


def engine_at_import(database_url: str) -> Quart:
    app = Quart(__name__)
    engine = create_async_engine(database_url)
    app.extensions["sessions"] = async_sessionmaker(engine, expire_on_commit=False)
    return app


def commit_in_teardown(app: Quart, sessions: Sessions) -> None:
    @app.before_request
    async def open_session() -> None:
        g.session = sessions()

    @app.teardown_request
    async def close_session(error: BaseException | None) -> None:
        if error is None:
            await g.session.commit()
        await g.session.close()


async def shared_session(session: AsyncSession, ids: list[int]) -> list[User]:
    return await asyncio.gather(*(session.get_one(User, key) for key in ids))


class _Base(DeclarativeBase):
    pass


class _LazyUser(_Base):
    __tablename__ = "users"

    id: Mapped[int] = mapped_column(primary_key=True)
    username: Mapped[str]
    invited_by: Mapped[int | None] = mapped_column(ForeignKey("users.id"))
    inviter: Mapped["_LazyUser | None"] = relationship(remote_side=[id])


def to_dict(user: _LazyUser) -> dict[str, str | None]:
    inviter = user.inviter.username if user.inviter else None
    return {"username": user.username, "invited_by": inviter}


async def commit_inside(sessions: Sessions) -> int | None:
    async with sessions.begin() as session:
        session.add(User(username="ada", email="ada@example.com", password_hash="-"))
        await session.commit()
        return await session.scalar(select(User.id))


async def expired(session: AsyncSession) -> dict[str, str]:
    user = User(username="ada", email="ada@example.com", password_hash="-")
    session.add(user)
    await session.commit()
    return {"username": user.username}
