import asyncio
import gc
import logging
import socket
import sqlite3
from collections.abc import AsyncIterator, Callable, Iterator
from contextlib import asynccontextmanager, closing, contextmanager
from importlib.metadata import requires
from pathlib import Path
from typing import Any

import pytest
from hypercorn.asyncio import serve
from hypercorn.config import Config
from quart import Quart, g
from quart.testing import QuartClient
from quart.testing.app import LifespanError
from sqlalchemy import Engine, event, exc, make_url, select, text, update
from sqlalchemy.dialects import postgresql, sqlite
from sqlalchemy.ext.asyncio import (
    AsyncEngine,
    AsyncSession,
    async_sessionmaker,
    create_async_engine,
)
from sqlalchemy.orm import ORMExecuteState, Session, aliased
from sqlalchemy.orm.exc import DetachedInstanceError

from examples.database_sessions import create_app
from examples.database_sessions.database import Base, Member, open_engine
from examples.dont import database_sessions as dont

ADA = {"email": "ada@example.com"}
BUSY = {"type": "about:blank", "title": "Service Unavailable", "status": 503}
CONFLICT = {"type": "about:blank", "title": "Conflict", "status": 409}
PROBLEM = "application/problem+json"


@pytest.fixture
def path(tmp_path: Path) -> Path:
    return tmp_path / "members.db"


@pytest.fixture
def url(path: Path) -> str:
    return f"sqlite+aiosqlite:///{path}"


@pytest.fixture
async def app(url: str) -> AsyncIterator[Quart]:
    app = create_app(url)
    async with app.test_app():
        yield app


@pytest.fixture
async def client(app: Quart) -> QuartClient:
    client = app.test_client()
    assert (await client.post("/members", json=ADA)).status_code == 201
    return client


@asynccontextmanager
async def disposing(engine: AsyncEngine) -> AsyncIterator[AsyncEngine]:
    try:
        yield engine
    finally:
        await engine.dispose()


@asynccontextmanager
async def sessions_on(
    engine: AsyncEngine,
) -> AsyncIterator[async_sessionmaker[AsyncSession]]:
    """Sessions on an engine of their own, with one member in the table."""
    async with disposing(engine):
        async with engine.begin() as connection:
            await connection.run_sync(Base.metadata.create_all)
        sessions = async_sessionmaker(engine, expire_on_commit=False)
        async with sessions.begin() as session:
            session.add(Member(**ADA))
        yield sessions


def pool_of(app: Quart, name: str) -> Engine:
    engine = app.extensions[name]().get_bind()
    assert isinstance(engine, Engine)
    return engine


@contextmanager
def recorded(engine: Engine) -> Iterator[list[str]]:
    """What is sent to the database: the first words of each statement."""
    sent: list[str] = []

    def statement(_c: Any, _cursor: Any, sql: str, *_: Any) -> None:
        sent.append(sql if sql.startswith("BEGIN") else sql.split()[0])

    def commit(_: Any) -> None:
        sent.append("COMMIT")

    def rollback(_: Any) -> None:
        sent.append("ROLLBACK")

    listeners = (
        ("before_cursor_execute", statement),
        ("commit", commit),
        ("rollback", rollback),
    )
    for name, listener in listeners:
        event.listen(engine, name, listener)
    yield sent
    for name, listener in listeners:
        event.remove(engine, name, listener)


def error_of(read: Callable[[], object]) -> type[BaseException] | None:
    """What SQLAlchemy wraps when `read` needs the database outside its greenlet."""
    kind = None
    try:
        read()
    except exc.StatementError as error:
        kind = type(error.orig)
    gc.collect()  # lets go of the coroutine that nobody can await
    return kind


@contextmanager
def write_lock(path: Path) -> Iterator[None]:
    """Another process's write transaction."""
    connection = sqlite3.connect(path)
    connection.execute("BEGIN IMMEDIATE")
    try:
        yield
    finally:
        connection.rollback()
        connection.close()


async def emails(app: Quart) -> list[str]:
    async with app.extensions["reader"]() as session:
        return list(await session.scalars(select(Member.email).order_by(Member.id)))


# Writers


async def test_no_visit_is_lost(tmp_path: Path) -> None:
    app = create_app(f"sqlite+aiosqlite:///{tmp_path}/members.db")
    async with app.test_app():
        client = app.test_client()
        await client.post("/members", json={"email": "ada@example.com"})
        visits = [client.post("/members/1/visits") for _ in range(40)]
        counts = [(await a.get_json())["visits"] for a in await asyncio.gather(*visits)]
    assert sorted(counts) == list(range(1, 41))


async def test_forty_writers_lose_none_of_320_visits(
    app: Quart, client: QuartClient
) -> None:
    counted = []

    async def visit_eight_times() -> None:
        for _ in range(8):
            answer = await client.post("/members/1/visits")
            counted.append((answer.status_code, await answer.get_json()))

    await asyncio.gather(*(visit_eight_times() for _ in range(40)))
    expected = [(200, {"visits": visits}) for visits in range(1, 321)]
    assert sorted(counted, key=lambda count: count[1]["visits"]) == expected


async def test_two_workers_lose_none_of_80_visits(
    client: QuartClient, url: str
) -> None:
    second = create_app(url)
    async with second.test_app():
        clients = (client, second.test_client())
        answers = await asyncio.gather(
            *(worker.post("/members/1/visits") for _ in range(40) for worker in clients)
        )
        counts = [(await answer.get_json())["visits"] for answer in answers]
    assert sorted(counts) == list(range(1, 81))


async def test_dont_default_engine_loses_a_visit_in_silence(url: str) -> None:
    async with sessions_on(dont.default_engine(url)) as sessions:
        async with sessions.begin() as first, sessions.begin() as second:
            for session in (first, second):
                member = await session.get_one(Member, 1, with_for_update=True)
                member.visits += 1
        async with sessions() as session:
            assert await session.scalar(select(Member.visits)) == 1


@pytest.mark.parametrize("option", ["", "?timeout=30"])
async def test_dont_default_engine_loses_it_in_wal_too(
    url: str, path: Path, option: str
) -> None:
    with closing(sqlite3.connect(path)) as connection:
        assert connection.execute("PRAGMA journal_mode=WAL").fetchall() == [("wal",)]
    await test_dont_default_engine_loses_a_visit_in_silence(url + option)


async def test_dont_begin_deferred_is_locked_at_once(
    client: QuartClient, url: str
) -> None:
    async with disposing(dont.begin_deferred(url)) as engine:
        sessions = async_sessionmaker(engine, expire_on_commit=False)
        async with sessions() as first, sessions() as second:
            for session in (first, second):
                (await session.get_one(Member, 1)).visits += 1
            await first.commit()
            with pytest.raises(exc.OperationalError, match="database is locked"):
                await second.commit()


async def test_an_atomic_update_needs_no_lock(url: str) -> None:
    add_one = update(Member).where(Member.id == 1).values(visits=Member.visits + 1)

    async with sessions_on(dont.default_engine(url)) as sessions:

        async def visit() -> int | None:
            async with sessions.begin() as session:
                return await session.scalar(add_one.returning(Member.visits))

        counts = await asyncio.gather(*(visit() for _ in range(8)))
    assert sorted(counts) == list(range(1, 9))


async def test_writers_take_their_turn_in_order(
    app: Quart, client: QuartClient
) -> None:
    app = client.app
    done: list[int] = []

    async def write(number: int) -> None:
        async with app.extensions["writer"].begin() as session:
            await session.get_one(Member, 1)
            done.append(number)

    async with app.extensions["writer"].begin() as session:
        await session.get_one(Member, 1)
        tasks = [asyncio.create_task(write(number)) for number in range(20)]
        await asyncio.sleep(0)
        assert done == []
    await asyncio.gather(*tasks)
    assert done == list(range(20))


async def test_a_visit_locks_the_row_on_postgresql(client: QuartClient) -> None:
    queries = []

    def record(state: ORMExecuteState) -> None:
        queries.append(state.statement)

    event.listen(Session, "do_orm_execute", record)
    await client.post("/members/1/visits")
    event.remove(Session, "do_orm_execute", record)
    (query,) = queries
    assert str(query.compile(dialect=postgresql.dialect())).endswith("FOR UPDATE")
    assert "FOR UPDATE" not in str(query.compile(dialect=sqlite.dialect()))


async def test_sqlite_is_set_up_on_every_connection(app: Quart) -> None:
    found = {}
    for name in ("reader", "writer"):
        async with app.extensions[name]() as session:
            found[name] = {
                pragma: await session.scalar(text(f"PRAGMA {pragma}"))
                for pragma in (
                    "journal_mode",
                    "synchronous",
                    "busy_timeout",
                    "foreign_keys",
                    "query_only",
                )
            }
    shared = {
        "journal_mode": "wal",
        "synchronous": 1,
        "busy_timeout": 5000,
        "foreign_keys": 1,
    }
    assert found == {
        "reader": shared | {"query_only": 1},
        "writer": shared | {"query_only": 0},
    }


# Readers


async def test_readers_do_not_wait_for_the_writer(
    app: Quart, client: QuartClient
) -> None:
    async with app.extensions["writer"].begin() as session:
        (await session.get_one(Member, 1)).visits = 7
        await session.flush()
        during = await (await client.get("/members/1")).get_json()
    after = await (await client.get("/members/1")).get_json()
    assert during == {"id": 1, "visits": 0, **ADA}
    assert after == {"id": 1, "visits": 7, **ADA}


async def test_an_open_read_session_holds_no_lock(
    app: Quart, client: QuartClient, path: Path
) -> None:
    async with app.extensions["reader"]() as session:
        await session.get_one(Member, 1)
        other = sqlite3.connect(path, timeout=0)
        other.execute("BEGIN IMMEDIATE")
        other.execute("UPDATE members SET visits = 7")
        other.commit()
        other.close()
        assert await session.scalar(select(Member.visits)) == 7


async def test_a_write_in_a_read_session_fails_loudly(app: Quart) -> None:
    with pytest.raises(exc.OperationalError, match="readonly database"):
        async with app.extensions["reader"].begin() as session:
            session.add(Member(**ADA))
    assert await emails(app) == []


# Statements


async def test_a_write_sends_begin_insert_commit(
    app: Quart, client: QuartClient
) -> None:
    with recorded(pool_of(app, "writer")) as sent:
        await client.post("/members", json={"email": "bob@example.com"})
    assert sent == ["BEGIN IMMEDIATE", "INSERT", "COMMIT"]


async def test_dont_commit_and_refresh_selects_what_is_known(
    client: QuartClient, url: str
) -> None:
    async with disposing(create_async_engine(url)) as engine:
        with recorded(engine.sync_engine) as sent:
            async with AsyncSession(engine) as session:
                await dont.commit_and_refresh(session, "bob@example.com")
    assert sent == ["INSERT", "COMMIT", "SELECT", "ROLLBACK"]


async def test_a_read_sends_one_select(app: Quart, client: QuartClient) -> None:
    with recorded(pool_of(app, "reader")) as sent:
        await client.get("/members/1")
    assert sent == ["SELECT", "ROLLBACK"]


async def test_ten_and_a_hundred_members_cost_the_same_queries(
    app: Quart, client: QuartClient
) -> None:
    async with app.extensions["writer"].begin() as session:
        for number in range(2, 111):
            email = f"member{number}@example.com"
            session.add(Member(id=number, email=email, friend_id=number - 1))
            await session.flush()
    sent = {}
    for after, count in ((100, 10), (10, 100), (0, 100)):
        with recorded(pool_of(app, "reader")) as sent[after]:
            answer = await client.get(f"/members?after={after}")
        assert len(await answer.get_json()) == count
    assert sent[100] == sent[10] == sent[0] == ["SELECT", "SELECT", "ROLLBACK"]


async def test_a_forgotten_option_raises_even_when_the_row_is_loaded(
    app: Quart, client: QuartClient
) -> None:
    await client.post("/members", json={"email": "bob@example.com", "friend_id": 1})
    async with app.extensions["reader"]() as session:
        _ada, bob = await session.scalars(select(Member).order_by(Member.id))
        with pytest.raises(exc.InvalidRequestError, match="lazy='raise'"):
            _ = bob.friend


async def test_dont_lazy_member_works_until_the_friend_is_on_another_page(
    app: Quart, client: QuartClient
) -> None:
    await client.post("/members", json={"email": "bob@example.com", "friend_id": 1})
    query = select(dont.LazyMember).order_by(dont.LazyMember.id)
    async with app.extensions["reader"]() as session:
        _ada, bob = await session.scalars(query)
        assert bob.friend is not None
        assert bob.friend.email == "ada@example.com"
    async with app.extensions["reader"]() as session:
        (bob,) = await session.scalars(query.offset(1))
        with pytest.warns(RuntimeWarning, match="never awaited"):
            assert error_of(lambda: bob.friend) is exc.MissingGreenlet


async def test_pages_show_every_member_once(app: Quart, client: QuartClient) -> None:
    async with app.extensions["writer"].begin() as session:
        for number in range(2, 151):
            email = f"member{number}@example.com"
            session.add(Member(id=number, email=email, friend_id=1))
    pages, after = [], 0
    while page := await (await client.get(f"/members?after={after}")).get_json():
        pages.append(page)
        after = page[-1]["id"]
    ada, *others = pages[0]
    assert ada == {"id": 1, "friend": None}
    expected = [{"id": key, "friend": "ada@example.com"} for key in range(2, 151)]
    assert [others, *pages[1:]] == [expected[:99], expected[99:]]


# Answers


async def test_of_twenty_equal_members_one_is_created(app: Quart) -> None:
    client = app.test_client()
    answers = await asyncio.gather(
        *(client.post("/members", json=ADA) for _ in range(20))
    )
    assert sorted(answer.status_code for answer in answers) == [201] + [409] * 19
    assert await emails(app) == ["ada@example.com"]


async def test_a_conflict_is_a_problem(client: QuartClient) -> None:
    for body in (ADA, {"email": "bob@example.com", "friend_id": 9}):
        answer = await client.post("/members", json=body)
        assert answer.status_code == 409
        assert answer.content_type == PROBLEM
        assert await answer.get_json() == CONFLICT


@pytest.mark.parametrize(
    "body",
    [
        b"",
        b"{bad",
        b"[" * 60_000,
        b'{"email": "ada\xff@example.com"}',
        b'{"email": "ada\\u0000@example.com"}',
        b'{"email": "ada\\ud800@example.com"}',
        b'{"email": "a@' + b"a" * 253 + b'"}',
        b'{"email": ""}',
        b'{"email": "ada@example.com", "visits": 9}',
        b'{"email": "ada@example.com", "friend_id": 2147483648}',
    ],
)
async def test_a_bad_body_is_400(app: Quart, body: bytes) -> None:
    answer = await app.test_client().post("/members", data=body)
    assert (answer.status_code, answer.content_type) == (400, PROBLEM)
    assert await emails(app) == []


@pytest.mark.parametrize(
    "query", ["after=-1", "after=2147483648", "after=x", "after=%00", "limit=9"]
)
async def test_a_bad_page_is_400(app: Quart, query: str) -> None:
    answer = await app.test_client().get(f"/members?{query}")
    assert (answer.status_code, answer.content_type) == (400, PROBLEM)


@pytest.mark.parametrize("key", ["0", "2", "2147483648", str(2**63), "9" * 5000])
async def test_an_unknown_id_is_404(client: QuartClient, key: str) -> None:
    assert (await client.get(f"/members/{key}")).status_code == 404
    assert (await client.post(f"/members/{key}/visits")).status_code == 404


async def test_sqlite_refuses_an_id_beyond_64_bits_and_a_lone_surrogate(
    app: Quart,
) -> None:
    async with app.extensions["reader"]() as session:
        with pytest.raises(OverflowError):
            await session.get(Member, 2**63)
        with pytest.raises(UnicodeEncodeError):
            await session.scalar(select(Member).where(Member.email == "\ud800"))


async def test_a_busy_pool_is_503_with_the_cause_in_the_log(
    app: Quart, client: QuartClient, caplog: pytest.LogCaptureFixture
) -> None:
    async with app.extensions["writer"].begin() as session:
        await session.get_one(Member, 1)
        answer = await client.post("/members", json={"email": "bob@example.com"})
    assert (answer.status_code, answer.content_type) == (503, PROBLEM)
    assert await answer.get_json() == BUSY
    (record,) = (r for r in caplog.records if r.levelno >= logging.ERROR)
    assert record.exc_info is not None
    assert isinstance(record.exc_info[1], exc.TimeoutError)
    assert "size 1 overflow 0" in str(record.exc_info[1])
    assert "timeout 2.00" in str(record.exc_info[1])


async def test_a_lock_held_too_long_is_503(
    url: str, path: Path, caplog: pytest.LogCaptureFixture
) -> None:
    app = create_app(f"{url}?timeout=0")
    async with app.test_app():
        client = app.test_client()
        with write_lock(path):
            locked = await client.post("/members", json=ADA)
        free = await client.post("/members", json=ADA)
    assert (locked.status_code, free.status_code) == (503, 201)
    assert "database is locked" in caplog.text


async def test_the_log_does_not_show_parameters(
    app: Quart, client: QuartClient, caplog: pytest.LogCaptureFixture
) -> None:
    @app.post("/members/import")
    async def import_member() -> dict[str, int]:
        async with app.extensions["writer"].begin() as session:
            await session.execute(text("INSERT INTO gone VALUES (:email)"), ADA)
        return {"imported": 1}

    assert (await client.post("/members/import")).status_code == 503
    assert "INSERT INTO gone" in caplog.text
    assert "ada@example.com" not in caplog.text


# Transactions


async def fail_after_a_flush(app: Quart, session: AsyncSession) -> None:
    session.add(Member(email="bob@example.com"))
    await session.flush()
    raise ArithmeticError("the card was refused")


async def test_an_error_in_the_view_rolls_back(app: Quart, client: QuartClient) -> None:
    @app.post("/orders")
    async def order() -> None:
        async with app.extensions["writer"].begin() as session:
            await fail_after_a_flush(app, session)

    assert (await client.post("/orders")).status_code == 500
    assert await emails(app) == ["ada@example.com"]


async def test_dont_commit_in_teardown_keeps_what_a_failed_request_wrote(
    url: str,
) -> None:
    app = create_app(url)
    seen: list[BaseException | None] = []
    dont.commit_in_teardown(app)

    @app.teardown_request
    async def record(error: BaseException | None) -> None:
        seen.append(error)

    @app.post("/orders")
    async def order() -> None:
        await fail_after_a_flush(app, g.session)

    async with app.test_app():
        assert (await app.test_client().post("/orders")).status_code == 500
        assert seen == [None]
        assert await emails(app) == ["bob@example.com"]


async def test_one_session_per_task(app: Quart, client: QuartClient) -> None:
    await client.post("/members", json={"email": "bob@example.com"})

    async def load(key: int) -> str:
        async with app.extensions["reader"]() as session:
            return (await session.get_one(Member, key)).email

    loaded = await asyncio.gather(load(1), load(2))
    assert loaded == ["ada@example.com", "bob@example.com"]


async def test_dont_shared_session_refuses_the_second_task(
    app: Quart, client: QuartClient
) -> None:
    await client.post("/members", json={"email": "bob@example.com"})
    before = asyncio.all_tasks()
    session = app.extensions["reader"]()
    with pytest.raises(
        exc.InvalidRequestError, match="concurrent operations are not permitted"
    ):
        await dont.shared_session(session, [1, 2])
    await asyncio.wait(asyncio.all_tasks() - before)
    await session.close()


async def test_a_duplicate_raises_where_the_block_ends(
    app: Quart, client: QuartClient
) -> None:
    reached = []

    async def create() -> None:
        async with app.extensions["writer"].begin() as session:
            session.add(Member(**ADA))
            reached.append("the last line of the block")

    with pytest.raises(exc.IntegrityError):
        await create()
    assert reached == ["the last line of the block"]


async def test_a_failed_flush_ends_the_transaction(
    app: Quart, client: QuartClient
) -> None:
    async with app.extensions["writer"]() as session:
        session.add(Member(**ADA))
        with pytest.raises(exc.IntegrityError):
            await session.flush()
        with pytest.raises(exc.PendingRollbackError):
            await session.get(Member, 1)
        await session.rollback()
        assert (await session.get_one(Member, 1)).email == "ada@example.com"


async def test_values_stay_after_the_commit(app: Quart) -> None:
    async with app.extensions["writer"].begin() as session:
        member = Member(**ADA)
        session.add(member)
    assert (member.id, member.email, member.visits) == (1, "ada@example.com", 0)


async def test_dont_expiring_sessions_empty_what_was_saved(url: str) -> None:
    async with sessions_on(dont.default_engine(url)) as sessions:
        async with sessions() as session:
            engine = session.bind
        assert isinstance(engine, AsyncEngine)
        expiring = dont.expiring_sessions(engine)
        async with expiring.begin() as session:
            member = Member(email="bob@example.com")
            session.add(member)
        with pytest.raises(DetachedInstanceError):
            _ = member.email
        async with expiring() as session:
            member = await session.get_one(Member, 1)
            await session.commit()
            with pytest.warns(RuntimeWarning, match="never awaited"):
                assert error_of(lambda: member.email) is exc.MissingGreenlet


# Clients that leave


@asynccontextmanager
async def served(app: Quart) -> AsyncIterator[int]:
    """Serve with Hypercorn in this loop; gives the port."""
    closing = asyncio.Event()
    with socket.create_server(("127.0.0.1", 0)) as listener:
        config = Config()
        config.bind = [f"fd://{listener.fileno()}"]
        config.errorlog = None
        task = asyncio.create_task(serve(app, config, shutdown_trigger=closing.wait))
        try:
            yield listener.getsockname()[1]
        finally:
            closing.set()
            await task
            listener.detach()


async def leave(port: int, path: str, after: asyncio.Event) -> None:
    """Send a POST and close the connection once the event is set."""
    _, writer = await asyncio.open_connection("127.0.0.1", port)
    writer.write(
        f"POST {path} HTTP/1.1\r\nHost: x\r\nContent-Length: 0\r\n\r\n".encode()
    )
    async with asyncio.timeout(10):
        await after.wait()
        writer.close()
        await writer.wait_closed()


async def test_a_client_that_leaves_rolls_back_and_frees_the_writer(url: str) -> None:
    app = create_app(url)
    inside, cancelled = asyncio.Event(), asyncio.Event()

    @app.post("/orders")
    async def order() -> None:
        try:
            async with app.extensions["writer"].begin() as session:
                session.add(Member(**ADA))
                await session.flush()
                inside.set()
                await asyncio.Event().wait()
        finally:
            cancelled.set()

    async with served(app) as port:
        await leave(port, "/orders", after=inside)
        async with asyncio.timeout(10):
            await cancelled.wait()
        assert await emails(app) == []
        answer = await app.test_client().post("/members", json=ADA)
        assert answer.status_code == 201


async def test_a_client_that_leaves_after_the_commit_leaves_the_row(url: str) -> None:
    app = create_app(url)
    committed, cancelled = asyncio.Event(), asyncio.Event()
    mailed: list[str] = []

    @app.post("/orders")
    async def order() -> None:
        try:
            async with app.extensions["writer"].begin() as session:
                session.add(Member(**ADA))
            committed.set()
            await asyncio.Event().wait()
            mailed.append("ada@example.com")
        finally:
            cancelled.set()

    async with served(app) as port:
        await leave(port, "/orders", after=committed)
        async with asyncio.timeout(10):
            await cancelled.wait()
        assert (await emails(app), mailed) == (["ada@example.com"], [])


def first_statement(engine: Engine) -> asyncio.Event:
    sent = asyncio.Event()
    event.listen(engine, "before_cursor_execute", lambda *_: sent.set())
    return sent


async def test_a_write_cancelled_inside_the_block_is_undone(
    app: Quart, client: QuartClient, path: Path
) -> None:
    async def visit() -> None:
        async with app.extensions["writer"].begin() as session:
            (await session.get_one(Member, 1)).visits += 1

    waiting = first_statement(pool_of(app, "writer"))
    with write_lock(path):
        task = asyncio.create_task(visit())
        await waiting.wait()
        task.cancel()
        await asyncio.sleep(0)
    with pytest.raises(asyncio.CancelledError):
        await task
    answer = await client.post("/members/1/visits")
    assert await answer.get_json() == {"visits": 1}


async def test_a_write_cancelled_at_the_end_of_the_block_is_done(
    app: Quart, client: QuartClient, path: Path
) -> None:
    async def create() -> None:
        async with app.extensions["writer"].begin() as session:
            session.add(Member(email="bob@example.com"))

    waiting = first_statement(pool_of(app, "writer"))
    with write_lock(path):
        task = asyncio.create_task(create())
        await waiting.wait()
        task.cancel()
        await asyncio.sleep(0)
    with pytest.raises(asyncio.CancelledError):
        await task
    assert await emails(app) == ["ada@example.com", "bob@example.com"]


# Engines


async def test_the_engine_lives_while_the_app_serves(url: str, path: Path) -> None:
    app = create_app(url)
    assert (app.extensions.get("writer"), path.exists()) == (None, False)
    async with app.test_app():
        assert (await app.test_client().post("/members", json=ADA)).status_code == 201
        pools = [pool_of(app, name).pool for name in ("reader", "writer")]
    assert [pool.checkedin() for pool in pools] == [0, 0]  # type: ignore[attr-defined]


def test_the_url_comes_from_the_environment(
    monkeypatch: pytest.MonkeyPatch, url: str
) -> None:
    monkeypatch.delenv("DATABASE_URL", raising=False)
    with pytest.raises(KeyError, match="DATABASE_URL"):
        create_app()
    monkeypatch.setenv("DATABASE_URL", url)
    asyncio.run(one_member_in(create_app()))


async def one_member_in(app: Quart) -> None:
    async with app.test_app():
        assert (await app.test_client().post("/members", json=ADA)).status_code == 201
        assert await emails(app) == ["ada@example.com"]


async def test_workers_that_start_together_create_the_tables_once(url: str) -> None:
    async def start() -> list[str]:
        app = create_app(url)
        async with app.test_app():
            return await emails(app)

    assert await asyncio.gather(*(start() for _ in range(4))) == [[]] * 4


async def test_a_worker_starts_while_another_switches_to_wal(
    url: str, path: Path
) -> None:
    async with disposing(open_engine(f"{url}?timeout=0", write=False)) as engine:
        with write_lock(path):
            async with engine.connect() as connection:
                mode = await connection.scalar(text("PRAGMA journal_mode"))
    assert mode == "delete"


def test_dont_engine_at_import_serves_one_event_loop(
    url: str, caplog: pytest.LogCaptureFixture
) -> None:
    asyncio.run(one_member_in(create_app(url)))
    app = dont.engine_at_import(url)

    async def two_requests() -> list[int]:
        client = app.test_client()
        answers = await asyncio.gather(*(client.get("/members") for _ in range(2)))
        return sorted(answer.status_code for answer in answers)

    assert asyncio.run(two_requests()) == [200, 200]
    assert asyncio.run(two_requests()) == [200, 500]
    assert "is bound to a different event loop" in caplog.text
    asyncio.run(AsyncEngine(pool_of(app, "reader")).dispose())


async def test_readers_keep_their_connections(app: Quart, url: str) -> None:
    async def connections(engine: AsyncEngine) -> int:
        """How many are opened when twelve sessions read at once, twice."""
        opened: list[object] = []
        event.listen(engine.sync_engine, "connect", lambda *_: opened.append(None))
        sessions = async_sessionmaker(engine)

        async def read(together: asyncio.Barrier) -> None:
            async with sessions() as session:
                await session.scalar(select(Member.id))
                await together.wait()

        for _ in range(2):
            together = asyncio.Barrier(10)
            await asyncio.gather(*(read(together) for _ in range(10)))
        return len(opened)

    async with disposing(open_engine(url, write=False)) as engine:
        assert await connections(engine) == 10
    async with disposing(dont.default_engine(url)) as engine:
        assert await connections(engine) == 15


async def test_dont_memory_engine_shares_one_transaction() -> None:
    async with sessions_on(dont.memory_engine()) as sessions:
        async with sessions() as ours, sessions() as theirs:
            ours.add(Member(email="bob@example.com"))
            await ours.flush()
            await theirs.scalar(select(Member.id))
            await theirs.rollback()
            await ours.commit()
        async with sessions() as session:
            assert list(await session.scalars(select(Member.email))) == [ADA["email"]]


@pytest.mark.parametrize(
    ("database_url", "complaint"),
    [
        ("sqlite+aiosqlite://", "pool_size"),
        ("sqlite:///members.db", "async driver"),
        ("postgres://db/members", "sqlalchemy.dialects:postgres"),
    ],
)
async def test_a_wrong_url_stops_the_start(database_url: str, complaint: str) -> None:
    app = create_app(database_url)
    with pytest.raises(LifespanError, match=complaint):
        async with app.test_app():
            pytest.fail("it started")


def test_a_bare_postgresql_url_means_psycopg() -> None:
    drivers = {
        url: make_url(url).get_dialect().driver
        for url in ("postgresql://db/members", "postgresql+asyncpg://db/members")
    }
    assert drivers == {
        "postgresql://db/members": "psycopg",
        "postgresql+asyncpg://db/members": "asyncpg",
    }


def test_greenlet_comes_with_the_asyncio_extra_only() -> None:
    wanted = [line for line in requires("sqlalchemy") or [] if "greenlet" in line]
    assert wanted
    assert all("extra ==" in line for line in wanted)


async def test_filter_by_is_ambiguous_over_two_tables() -> None:
    friend = aliased(Member)
    query = select(Member, friend).join(friend, Member.friend)
    with pytest.raises(exc.AmbiguousColumnError):
        query.filter_by(id=1)
