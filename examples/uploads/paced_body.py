"""Take a body no faster than it can be stored, and not for ever."""

import asyncio
import math
from collections.abc import AsyncGenerator, Collection
from typing import Any

from quart import request
from werkzeug.exceptions import RequestTimeout

from ..request_validation.body_limits import path_of

AHEAD = 2**20  # bytes that may wait for the view
SILENCE_SECONDS = 30
TOTAL_SECONDS = 3600


class PacedBodies:
    """ASGI: hand the views of `paths` no more of a body than they can take.

    Quart queues without a bound what it is handed. The rest stays with the client.
    Quart's parser keeps up with forms, which hooks read, too: they are not held.
    """

    def __init__(self, app: Any, paths: Collection[str]) -> None:
        self._app = app
        self._paths = paths

    async def __call__(self, scope: Any, receive: Any, send: Any) -> None:
        if scope["type"] != "http" or path_of(scope) not in self._paths:
            await self._app(scope, receive, send)
            return
        pace = Pace()
        if is_form(scope):
            pace.end()

        async def receive_paced() -> Any:
            await pace.room.wait()
            event = await receive()
            pace.move(len(event.get("body", b"")))
            return event

        async def send_on(event: Any) -> None:
            pace.end()  # the view has taken what it wants
            await send(event)

        await self._app({**scope, "pace": pace}, receive_paced, send_on)


def is_form(scope: Any) -> bool:
    kinds = [value for name, value in scope["headers"] if name == b"content-type"]
    return any(kind.lower().startswith(b"multipart/form-data") for kind in kinds)


class Pace:
    """How far a body is ahead of its view: no more than AHEAD, until `end`."""

    def __init__(self) -> None:
        self.room = asyncio.Event()
        self.room.set()
        self._ahead = 0
        self._bound: float = AHEAD

    def move(self, size: int) -> None:
        """`size` bytes came, or went when it is negative."""
        self._ahead += size
        if self._ahead < self._bound:
            self.room.set()
        else:
            self.room.clear()

    def end(self) -> None:
        self._bound = math.inf
        self.room.set()


def pace() -> Pace:
    """That of the request. Who takes the body in another way has to end it."""
    scope: Any = request.scope
    made: Pace | None = scope.get("pace")
    if made is None:
        raise RuntimeError(f"PacedBodies has no path {request.path}.")
    return made


async def body_parts() -> AsyncGenerator[bytes, None]:
    """The body as it comes; 408 when the client falls silent or takes too long."""
    clock = asyncio.get_running_loop().time
    end = clock() + TOTAL_SECONDS
    while True:
        try:
            async with asyncio.timeout_at(min(end, clock() + SILENCE_SECONDS)):
                part = await anext(request.body, None)
        except TimeoutError:
            raise RequestTimeout from None
        if part is None:
            return
        yield part  # the last one of 0.23 is empty
        pace().move(-len(part))
