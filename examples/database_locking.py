"""Count and change what others change too, without losing an update.

Try:
    curl -s -i -X POST http://127.0.0.1:8000/pages/home/visits
    curl -s -i http://127.0.0.1:8000/pages/home
"""

import os
from collections.abc import AsyncGenerator
from typing import Any

from quart import Quart
from sqlalchemy import Connection, String, event, func, select, update
from sqlalchemy.ext.asyncio import AsyncEngine, AsyncSession, create_async_engine
from sqlalchemy.orm import DeclarativeBase, Mapped, mapped_column

SNAPSHOT: dict[str, dict[str, Any]] = {  # execution options of a session that reads
    "postgresql": {"isolation_level": "REPEATABLE READ", "postgresql_readonly": True},
    "sqlite": {"sqlite_reads": True},
}


def prepare_sqlite(engine: AsyncEngine) -> None:
    """Give each session a transaction; one that may write locks before it reads."""

    @event.listens_for(engine.sync_engine, "connect")
    def set_up(connection: Any, _: object) -> None:
        connection.isolation_level = None  # the driver sends no BEGIN, we do
        cursor = connection.cursor()
        for pragma in ("journal_mode=WAL", "synchronous=NORMAL", "foreign_keys=ON"):
            cursor.execute(f"PRAGMA {pragma}")
        cursor.close()

    @event.listens_for(engine.sync_engine, "begin")
    def begin(connection: Connection) -> None:
        reads = connection.get_execution_options().get("sqlite_reads")
        connection.exec_driver_sql("BEGIN" if reads else "BEGIN IMMEDIATE")


class Base(DeclarativeBase):
    pass


class Page(Base):
    __tablename__ = "pages"

    name: Mapped[str] = mapped_column(String(30), primary_key=True)
    visits: Mapped[int] = mapped_column(default=0)


async def count_visit(session: AsyncSession, name: str) -> int | None:
    """Let the database add: no lock to hold, nothing to lose."""
    added = update(Page).where(Page.name == name).values(visits=Page.visits + 1)
    return await session.scalar(added.returning(Page.visits))


async def double_visits(session: AsyncSession, name: str) -> int | None:
    """Read, compute, write: lock the row while reading it."""
    page = await session.get(Page, name, with_for_update=True)
    if page is None:
        return None
    page.visits *= 2
    return page.visits


async def visits_and_sum(session: AsyncSession) -> tuple[list[int], int]:
    """Two statements that agree, in a session with the SNAPSHOT options."""
    visits = list(await session.scalars(select(Page.visits)))
    total = await session.scalar(select(func.sum(Page.visits)))
    return visits, total or 0


def create_app(database_url: str | None = None) -> Quart:
    app = Quart(__name__)
    default = os.environ.get("DATABASE_URL", "sqlite+aiosqlite:///app.sqlite3")
    engine = create_async_engine(database_url or default)
    if engine.dialect.name == "sqlite":
        prepare_sqlite(engine)

    @app.while_serving
    async def database() -> AsyncGenerator[None, None]:
        async with engine.begin() as connection:
            await connection.run_sync(Base.metadata.create_all)
        async with AsyncSession(engine) as session, session.begin():
            await session.merge(Page(name="home"))
        yield
        await engine.dispose()

    @app.post("/pages/<name>/visits")
    async def visit(name: str) -> dict[str, int | None]:
        async with AsyncSession(engine) as session, session.begin():
            return {"visits": await count_visit(session, name)}

    @app.get("/pages/<name>")
    async def show(name: str) -> dict[str, object]:
        async with AsyncSession(engine) as session:
            options = SNAPSHOT[engine.dialect.name]
            await session.connection(execution_options=options)
            visits, total = await visits_and_sum(session)
        return {"visits": visits, "total": total}

    return app


if __name__ == "__main__":
    from .serving import run

    run(create_app())
