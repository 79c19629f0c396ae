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
from collections.abc import AsyncGenerator, Iterable
from contextlib import suppress
from functools import partial
from types import FrameType
from typing import Any

from hypercorn.asyncio import serve
from hypercorn.config import Config
from hypercorn.typing import ASGIFramework, ASGIReceiveCallable, ASGISendCallable, Scope
from quart import Quart, Response, request
from quart.signals import request_started, websocket_started

DRAIN_SECONDS = 3  # for requests, streams and websockets to end by themselves
READ_SECONDS = 0.3  # for requests that are accepted, but not yet read
CUT_SECONDS = 0.5  # for what is cut then to clean up
EXIT_SECONDS = 9.5  # from the signal to the exit, whatever still runs
log = logging.getLogger(__name__)


def closing_event(app: Quart) -> asyncio.Event:
    """Set when the app is to end: streams, websockets and readiness watch it."""
    event: asyncio.Event = app.extensions.setdefault("closing", asyncio.Event())
    return event


def run(app: Quart, bind: str | None = None) -> None:
    """Serve `app` on `bind` (host:port, default BIND); exit 1 if it does not start."""
    bind = bind or os.environ.get("BIND", "127.0.0.1:8000")
    try:
        asyncio.run(serve_until_closed(app, server_config(bind)))
    except Exception as error:
        log.critical("%s on %s failed: %r", app.name, bind, error)
        sys.exit(1)


def server_config(bind: str) -> Config:
    config = Config.from_mapping(
        bind=bind,
        graceful_timeout=60,  # DRAIN_SECONDS comes first, and holds on every Python
        include_server_header=False,
        websocket_max_message_size=64 * 1024,
        websocket_ping_interval=20,  # proxies close what is idle for a minute
    )
    config.access_log_format = '%(h)s "%(r)s" %(s)s %(b)s %(L)s'  # no referer
    if logging.getLogger().handlers:  # logging is configured: use its format
        config.accesslog = logging.getLogger("hypercorn.access")
        config.errorlog = logging.getLogger("hypercorn.error")
    return config


async def serve_until_closed(app: Quart, config: Config) -> None:
    """Start the app, serve it, drain and cut what is open, then close the app."""
    closing = closing_event(app)
    close_on_signals(closing)
    views = open_views(app)
    await app.startup()
    try:
        server = asyncio.create_task(
            serve(
                without_lifespan(app),
                config,
                shutdown_trigger=partial(stop_accepting, closing, config),
            )
        )
        waiting = asyncio.create_task(closing.wait())
        await asyncio.wait({server, waiting}, return_when=asyncio.FIRST_COMPLETED)
        await drain(server, views)
        if server.done():
            await server  # raises what kept it from listening
        elif views:
            log.warning(
                "cut %s requests and websockets after %s s", len(views), DRAIN_SECONDS
            )
            await cancel(views, CUT_SECONDS)
    finally:
        await app.shutdown()
    if not server.done():
        await drop_connections()


async def stop_accepting(closing: asyncio.Event, config: Config) -> None:
    """Leave an inherited socket (fd://) to others, but answer what it has brought."""
    await closing.wait()
    inherited = [bind for bind in config.bind if bind.startswith("fd://")]
    for bind in inherited:
        asyncio.get_running_loop().remove_reader(int(bind.removeprefix("fd://")))
    if inherited:
        await asyncio.sleep(READ_SECONDS)


def open_views(app: Quart) -> set[asyncio.Task[Any]]:
    """The tasks that handle a request or a websocket at the moment."""
    tasks: set[asyncio.Task[Any]] = set()

    async def add(sender: Quart) -> None:
        task = asyncio.current_task()
        assert task is not None
        tasks.add(task)
        task.add_done_callback(tasks.discard)

    request_started.connect(add, app, weak=False)
    websocket_started.connect(add, app, weak=False)
    return tasks


async def drain(server: asyncio.Task[None], views: set[asyncio.Task[Any]]) -> None:
    """Wait for the server, but not for connections in which no view runs."""
    loop = asyncio.get_running_loop()
    end = loop.time() + DRAIN_SECONDS
    await asyncio.wait({server}, timeout=CUT_SECONDS)
    while views and loop.time() < end:
        await asyncio.wait(set(views), timeout=end - loop.time())
    if not views:
        await asyncio.wait({server}, timeout=CUT_SECONDS)


def without_lifespan(app: Quart) -> ASGIFramework:
    """Hypercorn serves only: one task starts the app and closes it."""

    async def connections(
        scope: Scope, receive: ASGIReceiveCallable, send: ASGISendCallable
    ) -> None:
        if scope["type"] != "lifespan":
            await app(scope, receive, send)

    return connections


async def drop_connections() -> None:
    """A client that stalls holds Hypercorn's tasks through several cancellations."""
    loop = asyncio.get_running_loop()
    loop.set_exception_handler(lambda loop, context: None)  # 3.11 reports each one
    for _ in range(5):
        await cancel(asyncio.all_tasks() - {asyncio.current_task()}, 0.1)


async def cancel(tasks: Iterable[asyncio.Task[Any]], seconds: float) -> None:
    """Wait `seconds` at most for what cleans up or does not obey."""
    tasks = set(tasks)
    for task in tasks:
        task.cancel()
    if tasks:
        await asyncio.wait(tasks, timeout=seconds)


def close_on_signals(closing: asyncio.Event) -> None:
    """Close at the first signal; a second one ends the process at once.

    `loop.add_signal_handler` does not work on Windows.
    """
    loop = asyncio.get_running_loop()
    names = ("SIGINT", "SIGTERM", "SIGBREAK")  # only Windows has the last one
    numbers = [getattr(signal, name) for name in names if hasattr(signal, name)]

    def close(number: int, frame: FrameType | None) -> None:
        for each in numbers:
            signal.signal(each, end_now)
        end_process_after(EXIT_SECONDS)
        loop.call_soon_threadsafe(closing.set)

    for number in numbers:
        signal.signal(number, close)


def end_now(number: int, frame: FrameType | None) -> None:
    os._exit(128 + number)


def end_process_after(seconds: float) -> None:
    """Exit even if a thread, a blocked loop or a clean-up that hangs holds on."""

    def end() -> None:
        log.warning("exit: something still runs %s s after the signal", seconds)
        os._exit(0)

    timer = threading.Timer(seconds, end)
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
