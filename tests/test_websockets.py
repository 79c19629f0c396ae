import asyncio
import base64
import json
import time
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager, closing
from typing import Any

import jwt
import pytest
import websockets as client
from quart import Quart, websocket
from quart.testing import WebsocketResponseError
from websockets.exceptions import ConnectionClosed, InvalidStatus
from websockets.typing import Origin

from examples import websockets as example
from examples.dont import websockets as dont
from examples.websockets import create_app, limit
from tests.support.memory import peak_mb
from tests.support.raw_client import frame, raw_client
from tests.support.server import Server, hypercorn
from tests.support.serving import serving, until
from tests.support.versions import QUART_0_23

KEY = "correct-horse-battery-staple-2026"
ORIGIN = "https://app.example.com"
TASKS_OF_A_SERVER = 5
NOW = int(time.time())
CLAIMS = {"sub": "ada", "aud": "chat", "iat": NOW, "exp": NOW + 600}


def token(*without: str, **claims: object) -> str:
    merged = {**CLAIMS, **claims}
    kept = {name: value for name, value in merged.items() if name not in without}
    return jwt.encode(kept, KEY, algorithm="HS256")


def bearer(value: str | None = None) -> dict[str, str]:
    return {"Authorization": f"Bearer {value or token()}"}


def browser(value: str | None = None, origin: str = ORIGIN) -> dict[str, str]:
    return {"Origin": origin, "Cookie": f"access_token={value or token()}"}


async def status(app: Quart, headers: dict[str, str], path: str = "/ws/chat") -> int:
    """The status that the handshake is answered with; 101 when it is accepted."""
    async with app.test_client().websocket(path, headers=headers) as ws:
        await ws.send('{"type": "ping"}')
        try:
            async with asyncio.timeout(5):
                await ws.receive()
        except WebsocketResponseError as error:
            return int(error.response.status_code)
    return 101


async def test_a_foreign_page_gets_a_403() -> None:
    app = create_app("k" * 32, "https://app.example.com")
    page = {"Origin": "https://evil.example"}
    async with app.test_client().websocket("/ws/chat", headers=page) as ws:
        with pytest.raises(WebsocketResponseError) as caught:
            await asyncio.wait_for(ws.receive(), 5)
    assert caught.value.response.status_code == 403


@pytest.fixture
def app() -> Quart:
    return create_app(KEY, ORIGIN)


async def exchange(app: Quart, message: str | bytes) -> dict[str, object]:
    """The answer to `message`, after which the socket must still work."""
    async with app.test_client().websocket("/ws/chat", headers=bearer()) as ws:
        async with asyncio.timeout(5):
            await ws.send(message)
            answer: dict[str, object] = json.loads(await ws.receive())
            await ws.send('{"type": "ping"}')
            assert json.loads(await ws.receive()) == {"type": "pong"}
    return answer


@pytest.mark.parametrize("headers", [bearer(), browser()])
async def test_a_member_talks(app: Quart, headers: dict[str, str]) -> None:
    async with app.test_client().websocket("/ws/chat", headers=headers) as ws:
        async with asyncio.timeout(5):
            await ws.send('{"type": "say", "text": "hello"}')
            answer = await ws.receive_json()
    assert answer == {"type": "said", "member": "ada", "text": "hello"}


async def test_the_environment_configures_the_app(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setenv("SECRET_KEY", KEY)
    monkeypatch.setenv("CORS_ORIGINS", f"https://www.example.com, {ORIGIN}")
    assert await status(create_app(), browser()) == 101


def test_a_missing_or_short_secret_stops_the_app(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.delenv("SECRET_KEY", raising=False)
    with pytest.raises(KeyError, match="SECRET_KEY"):
        create_app()
    with pytest.raises(ValueError, match="SECRET_KEY needs at least 32 bytes"):
        create_app("short")


@pytest.mark.parametrize(
    "origin",
    [
        "https://evil.example",
        "https://app.example.com.evil.example",
        "https://app.example.com:8443",
        "http://app.example.com",
        "https://APP.example.com",
        "null",
        "",
    ],
)
async def test_another_origin_is_refused(app: Quart, origin: str) -> None:
    assert await status(app, browser(origin=origin)) == 403
    assert await status(app, {**bearer(), "Origin": origin}) == 403


async def test_a_missing_origin_needs_a_bearer_token(app: Quart) -> None:
    cookie = {"Cookie": browser()["Cookie"]}
    assert await status(app, cookie) == 403
    assert await status(app, {**cookie, "Authorization": "Basic YWRhOmFkYQ=="}) == 403
    assert await status(app, bearer()) == 101


def forged(header: dict[str, object], key: str = "") -> str:
    parts = [json.dumps(part).encode() for part in (header, CLAIMS)]
    signed = b".".join(base64.urlsafe_b64encode(part).rstrip(b"=") for part in parts)
    mac = jwt.algorithms.HMACAlgorithm("sha256").sign(signed, key.encode())
    return f"{signed.decode()}.{base64.urlsafe_b64encode(mac).rstrip(b'=').decode()}"


@pytest.mark.parametrize(
    "value",
    [
        "none",
        token("exp"),
        token("iat"),
        token("sub"),
        token("aud"),
        token(aud="refresh"),
        token(exp=NOW - 1),
        token(sub=7),
        jwt.encode(CLAIMS, "x" * 32, algorithm="HS256"),
        jwt.encode(CLAIMS, KEY * 2, algorithm="HS512"),
        jwt.encode(CLAIMS, None, algorithm="none"),
        forged({"alg": "HS256", "typ": "JWT", "crit": ["x"]}, KEY),
        base64.urlsafe_b64encode(b"[" * 9_000).decode() + ".e30.e30",
        "\xff.\xff.\xff",
        '"\\377\\000"',
    ],
)
async def test_a_bad_credential_is_a_401(app: Quart, value: str) -> None:
    assert await status(app, bearer(value)) == 401
    assert await status(app, browser(value)) == 401


async def test_a_forgery_with_the_key_is_accepted(app: Quart) -> None:
    assert await status(app, bearer(forged({"alg": "HS256"}, KEY))) == 101


async def test_no_credential_is_a_401(app: Quart) -> None:
    assert await status(app, {"Origin": ORIGIN}) == 401
    assert await status(app, {"Origin": ORIGIN}, f"/ws/chat?token={token()}") == 401


BAD = {
    "": "Invalid JSON: ",
    "{bad": "Invalid JSON: ",
    "[]": "Input should be an object",
    "null": "Input should be an object",
    "NaN": "Input should be an object",
    "{}": "Unable to extract tag using discriminator 'type'",
    '{"type": "say"}': "Field required",
    '{"type": "say", "text": ""}': "String should have at least 1 character",
    '{"type": "say", "text": NaN}': "Input should be a valid string",
    '{"type": "ping", "admin": true}': "Extra inputs are not permitted",
    '{"type": "say", "text": "%s"}' % ("x" * 1_001): (
        "String should have at most 1000 characters"
    ),
    '{"type": "say", "text": "\\ud800"}': "Invalid JSON: ",
    '{"type":%s' % ("[" * 4_000): "Invalid JSON: recursion limit exceeded",
    '{"type": "ping", "n": %s}' % ("9" * 4_050): "Extra inputs are not permitted",
}


@pytest.mark.parametrize(("message", "detail"), BAD.items())
async def test_a_bad_message_is_answered_and_the_socket_goes_on(
    app: Quart, message: str, detail: str, caplog: pytest.LogCaptureFixture
) -> None:
    answer = await exchange(app, message)
    assert answer["type"] == "error"
    assert str(answer["detail"]).startswith(detail)
    assert caplog.records == []


async def test_a_number_of_5000_digits_is_answered(
    monkeypatch: pytest.MonkeyPatch, app: Quart
) -> None:
    monkeypatch.setattr(limit, "LENGTH", 6_000)
    answer = await exchange(app, '{"type": "ping", "n": %s}' % ("9" * 5_000))
    assert str(answer["detail"]).startswith("Invalid JSON: number out of range")


async def test_bytes_that_are_not_utf_8_are_answered(app: Quart) -> None:
    answer = await exchange(app, b"\xff\xfe")
    assert str(answer["detail"]).startswith("Invalid JSON: expected value")


async def test_a_member_has_so_many_sockets(app: Quart) -> None:
    test_client = app.test_client()
    connections = [
        test_client.websocket("/ws/chat", headers=bearer())
        for _ in range(example.PER_MEMBER)
    ]
    for connection in connections:
        ws = await connection.__aenter__()
        await ws.send('{"type": "ping"}')
        async with asyncio.timeout(5):
            await ws.receive()
    assert app.extensions["online"] == ["ada"] * example.PER_MEMBER
    assert await status(app, bearer()) == 429
    assert await status(app, bearer(token(sub="grace"))) == 101
    for connection in connections:
        await connection.__aexit__(None, None, None)
    assert app.extensions["online"] == []
    assert await status(app, bearer()) == 101


@asynccontextmanager
async def connected(
    address: str, headers: dict[str, str] | None = None
) -> AsyncIterator[client.ClientConnection]:
    headers = bearer() if headers is None else dict(headers)
    origin = headers.pop("Origin", None)
    async with client.connect(
        f"ws://{address}/ws/chat",
        origin=Origin(origin) if origin else None,
        additional_headers=headers,
        compression=None,
    ) as ws:
        yield ws


async def ending(ws: client.ClientConnection) -> tuple[int | None, str | None]:
    """The code and the reason that a client sees, however many messages before."""
    async with asyncio.timeout(5):
        try:
            while True:
                await ws.recv()
        except ConnectionClosed:
            return ws.close_code, ws.close_reason


async def rejection(address: str, headers: dict[str, str] | None = None) -> int:
    with pytest.raises(InvalidStatus) as caught:
        async with connected(address, headers):
            pass
    return caught.value.response.status_code


async def test_a_real_client_sees_the_status_and_the_codes(
    monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture, app: Quart
) -> None:
    async def answer(member: str, raw: str | bytes) -> str:
        if raw == "fail":
            raise RuntimeError("the database is gone")
        return repr(raw)

    monkeypatch.setattr(example, "answer", answer)
    async with serving(app) as address:
        assert await rejection(address, {}) == 403
        assert await rejection(address, browser("none")) == 401

        async with connected(address) as ws:
            await ws.send(b"")
            assert await ws.recv() == '"None"'
            await ws.send("x" * limit.LENGTH)
            assert await ws.recv() == json.dumps(repr("x" * limit.LENGTH))
            assert caplog.records == []
            await ws.send("fail")
            assert await ending(ws) == (1011, "internal error")
        assert [record.message for record in caplog.records] == ["the chat failed"]

        async with connected(address) as ws:
            await ws.send("x" * (limit.LENGTH + 1))
            assert await ending(ws) == (1009, "")

        async with connected(address) as ws:
            for _ in range(100):
                await ws.send("{}")
            assert await ending(ws) == (1008, "")

        async with connected(address, bearer(token(exp=time.time() + 1))) as ws:
            assert await ending(ws) == (1008, "idle or session over")

        monkeypatch.setattr(example, "IDLE_SECONDS", 0.1)
        async with connected(address) as ws:
            await ws.send("{}")
            assert await ending(ws) == (1008, "idle or session over")
        assert app.extensions["online"] == []


async def test_compression_is_agreed_only_when_the_header_arrives(app: Quart) -> None:
    async with serving(app) as address:
        url, headers = f"ws://{address}/ws/chat", bearer()
        async with client.connect(url, additional_headers=headers) as ws:
            assert "Sec-WebSocket-Extensions" in ws.response.headers
        async with connected(address) as ws:
            assert "Sec-WebSocket-Extensions" not in ws.response.headers


async def test_hypercorn_has_a_limit_of_its_own(app: Quart) -> None:
    serve_small = serving(app, websocket_max_message_size=1_000)
    async with serve_small as address, connected(address) as ws:
        await ws.send("x" * 1_001)
        assert await ending(ws) == (1009, "")


def no_connection() -> bool:
    return len(asyncio.all_tasks()) <= TASKS_OF_A_SERVER


async def test_a_client_that_floods_leaves_nothing_behind(
    monkeypatch: pytest.MonkeyPatch, app: Quart
) -> None:
    monkeypatch.setattr(limit, "CLOSE_SECONDS", 0.2)
    async with serving(app) as address:
        for payload in (b"x" * 100, b"x" * 100_000):
            with closing(await raw_client(address, "/ws/chat", bearer())) as raw:
                await raw.flood(payload, 10**12)
                await until(no_connection)
        assert app.extensions["online"] == []


async def flooded(server: Server, megabytes: int) -> float:
    """How many MB the server has needed for a flood."""
    before = peak_mb(server.process.pid)
    with closing(await raw_client(server.address, "/ws/chat", bearer())) as raw:
        await raw.flood(b"x" * 4_000, megabytes * 1_000_000)
    return peak_mb(server.process.pid) - before


async def test_a_flood_of_100_mb_costs_less_than_20_mb() -> None:
    target = "examples.websockets:create_app()"
    async with hypercorn(target, env={"SECRET_KEY": KEY}) as server:
        assert await flooded(server, 100) < 20


async def test_a_client_that_does_not_answer_the_close_is_cut_off(
    monkeypatch: pytest.MonkeyPatch, app: Quart
) -> None:
    monkeypatch.setattr(limit, "CLOSE_SECONDS", 0.2)
    monkeypatch.setattr(limit, "BURST", 2)
    monkeypatch.setattr(limit, "PER_SECOND", 1_000)
    close = b"\x88\x02\x03\xf0"
    async with serving(app) as address, asyncio.timeout(5):
        with closing(await raw_client(address, "/ws/chat", bearer())) as raw:
            await raw.send(frame(b"{}") * 3)
            assert await raw.read(close) == close
            await asyncio.sleep(0.05)  # One more message would be welcome by now.
            await raw.send(frame(b"{}"))
            assert await raw.read() == b""
        await until(no_connection)


async def test_a_server_that_repeats_the_disconnect_is_not_asked_for_ever() -> None:
    async def receive() -> dict[str, str]:
        return {"type": "websocket.disconnect"}

    async def inner(scope: object, receive: Any, send: object) -> None:
        await receive()

    before = asyncio.all_tasks()
    await limit.limit_inbound(inner)({"type": "websocket"}, receive, None)
    await until(lambda: asyncio.all_tasks() == before)


async def test_a_client_that_does_not_read_is_dropped(
    monkeypatch: pytest.MonkeyPatch, app: Quart
) -> None:
    async def answer(member: str, raw: str | bytes) -> str:
        return "x" * 1_000_000

    monkeypatch.setattr(limit, "CLOSE_SECONDS", 0.1)
    monkeypatch.setattr(example, "IDLE_SECONDS", 0.1)
    monkeypatch.setattr(example, "answer", answer)
    async with serving(app) as address:
        headers = bearer()
        with closing(
            await raw_client(address, "/ws/chat", headers, stalled=True)
        ) as raw:
            await until(lambda: app.extensions["online"] == ["ada"])
            await raw.send(frame(b"{}") * 10)
            await until(lambda: app.extensions["online"] == [])
        await until(no_connection)


async def test_the_idle_limit_ends_a_client_that_ignores_hypercorns_limit(
    monkeypatch: pytest.MonkeyPatch, app: Quart
) -> None:
    monkeypatch.setattr(limit, "CLOSE_SECONDS", 0.1)
    monkeypatch.setattr(example, "IDLE_SECONDS", 0.1)
    async with serving(app, websocket_max_message_size=1_000) as address:
        with closing(await raw_client(address, "/ws/chat", bearer())) as raw:
            await raw.send(frame(b"x" * 1_001))
            async with asyncio.timeout(5):
                assert await raw.read() == b"\x88\x02\x03\xf1"


async def test_dont_token_in_query_fails_for_everybody(
    caplog: pytest.LogCaptureFixture,
) -> None:
    app = dont.token_in_query(KEY)
    assert await status(app, {}, f"/ws/chat?token={token()}") == 500
    expected = (
        "RuntimeError: There is no request in this context."
        if QUART_0_23
        else "RuntimeError: Not within a request context"
    )
    assert expected in caplog.text


async def test_dont_close_before_accept_hides_code_and_reason(app: Quart) -> None:
    async with serving(dont.close_before_accept()) as address:
        assert await rejection(address, {}) == 403
    async with serving(app) as address:
        assert await rejection(address, browser("none")) == 401


async def test_dont_no_origin_check_lets_a_foreign_page_act_as_ada(app: Quart) -> None:
    headers = browser(origin="https://evil.example")
    unchecked = dont.no_origin_check(KEY)
    async with unchecked.test_client().websocket("/ws/chat", headers=headers) as ws:
        await ws.send("hello")
        async with asyncio.timeout(5):
            answer = await ws.receive_json()
    assert answer == {"member": "ada", "text": "hello"}
    assert await status(app, headers) == 403


@pytest.mark.parametrize(
    ("message", "error"),
    [
        ("{bad", "JSONDecodeError"),
        ('{"type": "say"}', "KeyError: 'text'"),
        ("[]", "TypeError: list indices"),
        (b"", "TypeError: the JSON object must be"),
        ('{"text": NaN', "JSONDecodeError"),
        ("9" * 5_000, "ValueError: Exceeds the limit"),
        ("[" * 100_000, "RecursionError"),
    ],
)
async def test_dont_trust_the_message_ends_the_socket_as_if_all_were_well(
    message: str | bytes, error: str, caplog: pytest.LogCaptureFixture
) -> None:
    app = dont.trust_the_message()
    async with serving(app) as address, connected(address) as ws:
        await ws.send(message)
        assert await ending(ws) == (1000, "")
    assert error in caplog.text


async def test_dont_limit_in_handler_does_not_stop_a_flood() -> None:
    target = "examples.dont.websockets:limit_in_handler()"
    async with hypercorn(target, "--graceful-timeout", "1") as server:
        if QUART_0_23:  # What comes after the close is kept.
            assert await flooded(server, 50) > 25
        else:  # The connection is neither read nor cut.
            with pytest.raises(TimeoutError):
                async with asyncio.timeout(1):
                    await flooded(server, 50)


async def test_dont_return_before_accept_is_an_error_or_a_hang(app: Quart) -> None:
    async with serving(dont.return_before_accept()) as address:
        if QUART_0_23:
            with pytest.raises(TimeoutError):
                async with asyncio.timeout(0.5), connected(address):
                    pass
        else:
            assert await rejection(address) == 500


async def left(app: Quart) -> list[str]:
    """What `after_websocket` saw when a client has left."""
    async with app.test_client().websocket("/ws/chat", headers=bearer()) as ws:
        await ws.send('{"type": "ping"}')
        async with asyncio.timeout(5):
            await ws.receive()
    finished: list[str] = app.extensions["finished"]
    return finished


async def test_a_client_that_leaves_is_not_a_handler_that_finished(app: Quart) -> None:
    finished = app.extensions["finished"] = []

    @app.after_websocket
    async def after(response: None) -> None:
        finished.append(websocket.path)

    assert await left(app) == []


async def test_dont_swallow_cancellation_makes_a_leaver_a_success() -> None:
    assert await left(dont.swallow_cancellation()) == ["/ws/chat"]


async def test_dont_login_in_websocket_is_forgotten() -> None:
    app = dont.login_in_websocket(KEY)
    test_client = app.test_client()
    answers = []
    for _ in range(2):
        async with test_client.websocket("/ws/chat") as ws:
            for member in ("ada", "grace"):
                await ws.send(member)
                async with asyncio.timeout(5):
                    answers.append(await ws.receive_json())
    assert answers == [{"before": None}, {"before": "ada"}] * 2


async def test_a_test_client_hangs_after_the_server_has_closed(
    monkeypatch: pytest.MonkeyPatch, app: Quart
) -> None:
    monkeypatch.setattr(example, "IDLE_SECONDS", 0)
    async with app.test_client().websocket("/ws/chat", headers=bearer()) as ws:
        with pytest.raises(Exception) as caught:  # noqa: PT011
            await asyncio.wait_for(ws.receive(), 0.5)
    expected = "TimeoutError" if QUART_0_23 else "WebsocketDisconnectError"
    assert caught.typename == expected
