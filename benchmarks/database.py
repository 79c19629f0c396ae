"""Reads, writes and lost updates of database_sessions: against plain SQLAlchemy."""

import asyncio
import itertools
import sys
import tempfile
from collections.abc import AsyncGenerator, Callable
from contextlib import AsyncExitStack, asynccontextmanager

from quart import Quart
from quart.typing import ResponseReturnValue
from sqlalchemy import event, select
from sqlalchemy.engine.interfaces import DBAPIConnection
from sqlalchemy.ext.asyncio import (
    AsyncSession,
    async_sessionmaker,
    create_async_engine,
)

from benchmarks.measure import Figure, Request, cpu_seconds, ratios, requests
from examples import database_sessions
from examples.database_sessions import Base, User, reading
from tests.support.postgres import MISSING, find, postgres

REQUESTS = 150
UPDATES = 320
AT_ONCE = 16
GET = "plain AsyncSession.get"
Sessions = async_sessionmaker[AsyncSession]
Urls = Callable[[str], str]  # a database of its own for each name


def use_wal(connection: DBAPIConnection, _: object) -> None:
    cursor = connection.cursor()
    cursor.execute("PRAGMA journal_mode=WAL")
    cursor.execute("PRAGMA synchronous=NORMAL")
    cursor.close()


def do(url: str) -> Quart:
    """The example, and the view of blueprints that reads one user."""
    app = database_sessions.create_app(url)

    @app.get("/users/<int:user_id>")
    async def read_user(user_id: int) -> ResponseReturnValue:
        async with reading() as session:
            user = await session.get(User, user_id)
        return answer(user)

    return app


def plain(
    url: str, *, careless: bool = False, wal: bool = False, ping: bool = False
) -> Quart:
    """The least that SQLAlchemy needs; careless commits twice and refreshes."""
    app = Quart("careless" if careless else "plain")

    @app.while_serving
    async def database() -> AsyncGenerator[None, None]:
        waiting = {"timeout": 60} if url.startswith("sqlite") else {}
        engine = create_async_engine(url, connect_args=waiting, pool_pre_ping=ping)
        if wal:
            event.listen(engine.sync_engine, "connect", use_wal)
        app.extensions["sessions"] = Sessions(engine, expire_on_commit=False)
        async with engine.begin() as connection:
            await connection.run_sync(Base.metadata.create_all)
        yield
        await engine.dispose()

    @app.put("/users/<username>")
    async def create_user(username: str) -> ResponseReturnValue:
        email = f"{username}@example.com"
        user = User(username=username, email=email, password_hash="-")
        sessions: Sessions = app.extensions["sessions"]
        if careless:
            async with sessions() as session:
                session.add(user)
                await session.commit()
                await session.refresh(user)
                await session.commit()
        else:
            async with sessions.begin() as session:
                session.add(user)
        return {"id": user.id}, 201

    @app.get("/users/<int:user_id>")
    async def show_user(user_id: int) -> ResponseReturnValue:
        sessions: Sessions = app.extensions["sessions"]
        async with sessions() as session:
            user = await session.get(User, user_id)
        return answer(user)

    @app.post("/users/<username>/logins")
    async def count_login(username: str) -> ResponseReturnValue:
        """What is often written: read, change, write."""
        by_name = select(User).where(User.username == username)
        sessions: Sessions = app.extensions["sessions"]
        async with sessions.begin() as session:
            user = (await session.scalars(by_name)).one()
            user.logins += 1
        return {"logins": user.logins}

    return app


def answer(user: User | None) -> ResponseReturnValue:
    if user is None:
        return {}, 404
    return {"username": user.username, "email": user.email, "logins": user.logins}


@asynccontextmanager
async def serving(**apps: Quart) -> AsyncGenerator[None, None]:
    """Open each app's database, with one user in it."""
    async with AsyncExitStack() as stack:
        for app in apps.values():
            await stack.enter_async_context(app.test_app())  # type: ignore[arg-type]
            await requests(app, 1, 201, lambda: Request("PUT", "/users/ada"))()
        yield


async def lost_updates(app: Quart) -> int:
    """How many of 320 increments by 16 concurrent tasks are not in the database."""

    async def logins() -> int:
        response = await app.test_client().get("/users/1")
        return int((await response.get_json())["logins"])

    def post() -> Request:
        return Request("POST", "/users/ada/logins")

    before = await logins()
    count_logins = requests(app, UPDATES // AT_ONCE, 200, post)
    await asyncio.gather(*(count_logins() for _ in range(AT_ONCE)))
    return before + UPDATES - await logins()


async def compare_reads(rounds: int, **apps: Quart) -> dict[str, list[float]]:
    def get() -> Request:
        return Request("GET", "/users/1")

    async with serving(**apps):
        works = {name: requests(app, REQUESTS, 200, get) for name, app in apps.items()}
        return await cpu_seconds(works, rounds)


async def compare_writes(rounds: int, **apps: Quart) -> dict[str, list[float]]:
    numbers = itertools.count(1)

    def put() -> Request:
        return Request("PUT", f"/users/ada{next(numbers)}")

    async with serving(**apps):
        works = {name: requests(app, REQUESTS, 201, put) for name, app in apps.items()}
        return await cpu_seconds(works, rounds)


async def compare_updates(rounds: int, **apps: Quart) -> dict[str, list[float]]:
    lost: dict[str, list[float]] = {name: [] for name in apps}
    async with serving(**apps):
        for _ in range(rounds):
            for name, app in apps.items():
                lost[name].append(await lost_updates(app))
    return lost


async def on_sqlite(rounds: int, url_of: Urls) -> list[Figure]:
    reads = await compare_reads(
        rounds, plain=plain(url_of("plain-read")), do=do(url_of("read"))
    )
    writes = await compare_writes(
        rounds,
        plain=plain(url_of("plain-write")),
        do=do(url_of("write")),
        careless=plain(url_of("careless-write"), careless=True),
        wal=plain(url_of("wal-write"), wal=True),
    )
    lost = await compare_updates(
        rounds, plain=plain(url_of("plain-lost")), do=do(url_of("lost"))
    )
    read, write = "database read, CPU", "database write, CPU"
    added, sent = "plain begin() and add", f"{UPDATES} increments"
    in_wal = "the same in WAL, unlocked"
    careless = "commit, refresh, commit, CPU"
    return [
        Figure(read, GET, ratios(reads["do"], reads["plain"]), 1.1),
        Figure(write, added, ratios(writes["do"], writes["plain"]), 1.1),
        Figure(write, in_wal, ratios(writes["do"], writes["wal"])),
        Figure(careless, added, ratios(writes["careless"], writes["plain"])),
        Figure("lost updates", sent, lost["do"], 0, ""),
        Figure("lost updates, plain begin()", sent, lost["plain"], None, ""),
    ]


async def on_postgres(rounds: int, url_of: Urls) -> list[Figure]:
    reads = await compare_reads(
        rounds,
        plain=plain(url_of("plain_read")),
        do=do(url_of("read")),
        ping=plain(url_of("ping_read"), ping=True),
    )
    lost = await compare_updates(
        rounds, plain=plain(url_of("plain_lost")), do=do(url_of("lost"))
    )
    read, sent = "PostgreSQL read, CPU of the app", f"{UPDATES} increments"
    with_ping = f"{GET} with pool_pre_ping"
    return [
        Figure(read, GET, ratios(reads["do"], reads["plain"])),
        Figure(read, with_ping, ratios(reads["do"], reads["ping"])),
        Figure("PostgreSQL, lost updates", sent, lost["do"], 0, ""),
        Figure("PostgreSQL, lost, plain begin()", sent, lost["plain"], None, ""),
    ]


async def figures(rounds: int) -> list[Figure]:
    with tempfile.TemporaryDirectory() as folder:
        table = await on_sqlite(
            rounds, lambda name: f"sqlite+aiosqlite:///{folder}/{name}.sqlite3"
        )
    if find("postgres") is None:
        print(MISSING, file=sys.stderr)
        return table
    with postgres() as server:
        return table + await on_postgres(rounds, server.create_schema)
