"""Tell clients what a database error means: 503, 409, 400, or a bug of ours.

Try:
    curl -s -i -X PUT http://127.0.0.1:8000/rooms/lobby
    curl -s -i -X PUT http://127.0.0.1:8000/rooms/lobby
"""

import os
from collections.abc import AsyncGenerator

from quart import Quart
from sqlalchemy import text
from sqlalchemy.ext.asyncio import AsyncSession, create_async_engine

from .guard import connect, http_errors
from .meaning import DatabaseUnavailable, http_error

__all__ = ["DatabaseUnavailable", "connect", "http_error", "http_errors"]


def create_app(database_url: str | None = None) -> Quart:
    app = Quart(__name__)
    default = os.environ.get("DATABASE_URL", "sqlite+aiosqlite:///app.sqlite3")
    engine = create_async_engine(database_url or default, pool_pre_ping=True)

    @app.while_serving
    async def database() -> AsyncGenerator[None, None]:
        table = "CREATE TABLE IF NOT EXISTS rooms (name VARCHAR(30) PRIMARY KEY)"
        try:
            async with engine.begin() as connection:
                await connection.execute(text(table))
            yield
        finally:
            await engine.dispose()

    @app.put("/rooms/<name>")
    async def create_room(name: str) -> tuple[dict[str, str], int]:
        insert = text("INSERT INTO rooms VALUES (:name)")
        async with http_errors(), AsyncSession(engine) as session, session.begin():
            await connect(session)
            await session.execute(insert, {"name": name})
        return {"name": name}, 201

    return app
