"""Bound the number of sockets, and end a silent one."""

import asyncio
from contextlib import suppress

from quart import Quart, abort, websocket


def create_app(sockets: int = 1_000, idle_seconds: float = 300) -> Quart:
    app = Quart(__name__)
    places = asyncio.Semaphore(sockets)

    @app.websocket("/ws/echo")
    async def echo() -> None:
        if places.locked():
            abort(429)  # before accept(), so that the client sees it
        async with places:
            with suppress(TimeoutError):
                while True:
                    async with asyncio.timeout(idle_seconds):
                        await websocket.receive()
                        await websocket.send("received")
            with suppress(TimeoutError):
                async with asyncio.timeout(2):
                    await websocket.close(4408, "idle")

    return app
