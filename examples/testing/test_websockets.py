"""Close codes need a real client: the test client of Quart 0.23 never shows them."""

import asyncio
import socket

from hypercorn.asyncio import serve
from hypercorn.config import Config
from websockets.asyncio.client import connect

from examples.websockets import create_app


async def test_bytes_are_refused_with_a_code() -> None:
    listener = socket.create_server(("127.0.0.1", 0))
    port = listener.getsockname()[1]
    config = Config.from_mapping(bind=f"fd://{listener.detach()}")
    ending = asyncio.Event()
    app = create_app()
    server = asyncio.create_task(serve(app, config, shutdown_trigger=ending.wait))
    async with asyncio.timeout(10), connect(f"ws://127.0.0.1:{port}/ws/echo") as ws:
        await ws.send(b"hello")
        await ws.wait_closed()
    assert (ws.close_code, ws.close_reason) == (1003, "send text")
    ending.set()
    await server
