"""Serve in one process that drains at SIGINT and SIGTERM: python -m acme."""

import asyncio
import signal

from hypercorn.asyncio import serve
from hypercorn.config import Config
from quart import Quart


def run(app: Quart, bind: str = "127.0.0.1:8000") -> None:
    asyncio.run(serve_until_signal(app, bind))


async def serve_until_signal(app: Quart, bind: str) -> None:
    # Streams and websockets must watch this event, and end when it is set.
    closing: asyncio.Event = app.extensions.setdefault("closing", asyncio.Event())
    loop = asyncio.get_running_loop()

    def close(*_: object) -> None:
        loop.call_soon_threadsafe(closing.set)

    for number in (signal.SIGINT, signal.SIGTERM):
        signal.signal(number, close)
    await serve(app, Config.from_mapping(bind=bind), shutdown_trigger=closing.wait)
