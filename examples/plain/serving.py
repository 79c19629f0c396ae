"""Serve in one process that drains at SIGTERM: python -m acme."""

import asyncio
import signal

from hypercorn.asyncio import serve
from hypercorn.config import Config
from quart import Quart


async def serve_until_signal(app: Quart, bind: str) -> None:
    closing = app.extensions["closing"] = asyncio.Event()  # streams must watch it
    loop = asyncio.get_running_loop()

    def close(*_: object) -> None:
        loop.call_soon_threadsafe(closing.set)

    for number in (signal.SIGINT, signal.SIGTERM):
        signal.signal(number, close)
    await serve(app, Config.from_mapping(bind=bind), shutdown_trigger=closing.wait)
