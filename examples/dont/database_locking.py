"""Updates that are lost, locks that come too late."""

from sqlalchemy import Connection, event, text
from sqlalchemy.engine.interfaces import DBAPIConnection
from sqlalchemy.ext.asyncio import AsyncEngine, AsyncSession, create_async_engine

from examples.database_locking.rooms import Room


async def read_then_write(session: AsyncSession, name: str) -> None:
    room = await session.get_one(Room, name)
    room.visits += 1


async def locked_after_reading(session: AsyncSession, name: str) -> None:
    room = await session.get_one(Room, name)
    if room.topic != "closed":
        room = await session.get_one(Room, name, with_for_update=True)
        room.visits += 1


def begin_deferred(database_url: str) -> AsyncEngine:
    engine = create_async_engine(database_url)

    @event.listens_for(engine.sync_engine, "connect")
    def leave_begin_to_us(connection: DBAPIConnection, record: object) -> None:
        connection.isolation_level = None

    @event.listens_for(engine.sync_engine, "begin")
    def begin(connection: Connection) -> None:
        connection.exec_driver_sql("BEGIN")

    return engine


async def pragma_once(engine: AsyncEngine) -> None:
    async with engine.begin() as connection:
        await connection.execute(text("PRAGMA foreign_keys=ON"))
