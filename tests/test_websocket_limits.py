import asyncio
import time
from collections.abc import Callable
from contextlib import AsyncExitStack, closing, suppress

import pytest
import websockets
from quart import Quart, websocket
from quart.wrappers import Websocket
from websockets.exceptions import InvalidStatus
from werkzeug.exceptions import TooManyRequests

from examples.dont import websocket_limits as dont
from examples.plain import websocket_limits as plain
from examples.plain import websockets as plain_websockets
from examples.serving import closing_event
from examples.websocket_limits import (
    PacedWebsockets,
    SocketLimit,
    create_app,
    paced_client,
)
from examples.websockets import messages
from tests.support.memory import forget_peak, peak_mb
from tests.support.raw_client import frame, raw_client
from tests.support.server import hypercorn, running
from tests.support.serving import nobody_connected, serving, until
from tests.support.websocket_client import connected, ending, rejection, status

HANDLING = {
    "ASGIWebsocketConnection.handle_messages",
    "ASGIWebsocketConnection.handle_websocket",
}
CLOSE = b"\x88\x05\x0f\xa0bye"  # code 4000, reason "bye"


def paced(app: Quart) -> Quart:
    app.asgi_app = PacedWebsockets(app.asgi_app)  # type: ignore[method-assign]
    return app


def farewell() -> Quart:
    """Close with 4000 after the third message."""
    app = paced(Quart(__name__))

    @app.websocket("/ws/farewell")
    async def farewell() -> None:
        for _ in range(3):
            await websocket.receive()
        await websocket.close(4000, "bye")

    return app


@pytest.fixture
def soon(monkeypatch: pytest.MonkeyPatch) -> None:
    """Do not wait two seconds for clients that have nothing to say any more."""
    monkeypatch.setattr(paced_client, "CLOSE_SECONDS", 0.2)


async def test_a_burst_is_answered_in_time(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(paced_client, "PER_SECOND", 50)
    async with serving(create_app()) as address, connected(address, "/ws/echo") as ws:
        start = time.monotonic()
        for number in range(60):
            await ws.send(str(number))
        async with asyncio.timeout(50):
            answers = [await ws.recv() for _ in range(60)]
        seconds = time.monotonic() - start
    assert answers == [f"Echo: {number}" for number in range(60)]
    assert seconds > (60 - paced_client.BURST - 1) / 50 - 0.1


async def test_http_is_not_paced() -> None:
    app = paced(Quart(__name__))

    @app.get("/")
    async def index() -> str:
        return "hello"

    client = app.test_client()
    for _ in range(2 * paced_client.BURST):
        assert await (await client.get("/")).get_data() == b"hello"


async def test_a_refusal_passes() -> None:
    app = paced(Quart(__name__))
    assert await status(app, "/ws/missing") == 404


@pytest.mark.parametrize("sent", [3, 100])
async def test_a_client_of_many_messages_shakes_hands_at_the_end(
    monkeypatch: pytest.MonkeyPatch, sent: int
) -> None:
    """Ten messages wait in Hypercorn, and more where it reads."""
    monkeypatch.setattr(paced_client, "CLOSE_SECONDS", 20)
    async with serving(farewell()) as address:
        with closing(await raw_client(address, "/ws/farewell", {})) as raw:
            await raw.send(frame(b"hello") * sent)
            assert await raw.read(CLOSE) == CLOSE
            await raw.send(frame(b"I had more to say") + frame(CLOSE[2:], opcode=8))
            async with asyncio.timeout(10):  # a reset would be a ConnectionError
                assert await raw.loop.sock_recv(raw.connection, 1) == b""


@pytest.mark.usefixtures("soon")
async def test_a_client_that_ignores_the_close_is_cut_off() -> None:
    async with serving(farewell()) as address:
        with closing(await raw_client(address, "/ws/farewell", {})) as raw:
            await raw.send(frame(b"hello") * 3)
            async with asyncio.timeout(20):
                assert await raw.read() == CLOSE
            await until(nobody_connected)


@pytest.mark.usefixtures("soon")
@pytest.mark.parametrize("size", [10, 60_000])
async def test_a_client_that_floods_on_after_the_close_is_cut_off(size: int) -> None:
    async with serving(farewell()) as address:
        with closing(await raw_client(address, "/ws/farewell", {})) as raw:
            async with asyncio.timeout(20):
                await raw.flood(b"x" * size, 10**12)
            await until(nobody_connected)


@pytest.mark.usefixtures("soon")
@pytest.mark.parametrize("make", [create_app, farewell])
async def test_a_client_that_leaves_in_a_flood_leaves_nothing_behind(
    make: Callable[[], Quart], caplog: pytest.LogCaptureFixture
) -> None:
    path = "/ws/echo" if make is create_app else "/ws/farewell"
    async with serving(make()) as address:
        for megabytes in (0.05, 1, 10**6):
            with closing(await raw_client(address, path, {})) as raw:
                flood = raw.flood(b"x" * 50, int(megabytes * 1_000_000))
                with suppress(TimeoutError):
                    await asyncio.wait_for(flood, 0.1)
        await until(nobody_connected)
    assert caplog.records == []


def running_coroutines() -> set[str]:
    return {str(task.get_coro()).split()[2] for task in asyncio.all_tasks()}


@pytest.mark.usefixtures("soon")
async def test_without_the_brake_hypercorn_keeps_who_left_in_a_burst() -> None:
    for app in (plain_websockets.create_app(), paced(plain_websockets.create_app())):
        async with serving(app) as address:
            with closing(await raw_client(address, "/ws/echo", {})) as raw:
                await raw.send(frame(b"x" * 1_000) * 60)
            await until(lambda: not running_coroutines() & HANDLING)
            if isinstance(app.asgi_app, PacedWebsockets):
                await until(nobody_connected)
            else:
                await asyncio.sleep(0.5)
                connection = "worker_serve.<locals>._server_callback"
                assert connection in running_coroutines()


async def test_the_places_are_counted_for_each_user_and_in_total() -> None:
    app = Quart(__name__)
    sockets = SocketLimit(per_user=2, total=3)

    @app.websocket("/ws/<user>")
    async def talk(user: str) -> None:
        with sockets.place(user):
            await websocket.send(f"hello {user}")
            await websocket.receive()

    async with serving(app) as address:
        async with connected(address, "/ws/ada") as ada:
            async with connected(address, "/ws/ada"):
                assert await rejection(address, "/ws/ada") == 429
                async with connected(address, "/ws/grace"):
                    assert await rejection(address, "/ws/alan") == 429
            await ada.send("")
            assert await ending(ada) == (1000, "")
        for _ in range(2):
            async with connected(address, "/ws/ada"), connected(address, "/ws/ada"):
                assert await rejection(address, "/ws/ada") == 429
        await until(nobody_connected)


def test_a_place_is_free_again_after_an_error() -> None:
    sockets = SocketLimit(per_user=2, total=2)

    def fail() -> None:
        with sockets.place(7):
            with pytest.raises(TooManyRequests), sockets.place("somebody else"):
                pass
            raise RuntimeError("a bug")

    with sockets.place(7):
        for _ in range(2):
            with pytest.raises(RuntimeError, match="a bug"):
                fail()
    with sockets.place("somebody else"), sockets.place("somebody else"):
        pass


async def test_the_plain_form_bounds_the_sockets() -> None:
    async with serving(plain.create_app(sockets=1)) as address:
        for _ in range(2):
            async with connected(address, "/ws/echo") as ws:
                await ws.send("hello")
                assert await ws.recv() == "received"
                assert await rejection(address, "/ws/echo") == 429
            await until(nobody_connected)


async def test_the_plain_form_ends_a_silent_client() -> None:
    app = plain.create_app(idle_seconds=0.1)
    async with serving(app) as address, connected(address, "/ws/echo") as ws:
        await ws.send("hello")
        assert await ending(ws) == (4408, "idle")


class LoudWebsocket(Websocket):
    """Sends more than the buffers between the two hold."""

    async def send(self, data: str | bytes) -> None:
        await super().send(bytes(10_000_000))


@pytest.mark.usefixtures("soon")
@pytest.mark.parametrize("places", [1, 5])
async def test_clients_that_do_not_read_free_their_places(
    places: int, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(messages, "SEND_SECONDS", 0.1)
    app = plain.create_app(sockets=1, idle_seconds=0.1) if places == 1 else create_app()
    app.websocket_class = LoudWebsocket
    async with serving(app) as address:
        async with AsyncExitStack() as stack:
            for _ in range(places):
                raw = await raw_client(address, "/ws/echo", {}, stalled=True)
                stack.callback(raw.close)
                await raw.send(frame(b"hello"))
            async with asyncio.timeout(50):  # a handler ends 2 seconds after its limit
                while True:
                    try:
                        async with connected(address, "/ws/echo"):
                            break
                    except InvalidStatus:
                        await asyncio.sleep(0.1)
        await until(nobody_connected)


async def test_a_closing_app_says_that_it_goes_away() -> None:
    app = create_app()
    async with serving(app) as address, connected(address, "/ws/echo") as ws:
        await ws.send("hello")
        assert await ws.recv() == "Echo: hello"
        closing_event(app).set()
        assert await ending(ws) == (1001, "going away")


@pytest.mark.usefixtures("soon")
@pytest.mark.parametrize("ping_interval", [None, 0.1])
async def test_without_pings_a_flooder_that_left_is_not_noticed(
    ping_interval: float | None, monkeypatch: pytest.MonkeyPatch
) -> None:
    app = paced(Quart(__name__))
    inside = []

    @app.websocket("/ws/quiet")
    async def quiet() -> None:
        inside.append(websocket.path)
        try:
            while True:
                await websocket.receive()
        finally:
            inside.remove(websocket.path)

    async with serving(app, websocket_ping_interval=ping_interval) as address:
        with closing(await raw_client(address, "/ws/quiet", {})) as raw:
            await raw.send(frame(b"hello") * 1_000)  # for a hundred seconds
        if ping_interval is None:
            await asyncio.sleep(1)
            assert inside == ["/ws/quiet"]
            monkeypatch.setattr(paced_client, "PER_SECOND", 1_000_000)
        await until(lambda: inside == [])
        await until(nobody_connected)


async def test_hypercorns_ping_outlives_its_socket_by_one_interval() -> None:
    app = create_app()
    async with serving(app, websocket_ping_interval=20) as address:
        async with connected(address, "/ws/echo"):
            pass
        await until(lambda: not running_coroutines() & HANDLING)
        [pinging] = [
            task
            for task in asyncio.all_tasks()
            if "WSStream._send_pings" in str(task.get_coro())
        ]
        pinging.cancel()


async def test_compression_is_agreed_only_when_the_header_arrives() -> None:
    async with serving(create_app()) as address:
        async with websockets.connect(f"ws://{address}/ws/echo") as ws:
            assert "Sec-WebSocket-Extensions" in ws.response.headers
        async with connected(address, "/ws/echo") as ws:
            assert "Sec-WebSocket-Extensions" not in ws.response.headers


async def test_memory_stays_low_except_for_a_message_that_is_too_big() -> None:
    async with running("examples.websocket_limits") as server:
        before = peak_mb(server.process.pid)
        with closing(await raw_client(server.address, "/ws/echo", {})) as raw:
            flooding = asyncio.create_task(raw.flood(b"x" * 4_000, 100_000_000))
            answered = 0
            while answered < 30 * 4_000:
                answered += len(await raw.loop.sock_recv(raw.connection, 2**16))
            assert not flooding.done()
            flooding.cancel()
            await asyncio.gather(flooding, return_exceptions=True)
        assert peak_mb(server.process.pid) - before < 20

        async with connected(server.address, "/ws/echo") as ws:
            await ws.send("x" * (64 * 1024))
            assert await ws.recv() == "Echo: " + "x" * (64 * 1024)
            await ws.send("x" * (64 * 1024 + 1))
            assert await ending(ws) == (1009, "")

        forget_peak(server.process.pid)
        before = peak_mb(server.process.pid)
        async with websockets.connect(server.ws_url("/ws/echo")) as ws:
            await ws.send("x" * 40_000_000)  # 40 kB, as it is compressed
            assert await ending(ws) == (1009, "")
        assert peak_mb(server.process.pid) - before > 25

        forget_peak(server.process.pid)
        before = peak_mb(server.process.pid)  # Hypercorn reads on after its 1009
        with closing(await raw_client(server.address, "/ws/echo", {})) as raw:
            await raw.send(frame(bytes(40_000_000)))
            await raw.read(b"\x88\x02\x03\xf1")
        assert peak_mb(server.process.pid) - before > 25


async def test_dont_sleep_in_handler_fills_the_memory() -> None:
    target = "examples.dont.websocket_limits:sleep_in_handler()"
    async with hypercorn(target) as server:
        before = peak_mb(server.process.pid)
        with closing(await raw_client(server.address, "/ws/echo", {})) as raw:
            async with asyncio.timeout(50):
                await raw.flood(b"x" * 60_000, 40_000_000)
            assert peak_mb(server.process.pid) - before > 25


async def test_dont_count_without_finally_locks_a_user_out() -> None:
    app = dont.count_without_finally()
    async with serving(app) as address:
        for _ in range(5):
            async with connected(address, "/ws/echo/ada") as ws:
                await ws.send("hello")
                assert await ws.recv() == "hello"
        await until(nobody_connected)
        assert await rejection(address, "/ws/echo/ada") == 429


async def test_dont_wait_for_a_message_ends_an_idle_client_as_an_error_of_ours(
    caplog: pytest.LogCaptureFixture,
) -> None:
    app = dont.wait_for_a_message(0.1)
    async with serving(app) as address, connected(address, "/ws/echo") as ws:
        await ws.send("hello")
        assert await ending(ws) == (1000, "")
    assert [record.message for record in caplog.records] == [
        "Exception on websocket /ws/echo"
    ]
