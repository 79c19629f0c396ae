"""Around a session: raise its errors as HTTP errors."""

from collections.abc import AsyncGenerator
from contextlib import asynccontextmanager

from sqlalchemy import exc
from sqlalchemy.ext.asyncio import AsyncSession

from .meaning import DatabaseUnavailable, http_error


async def connect(session: AsyncSession) -> None:
    """Take the connection now, since only here is every OSError the database's."""
    try:
        await session.connection()
    except (OSError, exc.DBAPIError, exc.TimeoutError) as error:
        raise DatabaseUnavailable(error) from error


@asynccontextmanager
async def http_errors() -> AsyncGenerator[None, None]:
    """Around a session: its errors become HTTP errors, a bug of ours stays a 500."""
    try:
        yield
    except TimeoutError as error:  # asyncpg's, after command_timeout
        raise DatabaseUnavailable(error) from error
    except exc.DBAPIError as error:
        answer = http_error(error)
        if answer is None:
            hide_row(error)
            raise
        raise answer from error


def hide_row(error: exc.DBAPIError) -> None:
    """Keep PostgreSQL's DETAIL out of the log, for it shows the values of the row."""
    if error.orig is not None:
        error.orig.__cause__ = None
