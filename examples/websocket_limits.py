"""Bound what one client may send and how many sockets it may hold.

Try:
    (echo hello; sleep 1) | websockets ws://127.0.0.1:8000/users/1/echo
"""

import asyncio
from collections import Counter
from collections.abc import Generator
from contextlib import contextmanager, suppress
from typing import Any

from quart import Quart, abort, websocket

BURST = 20
PER_SECOND = 10
CLOSE_SECONDS = 5


class PacedWebsockets:
    """ASGI: take at most BURST messages at once and PER_SECOND after that.

    Quart queues without bound what the server hands to it, so the brake sits between
    the two: what is not taken stays in the client's socket.
    """

    def __init__(self, app: Any) -> None:
        self._app = app

    async def __call__(self, scope: Any, receive: Any, send: Any) -> None:
        if scope["type"] != "websocket":
            await self._app(scope, receive, send)
            return
        receive = paced(receive)
        await self._app(scope, receive, send)
        with suppress(TimeoutError):  # Hypercorn waits till all it got is taken
            async with asyncio.timeout(CLOSE_SECONDS):
                while (await receive())["type"] != "websocket.disconnect":
                    pass


def paced(receive: Any) -> Any:
    loop = asyncio.get_running_loop()
    due = loop.time()  # when the messages so far would have come at PER_SECOND

    async def receive_in_time() -> Any:
        nonlocal due
        event = await receive()
        if event["type"] == "websocket.receive":
            due = max(due, loop.time()) + 1 / PER_SECOND
            await asyncio.sleep(due - loop.time() - BURST / PER_SECOND)
        return event

    return receive_in_time


class SocketLimit:
    """At most `per_user` sockets of one user and `total` of all, else a 429."""

    def __init__(self, per_user: int = 5, total: int = 1_000) -> None:
        self._per_user = per_user
        self._total = total
        self._open = Counter[int]()

    @contextmanager
    def place(self, user_id: int) -> Generator[None, None, None]:
        """Take a place before `accept()`; it is free again after the block."""
        full = self._open.total() >= self._total
        if full or self._open[user_id] >= self._per_user:
            abort(429, "Too many open websockets.")
        self._open[user_id] += 1
        try:
            yield
        finally:
            self._open[user_id] -= 1
            if not self._open[user_id]:
                del self._open[user_id]


def create_app() -> Quart:
    app = Quart(__name__)
    app.asgi_app = PacedWebsockets(app.asgi_app)  # type: ignore[method-assign]
    sockets = SocketLimit()

    @app.websocket("/users/<int:user_id>/echo")
    async def echo(user_id: int) -> None:
        with sockets.place(user_id):
            await websocket.accept()
            while True:
                await websocket.send(await websocket.receive())

    return app


if __name__ == "__main__":
    from .serving import run

    run(create_app())
