"""One engine, and sessions that read one snapshot or commit at their end."""

from collections.abc import AsyncGenerator
from contextlib import AbstractAsyncContextManager, asynccontextmanager

from quart import Quart, current_app
from sqlalchemy import text
from sqlalchemy.ext.asyncio import (
    AsyncEngine,
    AsyncSession,
    async_sessionmaker,
    create_async_engine,
)

from ..database_errors import connect, http_errors
from ..database_locking import SNAPSHOT, prepare_sqlite
from .models import Base

DRIVER_ARGUMENTS = {
    "postgresql": {"timeout": 5, "command_timeout": 10},
    "sqlite": {"timeout": 10},
}


def open_engine(url: str) -> AsyncEngine:
    """`url` starts with postgresql+asyncpg:// or sqlite+aiosqlite:///file."""
    engine = create_async_engine(
        url,
        connect_args=DRIVER_ARGUMENTS[url.partition("+")[0]],
        hide_parameters=True,  # no values of users in logs
        pool_pre_ping=True,
        pool_timeout=10,
    )
    if engine.dialect.name == "sqlite":
        prepare_sqlite(engine)
    return engine


class Database:
    """Its errors are HTTP errors: 503 when it is away or too slow, 409, 400."""

    def __init__(self, url: str) -> None:
        self.engine = open_engine(url)
        self._sessions = async_sessionmaker(self.engine, expire_on_commit=False)

    @asynccontextmanager
    async def reading(self) -> AsyncGenerator[AsyncSession, None]:
        """A session for SELECT that sees the database as it was at its start."""
        async with http_errors(), self._sessions() as session:
            await connect(session, **SNAPSHOT[self.engine.dialect.name])
            yield session

    @asynccontextmanager
    async def writing(self) -> AsyncGenerator[AsyncSession, None]:
        """A session that commits at its end, and rolls back when the block raises."""
        async with http_errors(), self._sessions.begin() as session:
            await connect(session)
            yield session

    async def check(self) -> None:
        async with self.engine.connect() as connection:
            await connection.execute(text("SELECT 1"))


def register_database(app: Quart, url: str) -> None:
    @app.while_serving
    async def open_database() -> AsyncGenerator[None, None]:
        database = app.extensions["database"] = Database(url)
        try:
            async with database.engine.begin() as connection:
                await connection.run_sync(Base.metadata.create_all)
            yield
        finally:
            await database.engine.dispose()


async def check_database() -> None:
    database: Database = current_app.extensions["database"]
    await database.check()


def reading() -> AbstractAsyncContextManager[AsyncSession]:
    database: Database = current_app.extensions["database"]
    return database.reading()


def writing() -> AbstractAsyncContextManager[AsyncSession]:
    database: Database = current_app.extensions["database"]
    return database.writing()
