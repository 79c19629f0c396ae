import asyncio
import json
import os
import signal
import socket
import sys
from collections.abc import AsyncGenerator, AsyncIterator
from contextlib import AsyncExitStack, asynccontextmanager, closing
from typing import Any

import pytest
import websockets
from hypercorn.asyncio import serve
from hypercorn.config import Config
from hypothesis import given, settings
from hypothesis import strategies as st
from quart import Quart
from quart.testing import WebsocketResponseError
from websockets.exceptions import ConnectionClosed
from websockets.typing import Origin

from examples import websocket_broadcast as example
from examples.dont import websocket_broadcast as dont
from examples.websocket_broadcast import __main__ as launch
from examples.websocket_broadcast import create_app, hub
from examples.websockets import limit
from tests.support.raw_client import RawClient, frame, raw_client
from tests.support.server import running
from tests.support.serving import serving, until
from tests.support.versions import QUART_0_23

KEY = "correct-horse-battery-staple-2026"
ORIGIN = "https://app.example.com"
TASKS_OF_A_SERVER = 5

Event = dict[str, Any]


@pytest.fixture
def app() -> Quart:
    return create_app(KEY, ORIGIN)


def headers(member: str, *topics: str) -> dict[str, str]:
    """What a browser sends after the login."""
    app = Quart(__name__)
    app.secret_key = KEY
    serializer = app.session_interface.get_signing_serializer(app)
    cookie = serializer.dumps({"member": member, "topics": topics or ["lobby"]})
    return {"Origin": ORIGIN, "Cookie": f"session={cookie}"}


async def test_a_stranger_is_refused() -> None:
    app = create_app("k" * 32, "https://app.example.com")
    page = {"Origin": "https://app.example.com"}
    async with app.test_client().websocket("/ws/feed", headers=page) as ws:
        with pytest.raises(WebsocketResponseError, match="401"):
            await asyncio.wait_for(ws.receive(), 5)


class Browser:
    """One open page: `tell` and `hear` are JSON, and never wait for ever."""

    def __init__(self, ws: websockets.ClientConnection) -> None:
        self.ws = ws

    async def tell(self, type: str, topic: str = "lobby", **more: object) -> None:
        await self.ws.send(json.dumps({"type": type, "topic": topic, **more}))

    async def hear(self, type: str | None = None) -> Event:
        """The next event, or the next one of that type."""
        async with asyncio.timeout(20):
            while True:
                event: Event = json.loads(await self.ws.recv())
                if type in (None, event["type"]):
                    return event

    async def ending(self) -> tuple[int | None, str | None]:
        async with asyncio.timeout(20):
            try:
                while True:
                    await self.ws.recv()
            except ConnectionClosed:
                return self.ws.close_code, self.ws.close_reason


async def stalled(address: str, member: str) -> RawClient:
    """A subscriber that does not read."""
    raw = await raw_client(address, "/ws/feed", headers(member), stalled=True)
    await raw.send(frame(b'{"type": "subscribe", "topic": "lobby"}'))
    return raw


@asynccontextmanager
async def browser(address: str, member: str, *topics: str) -> AsyncIterator[Browser]:
    async with websockets.connect(
        f"ws://{address}/ws/feed",
        origin=Origin(ORIGIN),
        additional_headers={"Cookie": headers(member, *topics)["Cookie"]},
        compression=None,
        ping_interval=None,
    ) as ws:
        yield Browser(ws)


async def test_a_hundred_clients_and_a_stalled_one() -> None:
    env = {"SECRET_KEY": KEY, "CORS_ORIGINS": ORIGIN}
    members = [f"member-{number}" for number in range(100)]
    async with (
        running("examples.websocket_broadcast", env=env) as server,
        AsyncExitStack() as stack,
    ):
        pages = [
            await stack.enter_async_context(browser(server.address, member))
            for member in members
        ]
        for page in pages:
            await page.tell("subscribe")
            await page.hear("present")
        raw = await stalled(server.address, "nobody")
        stack.enter_context(closing(raw))

        async def say_and_hear(page: Browser, member: str) -> list[tuple[str, str]]:
            heard = []
            for number in range(2):
                await page.tell("publish", text=f"{number} " + "x" * 3_000)
                for _ in members:
                    event = await page.hear("said")
                    heard.append((event["member"], event["text"][:2]))
            return heard

        everything, *others = await asyncio.gather(*map(say_and_hear, pages, members))
        assert [other == everything for other in others] == [True] * 99
        for member in members:
            said = [text for name, text in everything if name == member]
            assert said == ["0 ", "1 "]
        gone = {"topic": "lobby", "type": "left", "member": "nobody"}
        assert await pages[0].hear("left") == gone

        server.process.send_signal(signal.SIGTERM)
        endings = await asyncio.gather(*(page.ending() for page in pages))
        assert set(endings) == {(1001, "shutdown")}
        assert await server.exit_code(10) == 0
        assert "feed failed" not in server.log
        assert "Exception on websocket" not in server.log


def bound(monkeypatch: pytest.MonkeyPatch) -> str:
    """The address that BIND now stands for."""
    listener = socket.create_server(("127.0.0.1", 0))
    address = "{}:{}".format(*listener.getsockname())
    monkeypatch.setenv("BIND", f"fd://{listener.detach()}")
    return address


async def test_shutdown_does_not_wait_when_all_clients_close(
    monkeypatch: pytest.MonkeyPatch, app: Quart
) -> None:
    monkeypatch.setattr(launch, "create_app", lambda: app)
    address = bound(monkeypatch)
    server = asyncio.create_task(launch.main())
    async with browser(address, "ada") as ada:
        await ada.tell("subscribe")
        await ada.hear("joined")
        os.kill(os.getpid(), signal.SIGTERM)
        assert await ada.ending() == (1001, "shutdown")
        async with asyncio.timeout(launch.GRACE_SECONDS):
            await server


async def test_shutdown_is_bounded_and_runs_the_clean_up(
    monkeypatch: pytest.MonkeyPatch, app: Quart
) -> None:
    cleaned_up = []

    @app.while_serving
    async def resource() -> AsyncGenerator[None, None]:
        yield
        cleaned_up.append("resource")

    monkeypatch.setattr(launch, "GRACE_SECONDS", 0.2)
    monkeypatch.setattr(example, "CLOSE_SECONDS", 0.1)
    monkeypatch.setattr(launch, "create_app", lambda: app)
    address = bound(monkeypatch)
    outside = asyncio.all_tasks()
    server = asyncio.create_task(launch.main())
    with closing(await stalled(address, "nobody")):
        await until(lambda: app.extensions["hub"].members("lobby") == ["nobody"])
        for _ in range(300):
            app.extensions["hub"].publish("lobby", text="x" * 3_000)
        await until(lambda: app.extensions["hub"].members("lobby") == [])
        os.kill(os.getpid(), signal.SIGTERM)
        async with asyncio.timeout(5):
            await server
    assert cleaned_up == ["resource"]
    await until(lambda: asyncio.all_tasks() == outside)


async def test_hypercorn_alone_waits_for_an_open_socket(app: Quart) -> None:
    listener = socket.create_server(("127.0.0.1", 0))
    address = "{}:{}".format(*listener.getsockname())
    bind = f"fd://{listener.detach()}"
    config = Config.from_mapping(bind=bind, graceful_timeout=0.1)
    ending = asyncio.Event()
    server = asyncio.create_task(serve(app, config, shutdown_trigger=ending.wait))
    with closing(await raw_client(address, "/ws/feed", headers("ada"))):
        ending.set()
        done, _ = await asyncio.wait({server}, timeout=1)
        assert len(done) == (0 if sys.version_info >= (3, 12) else 1)
    await asyncio.wait({server}, timeout=5)


async def test_a_stalled_connection_survives_one_cancellation(
    monkeypatch: pytest.MonkeyPatch, app: Quart
) -> None:
    monkeypatch.setattr(example, "CLOSE_SECONDS", 0)
    registry: hub.Hub = app.extensions["hub"]
    async with serving(app) as address:
        before = asyncio.all_tasks()
        with closing(await stalled(address, "nobody")):
            await until(lambda: registry.members("lobby") == ["nobody"])
            for _ in range(300):
                registry.publish("lobby", text="x" * 3_000)
            await until(lambda: "handle_websocket()" not in str(asyncio.all_tasks()))
            survivors = []
            while tasks := asyncio.all_tasks() - before:
                for task in tasks:
                    task.cancel()
                _, pending = await asyncio.wait(tasks, timeout=0.5)
                survivors.append(bool(pending))
    assert survivors == ([True, False] if QUART_0_23 else [False])


async def test_limit_inbound_goes_in_front(
    monkeypatch: pytest.MonkeyPatch, app: Quart
) -> None:
    monkeypatch.setattr(limit, "CLOSE_SECONDS", 0.2)
    app.asgi_app = limit.limit_inbound(app.asgi_app)  # type: ignore[method-assign]
    async with serving(app) as address:
        async with browser(address, "ada") as ada:
            await burst(ada)
            assert await ada.ending() == (1008, "")
        with closing(await raw_client(address, "/ws/feed", headers("ada"))) as raw:
            await raw.flood(b"x" * 4_000, 10**12)
        await until(lambda: len(asyncio.all_tasks()) <= TASKS_OF_A_SERVER)


async def test_a_failing_start_fails_the_program(
    monkeypatch: pytest.MonkeyPatch, app: Quart
) -> None:
    @app.before_serving
    async def fail() -> None:
        raise RuntimeError("no disk")

    monkeypatch.setattr(launch, "create_app", lambda: app)
    with pytest.raises(Exception, match="no disk"):
        await launch.main()


async def test_a_client_that_does_not_read_is_dropped(app: Quart) -> None:
    async with serving(app) as address:
        with closing(await stalled(address, "nobody")) as raw:
            await until(lambda: app.extensions["hub"].members("lobby") == ["nobody"])
            for _ in range(300):
                app.extensions["hub"].publish("lobby", text="x" * 3_000)
            await until(lambda: app.extensions["hub"].clients == set())
            close = b"\x88\x0a\x03\xf5too slow"
            async with asyncio.timeout(10):
                assert (await raw.read(close)).endswith(close)
        await until(lambda: len(asyncio.all_tasks()) <= TASKS_OF_A_SERVER)


async def test_members_come_talk_and_go(app: Quart) -> None:
    async with serving(app) as address, browser(address, "ada") as ada:
        await ada.tell("subscribe")
        assert await ada.hear() == {
            "type": "present",
            "topic": "lobby",
            "members": ["ada"],
        }
        assert await ada.hear() == {"topic": "lobby", "type": "joined", "member": "ada"}
        async with browser(address, "grace") as grace, browser(address, "grace") as tab:
            for page in (grace, tab):
                await page.tell("subscribe")
                assert (await page.hear())["members"] == ["ada", "grace"]
            joined = {"topic": "lobby", "type": "joined", "member": "grace"}
            assert await ada.hear() == joined
            assert await grace.hear() == joined
            await grace.tell("publish", text="hello")
            said = {
                "topic": "lobby",
                "type": "said",
                "member": "grace",
                "text": "hello",
            }
            for page in (ada, grace, tab):
                assert await page.hear() == said
            await tab.tell("unsubscribe")
            await tab.tell("publish", text="anybody?")
            assert await tab.hear() == {"type": "error", "detail": "not allowed"}
            await ada.tell("publish", text="still here")
            assert (await ada.hear())["text"] == "still here"
        assert await ada.hear() == {"topic": "lobby", "type": "left", "member": "grace"}
        assert app.extensions["hub"].members("lobby") == ["ada"]
        assert len(app.extensions["hub"].clients) == 1
        await ada.ws.close()
        await until(lambda: len(asyncio.all_tasks()) <= TASKS_OF_A_SERVER)
        assert app.extensions["hub"].clients == set()


async def test_topics_are_apart_and_granted(app: Quart) -> None:
    async with (
        serving(app) as address,
        browser(address, "ada", "lobby", "staff") as ada,
        browser(address, "grace") as grace,
    ):
        for topic in ("lobby", "staff"):
            await ada.tell("subscribe", topic)
            await ada.hear("joined")
        await grace.tell("subscribe", "lobby")
        await grace.hear("joined")
        for type in ("subscribe", "publish", "unsubscribe"):
            await grace.tell(type, "staff")
            assert await grace.hear() == {
                "type": "error",
                "detail": "not allowed",
            }
        await ada.tell("publish", "staff", text="secret")
        await ada.tell("publish", "lobby", text="hello")
        assert (await grace.hear())["text"] == "hello"
        for number in range(100):
            await grace.tell("subscribe", f"invented-{number}")
            await grace.hear("error")
        topics = [client.topics for client in app.extensions["hub"].clients]
        assert sorted(topics, key=len) == [{"lobby"}, {"lobby", "staff"}]


async def test_a_hub_knows_its_own_process_only(app: Quart) -> None:
    async with (
        serving(app) as address,
        serving(create_app(KEY, ORIGIN)) as other_address,
        browser(address, "ada") as ada,
        browser(other_address, "grace") as grace,
    ):
        for page in (ada, grace):
            await page.tell("subscribe")
            await page.hear("joined")
        await ada.tell("publish", text="hello")
        assert (await ada.hear("said"))["text"] == "hello"
        await grace.tell("publish", text="nobody here?")
        assert (await grace.hear("said"))["text"] == "nobody here?"


@pytest.mark.parametrize(
    "message",
    [
        "{bad",
        "[]",
        "[" * 100_000,
        '{"type": "shout", "topic": "lobby"}',
        '{"type": "publish", "topic": NaN}',
        '{"type": "publish", "topic": "lobby", "to": "ada"}',
        '{"type": "publish", "topic": "lobby", "text": "%s"}' % ("x" * 4_001),
    ],
)
async def test_a_bad_command_is_answered(app: Quart, message: str) -> None:
    async with app.test_client().websocket("/ws/feed", headers=headers("ada")) as ws:
        async with asyncio.timeout(5):
            await ws.send(message)
            answer = await ws.receive_json()
            assert answer == {"type": "error", "detail": "invalid"}
            await ws.send_json({"type": "subscribe", "topic": "lobby"})
            assert (await ws.receive_json())["type"] == "present"


async def status(app: Quart, headers: dict[str, str]) -> int:
    """The status that the handshake is answered with; 101 when it is accepted."""
    async with app.test_client().websocket("/ws/feed", headers=headers) as ws:
        await ws.send("")
        try:
            await asyncio.wait_for(ws.receive(), 5)
        except WebsocketResponseError as error:
            return int(error.response.status_code)
    return 101


async def test_only_a_page_of_ours_with_a_session_may_connect(app: Quart) -> None:
    ours = headers("ada")
    assert await status(app, ours) == 101
    assert await status(app, {**ours, "Origin": "https://evil.example"}) == 403
    assert await status(app, {"Cookie": ours["Cookie"]}) == 403
    assert await status(app, {"Origin": ORIGIN}) == 401
    assert await status(app, {**ours, "Cookie": "session=forged"}) == 401


async def test_the_environment_configures_the_app(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.delenv("SECRET_KEY", raising=False)
    with pytest.raises(KeyError, match="SECRET_KEY"):
        create_app()
    monkeypatch.setenv("SECRET_KEY", KEY)
    monkeypatch.setenv("CORS_ORIGINS", f"https://www.example.com, {ORIGIN}")
    assert await status(create_app(), headers("ada")) == 101


async def test_the_number_of_clients_is_bounded(
    monkeypatch: pytest.MonkeyPatch, app: Quart
) -> None:
    monkeypatch.setattr(example, "PER_MEMBER", 1)
    monkeypatch.setattr(example, "CLIENTS", 2)
    async with serving(app) as address, browser(address, "ada"):
        assert await status(app, headers("ada")) == 429
        async with browser(address, "grace"):
            assert await status(app, headers("alan")) == 429
        await until(lambda: len(app.extensions["hub"].clients) == 1)
        assert await status(app, headers("alan")) == 101


async def test_a_publisher_hears_when_the_hub_is_busy(app: Quart) -> None:
    async with serving(app) as address, browser(address, "ada") as ada:
        await ada.tell("subscribe")
        await ada.hear("joined")
        async with app.extensions["hub"].turn:
            for _ in range(hub.BACKLOG + 1):
                await ada.tell("publish", text="hello")
            assert await ada.hear() == {"type": "error", "detail": "busy"}
        for _ in range(hub.BACKLOG):
            assert (await ada.hear())["text"] == "hello"


async def test_a_burst_reaches_everybody_who_reads(app: Quart) -> None:
    async with serving(app) as address, browser(address, "ada") as ada:
        await ada.tell("subscribe")
        await ada.hear("joined")
        for number in range(10 * hub.BACKLOG):
            app.extensions["hub"].publish("lobby", type="said", number=number)
        heard = [(await ada.hear())["number"] for _ in range(10 * hub.BACKLOG)]
        assert heard == list(range(10 * hub.BACKLOG))


async def test_a_bug_closes_with_1011(
    monkeypatch: pytest.MonkeyPatch, app: Quart, caplog: pytest.LogCaptureFixture
) -> None:
    def fail(*args: object) -> None:
        raise RuntimeError("a bug")

    monkeypatch.setattr(example, "obey", fail)
    async with serving(app) as address, browser(address, "ada") as ada:
        await ada.tell("subscribe")
        assert await ada.ending() == (1011, "internal error")
    assert [record.message for record in caplog.records] == ["feed failed"]


async def test_a_client_that_leaves_while_it_is_sent_to_is_no_error(
    app: Quart, caplog: pytest.LogCaptureFixture
) -> None:
    await leave_while_sending(app, headers("ada"))
    assert app.extensions["hub"].clients == set()
    assert caplog.records == []


async def leave_while_sending(app: Quart, headers: dict[str, str]) -> None:
    """Disconnect in the very turn of the loop in which a `send` goes on."""
    events: asyncio.Queue[Event] = asyncio.Queue()
    subscribe = '{"type": "subscribe", "topic": "lobby"}'
    events.put_nowait({"type": "websocket.receive", "text": subscribe})
    for _ in range(5):
        publish = '{"type": "publish", "topic": "lobby"}'
        events.put_nowait({"type": "websocket.receive", "text": publish})
    go_on = asyncio.Event()
    sending = asyncio.Event()

    async def send(event: Event) -> None:
        if event["type"] == "websocket.send":
            sending.set()
            await go_on.wait()

    scope = {
        "type": "websocket",
        "asgi": {"spec_version": "2.3", "version": "3.0"},
        "scheme": "ws",
        "http_version": "1.1",
        "path": "/ws/feed",
        "raw_path": b"/ws/feed",
        "query_string": b"",
        "root_path": "",
        "headers": [(k.lower().encode(), v.encode()) for k, v in headers.items()],
        "subprotocols": [],
        "extensions": {},
    }
    connection = asyncio.create_task(app(scope, events.get, send))
    await asyncio.wait_for(sending.wait(), 5)
    await asyncio.sleep(0.01)
    go_on.set()
    events.put_nowait({"type": "websocket.disconnect", "code": 1006})
    await asyncio.wait_for(connection, 5)


async def test_dont_task_group_writer_reports_a_leaver_as_an_error(
    caplog: pytest.LogCaptureFixture,
) -> None:
    await leave_while_sending(dont.task_group_writer(), {})
    expected = ["Exception on websocket /ws/feed"] if QUART_0_23 else []
    assert [record.message for record in caplog.records] == expected
    assert ("ClientDisconnectedError" in caplog.text) == QUART_0_23


OPERATIONS = st.tuples(
    st.sampled_from(["ada", "grace", "alan"]),
    st.sampled_from(["lobby", "staff"]),
    st.sampled_from(["subscribe", "unsubscribe", "leave"]),
)


@settings(deadline=None, max_examples=50)
@given(st.lists(OPERATIONS, max_size=30))
def test_joined_and_left_tell_who_is_there(operations: list[tuple[str, ...]]) -> None:
    async def play() -> None:
        app = create_app(KEY, ORIGIN)
        registry: hub.Hub = app.extensions["hub"]
        watcher = hub.Client("watcher")
        clients = [watcher]
        registry.clients.add(watcher)
        registry.subscribe(watcher, "lobby")
        for member, topic, operation in operations:
            own = [client for client in clients if client.member == member]
            if operation == "subscribe":
                client = hub.Client(member)
                clients.append(client)
                registry.clients.add(client)
                registry.subscribe(client, topic)
            elif own and operation == "unsubscribe":
                registry.unsubscribe(own[0], own[0].topics & {topic})
            elif own:
                clients.remove(own[0])
                registry.clients.discard(own[0])
                registry.unsubscribe(own[0], own[0].topics)
        await asyncio.gather(*app.background_tasks)
        present = set()
        while not watcher.queue.empty():
            event = json.loads(watcher.queue.get_nowait())
            if event["type"] == "left":
                present.remove(event["member"])
            elif event["type"] == "joined":
                assert event["member"] not in present
                present.add(event["member"])
        assert sorted(present) == registry.members("lobby")

    asyncio.run(play())


async def delivered(app: Quart) -> int:
    """How many of 200 messages arrive while somebody does not read."""
    async with serving(app) as address, browser(address, "ada") as ada:
        with closing(await stalled(address, "nobody")):
            await ada.tell("subscribe")
            await ada.hear()
            for number in range(200):
                await ada.tell("publish", text="x" * 3_000)
                try:
                    async with asyncio.timeout(0.5):
                        while "text" not in await ada.hear():
                            continue
                except TimeoutError:
                    return number
    return 200


async def test_a_client_that_does_not_read_delays_nobody(app: Quart) -> None:
    assert await delivered(app) == 200


async def test_dont_serial_loop_stops_for_a_client_that_does_not_read() -> None:
    assert await delivered(dont.serial_loop()) < 200


async def test_dont_bare_except_forgets_the_wrong_client() -> None:
    app = dont.bare_except()
    clients = app.extensions["clients"]
    async with serving(app) as address:
        slow = await raw_client(address, "/ws/feed/slow", {}, stalled=True)
        with closing(slow):
            leaver = await raw_client(address, "/ws/feed/leaver", {})
            with closing(leaver):
                await until(lambda: len(clients) == 2)
                await leaver.send(frame(b"x" * 3_000) * 200)
                await asyncio.sleep(0.3)  # The loop is waiting for the slow one now.
                assert sorted(clients) == ["leaver", "slow"]
            still_there = [] if QUART_0_23 else ["leaver"]
            await until(lambda: list(clients) == still_there)
            await slow.send(frame(b"I am still here"))


async def test_dont_live_set_fails_when_somebody_comes(
    caplog: pytest.LogCaptureFixture,
) -> None:
    app = dont.live_set()
    test_client = app.test_client()
    async with AsyncExitStack() as stack:
        *subscribers, publisher, newcomer = [
            await stack.enter_async_context(test_client.websocket("/ws/feed"))
            for _ in range(4)
        ]
        for ws in subscribers:
            await ws.send_json({"type": "subscribe", "topic": "lobby"})
        await until(lambda: len(app.extensions["topics"]["lobby"]) == 2)
        await publisher.send_json({"type": "publish", "topic": "lobby"})
        await newcomer.send_json({"type": "subscribe", "topic": "lobby"})
        await until(lambda: caplog.records != [])
    assert "RuntimeError: Set changed size during iteration" in caplog.text


async def test_dont_live_set_remembers_every_topic() -> None:
    app = dont.live_set()
    async with app.test_client().websocket("/ws/feed") as ws:
        for number in range(1_000):
            await ws.send_json({"type": "publish", "topic": f"invented-{number}"})
        await until(lambda: len(app.extensions["topics"]) == 1_000)


async def burst(page: Browser) -> None:
    """Subscribe, and say 200 things before anybody has had a turn."""
    await page.tell("subscribe")
    for number in range(200):
        await page.tell("publish", text=str(number))


async def test_a_publisher_of_a_burst_is_not_dropped(app: Quart) -> None:
    async with serving(app) as address, browser(address, "ada") as ada:
        await burst(ada)
        answers = [await ada.hear() for _ in range(202)]
        said = [answer["text"] for answer in answers if answer["type"] == "said"]
        busy = [answer for answer in answers if answer["type"] == "error"]
        assert said[:100] == [str(number) for number in range(100)]
        assert len(said) + len(busy) == 200


async def test_a_publisher_of_a_flood_is_dropped(app: Quart) -> None:
    async with serving(app) as address, browser(address, "ada") as ada:
        for _ in range(5):
            await burst(ada)
        assert await ada.ending() == (1013, "too slow")


async def test_dont_unpaced_burst_drops_a_client_that_reads() -> None:
    app = dont.unpaced_burst()
    async with serving(app) as address, browser(address, "ada") as ada:
        await burst(ada)
        assert await ada.ending() == (1013, "too slow")
