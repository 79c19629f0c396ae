"""What blocks runs in threads, with a session for each request."""

import asyncio
import contextvars
import gc
import os
import sqlite3
import threading
from collections.abc import AsyncIterator, Iterator
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from typing import Any

import flask
import pytest
from quart import Quart, g, request
from quart.utils import run_sync
from sqlalchemy import Engine, create_engine, select
from sqlalchemy.orm import Session

from examples.database_errors import http_errors
from examples.database_sessions import Base, User
from examples.dont import sync_libraries as dont
from examples.plain import sync_libraries as plain
from examples.sync_libraries import (
    SyncDatabase,
    add_user,
    create_app,
    current_session,
    in_flask,
    in_session,
    register_sync_database,
    sync_database,
)
from tests.support.serving import until


@pytest.fixture
def url(tmp_path: Path) -> str:
    return f"sqlite:///{tmp_path}/test.sqlite3"


@pytest.fixture
def engine(url: str) -> Iterator[Engine]:
    engine = create_engine(url)
    Base.metadata.create_all(engine)
    yield engine
    engine.dispose()


@pytest.fixture
async def app(url: str) -> AsyncIterator[Quart]:
    """An app with the database, and no views yet."""
    app = Quart(__name__)
    register_sync_database(app, url)
    async with app.test_app():
        yield app


def stored(engine: Engine) -> list[str]:
    with Session(engine) as session:
        return [*session.scalars(select(User.username).order_by(User.id))]


def connections_in_use(engine: Engine) -> int:
    used: int = engine.pool.checkedout()  # type: ignore[attr-defined]
    return used


# The plain form


async def test_a_plain_view_and_a_thread_leave_the_loop_free() -> None:
    loop_thread = threading.get_ident()
    threads: list[bool] = []

    def find_user(username: str) -> dict[str, str] | None:
        threads.append(threading.get_ident() == loop_thread)
        return {"username": username} if username == "ada" else None

    def add_user(username: str) -> int:
        threads.append(threading.get_ident() == loop_thread)
        return 7

    client = plain.create_app(find_user, add_user).test_client()
    answer = await client.get("/users/ada")
    assert await answer.get_json() == {"username": "ada"}
    assert (await client.get("/users/eve")).status_code == 404
    answer = await client.post("/users", form={"username": "ada"})
    assert (answer.status_code, await answer.get_json()) == (201, {"id": 7})
    assert threads == [False, False, False]


# The database


async def test_async_and_plain_views_share_the_database(database_url: str) -> None:
    app = create_app(database_url)
    async with app.test_app():
        client = app.test_client()
        assert (await client.put("/users/ada")).status_code == 201
        assert await (await client.get("/users/ada")).get_json() == {
            "username": "ada",
            "bio": None,
        }
        assert (await client.get("/users/eve")).status_code == 404
        assert await (await client.get("/users")).get_json() == ["ada"]
        app.config["PROPAGATE_EXCEPTIONS"] = False
        assert (await client.put("/users/ada")).status_code == 500
        assert (await client.put("/users/bob")).status_code == 201
        assert await (await client.get("/users")).get_json() == ["ada", "bob"]
        database: SyncDatabase = app.extensions["sync_database"]
        assert connections_in_use(database.engine) == 0


async def test_http_errors_makes_a_duplicate_a_409(app: Quart) -> None:
    @app.put("/users/<username>")
    async def create_user(username: str) -> dict[str, int]:
        async with http_errors():
            user = await sync_database().run(add_user, username)
        return {"id": user.id}

    client = app.test_client()
    answers = [await client.put("/users/ada") for _ in range(2)]
    assert [one.status_code for one in answers] == [200, 409]


async def test_what_raises_is_rolled_back(app: Quart) -> None:
    def fail(session: Session, username: str) -> None:
        add_user(session, username)
        raise ValueError("no more")

    async with app.app_context():
        with pytest.raises(ValueError, match="no more"):
            await sync_database().run(fail, "ada")
        assert stored(sync_database().engine) == []
        user = await sync_database().run(add_user, username="ada")
        assert (user.id, user.username) == (1, "ada")


@pytest.mark.parametrize(
    "url", ["sqlite://", "sqlite:///:memory:", "sqlite+pysqlite://"]
)
def test_a_database_in_memory_is_refused(url: str) -> None:
    with pytest.raises(ValueError, match="Name a file"):
        SyncDatabase(url)


async def test_a_thread_sees_the_request(app: Quart) -> None:
    @app.get("/path")
    async def path() -> dict[str, str]:
        g.user = "ada"
        seen = await sync_database().run(lambda _: [request.path, g.user])
        return dict(zip(("path", "user"), seen, strict=True))

    answer = await app.test_client().get("/path")
    assert await answer.get_json() == {"path": "/path", "user": "ada"}


async def test_no_thread_waits_for_a_connection(url: str) -> None:
    database = SyncDatabase(url, connections=2)
    Base.metadata.create_all(database.engine)
    most: list[int] = []

    def count(session: Session) -> int:
        session.scalar(select(User.id))
        most.append(connections_in_use(database.engine))
        return 1

    calls = [database.run(count) for _ in range(40)]
    assert sum(await asyncio.gather(*calls)) == 40
    assert max(most) <= 2
    await database.close()


async def test_a_thread_goes_on_when_the_client_leaves(app: Quart) -> None:
    started, release = threading.Event(), threading.Event()

    def add_slowly(session: Session) -> None:
        add_user(session, "ada")
        started.set()
        release.wait(20)

    async with app.app_context():
        database = sync_database()
        call = asyncio.create_task(database.run(add_slowly))
        await asyncio.to_thread(started.wait, 20)
        call.cancel()
        with pytest.raises(asyncio.CancelledError):
            await call
        release.set()
        await database.run(lambda session: None)
        await until(lambda: stored(database.engine) == ["ada"])


async def test_a_plain_view_and_its_helpers_have_one_session(app: Quart) -> None:
    database: SyncDatabase = app.extensions["sync_database"]
    sessions: list[Session] = []
    both = threading.Barrier(2)

    def helper(username: str) -> None:
        add_user(current_session(), username)
        current_session().commit()

    @app.put("/users/<username>")
    @in_session
    def create_user(username: str) -> str:
        sessions.append(current_session())
        both.wait(20)
        if username == "ada":
            helper(username)
        current_session().add(User(username="never committed"))
        return request.path

    client = app.test_client()
    answers = await asyncio.gather(*(client.put(f"/users/{n}") for n in ("ada", "eve")))
    assert [one.status_code for one in answers] == [200, 200]
    assert await answers[0].get_data() == b"/users/ada"
    assert sessions[0] is not sessions[1]
    assert stored(database.engine) == ["ada"]
    assert connections_in_use(database.engine) == 0


async def test_more_requests_than_connections_are_all_answered(url: str) -> None:
    app = Quart(__name__)
    register_sync_database(app, url)
    database = app.extensions["sync_database"] = SyncDatabase(url, connections=2)
    most: list[int] = []

    @app.get("/users")
    @in_session
    def list_users() -> list[str]:
        found = [*current_session().scalars(select(User.username))]
        most.append(connections_in_use(database.engine))
        return found

    Base.metadata.create_all(database.engine)
    client = app.test_client()
    answers = await asyncio.gather(*(client.get("/users") for _ in range(60)))
    assert {one.status_code for one in answers} == {200}
    assert max(most) <= 2
    await database.close()


async def test_there_is_no_session_outside_its_thread(app: Quart) -> None:
    async with app.app_context():
        await sync_database().run(add_user, "ada")
        with pytest.raises(LookupError):
            current_session()


# Flask's extensions


class Greeter:
    """Stands for an extension: it asks Flask's app for its settings."""

    def __init__(self, app: flask.Flask) -> None:
        app.extensions["greeter"] = app.config["GREETING"]

    def greet(self, name: str, *, mark: str = ".") -> str:
        greeting: str = flask.current_app.extensions["greeter"]
        return f"{greeting}, {name}{mark}"


async def test_an_extension_finds_the_flask_app_in_its_thread() -> None:
    flask_app = flask.Flask("extensions")
    flask_app.config["GREETING"] = "Hello"
    greeter = Greeter(flask_app)
    app = Quart(__name__)
    app.config["PROPAGATE_EXCEPTIONS"] = False

    @app.get("/right/<name>")
    async def right(name: str) -> str:
        return await in_flask(flask_app, greeter.greet, name, mark="!")

    @app.get("/wrong/<name>")
    async def wrong(name: str) -> str:
        return greeter.greet(name)

    client = app.test_client()
    assert await (await client.get("/right/ada")).get_data() == b"Hello, ada!"
    assert (await client.get("/wrong/ada")).status_code == 500


# Don't


async def test_dont_one_session_for_the_thread_of_the_loop(engine: Engine) -> None:
    """session_of_the_thread: what one request commits, another had not finished."""
    checking, committed = asyncio.Event(), asyncio.Event()

    async def check(username: str) -> None:
        if username == "eve":
            checking.set()
            await committed.wait()
            raise ValueError("not wanted")
        await checking.wait()

    app = dont.session_of_the_thread(engine, check)
    app.config["PROPAGATE_EXCEPTIONS"] = False
    client = app.test_client()
    eve = asyncio.create_task(client.put("/users/eve"))
    assert (await client.put("/users/ada")).status_code == 201
    committed.set()
    assert (await eve).status_code == 500
    assert sorted(stored(engine)) == ["ada", "eve"]


async def test_dont_remove_the_session_in_another_thread(engine: Engine) -> None:
    """removed_in_another_thread: the transaction stays open, and connections go."""
    app = dont.removed_in_another_thread(engine)
    asyncio.get_running_loop().set_default_executor(ThreadPoolExecutor(1))
    assert (await app.test_client().get("/users")).status_code == 200
    assert connections_in_use(engine) == 1
    await asyncio.to_thread(app.extensions["session"].remove)
    assert connections_in_use(engine) == 0


async def test_dont_close_the_session_of_g_in_a_teardown(url: str) -> None:
    """closed_in_a_teardown: who holds a connection waits for a thread, and the threads
    wait for a connection."""
    engine = create_engine(url, pool_size=1, max_overflow=0, pool_timeout=0.2)
    Base.metadata.create_all(engine)
    app = dont.closed_in_a_teardown(engine)
    app.config["PROPAGATE_EXCEPTIONS"] = False
    asyncio.get_running_loop().set_default_executor(ThreadPoolExecutor(2))
    client = app.test_client()
    answers = await asyncio.gather(*(client.get("/users") for _ in range(8)))
    statuses = {one.status_code for one in answers}
    engine.dispose()
    assert statuses == {200, 500}


async def test_dont_fill_the_default_threads() -> None:
    """all_in_the_default_threads: six slow calls on two CPUs, and nothing answers."""
    release = threading.Event()
    started: list[str] = []

    def fetch() -> str:
        started.append("")
        release.wait(20)
        return "report"

    client = dont.all_in_the_default_threads(fetch).test_client()
    threads = min(32, (os.cpu_count() or 1) + 4)
    slow = [asyncio.create_task(client.get("/report")) for _ in range(threads)]
    await until(lambda: len(started) == threads)
    live = asyncio.create_task(client.get("/live"))
    done, _ = await asyncio.wait({live}, timeout=0.2)
    assert not done
    release.set()
    assert (await live).status_code == 200
    await asyncio.gather(*slow)


@pytest.mark.filterwarnings("ignore:coroutine:RuntimeWarning")
async def test_dont_start_a_task_in_a_plain_view() -> None:
    """task_from_a_plain_view: its thread has no loop."""
    sent: list[str] = []
    app = dont.task_from_a_plain_view(lambda: sent.append("mail"))
    app.config["PROPAGATE_EXCEPTIONS"] = False
    async with app.test_app():
        assert (await app.test_client().post("/users")).status_code == 500
    gc.collect()  # what was never awaited
    assert sent == []


# Why


async def test_the_default_threads_are_few() -> None:
    release, started = threading.Event(), []

    def block() -> None:
        started.append("")
        release.wait(20)

    calls = [asyncio.create_task(asyncio.to_thread(block)) for _ in range(40)]
    expected = min(32, (os.cpu_count() or 1) + 4)
    await until(lambda: len(started) >= expected)
    assert len(started) == expected
    release.set()
    await asyncio.gather(*calls)


async def test_a_sqlite_connection_stays_in_its_thread() -> None:
    connection = sqlite3.connect(":memory:")
    with pytest.raises(sqlite3.ProgrammingError, match="created in a thread"):
        await asyncio.to_thread(connection.execute, "SELECT 1")
    connection.close()


async def test_a_context_variable_set_in_a_thread_is_lost() -> None:
    user = contextvars.ContextVar("user", default="nobody")
    app = Quart(__name__)

    @app.before_request
    def load_user() -> None:
        user.set("ada")
        g.user = "ada"

    @app.get("/")
    async def index() -> list[Any]:
        return [user.get(), g.user]

    answer = await app.test_client().get("/")
    assert await answer.get_json() == ["nobody", "ada"]


async def test_run_sync_and_to_thread_do_the_same() -> None:
    name = contextvars.ContextVar("name", default="")
    name.set("ada")
    assert await run_sync(name.get)() == "ada"
    assert await asyncio.to_thread(name.get) == "ada"
