import asyncio
import gc
import sqlite3
from collections.abc import AsyncIterator, Awaitable, Callable, Iterator
from contextlib import asynccontextmanager, closing
from pathlib import Path

import pytest
from sqlalchemy import event, exc, select, text
from sqlalchemy.ext.asyncio import (
    AsyncEngine,
    AsyncSession,
    async_sessionmaker,
    create_async_engine,
)
from werkzeug.exceptions import Conflict, NotFound

from examples.database_locking import create_app, open_engines
from examples.database_locking.engines import SnapshotConnection
from examples.database_locking.rooms import (
    Base,
    Room,
    change_topic,
    count_visit,
    visits_and_total,
)
from examples.dont import database_locking as dont
from examples.plain import database_locking as plain
from examples.plain import database_sessions

Sessions = async_sessionmaker[AsyncSession]
Engines = tuple[AsyncEngine, AsyncEngine]
COUNTING = (
    "WITH RECURSIVE numbers (n) AS"
    " (SELECT 1 UNION ALL SELECT n + 1 FROM numbers WHERE n < 300000)"
    " SELECT count(*) FROM numbers"
)
PATIENCE = 60  # seconds that a lock or a pool may take on a busy machine


@asynccontextmanager
async def disposing(*engines: AsyncEngine) -> AsyncIterator[None]:
    try:
        yield
    finally:
        for engine in engines:
            await engine.dispose()


async def open_lobby(engine: AsyncEngine) -> None:
    async with engine.begin() as connection:
        await connection.run_sync(Base.metadata.create_all)
    async with AsyncSession(engine) as session, session.begin():
        session.add(Room(name="lobby"))


@pytest.fixture
async def engines(database_url: str) -> AsyncIterator[Engines]:
    reader, writer = open_engines(database_url, timeout=PATIENCE)
    async with disposing(reader, writer):
        await open_lobby(writer)
        yield reader, writer


@pytest.fixture
def reading(engines: Engines) -> Sessions:
    return async_sessionmaker(engines[0], expire_on_commit=False)


@pytest.fixture
def writing(engines: Engines) -> Sessions:
    return async_sessionmaker(engines[1], expire_on_commit=False)


@pytest.fixture
def no_collection() -> Iterator[None]:
    gc.disable()
    yield
    gc.enable()


@asynccontextmanager
async def careless_sessions(url: str) -> AsyncIterator[Sessions]:
    """Sessions of an engine as SQLAlchemy makes it, and a lobby."""
    engine = create_async_engine(url)
    async with disposing(engine):
        await open_lobby(engine)
        yield async_sessionmaker(engine, expire_on_commit=False)


async def visits(sessions: Sessions) -> int | None:
    async with sessions() as session:
        return await session.scalar(select(Room.visits).where(Room.name == "lobby"))


async def eight_at_once(work: Callable[[], Awaitable[None]]) -> None:
    """Eight tasks that do `work` ten times each."""

    async def ten_times() -> None:
        for _ in range(10):
            await work()

    async with asyncio.TaskGroup() as tasks:
        for _ in range(8):
            tasks.create_task(ten_times())


# Updates


async def test_no_increment_is_lost(writing: Sessions, reading: Sessions) -> None:
    async def count() -> None:
        async with writing.begin() as session:
            await count_visit(session, "lobby")

    await eight_at_once(count)
    assert await visits(reading) == 80


async def test_no_locked_change_is_lost(writing: Sessions, reading: Sessions) -> None:
    async def read_and_write() -> None:
        async with writing.begin() as session:
            room = await session.get_one(Room, "lobby", with_for_update=True)
            room.visits += 1

    await eight_at_once(read_and_write)
    assert await visits(reading) == 80


async def test_two_processes_lose_nothing(
    database_url: str, writing: Sessions, reading: Sessions
) -> None:
    theirs, their_writer = open_engines(database_url, timeout=PATIENCE)
    async with disposing(theirs, their_writer):
        turns = [writing, async_sessionmaker(their_writer)] * 40

        async def read_and_write() -> None:
            async with turns.pop().begin() as session:
                room = await session.get_one(Room, "lobby", with_for_update=True)
                room.visits += 1

        await eight_at_once(read_and_write)
    assert await visits(reading) == 80


async def test_a_room_that_is_not_there(writing: Sessions) -> None:
    async with writing.begin() as session:
        assert await count_visit(session, "cellar") is None
        with pytest.raises(NotFound):
            await change_topic(session, "cellar", "Hello", 1)


async def test_who_has_not_seen_the_last_change_is_told_so(writing: Sessions) -> None:
    async def change(topic: str) -> int:
        try:
            async with writing.begin() as session:
                await change_topic(session, "lobby", topic, 1)
        except Conflict:
            return 409
        return 200

    topics = ("Ada's", "Bob's")
    answers = await asyncio.gather(*(change(topic) for topic in topics))
    assert sorted(answers) == [200, 409]
    async with writing() as session:
        room = await session.get_one(Room, "lobby")
    winner = topics[answers.index(200)]
    assert (room.topic, room.version) == (winner, 2)


# Readers


async def test_two_statements_see_one_snapshot(
    reading: Sessions, writing: Sessions
) -> None:
    async with reading() as session:
        before = await visits_and_total(session)
        async with writing.begin() as other:
            await count_visit(other, "lobby")
            other.add(Room(name="attic", visits=5))
        during = await visits_and_total(session)
    async with reading() as session:
        after = await visits_and_total(session)
    assert (before, during) == (([0], 0), ([0], 0))
    assert (sorted(after[0]), after[1]) == ([1, 5], 6)


async def test_the_writer_sees_what_was_committed_before_it_began(
    writing: Sessions,
) -> None:
    async with writing.begin() as session:
        await count_visit(session, "lobby")
    async with writing.begin() as session:
        assert (await session.get_one(Room, "lobby")).visits == 1


async def test_readers_and_the_writer_do_not_wait_for_each_other(
    reading: Sessions, writing: Sessions
) -> None:
    async with reading() as reader, writing.begin() as writer:
        assert await reader.scalar(select(Room.visits)) == 0
        await count_visit(writer, "lobby")
        async with reading() as another:
            assert await another.scalar(select(Room.visits)) == 0


async def test_a_reader_cannot_write(reading: Sessions, writing: Sessions) -> None:
    async def write() -> None:
        async with reading.begin() as session:
            await count_visit(session, "lobby")

    with pytest.raises(exc.DBAPIError, match=r"readonly|read-only"):
        await write()
    assert await visits(writing) == 0


async def test_a_writer_can_write_after_a_reader(
    reading: Sessions, writing: Sessions
) -> None:
    for expected in (1, 2):
        await visits(reading)
        async with writing.begin() as session:
            await count_visit(session, "lobby")
        assert await visits(reading) == expected


# PostgreSQL


async def test_both_engines_share_postgresqls_pool(postgres_url: str) -> None:
    reader, writer = open_engines(postgres_url, pool_size=1)
    async with disposing(writer):
        pids = set()
        for engine in (reader, writer, reader):
            async with engine.connect() as connection:
                pids.add(await connection.scalar(text("SELECT pg_backend_pid()")))
        assert len(pids) == 1


async def test_what_postgresql_is_asked_for(postgres_url: str) -> None:
    wanted = text(
        "SELECT current_setting('transaction_isolation'),"
        " current_setting('transaction_read_only')"
    )
    reader, writer = open_engines(postgres_url)
    async with disposing(writer):
        found = []
        for engine in (reader, writer):
            async with engine.connect() as connection:
                found.append(tuple((await connection.execute(wanted)).one()))
    assert found == [("repeatable read", "on"), ("read committed", "off")]


async def test_a_killed_connection_is_replaced(postgres_url: str) -> None:
    reader, writer = open_engines(postgres_url, pool_size=1)
    async with disposing(writer):
        async with writer.connect() as connection:
            pid = await connection.scalar(text("SELECT pg_backend_pid()"))
        _, other = open_engines(postgres_url)
        async with disposing(other), other.connect() as connection:
            kill = text("SELECT pg_terminate_backend(:pid, 20000)")
            assert await connection.scalar(kill, {"pid": pid})
        async with reader.connect() as connection:
            assert await connection.scalar(text("SELECT 1")) == 1


async def test_hidden_parameters_leave_what_asyncpg_refuses(postgres_url: str) -> None:
    _, writer = open_engines(postgres_url)
    async with disposing(writer):
        await open_lobby(writer)
        messages = []
        for query in (
            select(Room).where(Room.visits == 99999999999),
            select(Room).where(Room.name == "secret\0"),
        ):
            async with AsyncSession(writer) as session:
                with pytest.raises(exc.DBAPIError) as raised:
                    await session.execute(query)
            messages.append(str(raised.value))
    number, name = messages
    assert "99999999999 (value out of int32 range)" in number
    assert "secret" not in name


# SQLite


async def test_each_sqlite_connection_is_set_up(sqlite_url: str) -> None:
    names = ("journal_mode", "synchronous", "busy_timeout", "foreign_keys")
    pragmas = [text(f"PRAGMA {name}") for name in names]
    reader, writer = open_engines(sqlite_url, timeout=7)
    async with (
        disposing(reader, writer),
        writer.connect() as first,
        reader.connect() as second,
        reader.connect() as third,
    ):
        for connection in (first, second, third):
            found = [await connection.scalar(pragma) for pragma in pragmas]
            assert found == ["wal", 1, 7000, 1]


async def test_sqlites_writers_take_their_turn_in_order(sqlite_url: str) -> None:
    reader, writer = open_engines(sqlite_url, timeout=PATIENCE)
    done: list[int] = []
    async with disposing(reader, writer):
        await open_lobby(writer)

        async def write(number: int) -> None:
            async with AsyncSession(writer) as session, session.begin():
                await count_visit(session, "lobby")
                done.append(number)

        async with asyncio.TaskGroup() as tasks:
            for number in range(20):
                tasks.create_task(write(number))
    assert done == list(range(20))


async def test_sqlite_locks_before_it_reads(sqlite_url: str, tmp_path: Path) -> None:
    reader, writer = open_engines(sqlite_url)
    async with disposing(reader, writer):
        await open_lobby(writer)
        other = sqlite3.connect(tmp_path / "test.sqlite3", timeout=0)
        with closing(other):
            async with AsyncSession(writer) as session:
                await session.get_one(Room, "lobby")
                with pytest.raises(sqlite3.OperationalError, match="is locked"):
                    other.execute("UPDATE rooms SET visits = 9")
            other.execute("UPDATE rooms SET visits = 9")
            other.commit()
        async with AsyncSession(reader) as session:
            assert (await session.get_one(Room, "lobby")).visits == 9


async def cancel_a_statement(engine: AsyncEngine) -> None:
    """Write, and be cancelled while another statement runs, as when a client leaves."""
    running = asyncio.Event()

    def started(*arguments: object) -> None:
        running.set()

    async def write() -> None:
        async with AsyncSession(engine) as session, session.begin():
            await count_visit(session, "lobby")
            event.listen(engine.sync_engine, "before_cursor_execute", started)
            await session.execute(text(COUNTING))
            await asyncio.Event().wait()

    task = asyncio.create_task(write())
    async with asyncio.timeout(PATIENCE):
        await running.wait()
        task.cancel()
        await asyncio.wait({task})
    event.remove(engine.sync_engine, "before_cursor_execute", started)


async def test_a_cancelled_statement_lets_go_of_the_lock(
    writing: Sessions, engines: Engines, no_collection: None
) -> None:
    await cancel_a_statement(engines[1])
    async with writing.begin() as session:
        assert await count_visit(session, "lobby") == 1


async def test_sqlites_own_connection_keeps_the_lock_until_it_is_collected(
    sqlite_url: str, no_collection: None
) -> None:
    async with careless_sessions(f"{sqlite_url}?timeout=0") as sessions:
        engine = sessions().bind
        assert isinstance(engine, AsyncEngine)

        async def count() -> int | None:
            async with sessions.begin() as session:
                return await count_visit(session, "lobby")

        await cancel_a_statement(engine)
        with pytest.raises(exc.OperationalError, match="database is locked"):
            await count()
        gc.collect()
        assert await count() == 1


async def test_a_worker_starts_while_another_switches_to_wal(tmp_path: Path) -> None:
    path = tmp_path / "app.sqlite3"
    with closing(sqlite3.connect(path)) as other:
        other.execute("CREATE TABLE rooms (name)")
        other.execute("BEGIN IMMEDIATE")
        ours = sqlite3.connect(path, factory=SnapshotConnection, timeout=0)
        with closing(ours):
            rooms = ours.cursor().execute("SELECT * FROM rooms").fetchall()
    assert rooms == []


@pytest.mark.parametrize(
    "url",
    [
        "sqlite+aiosqlite://",
        "sqlite+aiosqlite:///:memory:",
        "sqlite+aiosqlite:///file::memory:?cache=shared&uri=true",
        "sqlite:///app.sqlite3",
        "postgresql://tests:secret@db/app",
        "postgres://tests:secret@db/app",
    ],
)
def test_another_url_is_refused(url: str) -> None:
    wanted = "must be postgresql.asyncpg://... or sqlite.aiosqlite:///FILE$"
    with pytest.raises(ValueError, match=wanted):
        open_engines(url)


# The example, the plain form


async def test_the_example_answers(
    database_url: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("DATABASE_URL", database_url)
    app = create_app()
    async with app.test_app():
        client = app.test_client()
        visited = [await client.post("/rooms/lobby/visits") for _ in range(2)]
        unknown = await client.post("/rooms/cellar/visits")
        form = {"topic": "Hello", "version": "1"}
        topics = [await client.put("/rooms/lobby/topic", form=form) for _ in range(2)]
        shown = await (await client.get("/visits")).get_json()
    assert [await answer.get_json() for answer in visited] == [
        {"visits": 1},
        {"visits": 2},
    ]
    assert unknown.status_code == 404
    assert [answer.status_code for answer in topics] == [200, 409]
    assert await topics[0].get_json() == {"topic": "Hello", "version": 2}
    assert shown == {"visits": [2], "total": 2}


async def test_a_topic_that_postgresql_cannot_store_is_400(database_url: str) -> None:
    app = create_app(database_url)
    async with app.test_app():
        client = app.test_client()
        answers = []
        for topic in (101 * "a", "a\0b", 100 * "ä"):
            form = {"topic": topic, "version": "1"}
            answers.append(await client.put("/rooms/lobby/topic", form=form))
    assert [answer.status_code for answer in answers] == [400, 400, 200]


async def test_the_plain_form_loses_nothing(database_url: str) -> None:
    patience = f"?timeout={PATIENCE}" if "sqlite" in database_url else ""
    app = database_sessions.create_app(database_url + patience)
    plain.register_visits(app)
    async with careless_sessions(database_url), app.test_app():
        client = app.test_client()
        answers = await asyncio.gather(
            *(client.post("/rooms/lobby/visits") for _ in range(8))
        )
        counts = [(await answer.get_json())["visits"] for answer in answers]
        assert sorted(counts) == list(range(1, 9))
        assert (await client.post("/rooms/cellar/visits")).status_code == 404


# Don't


async def test_dont_read_then_write_loses_a_visit(database_url: str) -> None:
    async with careless_sessions(database_url) as sessions:
        async with sessions.begin() as first, sessions.begin() as second:
            for session in (first, second):
                await dont.read_then_write(session, "lobby")
        assert await visits(sessions) == 1


async def test_dont_locked_after_reading_writes_the_old_value(
    postgres_url: str,
) -> None:
    async with careless_sessions(postgres_url) as sessions:
        async with sessions.begin() as session:
            seen = await session.get_one(Room, "lobby")
            async with sessions.begin() as other:
                await count_visit(other, "lobby")
            await dont.locked_after_reading(session, "lobby")
            assert seen.visits == 1
        assert await visits(sessions) == 1


async def test_populate_existing_reads_it_anew(postgres_url: str) -> None:
    async with careless_sessions(postgres_url) as sessions:
        async with sessions.begin() as session:
            room = await session.get_one(Room, "lobby")
            async with sessions.begin() as other:
                await count_visit(other, "lobby")
            await session.get_one(
                Room, "lobby", with_for_update=True, populate_existing=True
            )
            room.visits += 1
        assert await visits(sessions) == 2


async def test_dont_begin_deferred_is_locked_at_once(
    sqlite_url: str, tmp_path: Path
) -> None:
    async with careless_sessions(sqlite_url) as sessions:
        with closing(sqlite3.connect(tmp_path / "test.sqlite3")) as connection:
            connection.execute("PRAGMA journal_mode=WAL")
        engine = dont.begin_deferred(f"{sqlite_url}?timeout={PATIENCE}")
        async with (
            disposing(engine),
            AsyncSession(engine) as first,
            AsyncSession(engine) as second,
        ):
            for session in (first, second):
                await dont.read_then_write(session, "lobby")
            await first.commit()
            with pytest.raises(exc.OperationalError, match="database is locked"):
                await second.commit()
        assert await visits(sessions) == 1


async def test_dont_pragma_once_reaches_one_connection(sqlite_url: str) -> None:
    engine = create_async_engine(sqlite_url)
    async with disposing(engine):
        await dont.pragma_once(engine)
        async with engine.connect() as first, engine.connect() as second:
            found = [
                await connection.scalar(text("PRAGMA foreign_keys"))
                for connection in (first, second)
            ]
    assert found == [1, 0]


async def test_sqlites_own_connection_is_not_a_snapshot(sqlite_url: str) -> None:
    async with careless_sessions(sqlite_url) as sessions, sessions() as session:
        before = await visits_and_total(session)
        async with sessions.begin() as other:
            await count_visit(other, "lobby")
        assert (before, await visits_and_total(session)) == (([0], 0), ([1], 1))
