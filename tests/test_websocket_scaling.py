import asyncio
import json
import logging
import signal
import sys
import threading
from collections import Counter
from collections.abc import AsyncIterator, Awaitable, Callable, Coroutine, Iterator
from contextlib import (
    AbstractAsyncContextManager,
    AsyncExitStack,
    asynccontextmanager,
)
from dataclasses import dataclass
from functools import partial
from pathlib import Path
from typing import Any
from unittest.mock import AsyncMock

import pytest
import websockets
from pydantic import ValidationError
from quart import Quart
from redis.asyncio import Redis
from redis.asyncio.retry import Retry
from redis.backoff import NoBackoff
from redis.exceptions import ConnectionError as NoConnection

from examples import app_factory
from examples.configuration import Settings
from examples.dont import websocket_scaling as dont
from examples.plain import websocket_scaling as plain
from examples.server_sent_events import Event, SharedFeed
from examples.websocket_broadcast import Client, Hub
from examples.websocket_scaling import (
    Bus,
    ScaledHub,
    bus,
    create_app,
    presence,
    reader,
    register_scaling,
)
from examples.websocket_scaling.presence import Presence
from tests.support import redis as redis_support
from tests.support.login import KEY, bearer
from tests.support.machine import free_port, missing
from tests.support.redis import RedisServer, redis
from tests.support.server import Server, hypercorn, running
from tests.support.serving import serving, until
from tests.support.websocket_client import connected, ending, hear

CHAT, PUBSUB = "/ws/chat", "/ws/pubsub"
ANSWER_SECONDS = reader.ANSWER_SECONDS
Socket = websockets.ClientConnection


@pytest.fixture(autouse=True)
def patience(monkeypatch: pytest.MonkeyPatch) -> None:
    """A machine that is slow does not look like a Redis that is away."""
    monkeypatch.setattr(reader, "ANSWER_SECONDS", 30)
    monkeypatch.setattr(presence, "BEAT_SECONDS", 0.1)


@pytest.fixture
def impatience(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(reader, "ANSWER_SECONDS", 2)


@pytest.fixture
def stoppable() -> Iterator[RedisServer]:
    """A server that the test stops; the others' stays as it is."""
    if redis_support.find() is None:
        missing(redis_support.MISSING)
    with redis() as server:
        yield server


@dataclass
class Process:
    """An app that shares nothing with another one but Redis."""

    app: Quart
    address: str

    @property
    def bus(self) -> Bus:
        found: Bus = self.app.extensions["bus"]
        return found

    @property
    def hub(self) -> ScaledHub:
        found: ScaledHub = self.app.extensions["hub"]
        return found

    def chat(self, user_id: int) -> AbstractAsyncContextManager[Socket]:
        return connected(self.address, "/ws/chat", bearer(user_id))

    def topics(self, user_id: int) -> AbstractAsyncContextManager[Socket]:
        return connected(self.address, "/ws/pubsub", bearer(user_id))

    def room(self, user_id: int) -> AbstractAsyncContextManager[Socket]:
        return connected(self.address, "/ws/rooms/team", bearer(user_id))

    async def post(self, path: str) -> Any:
        response = await self.app.test_client().post(path)
        assert response.status_code == 200
        return await response.get_json()


@asynccontextmanager
async def process(url: str) -> AsyncIterator[Process]:
    app = create_app(url, [KEY])
    async with serving(app) as address:
        async with asyncio.timeout(30):
            await app.extensions["bus"].tried.wait()
        yield Process(app, address)


@asynccontextmanager
async def two_processes(url: str) -> AsyncIterator[tuple[Process, Process]]:
    async with process(url) as first, process(url) as second:
        yield first, second


@asynccontextmanager
async def a_member_of_each(
    url: str,
) -> AsyncIterator[tuple[Process, Process, Socket, Socket]]:
    """Two processes, ada in the first and grace in the second."""
    async with (
        two_processes(url) as (first, second),
        first.chat(1) as ada,
        second.chat(2) as grace,
    ):
        await until(lambda: len(first.hub.clients) == len(second.hub.clients) == 1)
        yield first, second, ada, grace


async def tell(ws: Socket, **message: str) -> None:
    await ws.send(json.dumps(message))


async def ask(ws: Socket, **message: str) -> Any:
    await tell(ws, **message)
    return await hear(ws)


async def eventually(condition: Callable[[], Awaitable[bool]]) -> None:
    async with asyncio.timeout(30):
        while True:
            if await condition():
                return
            await asyncio.sleep(0.02)


async def linked(*parts: Process) -> None:
    for part in parts:
        async with asyncio.timeout(30):
            await part.bus.linked.wait()


async def present(ws: Socket, *users: int, topic: str = "news") -> None:
    """Ask until these are there."""

    async def are_there() -> bool:
        answer = await ask(ws, type="who", topic=topic)
        return answer["users"] == [*users]

    await eventually(are_there)


async def test_what_one_says_all_hear_once(redis_url: str) -> None:
    async with (
        a_member_of_each(redis_url) as (first, second, ada, grace),
        second.topics(3) as alan,
    ):
        for text in ("hello", "bye"):
            await tell(ada, text=text)
            said = {"type": "said", "user": "user-1", "text": text}
            assert await hear(ada) == await hear(grace) == said
        answer = await ask(alan, type="subscribe", topic="news")
        assert answer["type"] == "subscribed"
        assert await first.post("/announcements/lunch") == {"hear": 1}
        assert await second.post("/announcements/tea") == {"hear": 1}
        for ws in (ada, grace):
            assert [(await hear(ws))["text"] for _ in range(2)] == ["lunch", "tea"]
        await tell(alan, type="publish", topic="news", text="new")
        assert (await hear(alan))["text"] == "new"


async def test_one_user_is_told_wherever_it_is(redis_url: str) -> None:
    async with (
        a_member_of_each(redis_url) as (first, second, ada, grace),
        second.chat(1) as tab,
    ):
        await until(lambda: len(second.hub.clients) == 2)
        assert await first.post("/users/1/notes/lunch") == {"hear": 1}
        assert await first.post("/users/2/notes/tea") == {"hear": 0}
        assert (await hear(ada))["text"] == (await hear(tab))["text"] == "lunch"
        assert (await hear(grace))["text"] == "tea"


async def test_all_hear_all_in_one_order(redis_url: str) -> None:
    async def publish(part: Process, sender: int) -> None:
        for number in range(50):
            message = {"type": "said", "from": sender, "number": number}
            await part.hub.publish("/ws/chat", message)

    async with a_member_of_each(redis_url) as (first, second, ada, grace):
        sending = [
            asyncio.create_task(publish(part, sender))
            for sender, part in enumerate([first, first, second, second])
        ]
        heard = [[await hear(ws) for _ in range(200)] for ws in (ada, grace)]
        await asyncio.gather(*sending)
    assert heard[0] == heard[1]
    for sender in range(4):
        numbers = [one["number"] for one in heard[0] if one["from"] == sender]
        assert numbers == [*range(50)]


async def test_members_of_all_processes_are_there(redis_url: str) -> None:
    async with process(redis_url) as first, first.topics(1) as ada:
        await ask(ada, type="subscribe", topic="news")
        async with (
            process(redis_url) as second,
            second.topics(2) as grace,
            second.topics(2) as tab,
        ):
            for ws in (grace, tab):
                await ask(ws, type="subscribe", topic="news")
            await present(ada, 1, 2)
            await ask(tab, type="unsubscribe", topic="news")
            await present(grace, 1, 2)
            await ask(grace, type="unsubscribe", topic="news")
            await present(ada, 1)
            await ask(grace, type="subscribe", topic="news")
            await present(ada, 1, 2)
        assert await first.hub.present("news") == {1}  # at once: it said good-bye
        assert await first.bus.redis.zcard(f"{first.app.name}:processes") == 1


@pytest.fixture
def no_beat(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(presence, "BEAT_SECONDS", 3_600)


@pytest.mark.usefixtures("no_beat")
async def test_a_room_of_all_processes_tells_who_comes_and_goes(redis_url: str) -> None:
    async with (
        two_processes(redis_url) as (first, second),
        first.room(1) as ada,
    ):
        await linked(first, second)
        assert await hear(ada) == {"type": "joined", "user": "user-1"}
        async with second.room(2) as grace:
            for ws in (ada, grace):
                assert await hear(ws) == {"type": "joined", "user": "user-2"}
                answer = await ask(ws, type="who")
                assert answer == {"type": "present", "users": [1, 2]}
        assert await hear(ada) == {"type": "left", "user": "user-2"}
        assert await ask(ada, type="who") == {"type": "present", "users": [1]}


@pytest.mark.usefixtures("no_beat")
async def test_many_who_join_at_once_are_shown_at_once(
    redis_url: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    show = Presence.show
    shown = 0

    async def count(self: Presence) -> None:
        nonlocal shown
        shown += 1
        await show(self)

    async with two_processes(redis_url) as (first, second):
        await linked(first, second)
        monkeypatch.setattr(Presence, "show", count)

        async def join(number: int) -> None:
            client = Client(number)
            client.topics.add("news")
            first.hub.clients.add(client)
            await first.hub.show()

        await asyncio.gather(*map(join, FIFTY))
        assert await second.hub.present("news") == {*FIFTY}
    assert shown < 10  # one shows all who came meanwhile


@pytest.mark.usefixtures("impatience")
async def test_a_room_goes_on_while_redis_hangs(stoppable: RedisServer) -> None:
    async with process(stoppable.url) as first, first.room(1) as ada:
        await linked(first)
        await hear(ada)
        stoppable.send(signal.SIGSTOP)
        async with first.room(2) as grace:
            for ws in (ada, grace):
                assert await hear(ws) == {"type": "joined", "user": "user-2"}
        assert await hear(ada, "left") == {"type": "left", "user": "user-2"}
        stoppable.send(signal.SIGCONT)


async def test_a_process_forgets_those_that_show_nothing_more(
    redis_url: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(presence, "KEPT_SECONDS", 0.5)
    async with process(redis_url) as first:
        processes = f"{first.app.name}:processes"
        await first.bus.redis.zadd(processes, {"lost": 1})

        async def is_forgotten() -> bool:
            known = await first.bus.redis.zrange(processes, 0, -1)
            return known == [first.bus.process.encode()]

        await eventually(is_forgotten)


def test_a_lost_host_is_gone_and_all_are_together_in_time() -> None:
    """By the numbers, since a busy machine may take longer."""
    assert presence.KEPT_SECONDS + presence.BEAT_SECONDS < 20
    assert 1.5 * reader.LONGEST_DELAY + ANSWER_SECONDS == 6


async def test_the_time_that_members_are_kept_is_set_in_redis(redis_url: str) -> None:
    async with a_member_of_each(redis_url) as (first, second, *_):
        for part in (first, second):
            key = f"{part.app.name}:processes:{part.bus.process}"

            async def is_shown(key: str = key) -> bool:
                return await first.bus.redis.exists(key) == 1

            await eventually(is_shown)
            assert 0 < await first.bus.redis.pttl(key) <= 10_000


async def test_without_redis_a_process_is_alone_and_all_hear_of_it(
    stoppable: RedisServer, caplog: pytest.LogCaptureFixture
) -> None:
    async with a_member_of_each(stoppable.url) as (first, second, ada, grace):
        stoppable.stop()
        await until(
            lambda: not (first.bus.linked.is_set() or second.bus.linked.is_set())
        )
        assert await first.post("/announcements/alone") == {"hear": 1}
        assert (await hear(ada))["text"] == "alone"
        assert await first.hub.present("/ws/chat") == {1}
        stoppable.start()
        for ws in (ada, grace):
            assert await hear(ws) == {"type": "reset"}
        await linked(first, second)
        for speaker, text in ((ada, "we are"), (grace, "together")):
            await tell(speaker, text=text)
            for ws in (ada, grace):
                assert (await hear(ws, "said"))["text"] == text
    for words in ("this process is alone", "linked to the other processes"):
        told = [one for one in caplog.records if words in one.message]
        warnings = [one for one in told if one.levelno == logging.WARNING]
        assert len(warnings) == 2  # one a process, however often it has tried


async def test_an_app_starts_without_redis_and_finds_it(stoppable: RedisServer) -> None:
    stoppable.stop()
    async with a_member_of_each(stoppable.url) as (first, second, ada, grace):
        await tell(grace, text="anybody?")
        assert (await hear(grace))["text"] == "anybody?"
        stoppable.start()
        for ws in (ada, grace):
            assert await hear(ws) == {"type": "reset"}
        await linked(first, second)
        await tell(ada, text="yes")
        assert (await hear(grace, "said"))["text"] == "yes"


@pytest.mark.usefixtures("impatience")
async def test_an_app_starts_while_redis_hangs(stoppable: RedisServer) -> None:
    stoppable.send(signal.SIGSTOP)
    async with process(stoppable.url) as first:
        assert not first.bus.linked.is_set()
        stoppable.send(signal.SIGCONT)
        await linked(first)


@pytest.mark.usefixtures("impatience")
async def test_a_redis_that_hangs_delays_only_who_publishes_first(
    stoppable: RedisServer,
) -> None:
    """And what it does late is not heard twice."""
    async with a_member_of_each(stoppable.url) as (first, second, ada, grace):
        stoppable.send(signal.SIGSTOP)
        waiting = asyncio.create_task(first.post("/announcements/one"))
        response = await first.app.test_client().get("/nowhere")  # the loop is free
        assert (response.status_code, waiting.done()) == (404, False)
        assert await waiting == {"hear": 1}
        assert not first.bus.linked.is_set()
        assert await first.post("/announcements/two") == {"hear": 1}
        assert [(await hear(ada))["text"] for _ in range(2)] == ["one", "two"]
        await until(lambda: not second.bus.linked.is_set())  # nobody published there
        stoppable.send(signal.SIGCONT)
        await linked(first, second)
        await tell(grace, text="the end")
        heard = [await hear(ada), await hear(ada)]
        while not {"said", "reset"} <= {message["type"] for message in heard}:
            heard.append(await hear(ada))
        assert "announcement" not in {message["type"] for message in heard}


async def test_a_lost_subscription_is_a_gap_and_a_lost_connection_is_none(
    redis_url: str,
) -> None:
    async with a_member_of_each(redis_url) as (_, _, ada, grace):
        async with Redis.from_url(redis_url) as admin:
            await admin.client_kill_filter(_type="normal", skipme=True)
            await tell(ada, text="no gap")
            for ws in (ada, grace):
                assert (await hear(ws))["text"] == "no gap"
            await admin.client_kill_filter(_type="pubsub")
        for ws in (ada, grace):
            assert await hear(ws) == {"type": "reset"}
        await tell(ada, text="go on")
        for ws in (ada, grace):
            assert (await hear(ws, "said"))["text"] == "go on"


async def test_what_is_too_large_or_not_understood_stops_nobody(
    redis_url: str, caplog: pytest.LogCaptureFixture
) -> None:
    async with a_member_of_each(redis_url) as (first, _, ada, grace):
        large = {"text": "x" * bus.PARCEL_BYTES}
        with pytest.raises(ValueError, match="bytes are too many to tell all"):
            await first.hub.publish("/ws/chat", large)
        feed = first.app.extensions["feed"]  # it raises in the view, not in a task
        with pytest.raises(ValueError, match="bytes are too many to tell all"):
            feed.publish("note", large)
        for data in (object(), {1: {2}}, {(1, 2): 3}):
            with pytest.raises(TypeError):
                feed.publish("note", data)
        assert not first.bus.sending
        await first.bus.send("listener of a newer version", {})
        await first.bus.redis.publish(first.bus.channel, b"no JSON")
        await tell(grace, text="go on")
        for ws in (ada, grace):
            assert (await hear(ws))["text"] == "go on"
    errors = [one.exc_info[0] for one in caplog.records if one.exc_info]
    assert Counter(errors) == {KeyError: 2, ValidationError: 2}


async def test_each_feed_hears_what_is_published_to_it(redis_url: str) -> None:
    async with two_processes(redis_url) as (first, second):
        await linked(first, second)
        here, there = SharedFeed(first.bus, "stock"), SharedFeed(second.bus, "stock")
        others = [part.app.extensions["feed"] for part in (first, second)]
        start = [feed.last_id for feed in others]
        seen = there.last_id
        here.publish("price", 7, to="tea")
        await until(lambda: there.after(seen) is not None)
        assert there.after(seen) == Event(seen + 1, "price", "7", "tea")
        assert [feed.last_id for feed in others] == start


def test_a_name_is_taken_once() -> None:
    told = Bus("acme")
    feed = SharedFeed(told)
    with pytest.raises(ValueError, match="'feed' listens already"):
        SharedFeed(told)
    assert told.listeners == {"feed": feed}


async def test_a_mistake_in_a_listener_does_not_make_a_process_deaf(
    redis_url: str, caplog: pytest.LogCaptureFixture
) -> None:
    async with a_member_of_each(redis_url) as (first, second, ada, grace):

        class Mistake:
            async def hear(self, message: dict[str, Any]) -> None:
                raise ZeroDivisionError

            async def missed(self) -> None:
                raise ZeroDivisionError

        first.bus.listeners["mistake"] = second.bus.listeners["mistake"] = Mistake()
        await first.bus.send("mistake", {})
        async with Redis.from_url(redis_url) as admin:
            await admin.client_kill_filter(_type="pubsub")
        await hear(ada, "reset")
        await tell(grace, text="go on")
        assert (await hear(ada, "said"))["text"] == "go on"
    errors = [one.exc_info[0] for one in caplog.records if one.exc_info]
    assert errors == [ZeroDivisionError] * 4


async def test_what_comes_twice_or_late_is_heard_once(redis_url: str) -> None:
    async with process(redis_url) as first, first.chat(1) as ada:
        await until(lambda: len(first.hub.clients) == 1)
        for number in (1, 1, 3, 2, 4):
            sent = {"topic": "/ws/chat", "message": {"number": number}}
            data = json.dumps(vars(bus.Parcel("another", number, "hub", sent)))
            await first.bus.redis.publish(first.bus.channel, data)
        assert [(await hear(ada))["number"] for _ in range(3)] == [1, 3, 4]


async def test_apps_of_another_channel_are_apart_and_databases_are_not(
    redis_url: str,
) -> None:
    other, staging = Quart("another app"), Quart("examples.websocket_broadcast")
    register_scaling(other, redis_url)
    register_scaling(staging, redis_url, channel="staging")
    other_database = redis_url.removesuffix("/0") + "/1"
    async with (
        other.test_app(),
        staging.test_app(),
        a_member_of_each(redis_url) as (_, _, ada, grace),
        process(other_database) as third,
        third.chat(3) as alan,
    ):
        await until(lambda: len(third.hub.clients) == 1)
        assert staging.name == third.app.name
        for stranger in (other, staging):
            hub = stranger.extensions["hub"]
            assert await hub.publish("/ws/chat", {"type": "x"}) == 0
            assert await hub.present("/ws/chat") == set()
        await tell(ada, text="hello")
        for ws in (ada, grace, alan):
            assert (await hear(ws))["text"] == "hello"
        assert await third.hub.present("/ws/chat") == {3}


async def test_who_is_elsewhere_may_fail(
    redis_url: str, caplog: pytest.LogCaptureFixture
) -> None:
    async with a_member_of_each(redis_url) as (first, *_):
        await first.bus.redis.flushall()
        processes = f"{first.app.name}:processes"
        await first.bus.redis.set(processes, "of another type")
        assert await first.hub.present("/ws/chat") == {1}
        await until(lambda: "do not see who is here" in caplog.text)
        assert "who is in other processes is not known" in caplog.text


async def test_a_wrong_password_is_logged_without_it(
    stoppable: RedisServer, caplog: pytest.LogCaptureFixture
) -> None:
    async with Redis.from_url(stoppable.url) as admin:
        await admin.config_set("requirepass", "right-pw-4711")
    for password in ("right", "wrong"):
        url = stoppable.url.replace("//", f"//:{password}-pw-4711@")
        async with process(url) as part:
            assert part.bus.linked.is_set() == (password == "right")
    assert "invalid username-password pair" in caplog.text
    assert "pw-4711" not in caplog.text


async def make_certificate(folder: Path) -> None:
    options = """
        -x509 -newkey ec -pkeyopt ec_paramgen_curve:prime256v1 -nodes -days 1
        -subj /CN=redis -addext subjectAltName=IP:127.0.0.1
        -keyout key.pem -out cert.pem
    """
    process = await asyncio.create_subprocess_exec(
        "openssl",
        "req",
        *options.split(),
        cwd=folder,
        stderr=asyncio.subprocess.DEVNULL,
    )
    assert await process.wait() == 0


async def test_tls(tmp_path: Path) -> None:
    if redis_support.find() is None:
        missing(redis_support.MISSING)
    await make_certificate(tmp_path)
    port = free_port()
    options = ["--tls-port", str(port), "--tls-auth-clients", "no"]
    for name, file in {"cert": "cert", "key": "key", "ca-cert": "cert"}.items():
        options += [f"--tls-{name}-file", f"{tmp_path}/{file}.pem"]
    with redis(*options):
        url = f"rediss://127.0.0.1:{port}/0"
        async with a_member_of_each(f"{url}?ssl_ca_certs={tmp_path}/cert.pem") as (
            _, second, ada, grace,
        ):  # fmt: skip
            assert second.bus.linked.is_set()
            await tell(ada, text="hello")
            assert (await hear(grace))["text"] == "hello"
        async with process(url) as stranger:  # its certificate is known to nobody
            assert not stranger.bus.linked.is_set()


@asynccontextmanager
async def service(url: str, folder: Path) -> AsyncIterator[Quart]:
    """The whole service."""
    settings = Settings.model_validate(
        {
            "secret_key": "s" * 32,
            "token_key": KEY,
            "database_url": f"sqlite+aiosqlite:///{folder}/test.sqlite3",
            "redis_url": url,
        }
    )
    app = app_factory.create_app(settings)
    async with app.test_app():
        yield app


async def test_events_reach_the_pages_of_all_processes(
    stoppable: RedisServer, tmp_path: Path
) -> None:
    async with (
        service(stoppable.url, tmp_path) as first,
        service(stoppable.url, tmp_path) as second,
        asyncio.timeout(30),
    ):
        client = second.test_client()
        async with client.request("/events", headers=bearer(1)) as page:
            await page.send_complete()
            assert b"retry: " in await page.receive()
            assert b"event: reset" in await page.receive()
            first.extensions["feed"].publish("note", {"text": "tea"}, to=2)
            admin = bearer(1, "admin")
            path = "/announcements/lunch"
            answer = await first.test_client().post(path, headers=admin)
            assert answer.status_code == 204
            event = await page.receive()
            assert b'event: announcement\ndata: {"text": "lunch"}' in event
            stoppable.stop()
            await until(lambda: not second.extensions["bus"].linked.is_set())
            second.extensions["feed"].publish("note", "alone")
            assert b'data: "alone"' in await page.receive()
            assert (await client.get("/ready")).status_code == 200
            stoppable.start()
            assert b"event: reset" in await page.receive()
            await page.disconnect()


async def cancelled(work: Callable[[], Coroutine[Any, Any, None]]) -> list[bool]:
    """Whether it ends when it is cancelled, in each of its first turns."""
    ends = []
    for turns in range(1, 8):
        task = asyncio.create_task(work())
        for _ in range(turns):
            await asyncio.sleep(0)
        if task.cancel():
            await asyncio.wait({task}, timeout=20)
            ends.append(task.cancelled())
    return ends


async def test_redis_py_swallows_a_cancellation_and_the_hub_does_not(
    redis_url: str,
) -> None:
    """So does `wait_for` of Python 3.11, which it calls."""
    async with process(redis_url) as first:

        async def ping() -> None:
            await first.bus.redis.ping()

        async def publish() -> None:
            await first.hub.publish("news", {})

        async def ask() -> None:
            await first.hub.present("news")

        await ping()
        assert all(await cancelled(ping)) == (sys.version_info >= (3, 12))
        assert all(await cancelled(publish))
        assert all(await cancelled(ask))
        assert await first.bus.redis.ping()


async def test_without_an_address_the_hub_stays_as_it_is(tmp_path: Path) -> None:
    app = Quart("acme")
    app.extensions["hub"] = hub = Hub()
    register_scaling(app, None)
    assert app.extensions["hub"] is hub
    assert "bus" not in app.extensions


async def test_what_is_published_at_the_end_goes_out(redis_url: str) -> None:
    async with process(redis_url) as first, first.chat(1) as ada:
        await until(lambda: len(first.hub.clients) == 1)
        app = create_app(redis_url, [KEY])
        async with app.test_app():
            message = {"topic": "/ws/chat", "message": {"text": "bye"}}
            app.extensions["bus"].send_soon("hub", message)
        assert (await hear(ada))["text"] == "bye"


FIFTY = range(50)


@asynccontextmanager
async def fifty_clients(servers: list[Server]) -> AsyncIterator[list[Socket]]:
    """Those of even numbers are in the first process, the others in the second."""
    async with AsyncExitStack() as stack:

        async def join(number: int) -> Socket:
            headers = bearer(number)
            address = servers[number % 2].address
            ws = connected(address, "/ws/chat", headers)
            return await stack.enter_async_context(ws)

        yield await asyncio.gather(*map(join, FIFTY))


async def all_hear(listeners: list[Socket], speakers: list[Socket], text: str) -> None:
    """All speak at once, and each listener hears each speaker once."""
    said = sorted(f"{text} {number}" for number in range(len(speakers)))
    for number, ws in enumerate(speakers):
        await tell(ws, text=f"{text} {number}")

    async def listen(ws: Socket) -> None:
        heard = []
        while len(heard) < len(said):
            message = await hear(ws, "said")
            if message["text"].startswith(text):
                heard.append(message["text"])
        assert sorted(heard) == said

    await asyncio.gather(*map(listen, listeners))


@asynccontextmanager
async def two_servers(url: str) -> AsyncIterator[list[Server]]:
    env = {"REDIS_URL": url, "TOKEN_KEY": KEY}
    async with AsyncExitStack() as stack:
        servers = (running("tests.support.scaled_service", env=env) for _ in range(2))
        yield await asyncio.gather(*map(stack.enter_async_context, servers))


async def test_fifty_clients_of_two_processes(stoppable: RedisServer) -> None:
    """Redis restarts, a process stalls, and is killed."""
    async with two_servers(stoppable.url) as servers, fifty_clients(servers) as clients:
        first, second = clients[::2], clients[1::2]
        await all_hear(clients, clients[:2], "hello")
        await redis_restarts(stoppable, clients)
        await a_process_stalls(servers[1], first, second)
        await a_process_is_killed(*servers)
        stopping = asyncio.create_task(servers[0].stop(seconds=30))
        assert [await ending(ws) for ws in first] == [(1001, "going away")] * 25
        assert await stopping == 0
        assert "Traceback" not in servers[0].log


async def redis_restarts(server: RedisServer, clients: list[Socket]) -> None:
    """Nobody connects anew."""
    server.stop()
    for part in (clients[::2], clients[1::2]):
        await all_hear(part, part[:2], "alone")
    server.start()
    for ws in clients:
        await hear(ws, "reset")
    await all_hear(clients, clients, "together")


async def a_process_stalls(
    server: Server, others: list[Socket], own: list[Socket]
) -> None:
    """The others talk on, and its own clients hear all of it afterwards."""
    server.process.send_signal(signal.SIGSTOP)
    await all_hear(others, others[:10], "go on")
    server.process.send_signal(signal.SIGCONT)
    for ws in own:
        async with asyncio.timeout(30):
            while not (await hear(ws, "said"))["text"].startswith("go on 9"):
                continue


async def a_process_is_killed(first: Server, second: Server) -> None:
    async with (
        connected(first.address, "/ws/pubsub", bearer(101)) as ada,
        connected(second.address, "/ws/pubsub", bearer(102)) as grace,
    ):
        for ws in (ada, grace):
            await ask(ws, type="subscribe", topic="news")
        await present(ada, 101, 102)
        second.process.kill()
        await present(ada, 101)


async def test_the_plain_form_hears_again_after_a_restart(
    stoppable: RedisServer,
) -> None:
    heard: list[set[str]] = [set(), set()]
    clients = [Redis.from_url(stoppable.url) for _ in heard]
    apps = [Quart(f"app-{number}") for number in range(2)]
    for app, client, texts in zip(apps, clients, heard, strict=True):

        async def hear(text: str, texts: set[str] = texts) -> None:
            texts.add(text)

        plain.share(app, client, hear)

    async with apps[0].test_app(), apps[1].test_app():
        for text in ("hello", "again"):

            async def all_have_heard(text: str = text) -> bool:
                await clients[0].publish("news", text)
                return text in heard[0] & heard[1]

            await eventually(all_have_heard)
            stoppable.stop()
            with pytest.raises(NoConnection):
                await clients[0].publish("news", "lost")
            stoppable.start()
    assert heard == [{"hello", "again"}] * 2


async def test_the_plain_form_hears_on_after_a_bad_message(
    redis_url: str, caplog: pytest.LogCaptureFixture, monkeypatch: pytest.MonkeyPatch
) -> None:
    """And when its subscription has ended."""
    heard: list[str] = []

    async def hear(text: str) -> None:
        if text == "bug":
            raise ZeroDivisionError
        heard.append(text)

    app = Quart("acme")
    redis = Redis.from_url(redis_url)
    news = redis.pubsub(ignore_subscribe_messages=True)
    subscribe = AsyncMock(wraps=news.subscribe)
    monkeypatch.setattr(news, "subscribe", subscribe)
    monkeypatch.setattr(redis, "pubsub", lambda **_: news)
    plain.share(app, redis, hear)
    async with app.test_app(), Redis.from_url(redis_url) as client:

        async def is_heard(text: str) -> bool:
            await client.publish("news", text)
            return text in heard

        await eventually(partial(is_heard, "hello"))
        await news.unsubscribe("news")
        await until(lambda: subscribe.call_count == 2)
        await eventually(partial(is_heard, "again"))
        for data in (b"\xff\xfe", "bug", "go on"):
            assert await client.publish("news", data) == 1
        await until(lambda: "go on" in heard)
    errors = [one.exc_info[0] for one in caplog.records if one.exc_info]
    assert errors == [UnicodeDecodeError, ZeroDivisionError]


async def test_the_plain_form_ends_in_each_of_its_turns(redis_url: str) -> None:
    before = asyncio.all_tasks()
    for turns in range(60):
        app = Quart("acme")
        plain.share(app, Redis.from_url(redis_url), AsyncMock())
        async with asyncio.timeout(20), app.test_app():
            for _ in range(turns):
                await asyncio.sleep(0)
        assert asyncio.all_tasks() == before


@pytest.mark.parametrize("tries", [1, 2])
async def test_a_connection_that_was_idle_fails_once_without_another_try(
    redis_url: str, tries: int
) -> None:
    retry = Retry(NoBackoff(), 1, (NoConnection,)) if tries == 2 else None
    async with (
        Redis.from_url(redis_url, retry=retry) as client,
        Redis.from_url(redis_url) as admin,
    ):
        await client.publish("news", "hello")
        name = await client.client_id()
        assert await admin.client_kill_filter(_id=str(name)) == 1
        if tries == 1:
            with pytest.raises(NoConnection):
                await client.publish("news", "lost")
        assert await client.publish("news", "hello again") == 0


async def test_dont_subscribe_once_is_deaf_without_a_word(
    stoppable: RedisServer, caplog: pytest.LogCaptureFixture
) -> None:
    heard: set[str] = set()

    async def hear(text: str) -> None:
        heard.add(text)

    client = Redis.from_url(stoppable.url)
    app = dont.subscribe_once(client, hear)
    async with app.test_app(), client:

        async def is_heard() -> bool:
            await client.publish("news", "hello")
            return heard == {"hello"}

        await eventually(is_heard)
        stoppable.stop()
        await until(app.extensions["reader"].done)
        stoppable.start()
        async with Redis.from_url(stoppable.url) as another:
            assert await another.publish("news", "anybody?") == 0
        assert caplog.records == []
        assert isinstance(app.extensions["reader"].exception(), NoConnection)


async def test_dont_subscription_per_websocket_loses_all_with_redis(
    stoppable: RedisServer,
) -> None:
    client = Redis.from_url(stoppable.url)
    app = dont.subscription_per_websocket(client)
    async with serving(app) as address, AsyncExitStack() as stack:
        clients = [
            await stack.enter_async_context(connected(address, "/ws/news"))
            for _ in range(20)
        ]
        async with Redis.from_url(stoppable.url) as admin:

            async def all_are_there() -> bool:
                return (await admin.pubsub_numsub("news"))[0][1] == 20

            await eventually(all_are_there)
            assert len(await admin.client_list(_type="pubsub")) == 20
            await admin.config_set("maxclients", 1)
            with pytest.raises(NoConnection, match="max number of clients reached"):
                await client.ping()
        stoppable.stop()
        assert [await ending(ws) for ws in clients] == [(1000, "")] * 20
    await client.aclose()


async def test_dont_members_in_a_set_stay_after_a_kill(redis_url: str) -> None:
    target = f"tests.support.scaled_service:{dont.members_in_a_set.__name__}()"
    async with (
        hypercorn(target, env={"REDIS_URL": redis_url}) as server,
        connected(server.address, "/ws/chat/ada"),
    ):
        server.process.kill()
        await server.process.wait()
    async with Redis.from_url(redis_url) as client:
        assert await client.smembers("members") == {b"ada"}
        assert await client.ttl("members") == -1


async def test_dont_blocking_client_stops_all_with_redis(
    stoppable: RedisServer,
) -> None:
    app = dont.blocking_client(stoppable.url)
    client = app.test_client()
    assert await (await client.post("/news/hello")).get_json() == {"processes": 0}
    goes_on = threading.Event()

    def go_on() -> None:
        goes_on.set()
        stoppable.send(signal.SIGCONT)

    stoppable.send(signal.SIGSTOP)
    timer = threading.Timer(0.5, go_on)
    timer.start()
    publishing = asyncio.create_task(client.post("/news/hello"))
    await asyncio.sleep(0)  # it is first
    await client.get("/")
    assert goes_on.is_set()
    await publishing
    timer.join()


async def test_health_checks_do_not_see_that_redis_hangs(
    stoppable: RedisServer,
) -> None:
    client = Redis.from_url(stoppable.url, health_check_interval=0.05)
    async with client, client.pubsub() as news, client.pubsub() as sport:
        await news.subscribe("news")
        await sport.subscribe("sport")

        async def listen() -> None:
            async for _ in news.listen():
                continue

        listening = asyncio.create_task(listen())
        while await sport.get_message(timeout=0.2):
            continue
        stoppable.send(signal.SIGSTOP)
        for _ in range(10):
            assert await sport.get_message(timeout=0.06) is None
        assert not listening.done()
        stoppable.send(signal.SIGCONT)
        await reader.end(listening)


async def test_what_redis_keeps_for_a_process_that_stalls(
    redis_url: str,
) -> None:
    async with Redis.from_url(redis_url) as client:
        name = "client-output-buffer-limit"
        limits = (await client.config_get(name))[name]
    assert f"pubsub {32 * 2**20} {8 * 2**20} 60" in limits


async def test_from_url_tries_once_and_redis_eleven_times(
    redis_server: RedisServer,
) -> None:
    async with Redis.from_url(redis_server.url) as once, Redis() as often:
        assert once.get_retry() is None
        retry = often.get_retry()
        assert retry is not None
        assert retry.get_retries() == 10
        await once.ping()
        connection = await once.connection_pool.get_connection()
        assert connection.socket_timeout == 5
        await once.connection_pool.release(connection)
