"""Sessions that read one snapshot, or commit when their block ends."""

from collections.abc import AsyncGenerator
from contextlib import AbstractAsyncContextManager, asynccontextmanager

from quart import Quart, current_app
from sqlalchemy import text
from sqlalchemy.ext.asyncio import AsyncSession, async_sessionmaker

from ..database_errors import connect, http_errors
from ..database_locking import open_engines
from .cancelling import stay_cancelled
from .models import Base


class Database:
    """Its errors are HTTP errors: 503 when it is away or too slow, 409, 400."""

    def __init__(self, url: str, pool_size: int = 10, timeout: float = 10) -> None:
        self.reader, self.writer = open_engines(url, pool_size, timeout)
        self._reading = async_sessionmaker(self.reader, expire_on_commit=False)
        self._writing = async_sessionmaker(self.writer, expire_on_commit=False)

    @asynccontextmanager
    async def reading(self) -> AsyncGenerator[AsyncSession, None]:
        """All its SELECTs see the database as it was at the first one."""
        async with http_errors(), self._reading() as session:
            await connect(session)
            yield session

    @asynccontextmanager
    async def writing(self) -> AsyncGenerator[AsyncSession, None]:
        """Commit when the block ends, roll back when it raises or is cancelled."""
        async with stay_cancelled(), http_errors(), self._writing.begin() as session:
            await connect(session)
            yield session

    async def create_tables(self) -> None:
        """For the example; production runs `alembic upgrade head` before it starts."""
        async with self.writer.begin() as connection:
            if connection.dialect.name == "postgresql":  # two may start at once
                await connection.execute(text("SELECT pg_advisory_xact_lock(1)"))
            await connection.run_sync(Base.metadata.create_all)

    async def close(self) -> None:
        await self.reader.dispose()
        await self.writer.dispose()


def register_database(app: Quart, url: str) -> None:
    @app.while_serving
    async def open_database() -> AsyncGenerator[None, None]:
        database = app.extensions["database"] = Database(url)
        try:
            await database.create_tables()
            yield
        finally:
            await database.close()


def current_database() -> Database:
    database: Database = current_app.extensions["database"]
    return database


def reading() -> AbstractAsyncContextManager[AsyncSession]:
    return current_database().reading()


def writing() -> AbstractAsyncContextManager[AsyncSession]:
    return current_database().writing()


async def check_database() -> None:
    """Raise when the database cannot answer."""
    async with reading() as session:
        await session.execute(text("SELECT 1"))
