"""Tell clients what a database error means: 503, 409, 400, or a bug of ours.

Try:
    curl -s -i -X PUT http://127.0.0.1:8000/topics/quart
    curl -s -i -X PUT http://127.0.0.1:8000/topics/quart
"""

import os
from collections.abc import AsyncGenerator

from quart import Quart
from sqlalchemy import make_url, text
from sqlalchemy.ext.asyncio import (
    AsyncEngine,
    async_sessionmaker,
    create_async_engine,
)

from .guard import connect, http_errors
from .meaning import DatabaseUnavailable, http_error

__all__ = ["DatabaseUnavailable", "connect", "http_error", "http_errors"]


def open_engine(url: str, timeout: float = 10) -> AsyncEngine:
    """On PostgreSQL `timeout` bounds each wait; SQLite waits 5 seconds for a lock."""
    limits: dict[str, float] = {}
    if make_url(url).drivername == "postgresql+asyncpg":
        limits = {"timeout": timeout, "command_timeout": timeout}
    return create_async_engine(
        url, connect_args=limits, hide_parameters=True, pool_pre_ping=True
    )


def create_app(database_url: str | None = None) -> Quart:
    app = Quart(__name__)
    default = os.environ.get("DATABASE_URL", "sqlite+aiosqlite:///app.sqlite3")

    @app.while_serving
    async def database() -> AsyncGenerator[None, None]:
        engine = open_engine(database_url or default)
        app.extensions["sessions"] = async_sessionmaker(engine, expire_on_commit=False)
        table = "CREATE TABLE IF NOT EXISTS topics (name VARCHAR(30) PRIMARY KEY)"
        try:
            async with engine.begin() as connection:
                await connection.execute(text(table))
            yield
        finally:
            await engine.dispose()

    @app.put("/topics/<name>")
    async def create_topic(name: str) -> tuple[dict[str, str], int]:
        insert = text("INSERT INTO topics VALUES (:name)")
        async with http_errors(), app.extensions["sessions"].begin() as session:
            await connect(session)
            await session.execute(insert, {"name": name})
        return {"name": name}, 201

    return app
