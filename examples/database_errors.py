"""Tell clients what a database error means: 503, 409, 400, or a bug of ours.

Try:
    curl -s -i -X PUT http://127.0.0.1:8000/names/ada
    curl -s -i -X PUT http://127.0.0.1:8000/names/ada
"""

import os
from collections.abc import AsyncGenerator
from contextlib import asynccontextmanager

from quart import Quart
from sqlalchemy import exc, text
from sqlalchemy.ext.asyncio import AsyncSession, create_async_engine
from werkzeug.exceptions import BadRequest, Conflict, HTTPException, ServiceUnavailable

RETRY_AFTER = 5
DUPLICATE = (
    "23505",  # PostgreSQL: unique_violation
    "SQLITE_CONSTRAINT_UNIQUE",
    "SQLITE_CONSTRAINT_PRIMARYKEY",
)
UNKNOWN_REFERENCE = ("23503", "SQLITE_CONSTRAINT_FOREIGNKEY")
UNAVAILABLE = (
    "08",  # PostgreSQL, by the class of its code: connection lost
    "40",  # deadlock, serialization failure
    "53",  # out of connections, memory or disk
    "55",  # lock not available
    "57",  # cancelled by a time-out, shutting down, starting up
    "SQLITE_BUSY",
    "SQLITE_CANTOPEN",
    "SQLITE_FULL",
    "SQLITE_IOERR",
)


def unavailable() -> HTTPException:
    return ServiceUnavailable("The database is away.", retry_after=RETRY_AFTER)


def error_code(error: exc.DBAPIError) -> str:
    """PostgreSQL's SQLSTATE, the name of SQLite's code, or an empty string."""
    for name in ("sqlstate", "sqlite_errorname"):
        if code := getattr(error.orig, name, None):
            return str(code)
    return ""


def http_error(error: exc.DBAPIError) -> HTTPException | None:
    """What to answer the client, or None when the error is a bug of ours."""
    code = error_code(error)
    if code.startswith(DUPLICATE):
        return Conflict("This exists already.")
    if code.startswith(UNKNOWN_REFERENCE):
        return BadRequest("This refers to something that does not exist.")
    if error.connection_invalidated or code.startswith(UNAVAILABLE):
        return unavailable()
    return None


@asynccontextmanager
async def http_errors() -> AsyncGenerator[None, None]:
    """Around a session: raise its errors as HTTP errors."""
    try:
        yield
    except TimeoutError as error:  # a statement took longer than command_timeout
        raise unavailable() from error
    except exc.DBAPIError as error:
        raise http_error(error) or error from error


async def connect(session: AsyncSession, **options: object) -> None:
    """Take a connection now, since only here an OSError is the database's."""
    try:
        await session.connection(execution_options=options)
    except (OSError, exc.TimeoutError) as error:  # refused, or the pool is empty
        raise unavailable() from error


def create_app(database_url: str | None = None) -> Quart:
    app = Quart(__name__)
    default = os.environ.get("DATABASE_URL", "sqlite+aiosqlite:///app.sqlite3")
    engine = create_async_engine(database_url or default)

    @app.while_serving
    async def database() -> AsyncGenerator[None, None]:
        table = "CREATE TABLE IF NOT EXISTS names (name VARCHAR(30) PRIMARY KEY)"
        async with engine.begin() as connection:
            await connection.execute(text(table))
        yield
        await engine.dispose()

    @app.put("/names/<name>")
    async def take_name(name: str) -> tuple[dict[str, str], int]:
        insert = text("INSERT INTO names VALUES (:name)")
        async with http_errors(), AsyncSession(engine) as session, session.begin():
            await connect(session)
            await session.execute(insert, {"name": name})
        return {"name": name}, 201

    return app


if __name__ == "__main__":
    from .serving import run

    run(create_app())
