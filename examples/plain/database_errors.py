"""A duplicate is the client's 409; any other error of the database is not."""

from collections.abc import AsyncGenerator
from contextlib import asynccontextmanager

from sqlalchemy.exc import IntegrityError
from werkzeug.exceptions import Conflict

UNIQUE_VIOLATION = "23505"  # PostgreSQL's
SQLITE_DUPLICATE = ("SQLITE_CONSTRAINT_UNIQUE", "SQLITE_CONSTRAINT_PRIMARYKEY")


@asynccontextmanager
async def conflict_if_duplicate() -> AsyncGenerator[None, None]:
    """Around the whole `async with sessions.begin() as session:`, not inside it."""
    try:
        yield
    except IntegrityError as error:
        sqlstate = getattr(error.orig, "sqlstate", None)
        name = getattr(error.orig, "sqlite_errorname", None)
        if sqlstate == UNIQUE_VIOLATION or name in SQLITE_DUPLICATE:
            raise Conflict("This exists already.") from error
        raise
