import asyncio
import gc
import sqlite3
import traceback
import warnings
from collections.abc import AsyncIterator, Iterator
from contextlib import asynccontextmanager, closing, contextmanager
from datetime import UTC, datetime, timedelta
from importlib.metadata import requires
from pathlib import Path
from typing import Any, ClassVar

import pytest
from quart import Quart, g, websocket
from quart.testing.app import LifespanError
from quart.typing import TestClientProtocol as Client
from sqlalchemy import Connection, Engine, event, exc, func, make_url, select, text
from sqlalchemy.ext.asyncio import (
    AsyncEngine,
    AsyncSession,
    async_sessionmaker,
    create_async_engine,
)
from sqlalchemy.orm import DeclarativeBase, Mapped, aliased, mapped_column
from sqlalchemy.orm.exc import DetachedInstanceError
from sqlalchemy.util import await_only

from examples.database_errors import DatabaseUnavailable
from examples.database_sessions import (
    Base,
    Database,
    User,
    check_database,
    create_app,
    reading,
    writing,
)
from examples.database_sessions.models import UtcDateTime
from examples.database_sessions.shared import with_session
from examples.dont import database_sessions as dont
from examples.error_handling import register_error_handlers
from examples.plain import database_sessions as plain
from tests.support.postgres import Postgres
from tests.support.serving import serving

PATIENCE = 60  # seconds that a busy machine may need for anything


class Notes(DeclarativeBase):
    pass


class Note:
    id: Mapped[int] = mapped_column(primary_key=True)
    text: Mapped[str]


class DatabaseSetsTheTime(Note, Notes):
    __tablename__ = "notes"

    updated_at: Mapped[datetime | None] = mapped_column(
        UtcDateTime, onupdate=func.now()
    )


class DatabaseReturnsTheTime(Note, Notes):
    __tablename__ = "eager_notes"
    __mapper_args__: ClassVar = {"eager_defaults": True}

    updated_at: Mapped[datetime | None] = mapped_column(
        UtcDateTime, onupdate=func.now()
    )


class PythonSetsTheTime(Note, Notes):
    __tablename__ = "python_notes"

    updated_at: Mapped[datetime | None] = mapped_column(
        UtcDateTime, onupdate=lambda: datetime.now(UTC)
    )


def user(username: str, **values: object) -> User:
    email = f"{username}@example.com"
    return User(username=username, email=email, password_hash="a-hash", **values)


@pytest.fixture
async def app(database_url: str) -> AsyncIterator[Quart]:
    app = create_app(database_url)
    async with app.test_app():
        yield app


@pytest.fixture
def client(app: Quart) -> Client:
    return app.test_client()


@pytest.fixture
async def database(database_url: str) -> AsyncIterator[Database]:
    database = Database(database_url, timeout=PATIENCE)
    try:
        await database.create_tables()
        yield database
    finally:
        await database.close()


@pytest.fixture
async def engine(database_url: str) -> AsyncIterator[AsyncEngine]:
    """As SQLAlchemy makes it, with the tables."""
    engine = create_async_engine(database_url)
    try:
        async with engine.begin() as connection:
            await connection.run_sync(Base.metadata.create_all)
        yield engine
    finally:
        await engine.dispose()


async def usernames(database: Database) -> list[str]:
    async with database.reading() as session:
        return list(await session.scalars(select(User.username).order_by(User.id)))


def opened_connections(engine: Engine) -> list[object]:
    opened: list[object] = []
    event.listen(engine, "connect", lambda connection, record: opened.append(record))
    return opened


@contextmanager
def missing_greenlet() -> Iterator[list[Exception]]:
    """The database is needed where it cannot be awaited; SQLite's driver also warns."""
    raised: list[Exception] = []
    with warnings.catch_warnings():
        warnings.filterwarnings("ignore", "coroutine .* was never awaited")
        try:
            yield raised
        except (exc.MissingGreenlet, exc.StatementError) as error:
            found = getattr(error, "orig", error)
            if not isinstance(found, exc.MissingGreenlet):
                raise
            raised.append(error)
            for each in (error, found):  # lets go of the coroutine that nobody awaits
                traceback.clear_frames(each.__traceback__)
        else:
            pytest.fail("it needed no database")
        gc.collect()


# The example


async def test_users_are_created_once_and_read(client: Client) -> None:
    created = [await client.put("/users/ada") for _ in range(2)]
    shown = await client.get("/users/ada")
    unknown = await client.get("/users/eve")
    assert [answer.status_code for answer in created] == [201, 409]
    assert await created[0].get_json() == {"id": 1}
    assert await shown.get_json() == {"username": "ada", "invited_by": None}
    assert unknown.status_code == 404


async def test_who_invited_is_read_with_the_user(app: Quart, client: Client) -> None:
    async with app.app_context(), writing() as session:
        ada = user("ada")
        session.add(ada)
        await session.flush()
        session.add(user("bob", invited_by=ada.id))
    shown = await (await client.get("/users/bob")).get_json()
    assert shown == {"username": "bob", "invited_by": "ada"}


async def test_logins_are_counted(client: Client) -> None:
    await client.put("/users/ada")
    for logins in (1, 2):
        counted = await client.post("/users/ada/logins")
        assert await counted.get_json() == {"logins": logins}
    assert (await client.post("/users/eve/logins")).status_code == 404


async def test_of_twenty_equal_users_one_is_created(client: Client) -> None:
    answers = await asyncio.gather(*(client.put("/users/ada") for _ in range(20)))
    assert sorted(answer.status_code for answer in answers) == [201] + [409] * 19


async def test_the_plain_form_answers(database_url: str) -> None:
    app = plain.create_app(database_url)
    async with app.test_app():
        answer = await (await app.test_client().get("/time")).get_json()
    now = datetime.fromisoformat(answer["time"])
    if now.tzinfo is None:
        now = now.replace(tzinfo=UTC)
    assert abs(datetime.now(UTC) - now) < timedelta(hours=1)


async def test_the_url_comes_from_the_environment(
    database_url: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("DATABASE_URL", database_url)
    app = create_app()
    async with app.test_app():
        assert (await app.test_client().put("/users/ada")).status_code == 201


# Sessions


async def test_an_error_rolls_back_what_was_flushed(database: Database) -> None:
    async def create_and_fail() -> None:
        async with database.writing() as session:
            session.add(user("ada"))
            await session.flush()
            raise ArithmeticError("the card was refused")

    with pytest.raises(ArithmeticError):
        await create_and_fail()
    assert await usernames(database) == []


async def test_values_stay_after_the_commit(database: Database) -> None:
    ada = user("ada")
    async with database.writing() as session:
        session.add(ada)
    assert (ada.id, ada.username, ada.logins) == (1, "ada", 0)


@asynccontextmanager
async def changed(engine: AsyncEngine, model: type[Any]) -> AsyncIterator[Any]:
    """A row after an UPDATE, in its open session."""
    async with engine.begin() as connection:
        await connection.run_sync(Notes.metadata.create_all)
    sessions = async_sessionmaker(engine, expire_on_commit=False)
    async with sessions.begin() as session:
        session.add(model(text="Hello"))
    async with sessions.begin() as session:
        note = await session.get_one(model, 1)
        note.text = "Goodbye"
        await session.flush()
        yield note


async def test_a_time_that_the_database_sets_is_gone_after_an_update(
    engine: AsyncEngine,
) -> None:
    async with changed(engine, DatabaseSetsTheTime) as note:
        with missing_greenlet():
            _ = note.updated_at
    assert note.text == "Goodbye"
    with pytest.raises(DetachedInstanceError):
        _ = note.updated_at


@pytest.mark.parametrize("model", [DatabaseReturnsTheTime, PythonSetsTheTime])
async def test_other_times_stay_after_an_update(
    engine: AsyncEngine, model: type[Any]
) -> None:
    async with changed(engine, model) as note:
        assert note.updated_at is not None
    assert note.updated_at.tzinfo == UTC


async def test_times_come_back_in_utc(database: Database) -> None:
    ada = user("ada")
    async with database.writing() as session:
        session.add(ada)
    async with database.reading() as session:
        found = await session.get_one(User, 1)
    assert found is not ada
    assert found.created_at == ada.created_at
    assert found.created_at.tzinfo == UTC


async def test_a_reading_session_refuses_to_write(database: Database) -> None:
    async def create() -> None:
        async with database.reading() as session:
            session.add(user("ada"))
            await session.flush()

    with pytest.raises(exc.DBAPIError, match=r"readonly|read-only"):
        await create()
    assert await usernames(database) == []


async def test_a_reading_session_does_not_save_changes(database: Database) -> None:
    async with database.writing() as session:
        session.add(user("ada"))
    async with database.reading() as session:
        (await session.get_one(User, 1)).username = "eve"
    assert await usernames(database) == ["ada"]


async def test_relationships_must_be_asked_for(database: Database) -> None:
    async with database.writing() as session:
        session.add(user("ada"))
    async with database.reading() as session:
        ada = await session.get_one(User, 1)
        with pytest.raises(exc.InvalidRequestError, match="lazy='raise'"):
            _ = ada.inviter


async def test_tasks_have_a_session_each(database: Database) -> None:
    async with database.writing() as session:
        session.add_all([user("ada"), user("bob")])

    async def name_of(user_id: int) -> str:
        async with database.reading() as session:
            return (await session.get_one(User, user_id)).username

    assert await asyncio.gather(name_of(1), name_of(2)) == ["ada", "bob"]


async def test_a_savepoint_survives_a_duplicate(database: Database) -> None:
    async with database.writing() as session:
        session.add(user("ada"))
        await session.flush()
        with pytest.raises(exc.IntegrityError):
            async with session.begin_nested():
                session.add(user("ada"))
        session.add(user("bob"))
    assert await usernames(database) == ["ada", "bob"]


async def test_after_a_failed_flush_the_session_is_done(database: Database) -> None:
    async def flush_twice() -> None:
        async with database.writing() as session:
            session.add_all([user("ada"), user("ada")])
            with pytest.raises(exc.IntegrityError):
                await session.flush()
            await session.scalar(select(User.id))

    with pytest.raises(exc.InvalidRequestError, match="rolled back due to"):
        await flush_twice()
    assert await usernames(database) == []


async def test_helpers_share_the_session_of_the_view(
    app: Quart, client: Client
) -> None:
    async def add_user(username: str) -> None:
        g.session.add(user(username))
        await g.session.flush()

    @app.post("/pairs/<first>/<second>")
    @with_session
    async def create_pair(first: str, second: str) -> dict[str, int]:
        await add_user(first)
        await add_user(second)
        return {"users": await g.session.scalar(select(func.count(User.id)))}

    first = await client.post("/pairs/ada/bob")
    second = await client.post("/pairs/eve/bob")
    assert (first.status_code, second.status_code) == (200, 409)
    assert (await client.get("/users/ada")).status_code == 200
    assert (await client.get("/users/eve")).status_code == 404


async def test_a_background_task_opens_its_own(app: Quart, client: Client) -> None:
    async def welcome(username: str) -> None:
        async with writing() as session:
            session.add(user(username))

    @app.post("/welcome")
    async def start() -> str:
        app.add_background_task(welcome, "ada")
        return "started"

    await client.post("/welcome")
    await asyncio.gather(*app.background_tasks)
    assert (await client.get("/users/ada")).status_code == 200


async def test_a_websocket_opens_one_for_each_message(
    app: Quart, client: Client
) -> None:
    @app.websocket("/ws/users")
    async def find_users() -> None:
        while True:
            username = await websocket.receive()
            async with reading() as session:
                query = select(User.id).where(User.username == username)
                found = await session.scalar(query)
            await websocket.send(str(found))

    async with client.websocket("/ws/users") as socket, asyncio.timeout(PATIENCE):
        await socket.send("ada")
        assert await socket.receive() == "None"
        await client.put("/users/ada")
        await socket.send("ada")
        assert await socket.receive() == "1"


async def test_requests_share_the_connections_of_one_pool(
    app: Quart, client: Client
) -> None:
    database: Database = app.extensions["database"]
    opened = opened_connections(database.reader.sync_engine)
    for _ in range(5):
        await asyncio.gather(*(client.get("/users/ada") for _ in range(10)))
    assert len(opened) <= 10


# The client leaves


async def leave(address: str, path: str, after: asyncio.Event) -> None:
    """Send a POST and close the connection once the event is set."""
    host, _, port = address.rpartition(":")
    _, writer = await asyncio.open_connection(host, int(port))
    head = f"POST {path} HTTP/1.1\r\nHost: {address}\r\nContent-Length: 0\r\n\r\n"
    writer.write(head.encode())
    async with asyncio.timeout(PATIENCE):
        await after.wait()
        writer.close()
        await writer.wait_closed()


@pytest.mark.parametrize("path", ["/inside", "/statement", "/after"])
async def test_a_client_that_leaves_keeps_only_what_was_committed(
    database_url: str, path: str
) -> None:
    app = create_app(database_url)
    there, cancelled = asyncio.Event(), asyncio.Event()

    @app.post("/inside")
    async def inside() -> None:
        try:
            async with writing() as session:
                session.add(user("ada"))
                await session.flush()
                there.set()
                await asyncio.Event().wait()
        finally:
            cancelled.set()

    @app.post("/statement")
    async def statement() -> None:
        counting = text(
            "WITH RECURSIVE numbers (n) AS"
            " (SELECT 1 UNION ALL SELECT n + 1 FROM numbers WHERE n < 300000)"
            " SELECT count(*) FROM numbers"
        )
        try:
            async with writing() as session:
                session.add(user("ada"))
                await session.flush()
                there.set()
                await session.execute(counting)
                await asyncio.Event().wait()
        finally:
            cancelled.set()

    @app.post("/after")
    async def after() -> None:
        try:
            async with writing() as session:
                session.add(user("ada"))
            there.set()
            await asyncio.Event().wait()
        finally:
            cancelled.set()

    async with serving(app) as address:
        await leave(address, path, after=there)
        async with asyncio.timeout(PATIENCE):
            await cancelled.wait()
        kept = await usernames(app.extensions["database"])
        answer = await app.test_client().put("/users/bob")
    assert kept == (["ada"] if path == "/after" else [])
    assert answer.status_code == 201


# The database is away


async def test_requests_survive_a_restart_of_postgresql(
    postgres_server: Postgres, postgres_url: str
) -> None:
    app = create_app(postgres_url)
    register_error_handlers(app)
    async with app.test_app(), app.app_context():
        client = app.test_client()
        await client.put("/users/ada")
        await check_database()
        postgres_server.stop()
        try:
            read = await client.get("/users/ada")
            write = await client.put("/users/bob")
            with pytest.raises(DatabaseUnavailable):
                await check_database()
        finally:
            postgres_server.start()
        answers = [await client.get("/users/ada"), await client.put("/users/bob")]
        await check_database()
    for answer in (read, write):
        assert (answer.status_code, answer.headers["Retry-After"]) == (503, "5")
        assert answer.content_type == "application/problem+json"
    assert [answer.status_code for answer in answers] == [200, 201]


async def test_a_busy_pool_is_503(database_url: str, database: Database) -> None:
    small = Database(database_url, pool_size=1, timeout=PATIENCE)
    assert small.reader.pool.timeout() == PATIENCE
    small.reader.pool._timeout = 0.01  # the other waits keep theirs

    async def read() -> None:
        async with small.reading() as session:
            await session.scalar(select(User.id))

    try:
        async with small.reader.connect():
            with pytest.raises(DatabaseUnavailable) as raised:
                await read()
        assert isinstance(raised.value.__cause__, exc.TimeoutError)
    finally:
        await small.close()


async def test_a_view_that_opens_a_second_session_can_wait_for_itself(
    sqlite_url: str,
) -> None:
    database = Database(sqlite_url, timeout=0.2)

    async def open_two() -> None:
        async with database.writing(), database.writing():
            pytest.fail("it has two writers")

    try:
        await database.create_tables()
        with pytest.raises(DatabaseUnavailable):
            await open_two()
    finally:
        await database.close()


async def test_a_locked_sqlite_is_503(sqlite_url: str, tmp_path: Path) -> None:
    database = Database(sqlite_url, timeout=0.01)

    async def create() -> None:
        async with database.writing() as session:
            session.add(user("ada"))

    try:
        await database.create_tables()
        with closing(sqlite3.connect(tmp_path / "test.sqlite3")) as other:
            other.execute("BEGIN IMMEDIATE")
            with pytest.raises(DatabaseUnavailable):
                await create()
            assert await usernames(database) == []
            other.rollback()
            await create()
        assert await usernames(database) == ["ada"]
    finally:
        await database.close()


async def test_the_check_does_not_wait_for_the_writer(app: Quart) -> None:
    async with app.app_context(), writing() as session:
        session.add(user("ada"))
        await session.flush()
        async with asyncio.timeout(PATIENCE):
            await check_database()


@pytest.mark.parametrize(
    ("url", "complaint"),
    [
        ("sqlite+aiosqlite://", "FILE"),
        ("postgresql+asyncpg://tests@127.0.0.1:1/test", "Connect call failed"),
        ("postgresql+asyncpg://tests@127.0.0.1:1/test?sslmode=require", "sslmode"),
    ],
)
async def test_a_wrong_url_stops_the_start(url: str, complaint: str) -> None:
    app = create_app(url)
    with pytest.raises(LifespanError, match=complaint):
        async with app.test_app():
            pytest.fail("it started")


async def test_the_log_shows_no_values(
    app: Quart, client: Client, caplog: pytest.LogCaptureFixture
) -> None:
    values = {"email": "ada@example.com"}

    @app.post("/import")
    async def import_user() -> str:
        insert = text("INSERT INTO nowhere VALUES (:email)")
        async with writing() as session:
            await session.execute(insert, values)
        return "imported"

    assert (await client.post("/import")).status_code == 500
    assert "INSERT INTO nowhere" in caplog.text
    assert "ada@example.com" not in caplog.text


# What SQLAlchemy 2.1 expects


def test_a_bare_postgresql_url_means_psycopg() -> None:
    assert make_url("postgresql://db/users").get_dialect().driver == "psycopg"


def test_greenlet_comes_with_the_asyncio_extra_only() -> None:
    wanted = [line for line in requires("sqlalchemy") or [] if "greenlet" in line]
    assert wanted
    assert all("extra ==" in line for line in wanted)


def test_filter_by_is_ambiguous_over_two_tables() -> None:
    inviter = aliased(User)
    query = select(User, inviter).join(inviter, User.inviter)
    with pytest.raises(exc.AmbiguousColumnError):
        query.filter_by(id=1)


async def test_in_memory_all_sessions_share_one_transaction() -> None:
    engine = create_async_engine("sqlite+aiosqlite://")
    async with engine.begin() as connection:
        await connection.run_sync(Base.metadata.create_all)
    async with AsyncSession(engine) as ours, AsyncSession(engine) as theirs:
        ours.add(user("ada"))
        await ours.flush()
        await theirs.scalar(select(User.id))
        await theirs.rollback()
        await ours.commit()
        assert await theirs.scalar(select(func.count(User.id))) == 0
    await engine.dispose()


# Don't


def test_dont_engine_at_import_serves_one_event_loop(
    postgres_url: str, caplog: pytest.LogCaptureFixture
) -> None:
    async def create_ada() -> None:
        database = Database(postgres_url, timeout=PATIENCE)
        await database.create_tables()
        async with database.writing() as session:
            session.add(user("ada"))
        await database.close()

    asyncio.run(create_ada())
    app = dont.engine_at_import(postgres_url)
    sessions = app.extensions["sessions"]
    engine = sessions().bind

    @app.get("/users/<int:user_id>")
    async def show_user(user_id: int) -> str:
        async with sessions() as session:
            return (await session.get_one(User, user_id)).username

    async def status() -> int:
        answer = await app.test_client().get("/users/1")
        return answer.status_code

    with asyncio.Runner() as first, asyncio.Runner() as second:
        assert first.run(status()) == 200
        assert second.run(status()) == 500
        first.run(engine.dispose())
    assert "attached to a different loop" in caplog.text


async def test_dont_commit_in_teardown_keeps_what_a_failed_request_wrote(
    engine: AsyncEngine,
) -> None:
    app = Quart(__name__)
    sessions = async_sessionmaker(engine)
    dont.commit_in_teardown(app, sessions)

    @app.post("/orders")
    async def order() -> None:
        g.session.add(user("ada"))
        raise ArithmeticError("the card was refused")

    assert (await app.test_client().post("/orders")).status_code == 500
    async with sessions() as session:
        assert await session.scalar(select(User.username)) == "ada"


async def test_dont_shared_session_works_until_a_connection_must_be_opened(
    engine: AsyncEngine,
) -> None:
    async with AsyncSession(engine) as session, session.begin():
        session.add_all([user("ada"), user("bob")])
    async with AsyncSession(engine) as session:
        ada, bob = await dont.shared_session(session, [1, 2])
        assert (ada.username, bob.username) == ("ada", "bob")
    await engine.dispose()
    before = asyncio.all_tasks()
    async with AsyncSession(engine) as session:
        with pytest.raises(
            exc.InvalidRequestError, match="concurrent operations are not permitted"
        ):
            await dont.shared_session(session, [1, 2])
        await asyncio.wait(asyncio.all_tasks() - before)


async def test_dont_to_dict_works_while_the_inviter_is_loaded(
    engine: AsyncEngine,
) -> None:
    async with AsyncSession(engine) as session, session.begin():
        session.add(user("ada"))
        await session.flush()
        session.add(user("bob", invited_by=1))
    async with AsyncSession(engine) as session:
        both = await session.scalars(select(dont._LazyUser).order_by(dont._LazyUser.id))
        _ada, bob = both.all()
        assert dont.to_dict(bob) == {"username": "bob", "invited_by": "ada"}
    async with AsyncSession(engine) as session:
        bob = await session.get_one(dont._LazyUser, 2)
        with missing_greenlet():
            dont.to_dict(bob)
    with pytest.raises(DetachedInstanceError, match="attribute 'inviter'"):
        dont.to_dict(bob)


async def test_dont_commit_inside_leaves_a_session_that_refuses(
    engine: AsyncEngine,
) -> None:
    sessions = async_sessionmaker(engine, expire_on_commit=False)
    with pytest.raises(exc.InvalidRequestError, match="closed transaction inside"):
        await dont.commit_inside(sessions)
    async with sessions() as session:
        assert await session.scalar(select(User.username)) == "ada"


async def test_dont_expired_loads_anew_after_the_commit(engine: AsyncEngine) -> None:
    async with AsyncSession(engine) as session:
        with missing_greenlet():
            await dont.expired(session)


async def test_missing_greenlet_is_a_statement_error_on_sqlite(
    engine: AsyncEngine,
) -> None:
    expected = {"sqlite": exc.StatementError, "postgresql": exc.MissingGreenlet}
    async with AsyncSession(engine) as session:
        with missing_greenlet() as raised:
            await dont.expired(session)
    assert [type(error) for error in raised] == [expected[engine.dialect.name]]


async def test_dont_expired_is_detached_after_the_block(engine: AsyncEngine) -> None:
    ada = user("ada")
    async with async_sessionmaker(engine).begin() as session:
        session.add(ada)
    with pytest.raises(DetachedInstanceError):
        _ = ada.username


async def test_processes_may_start_at_once(database_url: str) -> None:
    databases = [Database(database_url) for _ in range(5)]
    await asyncio.gather(*(database.create_tables() for database in databases))
    for database in databases:
        await database.close()


async def add_again_and_be_cancelled(database_url: str, ours: bool) -> None:
    """A second user of one name, while whose INSERT is sent the task is cancelled."""
    database = Database(database_url)
    await database.create_tables()
    sessions = async_sessionmaker(database.writer)
    sent, go_on = asyncio.Event(), asyncio.Event()

    async def add_user() -> None:
        async with database.writing() if ours else sessions.begin() as session:
            session.add(User(username="ada", email="ada@example.com", password_hash=""))

    await add_user()

    @event.listens_for(database.writer.sync_engine, "before_cursor_execute")
    def before_the_insert(*arguments: object) -> None:
        if str(arguments[2]).startswith("INSERT"):
            sent.set()
            await_only(go_on.wait())

    task = asyncio.create_task(add_user())
    await asyncio.wait_for(sent.wait(), 30)
    task.cancel()
    await asyncio.sleep(0)
    go_on.set()
    try:
        await task
    finally:
        await database.close()


async def test_a_cancellation_outlives_the_error_of_a_commit(database_url: str) -> None:
    with pytest.raises(asyncio.CancelledError):
        await add_again_and_be_cancelled(database_url, ours=True)


async def test_sqlalchemy_replaces_a_cancellation(database_url: str) -> None:
    with pytest.raises(exc.IntegrityError):
        await add_again_and_be_cancelled(database_url, ours=False)


async def test_who_makes_the_tables_is_waited_for(
    postgres_url: str,
) -> None:
    first, second = Database(postgres_url), Database(postgres_url)
    made, go_on = asyncio.Event(), asyncio.Event()
    waiting = text(
        "SELECT count(*) FROM pg_locks JOIN pg_stat_activity USING (pid)"
        " WHERE NOT granted AND usename = current_user"
    )

    @event.listens_for(first.writer.sync_engine, "commit")
    def before_the_commit(connection: Connection) -> None:
        made.set()
        await_only(go_on.wait())

    tasks = [asyncio.create_task(first.create_tables())]
    await asyncio.wait_for(made.wait(), 30)
    tasks.append(asyncio.create_task(second.create_tables()))
    async with asyncio.timeout(30), second.reader.connect() as connection:
        while True:
            if await connection.scalar(waiting):
                break
            await asyncio.sleep(0.02)
    go_on.set()
    await asyncio.gather(*tasks)
    await first.close()
    await second.close()
