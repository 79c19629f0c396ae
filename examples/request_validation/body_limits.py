"""How long a body may be, path by path; it holds without Content-Length too."""

import asyncio
import json
import math
from collections.abc import Awaitable, Mapping
from contextlib import suppress
from typing import Any

from quart import Quart, request, request_started
from werkzeug.sansio.utils import get_content_length

LINGER_SECONDS = 5
PROBLEM = {"type": "about:blank", "title": "Request Entity Too Large", "status": 413}


def limit_bodies(app: Quart, larger: Mapping[str, int]) -> "BodyLimit":
    """Let the paths of `larger` take more bytes than MAX_CONTENT_LENGTH."""
    layer: BodyLimit | None = app.extensions.get("body_limit")
    if layer is None:
        limit = app.config["MAX_CONTENT_LENGTH"]
        app.config["MAX_CONTENT_LENGTH"] = None  # it would hold for `larger` too
        layer = app.extensions["body_limit"] = BodyLimit(app.asgi_app, limit)
        app.asgi_app = layer  # type: ignore[method-assign]
        request_started.connect(layer.limit_told, app)
    layer.larger.update(larger)
    return layer


def path_of(scope: Any) -> str:
    """As routes have it: without the path that the app is mounted at."""
    path: str = scope["path"]
    return path.removeprefix(scope.get("root_path", ""))


def told_length(scope: Any) -> int:
    """As `request.content_length` has it; 0 when it is not told."""
    headers = {name: value.decode("latin1") for name, value in scope["headers"]}
    length, coding = headers.get(b"content-length"), headers.get(b"transfer-encoding")
    return get_content_length(length, coding) or 0


class BodyLimit:
    """ASGI: a 413 as soon as a body is longer than its limit, a chunked one too.

    Quart 0.23 has all of it in memory before it looks at MAX_CONTENT_LENGTH.
    A limit of None is none. `too_large` is what it sends when the app cannot answer,
    as its view waits for a body without a length: content type and body.
    """

    def __init__(self, app: Any, limit: int | None) -> None:
        self.app = app
        self.larger: dict[str, int] = {}
        self.too_large = "application/problem+json", json.dumps(PROBLEM)
        self._limit = math.inf if limit is None else limit

    def limit_of(self, path: str) -> float:
        return self.larger.get(path, self._limit)

    async def limit_told(self, app: Quart) -> None:
        """Before all hooks: to read what is told to be longer is the app's 413."""
        told, limit = request.content_length or 0, self.limit_of(request.path)
        if told > limit:
            request.body = request.body_class(told, int(limit))

    async def __call__(self, scope: Any, receive: Any, send: Any) -> None:
        if scope["type"] == "http":
            limit = self.limit_of(path_of(scope))
            told = told_length(scope) > limit
            body = LimitedBody(receive, send, limit, told, self.too_large)
            receive, send = body.receive, body.send
        await self.app(scope, receive, send)  # 0.23 ends it when the client has left


class LimitedBody:
    """One request; `receive` and `send` are the server's.

    `told`: the app knows that the body is too long, and has time to answer.
    """

    def __init__(
        self,
        receive: Any,
        send: Any,
        limit: float,
        told: bool,
        too_large: tuple[str, str],
    ) -> None:
        self._receive = receive
        self._send = send
        self._left = limit
        self._told = told
        self._too_large = too_large
        self._ended = asyncio.Event()
        self._started = False
        self._answered = asyncio.Event()
        self._cut = False
        self._last: Any = None

    async def receive(self) -> Any:
        await self._next()
        if self._left < 0 and (self._told or not self._started):
            await self._let_the_client_finish(self._discard_rest())
        if self._answered.is_set():
            return {**self._last, "body": b""}  # nobody reads it any more
        if self._left >= 0:
            return self._last
        self._cut = True
        if not self._started:
            await self._refuse()
        return {"type": "http.disconnect"}  # with this the app drops the request

    async def send(self, event: Any) -> None:
        if self._cut and not self._answered.is_set():
            return
        self._started = True
        if event["type"] == "http.response.body" and not event.get("more_body"):
            self._answered.set()
            await self._let_the_client_finish(self._ended.wait())
        await self._send(event)

    async def _next(self) -> None:
        self._last = await self._receive()
        self._left -= len(self._last.get("body", b""))
        if not self._last.get("more_body"):
            self._ended.set()  # that was all, or the client has left

    async def _refuse(self) -> None:
        kind, text = self._too_large
        content = text.encode()
        headers = [
            (b"content-type", kind.encode()),
            (b"content-length", str(len(content)).encode()),
        ]
        start = {"type": "http.response.start", "status": 413, "headers": headers}
        body = {"type": "http.response.body", "body": content, "more_body": False}
        await self._send(start)
        await self._send(body)

    async def _discard_rest(self) -> None:
        while not self._ended.is_set():
            await self._next()
        if (self._told or self._started) and self._last["type"] == "http.request":
            await self._answered.wait()

    async def _let_the_client_finish(self, end: Awaitable[object]) -> None:
        """Most read no answer before they have sent all: they would see a reset."""
        with suppress(TimeoutError):
            async with asyncio.timeout(LINGER_SECONDS):
                await end
