"""One engine to read and one to write, on PostgreSQL or SQLite."""

import sqlite3
from contextlib import suppress
from typing import Any

from sqlalchemy import make_url
from sqlalchemy.ext.asyncio import AsyncEngine, create_async_engine


class SnapshotConnection(sqlite3.Connection):
    """Begin with the first statement, as PostgreSQL does, and refuse to write.

    The driver alone begins before the first write: too late for what was read.
    """

    begin = "BEGIN"
    query_only = "ON"

    def __init__(self, *arguments: Any, **options: Any) -> None:
        super().__init__(*arguments, **options)
        self.isolation_level = None  # the driver begins nothing by itself
        with suppress(sqlite3.OperationalError):  # another process is doing it
            sqlite3.Cursor(self).execute("PRAGMA journal_mode=WAL")
        query_only = f"query_only={self.query_only}"
        for setting in ("synchronous=NORMAL", "foreign_keys=ON", query_only):
            sqlite3.Cursor(self).execute(f"PRAGMA {setting}")

    def cursor(self, *arguments: Any) -> Any:
        if not self.in_transaction:
            sqlite3.Cursor(self).execute(self.begin)
        return super().cursor(*arguments)

    def close(self) -> None:
        """Unlock: a cancelled statement would keep the lock until it is collected."""
        try:
            self.rollback()
        finally:
            super().close()


class LockingConnection(SnapshotConnection):
    """Lock before the first read, so that nobody changes what was read."""

    begin = "BEGIN IMMEDIATE"
    query_only = "OFF"


def open_engines(
    url: str, pool_size: int = 10, timeout: float = 10
) -> tuple[AsyncEngine, AsyncEngine]:
    """The first one reads, the second writes; `timeout` (seconds) bounds each wait."""
    address = make_url(url)
    database = address.database or ":memory:"
    options: dict[str, Any] = {
        "hide_parameters": True,  # else an error shows the statement's values
        "max_overflow": 0,
        "pool_timeout": timeout,
    }
    if address.drivername == "postgresql+asyncpg":
        options["connect_args"] = {"timeout": timeout, "command_timeout": timeout}
        writer = create_async_engine(
            url, pool_size=pool_size, pool_pre_ping=True, **options
        )
        reader = writer.execution_options(  # it shares the writer's pool
            isolation_level="REPEATABLE READ", postgresql_readonly=True
        )
    elif address.drivername == "sqlite+aiosqlite" and ":memory:" not in database:
        snapshot = {"factory": SnapshotConnection, "timeout": timeout}
        locking = {"factory": LockingConnection, "timeout": timeout}
        reader = create_async_engine(
            url, pool_size=pool_size, connect_args=snapshot, **options
        )
        writer = create_async_engine(url, pool_size=1, connect_args=locking, **options)
    else:
        raise ValueError(
            "DATABASE_URL must be postgresql+asyncpg://... or sqlite+aiosqlite:///FILE"
        )
    return reader, writer
