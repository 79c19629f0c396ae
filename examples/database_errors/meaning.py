"""What an error of the database means to the client."""

import logging

from sqlalchemy import exc
from werkzeug.exceptions import BadRequest, Conflict, HTTPException, ServiceUnavailable

DUPLICATE = (
    "23505",  # PostgreSQL: unique_violation
    "23P01",  # exclusion_violation
    "SQLITE_CONSTRAINT_UNIQUE",
    "SQLITE_CONSTRAINT_PRIMARYKEY",
)
REFERENCE = ("23503", "SQLITE_CONSTRAINT_FOREIGNKEY")
UNAVAILABLE = (  # PostgreSQL's classes: the first two characters
    "08",  # connection lost
    "40",  # deadlock, serialization failure
    "53",  # no connection, memory or disk left
    "55",  # lock not available
    "57",  # cancelled by a time-out, starting up, shutting down
    "58",  # input or output failed
    "SQLITE_BUSY",
    "SQLITE_CANTOPEN",
    "SQLITE_FULL",
    "SQLITE_IOERR",
)
log = logging.getLogger(__name__)


class DatabaseUnavailable(ServiceUnavailable):
    description = "The database is unavailable, try again."

    def __init__(self, cause: Exception) -> None:
        super().__init__(retry_after=5)
        log.warning("the database is unavailable: %r", cause)


def error_code(error: exc.DBAPIError) -> str:
    """PostgreSQL's SQLSTATE, the name of SQLite's code, or an empty string."""
    sqlstate = getattr(error.orig, "sqlstate", None)
    return str(sqlstate or getattr(error.orig, "sqlite_errorname", ""))


def http_error(error: exc.DBAPIError) -> HTTPException | None:
    """What to answer the client, or None when the error is a bug of ours."""
    code = error_code(error)
    if code.startswith(DUPLICATE):
        return Conflict("This exists already.")
    if code.startswith(REFERENCE):
        if str(error.statement).startswith("DELETE"):
            return Conflict("Something still refers to this.")
        return BadRequest("This refers to something that does not exist.")
    if error.connection_invalidated or code.startswith(UNAVAILABLE):
        return DatabaseUnavailable(error)
    return None
