"""The sixth socket is refused, and a place is free again when its client has left."""

import asyncio
from contextlib import AsyncExitStack
from typing import Any

import pytest
from quart import Quart
from quart.testing import WebsocketResponseError

from examples.websocket_limits import create_app


async def say_hello(app: Quart, open_sockets: AsyncExitStack) -> str:
    connection: Any = app.test_client().websocket("/ws/echo")
    socket = await open_sockets.enter_async_context(connection)
    await socket.send("hello")
    answer: str = await asyncio.wait_for(socket.receive(), 10)
    return answer


async def test_a_user_has_five_sockets() -> None:
    app = create_app()
    for _ in range(2):
        async with AsyncExitStack() as open_sockets:
            for _ in range(5):
                assert await say_hello(app, open_sockets) == "Echo: hello"
            with pytest.raises(WebsocketResponseError) as refusal:
                await say_hello(app, open_sockets)
            assert refusal.value.response.status_code == 429
