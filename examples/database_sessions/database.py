"""One table, and SQLite with ten readers and one writer."""

from contextlib import suppress
from sqlite3 import OperationalError
from typing import Any

from sqlalchemy import Connection, ForeignKey, event
from sqlalchemy.ext.asyncio import AsyncEngine, create_async_engine
from sqlalchemy.orm import DeclarativeBase, Mapped, mapped_column, relationship


class Base(DeclarativeBase):
    pass


class Member(Base):
    __tablename__ = "members"
    id: Mapped[int] = mapped_column(primary_key=True)
    email: Mapped[str] = mapped_column(unique=True)
    visits: Mapped[int] = mapped_column(default=0)
    friend_id: Mapped[int | None] = mapped_column(ForeignKey("members.id"))
    friend: Mapped["Member | None"] = relationship(remote_side=[id], lazy="raise")


def open_engine(url: str, *, write: bool) -> AsyncEngine:
    size = 1 if write else 10
    engine = create_async_engine(
        url, pool_size=size, max_overflow=0, pool_timeout=2, hide_parameters=True
    )

    @event.listens_for(engine.sync_engine, "connect")
    def configure(connection: Any, _: object) -> None:
        cursor = connection.cursor()
        with suppress(OperationalError):  # another worker is doing it
            cursor.execute("PRAGMA journal_mode=WAL")
        cursor.execute("PRAGMA synchronous=NORMAL")
        cursor.execute("PRAGMA foreign_keys=ON")
        cursor.execute(f"PRAGMA query_only={not write}")
        cursor.close()

    @event.listens_for(engine.sync_engine, "begin")
    def lock(connection: Connection) -> None:
        if write:
            connection.exec_driver_sql("BEGIN IMMEDIATE")

    return engine
