"""Mount another ASGI app in a Quart app, or a Quart app in another one."""

import asyncio
import logging
from collections.abc import AsyncGenerator, Generator
from contextlib import asynccontextmanager, contextmanager
from typing import Any

from quart import Quart

from ..serving import CUT_SECONDS, DRAIN_SECONDS, cancel, closing_event

LIFESPAN_SECONDS = 30
log = logging.getLogger(__name__)


def mount(app: Quart, prefix: str, guest: Any) -> None:
    """Hand what is below `prefix` to `guest`, an ASGI app that lives with `app`.

    What is registered after it closes while the guest's requests still run.
    """
    host = app.asgi_app
    state: dict[str, Any] = {}
    requests = OpenRequests()

    async def dispatch(scope: Any, receive: Any, send: Any) -> None:
        root_path = scope.get("root_path", "") + prefix
        path = scope.get("path", "")  # a lifespan has none
        if path == root_path:
            path += "/"
        if not path.startswith(f"{root_path}/"):
            await host(scope, receive, send)
            return
        place = {"path": path, "root_path": root_path, "state": state.copy()}
        with requests.current():
            await guest({**scope, **place}, receive, send)

    app.while_serving(lambda: guest_in_the_app(guest, state, requests))
    if isinstance(guest, Quart):
        app.while_serving(lambda: closing_together(app, guest))
    app.asgi_app = dispatch  # type: ignore[method-assign]


class OpenRequests:
    """What a guest works at: the launcher counts only what Quart handles."""

    def __init__(self) -> None:
        self._tasks: set[asyncio.Task[Any]] = set()

    @contextmanager
    def current(self) -> Generator[None, None, None]:
        task = asyncio.current_task()
        assert task is not None
        self._tasks.add(task)
        try:
            yield
        finally:
            self._tasks.discard(task)

    async def end(self) -> None:
        """Let them end by themselves, and cut what does not."""
        if self._tasks:
            await asyncio.wait(self._tasks, timeout=DRAIN_SECONDS)
            await cancel(self._tasks, CUT_SECONDS)


async def closing_together(*apps: Quart) -> AsyncGenerator[None, None]:
    """While serving: when one of `apps` is to end, the others are told."""
    events = [closing_event(app) for app in apps]

    async def tell_all(closing: asyncio.Event) -> None:
        await closing.wait()
        for event in events:
            event.set()

    watching = [asyncio.create_task(tell_all(event)) for event in events]
    try:
        yield
    finally:
        events[0].set()
        await asyncio.wait(watching)


async def guest_in_the_app(
    guest: Any, state: dict[str, Any], requests: OpenRequests
) -> AsyncGenerator[None, None]:
    """While serving: start an ASGI app and close it, as its server would."""
    loop = asyncio.get_running_loop()
    events = asyncio.Queue[dict[str, str]](2)
    started, closed = loop.create_future(), loop.create_future()

    async def hear(event: dict[str, str]) -> None:
        step = started if event["type"].startswith("lifespan.startup") else closed
        if step.done():  # nobody waits for it any more
            return
        if event["type"].endswith(".failed"):
            step.set_exception(RuntimeError(event.get("message") or event["type"]))
        else:
            step.set_result(None)

    def end(task: asyncio.Task[None]) -> None:
        if not task.cancelled() and task.exception() is not None:
            log.warning("%r ended its lifespan: %r", guest, task.exception())
        for step in (started, closed):
            if not step.done():  # it knows nothing of a lifespan
                step.set_result(None)

    versions = {"version": "3.0", "spec_version": "2.0"}
    scope = {"type": "lifespan", "asgi": versions, "state": state}
    running = asyncio.create_task(guest(scope, events.get, hear))
    running.add_done_callback(end)
    try:
        async with asyncio.timeout(LIFESPAN_SECONDS):
            await events.put({"type": "lifespan.startup"})
            await started
        yield
        await requests.end()
        async with asyncio.timeout(LIFESPAN_SECONDS):
            await events.put({"type": "lifespan.shutdown"})
            await closed
    finally:
        running.cancel()
        await asyncio.wait({running})


@asynccontextmanager
async def quart_lifespan(app: Quart) -> AsyncGenerator[None, None]:
    """Start a Quart app and close it, in the lifespan of the app that holds it."""
    await app.startup()
    try:
        yield
    finally:
        await app.shutdown()
