"""Reads, writes and lost updates of database_sessions: against plain SQLAlchemy."""

import asyncio
import itertools
import json
import tempfile
from collections.abc import AsyncGenerator
from contextlib import AsyncExitStack
from pathlib import Path

from quart import Quart, request
from quart.typing import ResponseReturnValue
from sqlalchemy import event
from sqlalchemy.engine.interfaces import DBAPIConnection
from sqlalchemy.ext.asyncio import async_sessionmaker, create_async_engine

from benchmarks.measure import Figure, call, cpu_seconds, ratios, requests
from examples import database_sessions
from examples.database_sessions import NewMember
from examples.database_sessions.database import Base, Member

REQUESTS = 150
UPDATES = 320
AT_ONCE = 16


def use_wal(connection: DBAPIConnection, _: object) -> None:
    cursor = connection.cursor()
    cursor.execute("PRAGMA journal_mode=WAL")
    cursor.execute("PRAGMA synchronous=NORMAL")
    cursor.close()


def plain(url: str, *, careless: bool = False, wal: bool = False) -> Quart:
    """The least that SQLAlchemy needs; careless commits twice and refreshes."""
    app = Quart("careless" if careless else "plain")

    @app.while_serving
    async def database() -> AsyncGenerator[None, None]:
        engine = create_async_engine(url)
        if wal:
            event.listen(engine.sync_engine, "connect", use_wal)
        app.extensions["sessions"] = async_sessionmaker(engine, expire_on_commit=False)
        async with engine.begin() as connection:
            await connection.run_sync(Base.metadata.create_all)
        yield
        await engine.dispose()

    @app.post("/members")
    async def create_member() -> ResponseReturnValue:
        member = Member(
            **NewMember.model_validate_json(await request.get_data()).model_dump()
        )
        if careless:
            async with app.extensions["sessions"]() as session:
                session.add(member)
                await session.commit()
                await session.refresh(member)
                await session.commit()
        else:
            async with app.extensions["sessions"].begin() as session:
                session.add(member)
        return {"id": member.id}, 201

    @app.get("/members/<int:member_id>")
    async def show_member(member_id: int) -> ResponseReturnValue:
        async with app.extensions["sessions"]() as session:
            member = await session.get(Member, member_id)
        if member is None:
            return {}, 404
        return {"id": member.id, "email": member.email, "visits": member.visits}

    @app.post("/members/<int:member_id>/visits")
    async def add_visit(member_id: int) -> ResponseReturnValue:
        async with app.extensions["sessions"].begin() as session:
            member = await session.get_one(Member, member_id)
            member.visits += 1
        return {"visits": member.visits}

    return app


async def lost_updates(app: Quart) -> int:
    """How many of 320 increments by 16 concurrent tasks are not in the database."""
    member = {"path": "/members", "body": b'{"email": "grace@example.com"}'}
    await call(app, "POST", **member)  # type: ignore[arg-type]

    async def add_visits() -> None:
        for _ in range(UPDATES // AT_ONCE):
            status = await call(app, "POST", "/members/1/visits")
            if status != 200:
                raise RuntimeError(f"{app.name} answered {status}")

    await asyncio.gather(*(add_visits() for _ in range(AT_ONCE)))
    response = await app.test_client().get("/members/1")
    return UPDATES - int((await response.get_json())["visits"])


async def figures(rounds: int) -> list[Figure]:
    numbers = itertools.count()

    def post() -> dict[str, object]:
        body = json.dumps({"email": f"ada{next(numbers)}@example.com"}).encode()
        return {"method": "POST", "path": "/members", "body": body}

    def get() -> dict[str, object]:
        return {"method": "GET", "path": "/members/1"}

    lost: dict[str, list[float]] = {"do": [], "plain": []}
    async with AsyncExitStack() as stack:
        folder = Path(stack.enter_context(tempfile.TemporaryDirectory()))

        async def serving(make: object, name: str, **options: bool) -> Quart:
            url = f"sqlite+aiosqlite:///{folder / name}.sqlite3"
            app: Quart = make(url, **options)  # type: ignore[operator]
            await stack.enter_async_context(app.test_app())  # type: ignore[arg-type]
            return app

        for number in range(rounds):
            app = await serving(database_sessions.create_app, f"lost-{number}")
            lost["do"].append(await lost_updates(app))
            app = await serving(plain, f"lost-plain-{number}")
            lost["plain"].append(await lost_updates(app))

        apps = {
            "plain": await serving(plain, "plain"),
            "do": await serving(database_sessions.create_app, "do"),
            "careless": await serving(plain, "careless", careless=True),
            "wal": await serving(plain, "wal", wal=True),
        }
        writes = await cpu_seconds(
            {name: requests(app, REQUESTS, 201, post) for name, app in apps.items()},
            rounds,
        )
        del apps["careless"], apps["wal"]
        reads = await cpu_seconds(
            {name: requests(app, REQUESTS, 200, get) for name, app in apps.items()},
            rounds,
        )
    read, write = "plain AsyncSession.get", "plain begin() and add"
    return [
        Figure("database read, CPU", read, ratios(reads["do"], reads["plain"]), 1.1),
        Figure(
            "database write, CPU", write, ratios(writes["do"], writes["plain"]), 1.1
        ),
        Figure(
            "database write, CPU",
            "the same in WAL, unlocked",
            ratios(writes["do"], writes["wal"]),
        ),
        Figure(
            "commit, refresh, commit, CPU",
            write,
            ratios(writes["careless"], writes["plain"]),
        ),
        Figure("lost updates", f"{UPDATES} increments", lost["do"], 0, ""),
        Figure(
            "lost updates, plain begin()",
            f"{UPDATES} increments",
            lost["plain"],
            None,
            "",
        ),
    ]
