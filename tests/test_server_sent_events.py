import asyncio
import json
import logging
import random
import re
import socket
import time
from collections.abc import AsyncGenerator, AsyncIterator
from contextlib import AsyncExitStack, ExitStack, asynccontextmanager, closing
from typing import Any
from uuid import UUID

import httpx2
import pytest
from quart import Quart, Response, abort, g, request, session
from quart.typing import ResponseReturnValue

from examples.authentication import Caller, Tokens
from examples.dont import server_sent_events as dont
from examples.plain import server_sent_events as plain
from examples.server_sent_events import (
    Event,
    Feed,
    SharedFeed,
    create_app,
    event_stream,
    require_page_login,
    streams,
)
from examples.serving import closing_event
from tests.support.chromium import chromium
from tests.support.http_call import http_call
from tests.support.login import KEY, bearer
from tests.support.machine import free_port
from tests.support.memory import peak_mb
from tests.support.server import ROOT, running
from tests.support.serving import nobody_connected, serving, until

Fields = dict[str, str]


@pytest.fixture
def app() -> Quart:
    return create_app([KEY])


def feed_of(app: Quart) -> Feed:
    feed: Feed = app.extensions["feed"]
    return feed


class Page:
    """What an open page gets: the fields of each event."""

    def __init__(self, response: httpx2.Response) -> None:
        self._lines = response.aiter_lines()
        self.last_id = ""

    async def event(self) -> Fields:
        """The next event, a heartbeat too; `{}` at the end of the stream."""
        fields: Fields = {}
        async with asyncio.timeout(30):
            async for line in self._lines:
                if not line:
                    break
                name, _, value = line.partition(": ")
                fields[name.removesuffix(":")] = value
        self.last_id = fields.get("id", self.last_id)
        return fields

    async def hear(self) -> tuple[str, Any]:
        """The name and the data of the next event that a page would see."""
        while "event" not in (fields := await self.event()):
            assert fields, "the stream has ended"
        return fields["event"], json.loads(fields["data"])

    async def rest(self) -> list[Fields]:
        heard = []
        while fields := await self.event():
            heard.append(fields)
        return heard


@asynccontextmanager
async def opened(
    address: str, user_id: int = 1, last_id: str = "", **options: Any
) -> AsyncIterator[Page]:
    headers = options.pop("headers", bearer(user_id))
    path = options.pop("path", "/events")
    if last_id:
        headers["Last-Event-ID"] = last_id
    async with (
        httpx2.AsyncClient(timeout=60) as client,
        client.stream("GET", f"http://{address}{path}", headers=headers) as response,
    ):
        assert response.status_code == 200, await response.aread()
        assert response.headers["Content-Type"].startswith("text/event-stream")
        assert response.headers["X-Accel-Buffering"] == "no"
        page = Page(response)
        if not options.get("plain"):
            first = await page.event()
            assert list(first) == ["retry"]
            assert 1_000 <= int(first["retry"]) <= 5_000
            if not last_id:
                assert await page.hear() == ("reset", {})
        yield page


# The feed


def test_a_feed_gives_what_comes_next() -> None:
    feed = Feed()
    start = feed.last_id
    assert feed.after(start) is None
    feed.publish("note", {"text": "a\nb"})
    feed.publish("note", {}, to=7)
    first, second = feed.after(start), feed.after(start + 1)
    assert first == Event(start + 1, "note", '{"text": "a\\nb"}')
    assert second == Event(start + 2, "note", "{}", 7)
    assert feed.after(start + 2) is None
    assert first is not None
    assert first.text == f'id: {start + 1}\nevent: note\ndata: {{"text": "a\\nb"}}\n\n'


def test_a_feed_says_reset_for_what_it_does_not_know() -> None:
    feed = Feed(kept=3)
    start = feed.last_id
    for _ in range(5):
        feed.publish("note", {})
    reset = Event(start + 5, "reset", "{}")
    known = [start + 2, start + 3, start + 4]
    assert [feed.after(seen).id for seen in known] == [start + 3, start + 4, start + 5]  # type: ignore[union-attr]
    for seen in (start + 1, start - 1, start + 6, 0, -1, 10**4_000):
        assert feed.after(seen) == reset


UNSERIALISABLE: list[object] = [object(), {1: {2}}, {(1, 2): 3}]


@pytest.mark.parametrize("data", UNSERIALISABLE, ids=["object", "set", "key"])
def test_what_cannot_be_sent_does_not_count(data: object) -> None:
    feed = Feed()
    start, news = feed.last_id, feed.news
    with pytest.raises(TypeError):
        feed.publish("note", data)
    assert (feed.last_id, feed.news) == (start, news)
    assert feed.after(start) is None
    feed.publish("note", {})
    assert feed.after(start) == Event(start + 1, "note", "{}")


class Bus:
    """Keeps what it should tell all processes, and refuses what cannot be sent."""

    def __init__(self) -> None:
        self.listeners: list[str] = []
        self.sent: list[tuple[str, dict[str, Any]]] = []

    def listen(self, name: str, listener: Any) -> None:
        self.listeners.append(name)

    def send_soon(self, listener: str, message: dict[str, Any]) -> None:
        json.dumps(message)
        self.sent.append((listener, message))


def test_a_shared_feed_refuses_at_once_what_cannot_be_sent() -> None:
    bus = Bus()
    feed = SharedFeed(bus)
    for data in UNSERIALISABLE:
        with pytest.raises(TypeError):
            feed.publish("note", data)
    feed.publish("note", {"number": 1})
    stock = SharedFeed(bus, "stock")
    stock.publish("note", {"number": 2}, to="tea")
    assert bus.listeners == ["feed", "stock"]
    assert bus.sent == [
        ("feed", {"name": "note", "data": {"number": 1}, "to": None}),
        ("stock", {"name": "note", "data": {"number": 2}, "to": "tea"}),
    ]


def test_no_two_processes_count_alike() -> None:
    first, second = Feed(), Feed()
    assert abs(first.last_id - second.last_id) > 1_000


# Streams


async def test_all_pages_hear_and_one_user_alone(app: Quart) -> None:
    async with serving(app) as address:
        async with (
            opened(address, 1) as ada,
            opened(address, 2) as grace,
            opened(address, 2) as tab,
        ):
            feed_of(app).publish("note", {"for": "all"})
            feed_of(app).publish("note", {"for": "grace"}, to=2)
            feed_of(app).publish("bye", {})
            for page in (grace, tab):
                assert await page.hear() == ("note", {"for": "all"})
                assert await page.hear() == ("note", {"for": "grace"})
                assert await page.hear() == ("bye", {})
            assert await ada.hear() == ("note", {"for": "all"})
            assert await ada.hear() == ("bye", {})
        await until(nobody_connected)


async def test_a_topic_is_heard_by_those_who_may_hear_it(app: Quart) -> None:
    @app.get("/tickets/<int:ticket_id>/events")
    async def show_ticket(ticket_id: int) -> Response:
        await require_page_login()
        if g.caller.user_id == 3:
            abort(403)
        return event_stream(f"ticket.{ticket_id}")

    async with serving(app) as address:
        async with (
            opened(address, 1, path="/tickets/7/events") as ada,
            opened(address, 2, path="/tickets/7/events") as grace,
            opened(address, 2, path="/tickets/8/events") as other,
            opened(address, 1) as tab,
        ):
            feed_of(app).publish("status", "closed", to="ticket.7")
            feed_of(app).publish("note", "for grace", to=2)
            feed_of(app).publish("bye", {})
            assert await ada.hear() == ("status", "closed")
            assert await grace.hear() == ("status", "closed")
            for page in (grace, other):
                assert await page.hear() == ("note", "for grace")
            for page in (ada, grace, other, tab):
                assert await page.hear() == ("bye", {})
        path = f"http://{address}/tickets/7/events"
        async with httpx2.AsyncClient() as client:
            assert (await client.get(path, headers=bearer(3))).status_code == 403


async def test_clients_that_leave_are_forgotten(
    app: Quart, caplog: pytest.LogCaptureFixture
) -> None:
    async with serving(app) as address:
        for _ in range(2):
            async with AsyncExitStack() as stack:
                for user in range(20):
                    await stack.enter_async_context(opened(address, user))
                assert sorted(feed_of(app).readers) == list(range(20))
                feed_of(app).publish("note", {})
            await until(lambda: feed_of(app).readers == [])
        await until(nobody_connected)
    assert [one for one in caplog.records if one.levelno >= logging.WARNING] == []


async def test_a_page_that_comes_back_gets_what_it_has_missed(app: Quart) -> None:
    feed = feed_of(app)
    async with serving(app) as address:
        async with opened(address) as page:
            feed.publish("note", {"number": 1})
            await page.hear()
        for number in (2, 3):
            feed.publish("note", {"number": number})
        async with opened(address, last_id=page.last_id) as page:
            assert await page.hear() == ("note", {"number": 2})
            assert await page.hear() == ("note", {"number": 3})
            feed.publish("note", {"number": 4})
            assert await page.hear() == ("note", {"number": 4})


async def test_a_page_that_had_heard_nothing_misses_nothing_either(app: Quart) -> None:
    feed = feed_of(app)
    feed.publish("note", {"text": "before it came"})
    async with serving(app) as address:
        async with opened(address) as page:
            assert page.last_id == str(feed.last_id)
        feed.publish("note", {"text": "while it was away"})
        async with opened(address, last_id=page.last_id) as page:
            assert await page.hear() == ("note", {"text": "while it was away"})


FOREIGN_IDS = ["17", "-1", "9" * 4_000, "9" * 5_000, "x", "1.5", str(UUID(int=7))]


@pytest.mark.parametrize("last_id", FOREIGN_IDS)
async def test_a_page_that_comes_from_elsewhere_is_told_to_load_all(
    app: Quart, last_id: str
) -> None:
    feed = feed_of(app)
    async with serving(app) as address, opened(address, last_id=last_id) as page:
        assert await page.hear() == ("reset", {})
        assert page.last_id == str(feed.last_id)
        feed.publish("note", {})
        assert await page.hear() == ("note", {})


async def test_an_error_of_a_publisher_harms_no_page(app: Quart) -> None:
    feed = feed_of(app)
    async with serving(app) as address, opened(address) as page:
        with pytest.raises(TypeError):
            feed.publish("note", {"at": object()})
        for number in (1, 2):
            feed.publish("note", {"number": number})
            assert await page.hear() == ("note", {"number": number})
        closing_event(app).set()
        assert await page.rest() == []


class StuckFeed(Feed):
    """Always has one more event, as a feed that counts wrong."""

    def __init__(self, to: int) -> None:
        super().__init__()
        self.event = Event(1, "note", "{}", to)
        self.asked = 0

    def after(self, seen: int) -> Event:
        self.asked += 1
        assert self.asked < 1_000, "nobody else gets a turn"
        return self.event


@pytest.mark.parametrize("to", [1, 2])
async def test_no_feed_keeps_the_loop_to_itself(to: int) -> None:
    closing = asyncio.Event()
    ada = Caller(1, "ada", "user", time.time() + 60)
    asyncio.get_running_loop().call_soon(closing.set)
    async for _ in streams.follow(StuckFeed(to), ada, 0, closing):
        pass  # no client of the stream makes it wait


async def test_a_silent_stream_shows_that_it_is_alive(
    app: Quart, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(streams, "HEARTBEAT_SECONDS", 0.05)
    feed = feed_of(app)
    async with serving(app) as address, opened(address, 1) as page:
        feed.publish("note", {}, to=2)
        while (beat := await page.event())["id"] != str(feed.last_id):
            assert list(beat) == ["id"]
        assert list(beat) == ["id"]


async def test_a_stream_is_alive_while_only_others_are_told(
    app: Quart, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(streams, "HEARTBEAT_SECONDS", 0.2)
    feed = feed_of(app)

    async def tell_others() -> None:
        while True:
            feed.publish("note", {}, to=2)
            await asyncio.sleep(0.01)

    async with serving(app) as address, opened(address, 1) as page:
        telling = asyncio.create_task(tell_others())
        try:
            beats = [await page.event() for _ in range(3)]
        finally:
            telling.cancel()
    assert [list(beat) for beat in beats] == [["id"]] * 3
    ids = [int(beat["id"]) for beat in beats]
    assert sorted(ids) == ids  # a page that comes back goes on behind them
    assert ids[0] < ids[-1]


def test_the_heartbeat_comes_before_proxies_lose_patience() -> None:
    assert streams.HEARTBEAT_SECONDS < 60


async def test_a_stream_ends_with_its_token(
    app: Quart, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(streams, "HEARTBEAT_SECONDS", 0.1)
    headers = bearer(1, lifetime=1)  # it may have expired when the stream starts
    last_id = str(feed_of(app).last_id)
    async with (
        serving(app) as address,
        opened(address, last_id=last_id, headers=headers) as page,
    ):
        await page.rest()
    assert feed_of(app).readers == []


async def test_streams_end_with_the_app(app: Quart) -> None:
    async with serving(app) as address, opened(address) as page:
        closing_event(app).set()
        assert await page.rest() == []
        async with opened(address, last_id=page.last_id) as late:
            assert await late.rest() == []


async def test_a_thread_publishes_through_the_loop(app: Quart) -> None:
    feed, loop = feed_of(app), asyncio.get_running_loop()

    def work() -> None:
        loop.call_soon_threadsafe(feed.publish, "note", {"from": "a thread"})

    async with serving(app) as address, opened(address) as page:
        await asyncio.to_thread(work)
        assert await page.hear() == ("note", {"from": "a thread"})


async def test_a_generator_that_never_starts_runs_no_finally() -> None:
    """That is why readers are not registered in the view."""
    steps = []
    app = Quart(__name__)

    @app.get("/events")
    async def events() -> Response:
        async def listen() -> AsyncGenerator[str, None]:
            try:
                steps.append("started")
                yield ""
            finally:
                steps.append("ended")

        return Response(listen())

    @app.after_request
    async def fail(response: Response) -> Response:
        raise RuntimeError("a bug")

    response = await app.test_client().get("/events")
    assert response.status_code == 500
    assert steps == []


# Who may


async def status(app: Quart, headers: dict[str, str], method: str = "GET") -> int:
    """Of the answer; the client leaves at once."""
    app.extensions["closing"] = asyncio.Event()
    closing_event(app).set()
    response = await app.test_client().open("/events", method=method, headers=headers)
    return response.status_code


async def test_who_may_listen(app: Quart) -> None:
    app.secret_key = KEY
    serializer = app.session_interface.get_signing_serializer(app)  # type: ignore[attr-defined]
    token = Tokens([KEY]).issue(1, "ada")
    cookie = {"Cookie": f"session={serializer.dumps({'access_token': token})}"}
    assert await status(app, bearer(1)) == 200
    assert await status(app, cookie) == 200
    assert await status(app, {}) == 401
    assert await status(app, {"Authorization": "Bearer none"} | cookie) == 401
    assert await status(app, bearer(1, lifetime=-60)) == 401


async def test_only_an_admin_announces(app: Quart) -> None:
    client = app.test_client()
    feed = feed_of(app)
    start = feed.last_id
    for headers, code in [({}, 401), (bearer(1), 403), (bearer(1, "admin"), 204)]:
        answer = await client.post("/announcements/lunch", headers=headers)
        assert answer.status_code == code
    assert feed.after(start) == Event(start + 1, "announcement", '{"text": "lunch"}')
    assert feed.last_id == start + 1


async def test_there_is_a_limit_for_each_user_and_for_all(
    app: Quart, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(streams, "READERS", 3)
    monkeypatch.setattr(streams, "READERS_PER_USER", 2)

    async def refused(address: str, user_id: int) -> httpx2.Response:
        async with httpx2.AsyncClient(timeout=30) as client:
            url = f"http://{address}/events"
            return await client.get(url, headers=bearer(user_id))

    async with serving(app) as address:
        async with opened(address, 1), opened(address, 1):
            answer = await refused(address, 1)
            assert (answer.status_code, answer.headers["Retry-After"]) == (429, "60")
            async with opened(address, 2):
                assert (await refused(address, 3)).status_code == 429
        await until(lambda: feed_of(app).readers == [])
        async with opened(address, 3):
            pass


async def test_head_opens_no_stream(app: Quart) -> None:
    start, *_ = await http_call(app, "/events", method="HEAD", headers=bearer(1))
    assert start["status"] == 200
    assert feed_of(app).readers == []


# Slow readers


async def stall(address: str, last_id: int = 0) -> socket.socket:
    """A page that does not read, with hardly a buffer of its own."""
    headers = {**bearer(2), "Last-Event-ID": str(last_id)}
    connection = socket.socket()
    connection.setblocking(False)
    connection.setsockopt(socket.SOL_SOCKET, socket.SO_RCVBUF, 4_096)
    connection.setsockopt(socket.IPPROTO_TCP, socket.TCP_MAXSEG, 536)
    host, port = address.split(":")
    loop = asyncio.get_running_loop()
    await loop.sock_connect(connection, (host, int(port)))
    lines = [f"{name}: {value}" for name, value in headers.items()]
    head = "\r\n".join(["GET /events HTTP/1.1", f"Host: {address}", *lines])
    await loop.sock_sendall(connection, f"{head}\r\n\r\n".encode())
    return connection


async def read_to(connection: socket.socket, end: bytes) -> bytes:
    loop = asyncio.get_running_loop()
    data = b""
    async with asyncio.timeout(60):
        while end not in data:
            more = await loop.sock_recv(connection, 2**20)
            assert more
            data = data[-1_000:] + more
    return data


async def test_a_page_that_does_not_read_delays_nobody_and_is_told_later(
    app: Quart,
) -> None:
    app.extensions["feed"] = feed = Feed(kept=50)
    async with serving(app) as address, opened(address, 1) as ada:
        with closing(await stall(address, feed.last_id)) as page:
            await until(lambda: len(feed.readers) == 2)
            for number in range(400):
                feed.publish("note", {"number": number, "text": "x" * 30_000})
                _, data = await ada.hear()
                assert data["number"] == number
            read = await read_to(page, b"event: reset")
            assert b"reset" in read
            feed.publish("bye", {})
            await read_to(page, b"event: bye")


async def test_pages_that_do_not_read_cost_no_memory() -> None:
    env = {"TOKEN_KEY": KEY}
    async with running("tests.support.feed_flood", env=env) as server:
        with ExitStack() as stack:
            for _ in range(10):
                stack.enter_context(closing(await stall(server.address)))
            before = peak_mb(server.process.pid)
            async with httpx2.AsyncClient(timeout=60) as client:
                answer = await client.post(server.url("/flood"))  # 100 MB
            assert answer.status_code == 204
            assert peak_mb(server.process.pid) - before < 60


async def test_sigterm_with_pages_open_and_one_that_does_not_read() -> None:
    env = {"TOKEN_KEY": KEY}
    async with (
        running("examples.server_sent_events", env=env) as server,
        opened(server.address, 1) as ada,
    ):
        with closing(await stall(server.address)):
            stopping = asyncio.create_task(server.stop(30))
            assert await ada.rest() == []
            assert await stopping == 0
    assert "Traceback" not in server.log


# The plain form


async def test_the_plain_form_sends_the_state_until_the_app_ends(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    sleep = asyncio.sleep
    monkeypatch.setattr(asyncio, "sleep", lambda seconds: sleep(min(seconds, 0.01)))
    states = iter(range(10_000))

    async def read_state() -> object:
        return {"count": next(states)}

    app = plain.create_app(read_state)
    app.config["RESPONSE_TIMEOUT"] = 0.1
    async with serving(app) as address:
        async with opened(address, plain=True) as page:
            heard = [(await page.event())["data"] for _ in range(30)]
            closing_event(app).set()
            await page.rest()
        await until(nobody_connected)
    assert heard == [f'{{"count": {number}}}' for number in range(30)]


async def test_head_runs_the_plain_form_for_nobody() -> None:
    """Behind it Hypercorn does not read on, so it never sees the client leave."""
    reads = 0

    async def read_state() -> object:
        nonlocal reads
        reads += 1
        return {}

    app = plain.create_app(read_state)
    async with serving(app) as address:
        host, port = address.split(":")
        reader, writer = await asyncio.open_connection(host, int(port))
        line = f"/events HTTP/1.1\r\nHost: {address}\r\n\r\n"
        writer.write(f"HEAD {line}GET {line}".encode())
        await asyncio.wait_for(reader.readuntil(b"\r\n\r\n"), 20)
        writer.close()
        await asyncio.sleep(0.5)
        assert not nobody_connected()
        closing_event(app).set()


# Don't


async def get_and_leave(address: str, until: bytes) -> None:
    host, port = address.split(":")
    reader, writer = await asyncio.open_connection(host, int(port))
    writer.write(f"GET /events HTTP/1.1\r\nHost: {address}\r\n\r\n".encode())
    await asyncio.wait_for(reader.readuntil(until), 20)
    writer.close()


async def test_dont_queue_for_ever_keeps_who_has_left() -> None:
    app = dont.queue_for_ever()
    queues: set[asyncio.Queue[str]] = app.extensions["queues"]
    async with serving(app) as address:
        for _ in range(3):
            await get_and_leave(address, until=b"\r\n\r\n")
        await until(nobody_connected)
    for queue in queues:
        for _ in range(1_000):
            queue.put_nowait("news")
    assert [queue.qsize() for queue in queues] == [1_000] * 3


async def test_dont_swallow_cancellation_outlives_the_client(
    caplog: pytest.LogCaptureFixture,
) -> None:
    texts = 0
    end = asyncio.Event()

    async def next_text() -> str:
        nonlocal texts
        if end.is_set():
            raise RuntimeError("the end of the test")
        await asyncio.sleep(0.01)
        texts += 1
        return "tick"

    async with serving(dont.swallow_cancellation(next_text)) as address:
        await get_and_leave(address, until=b"tick")
        await until(lambda: "the client left" in caplog.text)
        so_far = texts
        await until(lambda: texts > so_far + 20)
        end.set()
        await until(nobody_connected)


def test_dont_text_in_data_is_an_event_of_its_writers_choice() -> None:
    text = "Dear Ada,\n\nevent: reset\ndata: all is lost"
    assert dont.text_in_data(text).split("\n\n") == [
        "data: Dear Ada,",
        "event: reset\ndata: all is lost",
        "",
    ]
    feed = Feed()
    feed.publish("note", text)
    event = feed.after(feed.last_id - 1)
    assert event is not None
    assert event.text.count("\n\n") == 1


# A real browser


def page_script() -> str:
    """The script that the page prints, with less patience."""
    text = (ROOT / "patterns" / "server_sent_events.md").read_text()
    [script] = re.findall(r"```js\n(.*?)```", text, re.DOTALL)
    assert "60_000" in script
    return script.replace("60_000", "200")


REPORT = """
let reported = Promise.resolve();
const report = (...what) => {
  const send = () =>
    fetch("/heard", {method: "POST", body: JSON.stringify(what)});
  reported = reported.then(send, send);  // in order, over whichever connections
};
const load = () => report("load");
const show = ({text}) => text === "more tabs" ? openMore() : report("show", text);
let open = 1;
function openMore() {
  for (let tab = 0; tab < 5; tab++) {
    const source = new EventSource("/events");
    source.onopen = () => ++open === 6 && report("asked while six were open");
    source.onerror = (event) => event.data && report("onerror", event.data);
  }
}
"""


class Browser:
    """The app and the page that a browser opens; `heard` is what the page reports."""

    def __init__(self, port: int) -> None:
        self.port = port
        self.heard: asyncio.Queue[Any] = asyncio.Queue()
        self.refused = asyncio.Event()

    async def hear(self) -> Any:
        return await asyncio.wait_for(self.heard.get(), 60)

    @asynccontextmanager
    async def serve(self) -> AsyncIterator[Quart]:
        """A new app each time, as after a restart."""
        app = create_app([KEY])
        app.secret_key = KEY

        @app.get("/")
        async def page() -> str:
            session["access_token"] = Tokens([KEY]).issue(1, "ada")
            return f"<script>{REPORT}{page_script()}listen();</script>"

        @app.post("/heard")
        async def hear() -> ResponseReturnValue:
            self.heard.put_nowait(json.loads(await request.get_data()))
            return "", 204

        @app.after_request
        async def see(response: Response) -> Response:
            if response.status_code == 429:
                self.refused.set()
            return response

        async with serving(app, port=self.port):
            try:
                yield app
            finally:
                closing_event(app).set()


def announce(app: Quart, text: str) -> None:
    feed_of(app).publish("announcement", {"text": text})


@asynccontextmanager
async def away(app: Quart) -> AsyncIterator[None]:
    """All streams end, and within the block a new one does not stay."""
    closing_event(app).set()
    await until(lambda: feed_of(app).readers == [])
    yield
    closing_event(app).clear()


async def test_a_page_in_a_browser_misses_nothing(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setattr(random, "randint", lambda low, high: 100)  # come back soon
    browser = Browser(free_port())
    async with AsyncExitStack() as stack:
        async with browser.serve() as app:
            url = f"http://127.0.0.1:{browser.port}/"
            await stack.enter_async_context(chromium(url))
            assert await browser.hear() == ["load"]
            announce(app, "lunch")
            assert await browser.hear() == ["show", "lunch"]
            async with away(app):
                announce(app, "tea")
                announce(app, "dinner")
            assert await browser.hear() == ["show", "tea"]
            assert await browser.hear() == ["show", "dinner"]

            with monkeypatch.context() as patch:
                patch.setattr(streams, "READERS", 0)
                async with away(app):
                    pass
                await asyncio.wait_for(browser.refused.wait(), 60)
                announce(app, "not heard, since the page has no stream")
            assert await browser.hear() == ["load"]
            announce(app, "breakfast")
            assert await browser.hear() == ["show", "breakfast"]
        async with browser.serve() as app:
            assert await browser.hear() == ["load"]
            announce(app, "more tabs")
            await until(lambda: feed_of(app).readers == [1] * 6)
            feed_of(app).publish("error", {"of": "ours"})
            await asyncio.sleep(0.5)
            assert browser.heard.empty()  # a host gets six connections over HTTP/1.1
            async with away(app):
                heard = [await browser.hear() for _ in range(6)]
            assert ["asked while six were open"] in heard
            assert heard.count(["onerror", '{"of": "ours"}']) == 5
