import asyncio
import logging
import sqlite3
import threading
import traceback
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager, closing, suppress
from pathlib import Path

import pytest
from quart import Quart
from sqlalchemy import event, exc, text
from sqlalchemy.ext.asyncio import (
    AsyncEngine,
    AsyncSession,
    async_sessionmaker,
    create_async_engine,
)
from werkzeug.exceptions import Conflict, HTTPException, NotFound

from examples import database_errors, database_locking, database_sessions
from examples.database_errors import (
    DatabaseUnavailable,
    connect,
    create_app,
    http_errors,
    open_engine,
)
from examples.database_locking.rooms import Base
from examples.dont import database_errors as dont
from examples.plain.database_errors import conflict_if_duplicate
from tests.support.postgres import Postgres
from tests.support.serving import until

TABLES = (
    "CREATE TABLE users (id INTEGER PRIMARY KEY, name VARCHAR(9) NOT NULL UNIQUE,"
    " age INTEGER CHECK (age > 0), password VARCHAR(30))",
    "CREATE TABLE notes (id INTEGER PRIMARY KEY,"
    " user_id INTEGER NOT NULL REFERENCES users)",
    "INSERT INTO users VALUES (1, 'ada', 36, 'a-hash'), (2, 'bob', 36, 'b-hash')",
    "INSERT INTO notes VALUES (1, 1)",
)
LOCK_OUT_WRITERS = {
    "postgresql": "LOCK TABLE rooms IN SHARE MODE",
    "sqlite": "BEGIN IMMEDIATE",
}
CLEAR_REFS = Path("/proc/self/clear_refs")  # a file that nobody can read


def foreign_keys(connection: sqlite3.Connection, record: object) -> None:
    connection.execute("PRAGMA foreign_keys=ON")


@asynccontextmanager
async def engine_on(url: str, **options: object) -> AsyncIterator[AsyncEngine]:
    others = driver_threads()
    engine = create_async_engine(url, hide_parameters=True, **options)  # type: ignore[arg-type]
    if engine.dialect.name == "sqlite":
        event.listen(engine.sync_engine, "connect", foreign_keys)
    try:
        yield engine
    finally:
        await engine.dispose()
        await until(lambda: driver_threads() <= others)  # a failed connect ends later


def driver_threads() -> set[threading.Thread]:
    """The threads of aiosqlite, one for each connection."""
    name = "_connection_worker_thread"
    return {thread for thread in threading.enumerate() if name in thread.name}


@pytest.fixture
async def engine(database_url: str) -> AsyncIterator[AsyncEngine]:
    async with engine_on(database_url) as engine:
        async with engine.begin() as connection:
            for statement in TABLES:
                await connection.execute(text(statement))
            await connection.run_sync(Base.metadata.create_all)
        yield engine


@pytest.fixture
async def postgres(postgres_url: str) -> AsyncIterator[AsyncEngine]:
    async with engine_on(postgres_url, pool_pre_ping=True) as engine:
        yield engine


@asynccontextmanager
async def guarded(engine: AsyncEngine) -> AsyncIterator[AsyncSession]:
    async with http_errors(), AsyncSession(engine) as session, session.begin():
        await connect(session)
        yield session


async def error_of(engine: AsyncEngine, *statements: str) -> Exception | None:
    """What leaves a guarded session that runs `statements`."""
    try:
        async with guarded(engine) as session:
            for statement in statements:
                await session.execute(text(statement))
    except (HTTPException, exc.SQLAlchemyError) as error:
        return error
    return None


def retry_after(error: HTTPException) -> str | None:
    return error.get_response().headers.get("Retry-After")


# The client's mistakes, and ours


async def test_a_refused_row_is_the_clients_mistake_or_our_bug(
    engine: AsyncEngine,
) -> None:
    expected = {
        "INSERT INTO users VALUES (1, 'eve', 1, '')": 409,
        "INSERT INTO users VALUES (3, 'ada', 1, '')": 409,
        "UPDATE users SET name = 'ada' WHERE id = 2": 409,
        "INSERT INTO notes VALUES (2, 9)": 400,
        "UPDATE notes SET user_id = 9": 400,
        "DELETE FROM users WHERE id = 1": 409,
        "INSERT INTO users VALUES (3, NULL, 1, '')": "IntegrityError",
        "INSERT INTO users VALUES (3, 'eve', 0, '')": "IntegrityError",
        "INSERT INTO orders VALUES (1)": "a bug",
        "SELECT FROM WHERE": "a bug",
        "INSERT INTO users VALUES (3, 'eve', 1, '')": None,
    }
    answers: dict[str, object] = {}
    for statement in expected:
        error = await error_of(engine, statement)
        if isinstance(error, HTTPException):
            answers[statement] = error.code
            assert "Retry-After" not in error.get_response().headers
        elif isinstance(error, exc.IntegrityError):
            answers[statement] = "IntegrityError"
        elif error is not None:
            assert isinstance(error, (exc.ProgrammingError, exc.OperationalError))
            answers[statement] = "a bug"
        else:
            answers[statement] = None
    assert answers == expected


async def test_a_bug_is_logged_without_the_values_of_the_row(
    engine: AsyncEngine,
) -> None:
    error = await error_of(engine, "UPDATE users SET name = NULL WHERE id = 1")
    assert error is not None
    logged = "".join(traceback.format_exception(error))
    assert "UPDATE users SET name" in logged
    assert "a-hash" not in logged


async def test_the_rows_values_are_in_postgresqls_detail(postgres: AsyncEngine) -> None:
    async def break_a_row() -> None:
        async with postgres.begin() as connection:
            for statement in (*TABLES, "UPDATE users SET name = NULL"):
                await connection.execute(text(statement))

    with pytest.raises(exc.IntegrityError) as raised:
        await break_a_row()
    logged = "".join(traceback.format_exception(raised.value))
    assert "Failing row contains (1, null, 36, a-hash)" in logged


async def test_other_errors_in_the_block_pass(engine: AsyncEngine) -> None:
    bare = exc.DBAPIError("SELECT 1", None, None)
    for error in (NotFound(), FileNotFoundError("report.csv"), KeyError("name"), bare):
        with pytest.raises(type(error)) as raised:
            async with guarded(engine):
                raise error
        assert raised.value is error


async def test_what_postgresqls_codes_mean(postgres: AsyncEngine) -> None:
    expected = {
        "23505": 409,
        "23P01": 409,
        "23503": 400,
        "08006": 503,
        "40001": 503,
        "40P01": 503,
        "53100": 503,
        "53300": 503,
        "55P03": 503,
        "57014": 503,
        "57P01": 503,
        "57P03": 503,
        "58030": 503,
        "22001": None,
        "23502": None,
        "23514": None,
        "25006": None,
        "42P01": None,
        "P0001": None,
    }
    answers = {}
    for code in expected:
        fail = f"DO $$ BEGIN RAISE EXCEPTION 'no' USING ERRCODE = '{code}'; END $$"
        error = await error_of(postgres, fail)
        answers[code] = error.code if isinstance(error, HTTPException) else None
        assert isinstance(error, HTTPException | exc.DBAPIError)
    assert answers == expected


# The database is away, busy or slow


async def test_refused_is_503_and_told_in_the_log(
    caplog: pytest.LogCaptureFixture,
) -> None:
    url = "postgresql+asyncpg://tests@127.0.0.1:1/test"
    async with engine_on(url, pool_pre_ping=True) as engine:
        error = await error_of(engine, "SELECT 1")
    assert isinstance(error, DatabaseUnavailable)
    assert (error.code, retry_after(error)) == (503, "5")
    [record] = caplog.records
    assert record.levelno == logging.WARNING
    assert "ConnectionRefusedError" in record.getMessage()


async def test_the_app_outlives_a_restart_of_postgresql(
    postgres_server: Postgres, postgres_url: str
) -> None:
    app = create_app(postgres_url)
    async with app.test_app():
        client = app.test_client()
        before = await client.put("/topics/quart")
        postgres_server.stop()
        try:
            during = await client.put("/topics/tests")
            again = await client.put("/topics/tests")
        finally:
            postgres_server.start()
        after = await client.put("/topics/tests")
    answers = (before, during, again, after)
    assert [answer.status_code for answer in answers] == [201, 503, 503, 201]
    assert during.headers["Retry-After"] == "5"


async def kill(engine: AsyncEngine, session: AsyncSession) -> None:
    """End the server process that serves `session`."""
    pid = await session.scalar(text("SELECT pg_backend_pid()"))
    async with engine.connect() as other:
        ended = text("SELECT pg_terminate_backend(:pid, 20000)")
        assert await other.scalar(ended, {"pid": pid})


async def test_a_connection_killed_in_mid_transaction_is_503(
    postgres: AsyncEngine, caplog: pytest.LogCaptureFixture
) -> None:
    async def create_and_select() -> None:
        async with guarded(postgres) as session:
            await session.execute(text("CREATE TABLE half (id INTEGER)"))
            await kill(postgres, session)
            await session.execute(text("SELECT 1"))

    with pytest.raises(DatabaseUnavailable):
        await create_and_select()
    assert "the database is unavailable" in caplog.text
    error = await error_of(postgres, "SELECT * FROM half")
    assert isinstance(error, exc.ProgrammingError)
    assert "does not exist" in str(error)


async def test_a_connection_killed_before_the_commit_is_503(
    postgres: AsyncEngine,
) -> None:
    async def create() -> None:
        async with guarded(postgres) as session:
            await session.execute(text("CREATE TABLE half (id INTEGER)"))
            await kill(postgres, session)

    with pytest.raises(DatabaseUnavailable):
        await create()
    assert await error_of(postgres, "CREATE TABLE half (id INTEGER)") is None


async def test_a_cancelled_statement_is_503(postgres: AsyncEngine) -> None:
    async with postgres.begin() as connection:
        await connection.execute(text("CREATE TABLE held (id INTEGER)"))
    async with postgres.begin() as connection:
        await connection.execute(text("LOCK TABLE held"))
        for statements in (
            ("SET LOCAL statement_timeout = 50", "SELECT pg_sleep(60)"),
            ("SET LOCAL lock_timeout = 50", "LOCK TABLE held"),
            ("LOCK TABLE held NOWAIT",),
        ):
            error = await error_of(postgres, *statements)
            assert isinstance(error, DatabaseUnavailable)
    assert await error_of(postgres, "SELECT 1") is None


async def test_a_slow_statement_is_503(
    postgres_url: str, caplog: pytest.LogCaptureFixture
) -> None:
    async with engine_on(postgres_url) as engine:
        assert await error_of(engine, "SELECT 1") is None
    limit = {"command_timeout": 0.5}
    async with engine_on(postgres_url, connect_args=limit) as engine:
        error = await error_of(engine, "SELECT pg_sleep(60)")
    assert isinstance(error, DatabaseUnavailable)
    assert isinstance(error.__cause__, TimeoutError)
    assert "TimeoutError" in caplog.text


async def test_a_deadlock_is_503_for_one_of_the_two(postgres: AsyncEngine) -> None:
    async with postgres.begin() as connection:
        for statement in TABLES:
            await connection.execute(text(statement))
    both_hold = asyncio.Barrier(2)

    async def change(first: int, second: int) -> int:
        lock = "SELECT 1 FROM users WHERE id = {} FOR UPDATE"
        try:
            async with guarded(postgres) as session:
                await session.execute(text("SET LOCAL deadlock_timeout = 10"))
                await session.execute(text(lock.format(first)))
                await both_hold.wait()
                await session.execute(text(lock.format(second)))
        except DatabaseUnavailable:
            return 503
        return 200

    async with asyncio.timeout(30):
        statuses = await asyncio.gather(change(1, 2), change(2, 1))
    assert sorted(statuses) == [200, 503]


async def test_an_empty_pool_is_503(engine: AsyncEngine) -> None:
    one = {"pool_size": 1, "max_overflow": 0, "pool_timeout": 0.01}
    url = engine.url.render_as_string(hide_password=False)
    async with engine_on(url, **one) as small:
        async with small.connect():
            error = await error_of(small, "SELECT 1")
        assert isinstance(error, DatabaseUnavailable)
        assert isinstance(error.__cause__, exc.TimeoutError)
        assert await error_of(small, "SELECT 1") is None


async def test_a_refused_login_is_503(postgres: AsyncEngine) -> None:
    async with postgres.begin() as connection:
        for statement in (
            "DROP ROLE IF EXISTS limited",
            "CREATE ROLE limited LOGIN CONNECTION LIMIT 0",
        ):
            await connection.execute(text(statement))
    wrong = {
        "28000": postgres.url.set(username="nobody"),
        "3D000": postgres.url.set(database="nowhere"),
        "53300": postgres.url.set(username="limited"),
    }
    for code, url in wrong.items():
        async with engine_on(url.render_as_string(hide_password=False)) as engine:
            error = await error_of(engine, "SELECT 1")
        assert isinstance(error, DatabaseUnavailable)
        assert isinstance(error.__cause__, exc.DBAPIError)
        assert getattr(error.__cause__.orig, "sqlstate", "") == code


async def test_a_locked_sqlite_is_503(sqlite_url: str, tmp_path: Path) -> None:
    wait = {"timeout": 0.01}
    with closing(sqlite3.connect(tmp_path / "test.sqlite3")) as other:
        other.execute("CREATE TABLE rooms (name)")
        other.execute("BEGIN IMMEDIATE")
        async with engine_on(sqlite_url, connect_args=wait) as engine:
            insert = "INSERT INTO rooms VALUES ('lobby')"
            locked = await error_of(engine, insert)
            other.rollback()
            free = await error_of(engine, insert)
    assert isinstance(locked, DatabaseUnavailable)
    assert free is None


async def test_a_full_sqlite_is_503(sqlite_url: str) -> None:
    statements = (
        "CREATE TABLE rooms (name)",
        "PRAGMA max_page_count=2",
        "INSERT INTO rooms VALUES (zeroblob(100000))",
    )
    async with engine_on(sqlite_url) as engine:
        assert isinstance(await error_of(engine, *statements), DatabaseUnavailable)


async def test_a_sqlite_file_that_cannot_be_opened_is_503(tmp_path: Path) -> None:
    async with engine_on(f"sqlite+aiosqlite:///{tmp_path}") as engine:
        assert isinstance(await error_of(engine, "SELECT 1"), DatabaseUnavailable)


@pytest.mark.skipif(not CLEAR_REFS.exists(), reason="needs Linux' /proc")
async def test_a_sqlite_file_that_cannot_be_read_is_503() -> None:
    async with engine_on(f"sqlite+aiosqlite:///{CLEAR_REFS}") as engine:
        error = await error_of(engine, "SELECT * FROM sqlite_master")
    assert isinstance(error, DatabaseUnavailable)
    assert "disk I/O error" in str(error.__cause__)


# The example, the plain form


async def test_the_example_answers(
    database_url: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("DATABASE_URL", database_url)
    app = create_app()
    async with app.test_app():
        client = app.test_client()
        answers = [await client.put("/topics/quart") for _ in range(2)]
    assert [answer.status_code for answer in answers] == [201, 409]


async def test_the_example_does_not_wait_for_ever(postgres_url: str) -> None:
    app = create_app(postgres_url)
    impatient = open_engine(postgres_url, timeout=0.5)
    async with app.test_app(), engine_on(postgres_url) as other:
        app.extensions["sessions"] = async_sessionmaker(impatient)
        async with other.begin() as connection, asyncio.timeout(60):
            await connection.execute(text("LOCK TABLE topics"))
            answer = await app.test_client().put("/topics/quart")
        await impatient.dispose()
    assert (answer.status_code, answer.headers["Retry-After"]) == (503, "5")


async def test_a_server_that_never_answers_is_503() -> None:
    gone = asyncio.Event()

    async def say_nothing(
        reader: asyncio.StreamReader, writer: asyncio.StreamWriter
    ) -> None:
        with suppress(ConnectionError):
            await reader.read()  # until the client gives up
            writer.close()
            await writer.wait_closed()
        gone.set()

    server = await asyncio.start_server(say_nothing, "127.0.0.1", 0)
    host, port = server.sockets[0].getsockname()
    engine = open_engine(f"postgresql+asyncpg://tests@{host}:{port}/test", timeout=0.5)
    async with server, asyncio.timeout(30):
        error = await error_of(engine, "SELECT 1")
        await gone.wait()
    assert isinstance(error, DatabaseUnavailable)
    assert isinstance(error.__cause__, TimeoutError)


async def test_the_examples_log_shows_no_values(
    postgres_url: str, caplog: pytest.LogCaptureFixture
) -> None:
    app = create_app(postgres_url)
    name = 31 * "a"  # one too many
    async with app.test_app():
        answer = await app.test_client().put(f"/topics/{name}")
    assert answer.status_code == 500
    errors = [record for record in caplog.records if record.levelname == "ERROR"]
    [logged] = [logging.Formatter().format(record) for record in errors]
    assert "INSERT INTO topics" in logged
    assert name not in logged.replace(f"/topics/{name}", "")


async def test_the_examples_share_a_database(database_url: str) -> None:
    statuses = []
    for module, path in (
        (database_errors, "/topics/quart"),
        (database_locking, "/rooms/lobby/topic"),
        (database_sessions, "/users/ada"),
    ):
        app = module.create_app(database_url)
        async with app.test_app():
            form = {"topic": "Hello", "version": "1"}
            answer = await app.test_client().put(path, form=form)
            statuses.append(answer.status_code)
    assert statuses == [201, 200, 201]


async def test_the_plain_form_tells_duplicates_from_bugs(engine: AsyncEngine) -> None:
    async def insert(values: str) -> None:
        async with conflict_if_duplicate(), AsyncSession(engine) as session:
            await session.execute(text(f"INSERT INTO users VALUES ({values})"))
            await session.commit()

    for duplicate in ("1, 'eve', 1, ''", "3, 'ada', 1, ''"):
        with pytest.raises(Conflict):
            await insert(duplicate)
    with pytest.raises(exc.IntegrityError):
        await insert("3, NULL, 1, ''")
    await insert("3, 'eve', 1, ''")


# Don't


async def test_dont_only_operational_error_misses_a_refused_connection(
    caplog: pytest.LogCaptureFixture,
) -> None:
    app = Quart(__name__)
    dont.only_operational_error(app)
    async with engine_on("postgresql+asyncpg://tests@127.0.0.1:1/test") as engine:

        @app.get("/")
        async def index() -> str:
            async with AsyncSession(engine) as session:
                return str(await session.scalar(text("SELECT 1")))

        answer = await app.test_client().get("/")
    assert answer.status_code == 500
    assert "ConnectionRefusedError" in caplog.text


async def test_dont_every_integrity_error_hides_a_bug(
    engine: AsyncEngine, caplog: pytest.LogCaptureFixture
) -> None:
    app = Quart(__name__)
    dont.every_integrity_error(app)

    @app.post("/users")
    async def create_user() -> str:
        async with AsyncSession(engine) as session:
            await session.execute(text("UPDATE users SET name = NULL"))
        return "created"

    answer = await app.test_client().post("/users")
    assert (answer.status_code, caplog.records) == (409, [])


async def test_dont_caught_inside_catches_nothing(engine: AsyncEngine) -> None:
    async with AsyncSession(engine) as session:
        await dont.caught_inside(session, "lobby")
    async with AsyncSession(engine) as session:
        with pytest.raises(exc.IntegrityError):
            await dont.caught_inside(session, "lobby")


async def test_dont_checked_first_fails_when_two_come_at_once(
    engine: AsyncEngine,
) -> None:
    both_checked = asyncio.Event()
    checks: list[str] = []

    def count_checks(*arguments: object) -> None:
        checks.append("checked")
        if len(checks) == 2:
            both_checked.set()

    async def create_lobby() -> str:
        try:
            async with AsyncSession(engine) as session:
                await dont.checked_first(session, "lobby")
        except Exception as error:
            return type(error).__name__
        return "created"

    async with engine.connect() as other:
        await other.execute(text(LOCK_OUT_WRITERS[engine.dialect.name]))
        event.listen(engine.sync_engine, "after_cursor_execute", count_checks)
        tasks = [asyncio.create_task(create_lobby()) for _ in range(2)]
        async with asyncio.timeout(30):
            await both_checked.wait()
        await other.rollback()
        answers = await asyncio.gather(*tasks)
    assert sorted(answers) == ["IntegrityError", "created"]
    assert await create_lobby() == "Conflict"
