"""Work outlives its worker, its database's restart and the web process."""

import asyncio
import sys
import threading
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from datetime import UTC, datetime, tzinfo
from pathlib import Path
from typing import Any
from unittest.mock import AsyncMock

import pytest
from quart import Quart
from quart.typing import TestClientProtocol as Client
from sqlalchemy import func, select, update
from sqlalchemy.ext.asyncio import (
    AsyncSession,
    async_sessionmaker,
    create_async_engine,
)

from examples.app_factory import create_app as create_service
from examples.configuration import load_settings
from examples.database_locking import open_engines
from examples.database_sessions import Database, User, register_database
from examples.dont import task_queue as dont
from examples.plain import task_queue as plain
from examples.task_queue import (
    Handler,
    Task,
    Worker,
    add_task,
    after,
    create_app,
    daily,
    work_on,
    work_until_closed,
)
from tests.support import task_worker
from tests.support.postgres import Postgres
from tests.support.server import Server, hypercorn, start
from tests.support.serving import until


@pytest.fixture
async def database(database_url: str) -> AsyncIterator[Database]:
    async with open_database(database_url) as database:
        yield database


@asynccontextmanager
async def open_database(url: str) -> AsyncIterator[Database]:
    database = Database(url)
    try:
        await database.create_tables()
        yield database
    finally:
        await database.close()


async def add_mails(database: Database, *names: str) -> list[str]:
    """The ids of new tasks, each for a mail to NAME@example.com."""
    async with database.writing() as session:
        tasks = [
            add_task(session, "mail", address=f"{name}@example.com", text="Welcome!")
            for name in names
        ]
    return [task.id for task in tasks]


async def all_tasks(database: Database) -> list[Task]:
    async with database.reading() as session:
        return list(await session.scalars(select(Task).order_by(Task.due_at)))


async def states(database: Database) -> list[tuple[str, int]]:
    return [(task.state, task.attempts) for task in await all_tasks(database)]


async def count_users(database: Database) -> int:
    async with database.reading() as session:
        return await session.scalar(select(func.count(User.id))) or 0


async def make_due(database: Database) -> None:
    async with database.writing() as session:
        await session.execute(update(Task).values(due_at=after(-1)))


class Mails:
    """A handler that keeps what it is given, and fails `failures` times."""

    def __init__(self, failures: int = 0) -> None:
        self.failures = failures
        self.keys: list[str] = []
        self.addresses: list[str] = []

    async def __call__(self, key: str, address: str, text: str) -> None:
        self.keys.append(key)
        self.addresses.append(address)
        if len(self.keys) <= self.failures:
            raise OSError("no mail server")


# With its cause, in one transaction


async def post(app: Quart, username: str = "ada") -> int:
    answer = await app.test_client().post(f"/users/{username}")
    return answer.status_code


async def test_a_task_is_stored_with_its_user_or_not_at_all(database_url: str) -> None:
    app = create_app(database_url)
    async with app.test_app():
        assert [await post(app), await post(app)] == [201, 409]
        database = app.extensions["database"]
        assert await states(database) == [("waiting", 0)]
        mails = Mails()
        assert await Worker(database, {"mail": mails}).work()
        assert mails.addresses == ["ada@example.com"]


async def answer_of(app: Quart, path: str) -> tuple[int, Any]:
    answer = await app.test_client().get(path)
    return answer.status_code, await answer.get_json()


async def test_the_state_of_a_task_is_shown(database_url: str) -> None:
    app = create_app(database_url)
    async with app.test_app():
        location = (await app.test_client().post("/users/ada")).headers["Location"]
        key = location.removeprefix("/tasks/")
        waiting = {"id": key, "state": "waiting", "attempts": 0}
        assert await answer_of(app, location) == (200, waiting)
        await Worker(app.extensions["database"], {"mail": Mails()}).work()
        done = {"id": key, "state": "done", "attempts": 1}
        assert await answer_of(app, location) == (200, done)
        assert (await answer_of(app, "/tasks/never-stored"))[0] == 404


async def killed_web(name: str, database_url: str) -> None:
    """Register ada in a process that is killed right after its commit."""
    env = {"DATABASE_URL": database_url}
    web = await start("tests.support.killed_web", name, env=env)
    assert await web.exit_code(30) == -9


async def users_and_mails(database_url: str) -> tuple[int, list[str]]:
    """What is stored, and what a worker then sends."""
    mails = Mails()
    async with open_database(database_url) as database:
        users = await count_users(database)
        while await Worker(database, {"mail": mails}).work():
            pass
    return users, mails.addresses


async def test_a_kill_after_the_commit_loses_no_mail(postgres_url: str) -> None:
    await killed_web("outbox", postgres_url)
    assert await users_and_mails(postgres_url) == (1, ["ada@example.com"])


async def test_dont_publish_after_the_commit_loses_the_mail(sqlite_url: str) -> None:
    """`publish` is dont.publish_after_the_commit, whose `publish` kills it."""
    await killed_web("publish", sqlite_url)
    assert await users_and_mails(sqlite_url) == (1, [])


async def test_dont_publish_before_the_commit_mails_nobody(database_url: str) -> None:
    mails: list[str] = []

    async def publish(address: str) -> None:
        mails.append(address)
        assert await count_users(database) == 0
        raise ConnectionError("the client has left")

    app = dont.publish_before_the_commit(publish)
    register_database(app, database_url)
    async with app.test_app():
        database = app.extensions["database"]
        assert await post(app) == 500
        assert await count_users(database) == 0
    assert mails == ["ada@example.com"]


# Attempts


async def test_what_fails_is_tried_again_later_and_then_is_dead(
    database: Database, caplog: pytest.LogCaptureFixture
) -> None:
    mails = Mails(failures=3)
    await add_mails(database, "ada")
    worker = Worker(database, {"mail": mails}, attempts=3, pause=100)
    for attempt, pause in [(1, 100), (2, 200), (3, 0)]:
        assert await worker.work()
        [task] = await all_tasks(database)
        assert (task.state, task.attempts) == ("waiting", attempt)
        waits = (task.due_at - after(0)).total_seconds()
        assert pause - 60 < waits <= pause
        await make_due(database)
    caplog.clear()
    assert not await worker.work()
    assert await states(database) == [("dead", 3)]
    assert [record.levelname for record in caplog.records] == ["ERROR"]
    assert len(set(mails.keys)) == 1
    assert not await worker.work()
    async with database.writing() as session:
        revived = {"state": "waiting", "attempts": 0}
        await session.execute(update(Task).values(**revived))
    assert await worker.work()
    assert await states(database) == [("done", 1)]


async def test_the_defaults_try_for_three_hours(sqlite_url: str) -> None:
    async with open_database(sqlite_url) as database:
        worker = Worker(database, {})
        pauses = [worker.pause * 2**number for number in range(worker.attempts - 1)]
    assert 2.5 < sum(pauses) / 3600 < 3


async def test_a_task_whose_workers_all_die_is_dead_too(database: Database) -> None:
    await add_mails(database, "ada")
    worker = Worker(database, {"mail": Mails()}, attempts=1)
    async with database.writing() as session:
        task = await session.scalar(select(Task))
        assert task is not None
        worker.claim(task)  # and its worker dies
    await make_due(database)
    assert not await worker.work()
    assert await states(database) == [("dead", 1)]


async def test_a_lease_runs_out(
    database: Database, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("examples.task_queue.loop.POLL_SECONDS", 0.05)
    await add_mails(database, "ada")
    mails, closing = Mails(), asyncio.Event()
    dying = Worker(database, {}, lease=0.3)
    async with database.writing() as session:
        task = await session.scalar(select(Task))
        assert task is not None
        dying.claim(task)
        due_at = task.due_at
    loop = asyncio.create_task(work_on(Worker(database, {"mail": mails}), closing))
    await until(lambda: mails.keys == [task.id])
    assert after(0) >= due_at
    closing.set()
    await loop


async def test_a_task_that_hangs_is_cancelled_within_its_lease(
    database: Database, caplog: pytest.LogCaptureFixture
) -> None:
    async def hang(key: str, address: str, text: str) -> None:
        await asyncio.Event().wait()

    await add_mails(database, "ada")
    worker = Worker(database, {"mail": hang}, lease=3)
    async with asyncio.timeout(20):
        assert await worker.work()
    assert await states(database) == [("waiting", 1)]
    assert "TimeoutError" in caplog.text


async def await_what_is_cancelled(key: str) -> None:
    helper = asyncio.create_task(asyncio.Event().wait())
    asyncio.get_running_loop().call_soon(helper.cancel)
    await helper


async def exit_at_once(key: str) -> None:
    sys.exit()


@pytest.mark.parametrize("handler", [await_what_is_cancelled, exit_at_once])
async def test_what_would_end_the_worker_is_a_fault_of_its_task(
    sqlite_url: str, caplog: pytest.LogCaptureFixture, handler: Handler
) -> None:
    async with open_database(sqlite_url) as database:
        async with database.writing() as session:
            add_task(session, "bad")
        assert await Worker(database, {"bad": handler}).work()
        assert await states(database) == [("waiting", 1)]
    assert "attempt 1 failed" in caplog.text
    assert "RuntimeError" in caplog.text


async def test_a_worker_that_loses_a_loop_exits_with_1(
    sqlite_url: str, caplog: pytest.LogCaptureFixture, signal_handlers: None
) -> None:
    async def cancel_its_worker(key: str) -> None:
        loop = asyncio.current_task()
        assert loop is not None
        loop.cancel()
        await asyncio.Event().wait()

    async with open_database(sqlite_url) as database:
        async with database.writing() as session:
            add_task(session, "bad")
        with pytest.raises(SystemExit) as end:
            await work_until_closed(Worker(database, {"bad": cancel_its_worker}))
        assert await states(database) == [("waiting", 1)]
    assert end.value.code == 1
    assert "CRITICAL" in caplog.text


async def test_a_worker_that_is_closed_ends_without_a_fault(
    sqlite_url: str, caplog: pytest.LogCaptureFixture, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("examples.task_queue.loop.close_on_signals", asyncio.Event.set)
    await work_until_closed(Worker(Database(sqlite_url), {}))
    assert "CRITICAL" not in caplog.text


async def test_a_thread_outlives_the_time_limit_and_the_lease(
    sqlite_url: str, caplog: pytest.LogCaptureFixture
) -> None:
    threads: list[str] = []
    go = threading.Event()

    def block(key: str) -> None:
        threads.append(key)
        go.wait()

    async def mail(key: str, address: str, text: str) -> None:
        await asyncio.to_thread(block, key)

    async with open_database(sqlite_url) as database:
        [key] = await add_mails(database, "ada")
        worker = Worker(database, {"mail": mail}, lease=3)
        try:
            for _ in range(2):
                assert await worker.work()
                await make_due(database)
            await until(lambda: threads == [key] * 2)  # both at once
        finally:
            go.set()
        assert await states(database) == [("waiting", 2)]
    assert caplog.text.count("TimeoutError") >= 2


class Clock:
    """What daily tasks take for the time; counts how often they have looked."""

    def __init__(self) -> None:
        self.time = at(28, "02:59")
        self.looks = 0

    def now(self, zone: tzinfo) -> datetime:
        assert zone is UTC
        self.looks += 1
        return self.time

    async def go_to(self, time: datetime) -> None:
        """Until two apps have looked at it, and are done with it."""
        self.time, self.looks = time, 0
        await until(lambda: self.looks >= 6)


def at(day: int, time: str) -> datetime:
    return datetime.fromisoformat(f"2026-11-{day}T{time}Z")


@pytest.fixture
def clock(monkeypatch: pytest.MonkeyPatch) -> Clock:
    clock = Clock()
    monkeypatch.setattr(daily, "POLL_SECONDS", 0.05)
    monkeypatch.setattr(daily, "datetime", clock)
    return clock


@pytest.mark.parametrize("blind", [False, True], ids=["", "at once"])
async def test_a_daily_task_is_stored_once_by_all_processes(
    database_url: str,
    clock: Clock,
    blind: bool,
    monkeypatch: pytest.MonkeyPatch,
    caplog: pytest.LogCaptureFixture,
) -> None:
    if blind:  # as when another process stores it a moment later
        monkeypatch.setattr(AsyncSession, "get", AsyncMock(return_value=None))
    apps = [create_app(database_url), create_app(database_url)]
    for app in apps:
        daily.register_daily(app, "tidy", hour=3)
    first, second = "tidy-2026-11-28", "tidy-2026-11-29"
    async with apps[0].test_app(), apps[1].test_app():
        for time, keys in (
            (at(28, "02:59"), []),
            (at(28, "03:00"), [first]),
            (at(28, "23:59"), [first]),
            (at(29, "02:59"), [first]),
            (at(29, "03:00"), [first, second]),
        ):
            await clock.go_to(time)
            tasks = await all_tasks(apps[0].extensions["database"])
            assert sorted(task.id for task in tasks) == keys
    assert [record for record in caplog.records if record.exc_info] == []


async def test_an_argument_may_be_called_name(sqlite_url: str) -> None:
    greeted: list[str] = []

    async def greet(key: str, name: str, session: str) -> None:
        greeted.append(name)

    async with open_database(sqlite_url) as database:
        async with database.writing() as session:
            add_task(session, "greet", name="ada", session="morning")
        assert await Worker(database, {"greet": greet}).work()
    assert greeted == ["ada"]


async def test_no_argument_is_called_as_the_key_is(
    sqlite_url: str, caplog: pytest.LogCaptureFixture
) -> None:
    async def show(key: str) -> None: ...

    async with open_database(sqlite_url) as database:
        async with database.writing() as session:
            add_task(session, "show", key="ada")
        assert await Worker(database, {"show": show}).work()
        assert await states(database) == [("waiting", 1)]
    assert "multiple values for argument 'key'" in caplog.text


async def test_an_unknown_task_waits_for_a_worker_that_knows_it(
    database: Database,
) -> None:
    await add_mails(database, "ada")
    mails = Mails()
    assert await Worker(database, {}, pause=0).work()
    assert await Worker(database, {"mail": mails}).work()
    assert (mails.addresses, await states(database)) == (
        ["ada@example.com"],
        [("done", 2)],
    )


async def test_what_is_done_is_forgotten_after_a_day(database: Database) -> None:
    await add_mails(database, "ada")
    worker = Worker(database, {"mail": Mails()})
    await worker.work()
    [task] = await all_tasks(database)
    assert 0 < (task.due_at - after(0)).total_seconds() <= 24 * 3600
    assert not await worker.work()
    assert len(await all_tasks(database)) == 1
    await make_due(database)
    assert not await worker.work()
    assert await all_tasks(database) == []


# Many workers


async def test_workers_that_share_a_table_do_each_task_once(database_url: str) -> None:
    mails, closing = Mails(), asyncio.Event()
    async with (
        open_database(database_url) as first,
        open_database(database_url) as second,
    ):
        await add_mails(first, *(f"user{number}" for number in range(40)))
        workers = [Worker(one, {"mail": mails}) for one in (first, second) * 2]
        async with asyncio.TaskGroup() as loops:
            for worker in workers:
                loops.create_task(work_on(worker, closing))
            await until(lambda: len(mails.keys) >= 40)
            closing.set()
        assert await states(first) == [("done", 1)] * 40
    assert len(set(mails.keys)) == len(mails.keys) == 40


async def test_dont_claim_without_a_lock_does_it_twice(postgres_url: str) -> None:
    async with open_database(postgres_url) as database:
        await add_mails(database, "ada")
        async with database.writing() as one, database.writing() as other:
            claims = [
                await dont.claim_without_a_lock(one),
                await dont.claim_without_a_lock(other),
            ]
    assert [task and task.attempts for task in claims] == [0, 0]


async def test_dont_delete_before_the_work_loses_what_fails(
    database: Database,
) -> None:
    async def publish(address: str) -> None:
        raise OSError("no mail server")

    await add_mails(database, "ada")
    with pytest.raises(OSError, match="no mail server"):
        async with database.writing() as session:
            await dont.delete_before_the_work(session, publish)
    assert await all_tasks(database) == []


async def test_who_comes_late_does_not_close_what_another_has_claimed(
    database: Database,
) -> None:
    await add_mails(database, "ada")
    late, quick = Mails(), Mails()
    worker = Worker(database, {"mail": late})
    async with database.writing() as session:
        task = await session.scalar(select(Task))
        assert task is not None
        worker.claim(task)
    await make_due(database)
    failing = Worker(database, {"mail": Mails(failures=1)}, pause=100)
    assert await failing.work()
    await worker.perform(task)
    assert await states(database) == [("waiting", 2)]
    await make_due(database)
    await Worker(database, {"mail": quick}).work()
    assert (late.keys, await states(database)) == (quick.keys, [("done", 3)])


# Faults


async def started(folder: Path, database_url: str) -> Server:
    env = {"DATABASE_URL": database_url}
    worker = await start("tests.support.task_worker", str(folder), env=env)
    await worker.logged("the worker is ready")
    return worker


async def mails_in(folder: Path, count: int) -> list[list[str]]:
    """The lines that the workers write, once there are `count`."""
    await until(lambda: len(task_worker.read(folder)) >= count)
    return task_worker.read(folder)


async def test_a_killed_worker_and_one_that_is_stopped(
    database_url: str, tmp_path: Path
) -> None:
    """SIGKILL: after the lease the next one does it. SIGTERM: it ends its task."""
    async with open_database(database_url) as database:
        [key] = await add_mails(database, "ada")
        first = await started(tmp_path, database_url)
        await mails_in(tmp_path, 1)
        first.process.kill()
        await first.end()
        [task] = await all_tasks(database)
        assert (task.state, task.attempts) == ("waiting", 1)
        assert 0 < (task.due_at - after(0)).total_seconds() <= 60
        await make_due(database)
        second = await started(tmp_path, database_url)
        try:
            await mails_in(tmp_path, 2)
            second.process.terminate()
            await asyncio.sleep(0.1)
            assert second.process.returncode is None
            (tmp_path / "go").touch()
            assert await second.exit_code(20) == 0
        finally:
            await second.end()
        assert await states(database) == [("done", 2)]
    begun, sent = ["begun", "ada@example.com", key], ["sent", "ada@example.com", key]
    assert task_worker.read(tmp_path) == [begun, begun, sent]


async def test_a_restart_of_the_database_loses_nothing_and_repeats_nothing(
    postgres_server: Postgres, postgres_url: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("examples.task_queue.loop.POLL_SECONDS", 0.05)
    monkeypatch.setattr("examples.task_queue.outbox.RETRY_SECONDS", 0.05)
    begun, go, closing = asyncio.Event(), asyncio.Event(), asyncio.Event()
    mails = Mails()

    async def send(key: str, address: str, text: str) -> None:
        begun.set()
        await go.wait()
        await mails(key, address, text)

    async with open_database(postgres_url) as database:
        await add_mails(database, "ada", "bob")
        worker = Worker(database, {"mail": send})
        loop = asyncio.create_task(work_on(worker, closing))
        await begun.wait()
        await asyncio.to_thread(postgres_server.stop)
        go.set()
        await until(lambda: len(mails.keys) == 1)
        await asyncio.sleep(0.1)
        await asyncio.to_thread(postgres_server.start)
        await until(lambda: len(mails.keys) == 2)
        closing.set()
        await loop
        assert await states(database) == [("done", 1)] * 2
    assert mails.addresses == ["ada@example.com", "bob@example.com"]


async def test_a_worker_waits_for_its_tables_and_its_database(
    sqlite_url: str, caplog: pytest.LogCaptureFixture, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("examples.task_queue.loop.POLL_SECONDS", 0.01)
    mails, closing = Mails(), asyncio.Event()
    database = Database(sqlite_url)
    worker = Worker(database, {"mail": mails})
    loop = asyncio.create_task(work_on(worker, closing))
    await until(lambda: "no task for 0.04 seconds" in caplog.text)
    await database.create_tables()
    await add_mails(database, "ada")
    await until(lambda: mails.addresses == ["ada@example.com"])
    closing.set()
    await loop
    await database.close()


async def test_add_background_task_loses_the_mail_of_a_killed_process() -> None:
    async with hypercorn("tests.support.slow_mail:slower()") as server:
        process = await asyncio.create_subprocess_exec(
            sys.executable,
            "-c",
            "import sys, urllib.request as web; web.urlopen(sys.argv[1], b'').close()",
            server.url("/users/ada"),
        )
        assert await process.wait() == 0
        await server.logged("mail started")
        server.process.kill()
        await server.process.wait()
    assert "mail sent" not in server.log


# The plain form


async def test_the_plain_form_keeps_what_fails(database_url: str) -> None:
    _, writer = open_engines(database_url)
    sessions = async_sessionmaker(writer)
    sent: list[tuple[int, str]] = []

    async def fail(key: int, address: str) -> None:
        raise OSError(f"no mail server for {key}")

    async def send(key: int, address: str) -> None:
        sent.append((key, address))

    async with writer.begin() as connection:
        await connection.run_sync(plain.Base.metadata.create_all)
    async with sessions.begin() as session:
        session.add_all([plain.Mail(address="ada"), plain.Mail(address="bob")])
    for _ in range(2):  # it stops the other one
        with pytest.raises(OSError, match="no mail server for 1"):
            async with sessions.begin() as session:
                await plain.send_next(session, fail)
    for _ in range(3):
        async with sessions.begin() as session:
            await plain.send_next(session, send)
    assert sent == [(1, "ada"), (2, "bob")]
    await writer.dispose()


async def test_two_plain_workers_take_different_mails(postgres_url: str) -> None:
    _, writer = open_engines(postgres_url)
    sessions = async_sessionmaker(writer)
    sent: list[int] = []

    async def send(key: int, address: str) -> None:
        sent.append(key)

    async with writer.begin() as connection:
        await connection.run_sync(plain.Base.metadata.create_all)
    async with sessions.begin() as session:
        session.add_all([plain.Mail(address="ada"), plain.Mail(address="bob")])
    async with sessions.begin() as one, sessions.begin() as other:
        await plain.send_next(one, send)
        await plain.send_next(other, send)
    assert sent == [1, 2]
    await writer.dispose()


async def test_two_plain_workers_on_an_engine_of_sqlite_send_it_twice(
    sqlite_url: str,
) -> None:
    """FOR UPDATE is nothing there, and a SELECT begins no transaction."""
    engine = create_async_engine(sqlite_url)
    sessions = async_sessionmaker(engine)
    sent: list[int] = []

    async def send(key: int, address: str) -> None:
        sent.append(key)
        async with sessions.begin() as another:
            another.add(plain.Mail(address="written meanwhile"))

    async with engine.begin() as connection:
        await connection.run_sync(plain.Base.metadata.create_all)
    async with sessions.begin() as session:
        session.add(plain.Mail(address="ada"))
    async with sessions() as one, sessions() as other:
        await plain.send_next(one, send)
        await plain.send_next(other, send)
    assert sent == [1, 1]
    await engine.dispose()


# The service


@pytest.fixture
def service(sqlite_url: str, monkeypatch: pytest.MonkeyPatch) -> pytest.MonkeyPatch:
    monkeypatch.setenv("DATABASE_URL", sqlite_url)
    monkeypatch.setenv("SECRET_KEY", "s" * 32)
    monkeypatch.setenv("TOKEN_KEY", "t" * 32)
    return monkeypatch


async def register(client: Client) -> int:
    ada = {"username": "ada", "email": "ada@example.com", "password": "password123"}
    return (await client.post("/users", json=ada)).status_code


@pytest.mark.parametrize(("outbox", "sent"), [("true", []), ("false", ["ada"])])
async def test_the_mail_of_the_service_is_sent_by_one_of_both(
    service: pytest.MonkeyPatch, outbox: str, sent: list[str]
) -> None:
    mails: list[str] = []

    async def keep(address: str, text: str) -> None:
        mails.append(address.partition("@")[0])

    service.setenv("MAIL_OUTBOX", outbox)
    app = create_service(load_settings(), mailer=keep)
    async with app.test_app():
        assert await register(app.test_client()) == 201
        await asyncio.gather(*app.background_tasks)
        stored = await all_tasks(app.extensions["database"])
    assert [task.arguments["text"] for task in stored] == (
        [] if sent else ["Welcome, ada!"]
    )
    assert mails == sent


async def test_the_worker_of_the_service_is_one_command(
    service: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    service.setenv("MAIL_OUTBOX", "true")
    app = create_service(load_settings())
    async with app.test_app():
        assert await register(app.test_client()) == 201
        worker = await start("examples.task_queue.worker")
        try:
            await worker.logged("is done")
            assert await worker.stop(20) == 0
        finally:
            await worker.end()
        [task] = await all_tasks(app.extensions["database"])
    assert f"mail <{task.id}@example.com> of 13 characters" in worker.log
    assert "ada@" not in worker.log
    assert task.state == "done"
