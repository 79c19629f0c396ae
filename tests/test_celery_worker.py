"""What Celery loses alone, and what it does not with an outbox in front of it."""

import asyncio
import re
import shutil
import socket
import threading
from collections.abc import AsyncIterator, Callable
from pathlib import Path
from typing import Any

import new_app
import pytest
from celery import Celery, Task
from celery.signals import before_task_publish
from kombu.exceptions import OperationalError
from redis import Redis

from examples.celery_worker import Relay, create_celery
from examples.celery_worker.tasks import celery_of, run_published
from examples.configuration import load_settings
from examples.database_sessions import Database
from examples.dont import celery_worker as dont
from examples.plain import celery_worker as plain
from examples.task_queue import Task as StoredTask
from examples.task_queue import Worker, after, work_on
from tests.support import task_worker
from tests.support.celery_mail import KINDS, redis_url_of
from tests.support.machine import free_port
from tests.support.redis import RedisServer
from tests.support.server import Server, start
from tests.test_new_app import run_tests
from tests.test_task_queue import add_mails, all_tasks, make_due, open_database, states

EXAMPLES = Path(__file__).resolve().parents[1] / "examples"
Lines = list[list[str]]  # what the workers write


# The faults, for three ways to use Celery at once


class Storm:
    """One Redis with a database for each kind, one outbox, and a worker of each."""

    def __init__(self, server: RedisServer, folder: Path) -> None:
        self.server = server
        self.folder = folder
        self.folders = {kind: folder / kind for kind in KINDS}
        self.database_url = f"sqlite+aiosqlite:///{folder}/test.sqlite3"
        self.workers: Server | None = None
        self.left: dict[str, int] = {}

    def redis_url(self, kind: str) -> str:
        return redis_url_of(kind, self.server.url)

    async def start_workers(self, *kinds: str) -> None:
        env = {"REDIS_URL": self.server.url, "DATABASE_URL": self.database_url}
        command = ("tests.support.celery_mail", str(self.folder), *kinds)
        self.workers = await start(*command, env=env)

    async def kill_workers(self) -> None:
        if self.workers:
            self.workers.kill()
            await self.workers.end()

    async def publish(self, database: Database, name: str) -> None:
        """To the outbox, and to the workers that have none."""
        await add_mails(database, name)
        for kind in KINDS[:2]:
            await self.send(kind, name)

    async def send(self, kind: str, name: str) -> None:
        celery = Celery(broker=self.redis_url(kind), set_as_current=False)
        address = f"{name}@example.com"
        await asyncio.to_thread(celery.send_task, "send_mail", [address])
        celery.close()

    async def wrote(self, state: str, name: str, *kinds: str, times: int = 1) -> None:
        """Wait until each of `kinds` has written it so often."""
        line = [state, f"{name}@example.com"]
        for kind in kinds:
            async with asyncio.timeout(60):
                while self.lines(kind).count(line) < times:  # noqa: ASYNC110
                    await asyncio.sleep(0.02)

    async def acknowledged(self, kind: str) -> None:
        """Wait for it: the worker does so a moment after its process has begun."""
        async with asyncio.timeout(60):
            while self.messages(kind):  # noqa: ASYNC110
                await asyncio.sleep(0.02)

    def make_visible(self, kind: str) -> None:
        """Or whoever was killed holds the lock of the one who looks, or the message."""
        with Redis.from_url(self.redis_url(kind)) as client:
            client.delete("unacked_mutex")
            for tag in client.zrange("unacked_index", 0, -1):
                client.zadd("unacked_index", {tag: 0})

    def messages(self, kind: str) -> int:
        """How many Redis holds: to be delivered, or again after the time-out."""
        with Redis.from_url(self.redis_url(kind)) as client:
            return int(client.llen("celery")) + int(client.hlen("unacked"))

    def lines(self, kind: str) -> Lines:
        return [line[:2] for line in task_worker.read(self.folders[kind])]

    async def run(self) -> "Storm":
        closing = asyncio.Event()
        celery = create_celery(self.redis_url("outbox"), self.database_url, {})
        async with open_database(self.database_url) as database:
            relay = Relay(database, celery)
            relaying = asyncio.create_task(work_on(relay, closing))
            try:
                await self.faults(database)
            finally:
                closing.set()
                await relaying
                await self.kill_workers()
        celery.close()
        return self

    async def faults(self, database: Database) -> None:
        for folder in self.folders.values():
            folder.mkdir()
        await self.publish(database, "bob")
        await until_all(database, lambda task: task.due_at > after(0))  # published
        await asyncio.to_thread(self.restart)
        await make_due(database)  # instead of five minutes
        await self.start_workers(*KINDS)
        await self.publish(database, "ada")
        await self.wrote("begun", "ada", "defaults", "safe")
        await self.wrote("begun", "bob", "outbox")
        await self.acknowledged("defaults")
        await self.kill_workers()
        await make_due(database)  # instead of the lease
        self.left = {kind: self.messages(kind) for kind in KINDS[:2]}
        self.make_visible("safe")  # instead of ten minutes
        await self.start_workers("safe", "outbox")
        await self.wrote("begun", "ada", "safe", times=2)
        for folder in self.folders.values():
            (folder / "go").touch()
        await self.wrote("sent", "ada", "safe", "outbox")
        await self.wrote("sent", "bob", "outbox")
        await self.publish(database, "eve")
        await self.wrote("sent", "eve", "safe", "outbox")
        await until_all(database, lambda task: task.state == "done")

    def restart(self) -> None:
        self.server.stop()
        self.server.start()


async def until_all(database: Database, wanted: Callable[[StoredTask], bool]) -> None:
    async with asyncio.timeout(60):
        while True:
            if all(map(wanted, await all_tasks(database))):
                return
            await asyncio.sleep(0.02)


@pytest.fixture(scope="module")
def storm(redis_server: RedisServer, tmp_path_factory: pytest.TempPathFactory) -> Storm:
    redis_server.empty()
    return asyncio.run(Storm(redis_server, tmp_path_factory.mktemp("storm")).run())


def test_dont_acknowledge_at_once_loses_both(storm: Storm) -> None:
    """The kind `defaults` is dont.acknowledge_at_once."""
    assert storm.lines("defaults") == [["begun", "ada@example.com"]]
    assert storm.left == {"defaults": 0, "safe": 1}


def test_a_late_acknowledgement_survives_the_worker_but_not_redis(
    storm: Storm,
) -> None:
    ada, eve = "ada@example.com", "eve@example.com"
    begun = ["begun", ada]
    assert storm.lines("safe") == [
        begun, begun, ["sent", ada], ["begun", eve], ["sent", eve],
    ]  # fmt: skip


def test_the_outbox_survives_the_worker_and_redis(storm: Storm) -> None:
    sent = [address for state, address in storm.lines("outbox") if state == "sent"]
    assert sorted(sent) == ["ada@example.com", "bob@example.com", "eve@example.com"]


# From the outbox to Celery


@pytest.fixture
async def database(database_url: str) -> AsyncIterator[Database]:
    async with open_database(database_url) as database:
        yield database


async def test_a_message_runs_its_task_once_however_often_it_comes(
    database: Database,
) -> None:
    keys: list[str] = []

    async def mail(key: str, address: str, text: str) -> None:
        keys.append(key)
        if len(keys) == 1:
            raise OSError("no mail server")

    worker = Worker(database, {"mail": mail}, pause=100)
    [key] = await add_mails(database, "ada")
    for attempts in (0, 0):
        await run_published(worker, key, attempts)
    assert keys == [key]
    await run_published(worker, key, 1)
    for late in (1, 0):
        await run_published(worker, key, late)
    await run_published(worker, "forgotten", 0)
    assert keys == [key, key]
    assert await states(database) == [("done", 2)]


async def test_what_nobody_has_run_is_published_again(database: Database) -> None:
    published: list[dict[str, Any]] = []

    def record(headers: dict[str, Any], **_: object) -> None:
        published.append(headers)

    [key] = await add_mails(database, "ada")
    celery = create_celery("memory://", "", {})
    relay = Relay(database, celery, publish_again=0)
    before_task_publish.connect(record)
    try:
        assert [await relay.work(), await relay.work()] == [True, True]
    finally:
        before_task_publish.disconnect(record)
    assert [one["argsrepr"] for one in published] == [f"['{key}', 0]"] * 2
    assert all(one["expires"] for one in published)
    assert await states(database) == [("waiting", 0)]


async def test_messages_pile_up_in_redis_where_no_worker_runs(
    redis_url: str, sqlite_url: str
) -> None:
    """Redis drops none; `expires` is for the worker that receives it."""
    celery = create_celery(redis_url, "", {})
    async with open_database(sqlite_url) as database:
        await add_mails(database, "ada")
        relay = Relay(database, celery, publish_again=0)
        assert [await relay.work() for _ in range(3)] == [True] * 3
    assert await asyncio.to_thread(waiting_messages, celery) == 3
    celery.close()


async def test_while_redis_is_away_the_rows_wait(
    redis_server: RedisServer, redis_url: str, database: Database, tmp_path: Path
) -> None:
    celery = create_celery(redis_url, "", {})
    relay = Relay(database, celery)
    await add_mails(database, "ada", "bob")
    await asyncio.to_thread(redis_server.stop)
    try:
        for _ in range(2):
            with pytest.raises(OperationalError):
                await relay.work()
    finally:
        await asyncio.to_thread(redis_server.start)
    assert [await relay.work() for _ in range(3)] == [True, True, False]
    assert await states(database) == [("waiting", 0)] * 2
    assert await asyncio.to_thread(waiting_messages, celery) == 2
    celery.close()


def waiting_messages(celery: Celery) -> int:
    with celery.connection_for_read() as connection:
        queue = connection.default_channel.queue_declare("celery", passive=True)
    return int(queue.message_count)


async def test_relay_and_worker_are_one_command_each(
    postgres_url: str, redis_url: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Two mails by one process of Celery's pool: its loop and connections stay."""
    monkeypatch.setenv("DATABASE_URL", postgres_url)
    monkeypatch.setenv("REDIS_URL", redis_url)
    monkeypatch.setenv("SECRET_KEY", "s" * 32)
    monkeypatch.setenv("TOKEN_KEY", "t" * 32)
    monkeypatch.setenv("LOG_JSON", "true")
    options = ("--concurrency", "1", "--without-mingle")
    async with open_database(postgres_url) as database:
        keys = await add_mails(database, "ada", "bob")
        relay, worker = await asyncio.gather(
            start("examples.celery_worker.relay"),
            start("examples.celery_worker.worker", *options),
        )
        try:
            for key in keys:
                await worker.logged(f"task {key} is done", seconds=60)
            assert await asyncio.gather(relay.stop(20), worker.stop(20)) == [0, 0]
        finally:
            await relay.end()
            await worker.end()
        assert await states(database) == [("done", 1)] * 2
    assert "Traceback" not in relay.log + worker.log
    assert "ada@" not in relay.log + worker.log
    assert relay.log.startswith("{")
    [line] = [each for each in worker.log.splitlines() if f"{keys[0]} is done" in each]
    assert line.startswith("[")  # Celery formats all lines of its worker


async def test_unix_is_no_transport_of_celery(
    tmp_path: Path, database: Database
) -> None:
    await add_mails(database, "ada")
    for scheme, error in [("unix", KeyError), ("redis+socket", OperationalError)]:
        relay = Relay(database, create_celery(f"{scheme}://{tmp_path}/none", "", {}))
        with pytest.raises(error):
            await relay.work()


def test_without_an_address_of_redis_it_does_not_start(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.delenv("REDIS_URL", raising=False)
    monkeypatch.setenv("SECRET_KEY", "s" * 32)
    monkeypatch.setenv("TOKEN_KEY", "t" * 32)
    with pytest.raises(SystemExit, match="REDIS_URL: Field required"):
        celery_of(load_settings())


async def test_dont_new_loop_for_each_task_fails_each_second_time(
    postgres_url: str,
) -> None:
    """What dont.new_loop_for_each_task makes, in a process of its own."""
    env = {"DATABASE_URL": postgres_url}
    calls = await start("tests.support.celery_loops", env=env)
    assert await calls.exit_code(30) == 0
    said = re.findall("^counted|^Event loop is closed", calls.log, re.MULTILINE)
    assert said == ["counted", "Event loop is closed", "counted"]


async def test_two_threads_of_one_process_cannot_run_tasks(
    sqlite_url: str,
) -> None:
    """As in the pool `threads`."""
    begun, go = threading.Event(), threading.Event()

    async def mail(key: str, address: str, text: str) -> None:
        begun.set()
        go.wait()

    celery = create_celery("memory://", sqlite_url, {"mail": mail})
    run_task = celery.tasks["run_task"]
    async with open_database(sqlite_url) as database:
        keys = await add_mails(database, "ada", "bob")
        first = asyncio.create_task(asyncio.to_thread(run_task, keys[0], 0))
        await asyncio.to_thread(begun.wait)
        try:
            with pytest.raises(RuntimeError, match="event loop is already running"):
                await asyncio.to_thread(run_task, keys[1], 0)
        finally:
            go.set()
            await first


# In a project of its own


def test_it_runs_in_a_project_that_new_app_wrote(tmp_path: Path) -> None:
    """There task_queue exports only what that project uses."""
    project = tmp_path / "project"
    assert new_app.main(["acme", "--to", str(project)]) == 0
    shutil.copytree(EXAMPLES / "celery_worker", project / "acme" / "celery_worker")
    own_test = (EXAMPLES / "testing" / "test_celery_worker.py").read_text()
    (project / "tests" / "test_celery_worker.py").write_text(
        own_test.replace("examples.", "acme.")
        + "\n\ndef test_its_commands_are_imported() -> None:\n"
        "    import acme.celery_worker.relay, acme.celery_worker.worker\n"
    )
    output = run_tests(project, "tests/test_celery_worker.py")
    assert "2 passed" in output


# Publishing from the app


@pytest.fixture
def send_welcome() -> Task:
    celery = Celery("users", broker="memory://", set_as_current=False)

    @celery.task(name="send_welcome")
    def send_welcome(address: str) -> None: ...

    return send_welcome


async def publisher(publish: Callable[[], Any]) -> int:
    """The thread in which Celery publishes."""
    seen: list[int] = []

    def record(**_: object) -> None:
        seen.append(threading.get_ident())

    before_task_publish.connect(record)
    try:
        await publish()
    finally:
        before_task_publish.disconnect(record)
    return seen[0]


async def test_dont_publish_on_the_loop_blocks_every_request(
    send_welcome: Task,
) -> None:
    client = dont.publish_on_the_loop(send_welcome).test_client()
    thread = await publisher(lambda: client.post("/users/ada"))
    assert thread == threading.get_ident()


async def test_the_plain_form_publishes_off_the_loop() -> None:
    celery = plain.create_celery("memory://", print)
    thread = await publisher(lambda: plain.publish_mail(celery, "ada@example.com"))
    assert thread != threading.get_ident()


async def test_the_plain_form_fails_at_once_when_redis_is_away() -> None:
    celery = plain.create_celery(f"redis://127.0.0.1:{free_port()}/0", print)
    with pytest.raises(OperationalError):
        await plain.publish_mail(celery, "ada@example.com")


async def test_the_plain_form_gives_up_a_redis_that_does_not_answer() -> None:
    with socket.create_server(("127.0.0.1", 0)) as silent:
        port = silent.getsockname()[1]
        celery = plain.create_celery(f"redis://127.0.0.1:{port}/0", print)
        assert celery.conf.broker_transport_options["socket_timeout"] == 5
        celery.conf.broker_transport_options |= {"socket_timeout": 0.2}
        with pytest.raises(OperationalError, match="Timeout"):
            await plain.publish_mail(celery, "ada@example.com")
        celery.close()


def test_the_plain_form_tries_again_what_the_mail_server_refused() -> None:
    attempts: list[str] = []

    def refuse(address: str) -> None:
        attempts.append(address)
        if len(attempts) < 3:
            raise OSError("no mail server")

    celery = plain.create_celery("memory://", refuse)
    celery.tasks["send_mail"].apply(["ada@example.com"])
    assert attempts == ["ada@example.com"] * 3
