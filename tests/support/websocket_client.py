"""What a websocket client sees of a server: messages, the status or the close code."""

import asyncio
import json
from collections.abc import AsyncIterator, Mapping
from contextlib import asynccontextmanager
from typing import Any, cast

import pytest
import websockets
from quart import Quart
from quart.testing import WebsocketResponseError
from websockets.exceptions import ConnectionClosed, InvalidStatus
from websockets.typing import Origin

from tests.support.scope import asgi_scope

SECONDS = 20


@asynccontextmanager
async def connected(
    address: str, path: str, headers: Mapping[str, str] | None = None
) -> AsyncIterator[websockets.ClientConnection]:
    more = dict(headers or {})
    origin = more.pop("Origin", None)
    async with websockets.connect(
        f"ws://{address}{path}",
        origin=Origin(origin) if origin else None,
        additional_headers=more,
        compression=None,
        ping_interval=None,
        open_timeout=SECONDS,
        max_size=None,
    ) as ws:
        yield ws


async def hear(ws: websockets.ClientConnection, type: str | None = None) -> Any:
    """The next message in JSON, or the next one of that type."""
    async with asyncio.timeout(SECONDS):
        while True:
            message = json.loads(await ws.recv())
            if type in (None, message.get("type")):
                return message


async def ending(ws: websockets.ClientConnection) -> tuple[int | None, str | None]:
    """The code and the reason that a client sees, however many messages before."""
    async with asyncio.timeout(SECONDS):
        try:
            while True:
                await ws.recv()
        except ConnectionClosed:
            return ws.close_code, ws.close_reason


async def rejection(
    address: str, path: str, headers: Mapping[str, str] | None = None
) -> int:
    """The status that a real client sees instead of an open websocket."""
    with pytest.raises(InvalidStatus) as caught:
        async with connected(address, path, headers):
            pass
    return caught.value.response.status_code


async def status(
    app: Quart, path: str, headers: Mapping[str, str] | None = None
) -> int:
    """The status of the handshake in the test client; 101 when it is accepted."""
    connection: Any = app.test_client().websocket(path, headers=dict(headers or {}))
    async with connection as ws:
        receiving = asyncio.create_task(ws.receive())
        async with asyncio.timeout(SECONDS):
            while not ws.accepted and not receiving.done():
                await asyncio.wait({receiving}, timeout=0.01)
        receiving.cancel()
        results = await asyncio.gather(receiving, return_exceptions=True)
    if ws.accepted:
        return 101
    assert isinstance(results[0], WebsocketResponseError)
    return int(results[0].response.status_code)


async def leave_while_sending(
    app: Quart, path: str, headers: Mapping[str, str] | None = None, *sent: str
) -> None:
    """Disconnect in the very turn of the loop in which a `send` goes on."""
    events: asyncio.Queue[dict[str, Any]] = asyncio.Queue()
    for text in sent:
        events.put_nowait({"type": "websocket.receive", "text": text})
    go_on = asyncio.Event()
    sending = asyncio.Event()

    async def send(event: dict[str, Any]) -> None:
        if event["type"] == "websocket.send":
            sending.set()
            await go_on.wait()

    scope = asgi_scope("websocket", path, headers, subprotocols=[])
    connection = asyncio.create_task(cast(Any, app)(scope, events.get, send))
    await asyncio.wait_for(sending.wait(), SECONDS)
    await asyncio.sleep(0.01)
    go_on.set()
    events.put_nowait({"type": "websocket.disconnect", "code": 1006})
    await asyncio.wait_for(connection, SECONDS)
