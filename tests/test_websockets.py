import asyncio
import os
import re
import shlex
import shutil
from collections.abc import Callable
from contextlib import closing
from pathlib import Path
from typing import Any

import pytest
from hypercorn.middleware import ProxyFixMiddleware
from quart import Quart, abort, request, websocket
from quart.wrappers import Websocket
from websockets.exceptions import InvalidMessage

from examples.dont import websockets as dont
from examples.plain import websockets as plain
from examples.serving import closing_event
from examples.websockets import (
    CloseWebsocket,
    close_codes,
    create_app,
    first_to_end,
    messages,
)
from examples.websockets import closing as closing_module
from tests.support.raw_client import frame, raw_client
from tests.support.serving import nobody_connected, serving, until
from tests.support.shell import run
from tests.support.versions import QUART_0_23
from tests.support.websocket_client import (
    connected,
    ending,
    hear,
    leave_while_sending,
    rejection,
    status,
)

PAGE = Path(__file__).parents[1] / "patterns/websockets.md"
TOKEN = "correct-horse-battery-staple-2026"
BOTH = pytest.mark.parametrize("make", [plain.create_app, create_app])


class FailingWebsocket(Websocket):
    async def send(self, data: str | bytes) -> None:
        raise RuntimeError("the database is gone")


@BOTH
async def test_echo(make: Callable[[], Quart]) -> None:
    async with make().test_client().websocket("/ws/echo") as ws:
        for text in ("hello", "", '{"text": "ä"}'):
            await ws.send(text)
            assert await asyncio.wait_for(ws.receive(), 20) == f"Echo: {text}"


@BOTH
@pytest.mark.parametrize("data", [b"hello", b""])
async def test_bytes_are_refused_with_a_code(
    make: Callable[[], Quart], data: bytes
) -> None:
    async with serving(make()) as address, connected(address, "/ws/echo") as ws:
        await ws.send(data)
        assert await ending(ws) == (1003, "send text")


@BOTH
async def test_a_crash_closes_with_1011(
    make: Callable[[], Quart], caplog: pytest.LogCaptureFixture
) -> None:
    app = make()
    app.websocket_class = FailingWebsocket
    async with serving(app) as address, connected(address, "/ws/echo") as ws:
        await ws.send("hello")
        assert await ending(ws) == (1011, "internal error")
    assert "RuntimeError: the database is gone" in caplog.text
    assert len(caplog.records) == 1


@BOTH
async def test_a_client_that_leaves_is_no_error(
    make: Callable[[], Quart], caplog: pytest.LogCaptureFixture
) -> None:
    app = make()
    async with serving(app) as address:
        for sent in (0, 1, 8):
            with closing(await raw_client(address, "/ws/echo", {})) as raw:
                await raw.send(frame(b"x" * 1_000) * sent)
        await until(nobody_connected)
    assert caplog.records == []


async def test_the_clock_goes_as_the_client_says() -> None:
    async with create_app().test_client().websocket("/ws/clock") as ws:
        async with asyncio.timeout(20):
            assert "time" in await ws.receive_json()
            await ws.send('{"seconds": 0.1}')
            for _ in range(5):
                assert "time" in await ws.receive_json()


@pytest.mark.parametrize(
    ("message", "detail"),
    [
        ("{bad", "Invalid JSON: "),
        ("[" * 100_000, "Invalid JSON: recursion limit exceeded"),
        ("9" * 5_000, "Invalid JSON: number out of range"),
        ('{"seconds": "\\ud800"}', "Invalid JSON: "),
        ("[]", "Input should be an object"),
        ("{}", "Field required"),
        ('{"seconds": NaN}', "Input should be less than or equal to 60"),
        ('{"seconds": 61}', "Input should be less than or equal to 60"),
        ('{"seconds": 1, "zone": "UTC"}', "Extra inputs are not permitted"),
    ],
)
async def test_a_bad_message_is_answered_and_the_talk_goes_on(
    message: str, detail: str, caplog: pytest.LogCaptureFixture
) -> None:
    async with create_app().test_client().websocket("/ws/clock") as ws:
        async with asyncio.timeout(20):
            await ws.receive_json()
            for _ in range(2):
                await ws.send(message)
                answer = await ws.receive_json()
                while "time" in answer:
                    answer = await ws.receive_json()
                assert answer["type"] == "error"
                assert answer["detail"].startswith(detail)
    assert caplog.records == []


async def test_an_idle_client_is_told_so(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(messages, "IDLE_SECONDS", 0.1)
    async with serving(create_app()) as address, connected(address, "/ws/echo") as ws:
        assert await ending(ws) == (4408, "idle")


async def test_an_empty_message_is_a_sign_of_life(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    received = []

    class CountingWebsocket(Websocket):
        async def receive(self) -> str | bytes:
            data = await super().receive()
            received.append(data)
            return data

    app = create_app()
    app.websocket_class = CountingWebsocket
    async with serving(app) as address, connected(address, "/ws/clock") as ws:
        for _ in range(3):
            await ws.send("")
        await until(lambda: received == ["", "", ""])
        assert (await hear(ws)).keys() == {"time"}
        await ws.send("{}")
        while "time" in (answer := await hear(ws)):
            continue
        assert answer == {"type": "error", "detail": "Field required"}


async def test_a_closing_app_says_that_it_goes_away() -> None:
    app = create_app()
    async with (
        serving(app) as address,
        connected(address, "/ws/echo") as echo,
        connected(address, "/ws/clock") as clock,
    ):
        await hear(clock)
        closing_event(app).set()
        assert await ending(clock) == (1001, "going away")
        assert await ending(echo) == (1001, "going away")


async def test_a_client_that_does_not_read_cannot_hold_the_handler(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setattr(closing_module, "CLOSE_SECONDS", 0.1)
    app = Quart(__name__)
    steps = []

    @app.websocket("/ws/film")
    async def film() -> None:
        async def send() -> None:
            steps.append("sends")
            await websocket.send(bytes(10_000_000))
            steps.append("has sent")

        async def give_up() -> None:
            await asyncio.sleep(0.1)
            raise CloseWebsocket(1013, "too slow")

        await websocket.accept()
        async with close_codes():
            await first_to_end(send(), give_up())
        steps.append("ended")

    async with serving(app) as address:
        with closing(await raw_client(address, "/ws/film", {}, stalled=True)):
            await until(lambda: steps == ["sends", "ended"])
        await until(nobody_connected)


@pytest.mark.parametrize(
    ("path", "message", "loud"),
    [
        ("/ws/echo", b"hello", "Echo"),
        ("/ws/clock", b"", "time"),
        ("/ws/clock", b"no JSON", "error"),
    ],
)
async def test_a_client_that_reads_nothing_is_too_slow(
    path: str, message: bytes, loud: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(messages, "SEND_SECONDS", 0.1)
    monkeypatch.setattr(closing_module, "CLOSE_SECONDS", 0.1)
    ended = []

    class LoudWebsocket(Websocket):
        async def send(self, data: str | bytes) -> None:
            assert isinstance(data, str)
            await super().send(bytes(10_000_000) if loud in data else data)

        async def close(self, code: int, reason: str = "") -> None:
            ended.append((code, reason))
            await super().close(code, reason)

    app = create_app()
    app.websocket_class = LoudWebsocket
    async with serving(app) as address:
        with closing(await raw_client(address, path, {}, stalled=True)) as raw:
            await raw.send(frame(message))
            await until(lambda: ended == [(1013, "too slow")])
        await until(nobody_connected)


async def test_first_to_end_raises_what_ended_it_and_cancels_the_rest() -> None:
    ended = []

    async def wait() -> None:
        try:
            await asyncio.Event().wait()
        finally:
            ended.append("waiting")

    async def fail() -> None:
        await asyncio.sleep(0)
        raise CloseWebsocket(4000, "enough")

    async def end() -> None:
        await asyncio.sleep(0)

    with pytest.raises(CloseWebsocket) as caught:
        await first_to_end(wait(), fail(), wait())
    assert (caught.value.code, caught.value.reason) == (4000, "enough")
    await first_to_end(end(), wait())
    cancelled = asyncio.create_task(first_to_end(wait()))
    await asyncio.sleep(0.01)
    cancelled.cancel()
    with pytest.raises(asyncio.CancelledError):
        await cancelled
    assert ended == ["waiting"] * 4


async def test_an_error_is_not_lost_behind_a_close_of_the_same_moment() -> None:
    async def close() -> None:
        raise CloseWebsocket(4001, "bye")

    async def crash() -> None:
        raise ValueError("a bug")

    for _ in range(20):
        with pytest.raises(ValueError, match="a bug"):
            await first_to_end(close(), crash())
        with pytest.raises(ValueError, match="a bug"):
            await first_to_end(crash(), close())


async def test_before_accept_close_codes_hide_code_and_status() -> None:
    app = Quart(__name__)

    @app.websocket("/ws/<ending>/<when>")
    async def end(ending: str, when: str) -> None:
        if when == "late":
            await websocket.accept()
        async with close_codes():
            if ending == "abort":
                abort(401)
            raise CloseWebsocket(4001, "bye")

    async with serving(app) as address:
        assert await rejection(address, "/ws/close/early") == 403
        assert await rejection(address, "/ws/abort/early") == 403
        async with connected(address, "/ws/close/late") as ws:
            assert await ending(ws) == (4001, "bye")
        async with connected(address, "/ws/abort/late") as ws:
            assert await ending(ws) == (1011, "internal error")


async def test_a_handler_that_returns_closes_with_1000() -> None:
    app = Quart(__name__)

    @app.websocket("/ws/once")
    async def once() -> None:
        await websocket.accept()
        async with close_codes():
            await websocket.send("bye")

    async with serving(app) as address, connected(address, "/ws/once") as ws:
        assert await ending(ws) == (1000, "")


async def test_a_client_that_leaves_while_it_is_sent_to_is_no_error(
    caplog: pytest.LogCaptureFixture,
) -> None:
    await leave_while_sending(create_app(), "/ws/clock")
    assert caplog.records == []


async def test_a_status_and_its_text_reach_a_client_before_accept() -> None:
    app = Quart(__name__)

    @app.websocket("/ws/chat")
    async def chat() -> tuple[dict[str, str], int]:
        return {"detail": "log in"}, 401

    async with serving(app) as address:
        assert await rejection(address, "/ws/chat") == 401
        assert await rejection(address, "/ws/missing") == 404
    assert await status(app, "/ws/chat") == 401


async def test_a_subprotocol_has_to_be_one_that_the_client_offers() -> None:
    app = Quart(__name__)

    @app.websocket("/ws/<chosen>")
    async def chat(chosen: str) -> None:
        await websocket.accept(subprotocol=chosen)
        await websocket.send(" ".join(websocket.requested_subprotocols))

    async with serving(app) as address:
        offered = {"Sec-WebSocket-Protocol": "chat.v1, chat.v2"}
        with closing(await raw_client(address, "/ws/chat.v2", offered)) as raw:
            assert await raw.read(b"\x88\x02\x03\xe8") == (
                b"\x81\x0fchat.v1 chat.v2\x88\x02\x03\xe8"
            )
        with pytest.raises(InvalidMessage, match="valid HTTP response"):
            async with connected(address, "/ws/chat.v3"):
                pass


@pytest.fixture
def who() -> Quart:
    """Tells each client its address and its scheme."""
    app = Quart(__name__)

    @app.websocket("/ws/who")
    async def who() -> None:
        await websocket.send(f"{websocket.remote_addr} {websocket.scheme}")

    return app


async def answer(app: Quart, headers: dict[str, str]) -> str:
    async with serving(app) as address, connected(address, "/ws/who", headers) as ws:
        async with asyncio.timeout(20):
            text = await ws.recv()
    assert isinstance(text, str)
    return text


@pytest.mark.parametrize("scheme", ["http", "https"])
async def test_hypercorns_proxy_fix_refuses_websockets(who: Quart, scheme: str) -> None:
    forwarded = {"X-Forwarded-For": "192.0.2.7"}
    who.asgi_app = ProxyFixMiddleware(who.asgi_app)  # type: ignore[method-assign]
    assert await answer(who, forwarded) == "192.0.2.7 ws"
    async with serving(who) as address:
        forwarded["X-Forwarded-Proto"] = scheme
        assert await rejection(address, "/ws/who", forwarded) == 400
    forwarded["X-Forwarded-Proto"] = "wss"
    assert await answer(who, forwarded) == "192.0.2.7 wss"


async def test_a_scheme_of_websockets_inside_the_proxy_fix_lets_them_in(
    who: Quart,
) -> None:
    served: Any = who.asgi_app

    async def with_scheme(scope: Any, receive: Any, send: Any) -> None:
        if scope["type"] == "websocket":
            scope["scheme"] = "wss"
        await served(scope, receive, send)

    who.asgi_app = ProxyFixMiddleware(with_scheme)  # type: ignore[method-assign]
    forwarded = {"X-Forwarded-For": "192.0.2.7", "X-Forwarded-Proto": "https"}
    assert await answer(who, forwarded) == "192.0.2.7 wss"


BROWSER = """
const socket = {};
const connect = "connect again";
globalThis.setTimeout = (what, delay) => console.log(what, 1000 <= delay);
async function ensureLogin() {
  console.log("log in");
  if (process.env.SERVER === "down") throw new TypeError("Failed to fetch");
}
"""


@pytest.mark.skipif(
    shutil.which("node") is None and os.environ.get("CI") != "true",
    reason="node is not installed (Debian: nodejs)",
)
@pytest.mark.parametrize("server", ["up", "down"])
async def test_a_page_connects_again_even_if_it_cannot_log_in(server: str) -> None:
    [onclose] = re.findall(r"```javascript\n(.*?)```", PAGE.read_text(), re.DOTALL)
    for code in (1001, 1006, 4401):
        closed = f"socket.onclose({{ code: {code} }}).catch(() => {{}});"
        script = shlex.quote(BROWSER + onclose + closed)
        _, output = await run(f"SERVER={server} node -e {script}")
        expected = ["log in"] if code != 1001 else []
        assert output.splitlines() == [*expected, "connect again true"]


async def test_a_test_client_hangs_after_the_server_has_closed() -> None:
    app = create_app()
    async with app.test_client().websocket("/ws/echo") as ws:
        await ws.send(b"hello")
        receiving = asyncio.create_task(ws.receive())
        done, _ = await asyncio.wait({receiving}, timeout=1 if QUART_0_23 else 20)
        assert bool(done) != QUART_0_23
        receiving.cancel()
        [error] = await asyncio.gather(receiving, return_exceptions=True)
    expected = "CancelledError" if QUART_0_23 else "WebsocketDisconnectError"
    assert type(error).__name__ == expected


async def test_the_texts_of_a_context_that_is_missing() -> None:
    app = Quart(__name__)
    for proxy, name in ((request, "request"), (websocket, "websocket")):
        with pytest.raises(RuntimeError, match=f"^Not within a {name} context"):
            _ = proxy.path
        expected = f"Not within a {name} context"
        if QUART_0_23:
            expected = f"There is no {name} in this context."
        async with app.app_context():
            with pytest.raises(RuntimeError, match=f"^{expected}"):
                _ = proxy.path


async def test_dont_token_in_query_fails_for_everybody(
    caplog: pytest.LogCaptureFixture,
) -> None:
    app = dont.token_in_query(TOKEN)
    assert await status(app, f"/ws/chat?token={TOKEN}") == 500
    expected = (
        "RuntimeError: There is no request in this context."
        if QUART_0_23
        else "RuntimeError: Not within a request context"
    )
    assert expected in caplog.text


async def test_dont_close_before_accept_hides_code_and_reason() -> None:
    async with serving(dont.close_before_accept(TOKEN)) as address:
        assert await rejection(address, "/ws/chat") == 403


async def test_dont_return_before_accept_is_an_error_or_a_hang() -> None:
    async with serving(dont.return_before_accept(TOKEN)) as address:
        if not QUART_0_23:
            assert await rejection(address, "/ws/chat") == 500
            return
        with pytest.raises(TimeoutError):
            async with asyncio.timeout(1), connected(address, "/ws/chat"):
                pass


async def test_dont_return_after_accept_looks_like_a_good_end() -> None:
    app = dont.return_after_accept(TOKEN)
    async with serving(app) as address, connected(address, "/ws/chat") as ws:
        await ws.send("wrong")
        assert await ending(ws) == (1000, "")


@pytest.mark.parametrize(
    ("message", "error"),
    [
        ("{bad", "JSONDecodeError"),
        ('{"type": "say"}', "KeyError: 'text'"),
        ("[]", "TypeError: list indices"),
        (b"", "TypeError: the JSON object must be"),
        ("9" * 5_000, "ValueError: Exceeds the limit"),
        ("[" * 100_000, "RecursionError"),
    ],
)
async def test_dont_trust_the_message_ends_as_if_all_were_well(
    message: str | bytes, error: str, caplog: pytest.LogCaptureFixture
) -> None:
    app = dont.trust_the_message()
    async with serving(app) as address, connected(address, "/ws/chat") as ws:
        await ws.send(message)
        assert await ending(ws) == (1000, "")
    assert error in caplog.text


async def finished(app: Quart, path: str) -> list[str]:
    """What `after_websocket` has seen when a client has talked and left."""
    seen = []

    @app.after_websocket
    async def after(response: None) -> None:
        seen.append(websocket.path)

    async with app.test_client().websocket(path) as ws:
        await ws.send("hello")
        await asyncio.wait_for(ws.receive(), 20)
    return seen


async def test_a_client_that_leaves_is_not_a_handler_that_finished() -> None:
    assert await finished(create_app(), "/ws/echo") == []


async def test_dont_swallow_cancellation_makes_a_leaver_a_success() -> None:
    assert await finished(dont.swallow_cancellation(), "/ws/chat") == ["/ws/chat"]


async def test_clean_up_in_finally_runs_when_the_client_leaves() -> None:
    app = Quart(__name__)
    online = set()

    @app.websocket("/ws/chat/<name>")
    async def chat(name: str) -> None:
        online.add(name)
        try:
            while True:
                await websocket.send(await websocket.receive())
        finally:
            online.discard(name)

    assert await finished(app, "/ws/chat/ada") == []
    assert online == set()


async def test_dont_clean_up_after_websocket_keeps_who_has_left() -> None:
    app = dont.clean_up_after_websocket()
    assert await finished(app, "/ws/chat/ada") == []
    assert app.extensions["online"] == {"ada"}


class Spinning(BaseException):
    """Ends a loop that `except Exception` would go on with."""


async def test_dont_continue_after_errors_never_ends(
    caplog: pytest.LogCaptureFixture,
) -> None:
    class GuardedWebsocket(Websocket):
        failed = 0

        async def receive(self) -> str | bytes:
            try:
                return await super().receive()
            except Exception:
                self.failed += 1
                if self.failed == 100:
                    raise Spinning from None
                raise

    app = dont.continue_after_errors()
    app.websocket_class = GuardedWebsocket
    async with app.test_client().websocket("/ws/chat") as ws:
        assert await asyncio.wait_for(ws.receive(), 20) == "tick"
        [reading] = [
            task for task in asyncio.all_tasks() if ".read " in f"{task.get_coro()} "
        ]
    if QUART_0_23:
        with pytest.raises(Spinning):
            await asyncio.wait_for(reading, 20)
        assert len(caplog.records) == 99
    else:  # it waits for ever
        await asyncio.sleep(0.1)
        assert not reading.done()
        reading.cancel()


async def test_dont_login_in_websocket_is_forgotten() -> None:
    test_client = dont.login_in_websocket(TOKEN).test_client()
    answers = []
    for _ in range(2):
        async with test_client.websocket("/ws/chat") as ws:
            for member in ("ada", "grace"):
                await ws.send(member)
                answers.append(await asyncio.wait_for(ws.receive_json(), 20))
    assert answers == [{"before": None}, {"before": "ada"}] * 2
