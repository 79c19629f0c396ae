"""An app object behind a real Hypercorn in the test's own loop."""

import asyncio
import socket
from collections.abc import AsyncIterator, Callable
from contextlib import asynccontextmanager
from typing import Any

from hypercorn.asyncio import serve
from hypercorn.config import Config
from quart import Quart

TASKS_OF_A_SERVER = 5  # and of the test


async def until(condition: Callable[[], bool]) -> None:
    """Wait for what needs some turns of the loop; TimeoutError after a minute."""
    async with asyncio.timeout(60):
        while True:
            if condition():
                return
            await asyncio.sleep(0.01)


def nobody_connected() -> bool:
    """Whether a single `serving` has no task left of a connection."""
    return len(asyncio.all_tasks()) <= TASKS_OF_A_SERVER


def ignore_cuts(loop: asyncio.AbstractEventLoop, context: dict[str, Any]) -> None:
    """Python 3.11 reports each connection that the end of a server cuts."""
    if not isinstance(context.get("exception"), asyncio.CancelledError):
        loop.default_exception_handler(context)


@asynccontextmanager
async def serving(app: Quart, *, port: int = 0, **options: Any) -> AsyncIterator[str]:
    """Yield host:port; `options` are Hypercorn's. Close the clients before leaving."""
    listener = socket.create_server(("127.0.0.1", port))
    host, port = listener.getsockname()
    outside = asyncio.all_tasks()
    ending = asyncio.Event()
    bind = f"fd://{listener.detach()}"
    defaults = {"bind": bind, "graceful_timeout": 1, "loglevel": "WARNING"}
    config = Config.from_mapping({**defaults, **options})
    server = asyncio.create_task(serve(app, config, shutdown_trigger=ending.wait))
    try:
        yield f"{host}:{port}"
    finally:
        asyncio.get_running_loop().set_exception_handler(ignore_cuts)
        ending.set()
        _, open_still = await asyncio.wait({server}, timeout=20)
        while tasks := asyncio.all_tasks() - outside:
            for task in tasks:
                task.cancel()
            await asyncio.wait(tasks, timeout=1)
        assert not open_still, "a connection was still open"
