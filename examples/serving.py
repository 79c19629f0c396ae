"""Serve an app until SIGINT or SIGTERM, then drain, cut what is left, and exit.

Try:
    curl -s -i http://127.0.0.1:8000/slow?seconds=1
    curl -s -N -m 2 http://127.0.0.1:8000/events || test $? -eq 28
"""

import asyncio
import logging
import os
import signal
import sys
import threading
from collections.abc import AsyncGenerator
from contextlib import suppress
from types import FrameType
from typing import Any

from hypercorn.asyncio import serve
from hypercorn.config import Config
from quart import Quart, Response, request

DRAIN_SECONDS = 3  # for requests, streams and websockets to end by themselves
CLEANUP_SECONDS = 0.5  # for what was cut to clean up
LIMIT_SECONDS = 9.5  # the process is gone by then, whatever still holds it
log = logging.getLogger(__name__)


def closing_event(app: Quart) -> asyncio.Event:
    """Set as soon as the app is to end; streams, websockets and readiness watch it."""
    event: asyncio.Event = app.extensions.setdefault("closing", asyncio.Event())
    return event


def run(app: Quart, bind: str | None = None) -> None:
    """Serve `app` on `bind` (host:port, default BIND); exit 1 if it does not start."""
    bind = bind or os.environ.get("BIND", "127.0.0.1:8000")
    config = Config.from_mapping(
        bind=bind,
        graceful_timeout=60,  # the cut below comes first, and works on every Python
        include_server_header=False,
        websocket_ping_interval=20,
    )
    if logging.getLogger().handlers:  # logging is configured: use its format
        config.accesslog = logging.getLogger("hypercorn.access")
        config.errorlog = logging.getLogger("hypercorn.error")
    try:
        asyncio.run(serve_until_closed(app, config))
    except Exception as error:
        sys.exit(f"{app.name} did not start or end cleanly on {bind}: {error!r}")


async def serve_until_closed(app: Quart, config: Config) -> None:
    closing = closing_event(app)
    close_on_signals(closing)
    server = asyncio.create_task(serve(app, config, shutdown_trigger=closing.wait))
    await first_of(server, closing)
    if not server.done():
        end_process_after(LIMIT_SECONDS)
        await first_of(server, app.shutdown_event, DRAIN_SECONDS)
        if not server.done() and not app.shutdown_event.is_set():
            log.warning("cutting what is still open after %s seconds", DRAIN_SECONDS)
            await cut_connections(app, server)
            await app.shutdown()
            return
    await server


def close_on_signals(closing: asyncio.Event) -> None:
    """Close on the first signal; the second one ends the process at once."""
    loop = asyncio.get_running_loop()
    names = ("SIGINT", "SIGTERM", "SIGBREAK")  # the last one is Windows' own
    numbers = [getattr(signal, name) for name in names if hasattr(signal, name)]

    def close(number: int, frame: FrameType | None) -> None:
        for each in numbers:
            signal.signal(each, signal.SIG_DFL)
        loop.call_soon_threadsafe(closing.set)

    for number in numbers:
        signal.signal(number, close)


async def first_of(
    task: asyncio.Task[None], event: asyncio.Event, seconds: float | None = None
) -> None:
    """Wait for the end of `task` or for `event`, for `seconds` at most."""
    waiting = asyncio.create_task(event.wait())
    await asyncio.wait(
        {task, waiting}, timeout=seconds, return_when=asyncio.FIRST_COMPLETED
    )
    waiting.cancel()


async def cut_connections(app: Quart, server: asyncio.Task[None]) -> None:
    """Cancel all but the background tasks, which `app.shutdown()` waits for."""
    loop = asyncio.get_running_loop()
    loop.set_exception_handler(ignore)  # 3.11 prints a traceback for each cut socket
    spared = {asyncio.current_task(), server, *app.background_tasks}
    tasks = asyncio.all_tasks() - spared
    for task in tasks:
        task.cancel()
    await asyncio.wait(tasks, timeout=CLEANUP_SECONDS)


def ignore(loop: asyncio.AbstractEventLoop, context: dict[str, Any]) -> None:
    pass


def end_process_after(seconds: float) -> None:
    """Exit even if a thread, a blocked loop or a stalled connection holds on."""
    timer = threading.Timer(seconds, os._exit, [0])
    timer.daemon = True
    timer.start()


async def beats(closing: asyncio.Event) -> AsyncGenerator[str, None]:
    """A stream that ends with the app: an event a second."""
    while not closing.is_set():
        yield "event: beat\ndata:\n\n"
        with suppress(TimeoutError):
            await asyncio.wait_for(closing.wait(), 1)
    yield "event: end\ndata:\n\n"


def create_app() -> Quart:
    app = Quart(__name__)

    @app.get("/slow")
    async def slow() -> dict[str, float]:
        seconds = request.args.get("seconds", default=1.0, type=float)
        await asyncio.sleep(seconds)
        return {"slept": seconds}

    @app.get("/events")
    async def events() -> Response:
        stream = beats(closing_event(app))
        response = Response(stream, content_type="text/event-stream")
        response.timeout = None  # else cut after RESPONSE_TIMEOUT, 60 seconds
        return response

    return app


if __name__ == "__main__":
    run(create_app())
