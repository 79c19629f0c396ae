"""Sessions and engines that lose, leak or half-write data."""

import asyncio
from collections.abc import AsyncGenerator

from quart import Quart, g
from sqlalchemy import Connection, ForeignKey, event, select
from sqlalchemy.engine.interfaces import DBAPIConnection
from sqlalchemy.ext.asyncio import (
    AsyncEngine,
    AsyncSession,
    async_sessionmaker,
    create_async_engine,
)
from sqlalchemy.orm import DeclarativeBase, Mapped, mapped_column, relationship

from examples.database_sessions.database import Member


def default_engine(database_url: str) -> AsyncEngine:
    return create_async_engine(database_url)


def begin_deferred(database_url: str) -> AsyncEngine:
    engine = create_async_engine(database_url)

    @event.listens_for(engine.sync_engine, "connect")
    def leave_begin_to_us(connection: DBAPIConnection, _: object) -> None:
        connection.isolation_level = None

    @event.listens_for(engine.sync_engine, "begin")
    def begin(connection: Connection) -> None:
        connection.exec_driver_sql("BEGIN")

    return engine


def memory_engine() -> AsyncEngine:
    return create_async_engine("sqlite+aiosqlite://")


def engine_at_import(database_url: str) -> Quart:
    app = Quart(__name__)
    engine = create_async_engine(database_url, pool_size=1, max_overflow=0)
    app.extensions["reader"] = async_sessionmaker(engine, expire_on_commit=False)

    @app.get("/members")
    async def list_members() -> list[str]:
        async with app.extensions["reader"]() as session:
            return list(await session.scalars(select(Member.email)))

    return app


def expiring_sessions(engine: AsyncEngine) -> async_sessionmaker[AsyncSession]:
    return async_sessionmaker(engine)


def commit_in_teardown(app: Quart) -> None:
    @app.before_request
    async def open_session() -> None:
        g.session = app.extensions["writer"]()

    @app.teardown_request
    async def close_session(error: BaseException | None) -> None:
        if error is None:
            await g.session.commit()
        await g.session.close()


async def commit_and_refresh(session: AsyncSession, email: str) -> Member:
    member = Member(email=email)
    session.add(member)
    await session.commit()
    await session.refresh(member)
    return member


async def shared_session(session: AsyncSession, ids: list[int]) -> list[Member]:
    return await asyncio.gather(*(session.get_one(Member, key) for key in ids))


class _Base(DeclarativeBase):
    pass


class LazyMember(_Base):
    __tablename__ = "members"
    id: Mapped[int] = mapped_column(primary_key=True)
    email: Mapped[str] = mapped_column(unique=True)
    friend_id: Mapped[int | None] = mapped_column(ForeignKey("members.id"))
    friend: Mapped["LazyMember | None"] = relationship(remote_side=[id])
