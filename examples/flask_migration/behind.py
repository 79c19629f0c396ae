"""Two apps in one process: what Quart has no route for, the Flask app answers."""

import asyncio
from collections.abc import Callable, Iterable, Iterator
from contextlib import suppress
from itertools import chain
from typing import Any

from hypercorn.middleware import AsyncioWSGIMiddleware
from quart import Quart

WSGI = Callable[[dict[str, Any], Callable[..., Any]], Iterable[bytes]]
DEFAULT_LIMIT = 16 * 1024 * 1024  # Quart's own default


class FlaskBehind:
    """ASGI: a route that has moved is Quart's, each other one still Flask's."""

    def __init__(self, app: Quart, flask_app: WSGI, max_body_size: int) -> None:
        self._quart = app.asgi_app
        self._routes = app.url_map.bind("")
        self._flask = AsyncioWSGIMiddleware(for_hypercorn(flask_app), max_body_size)

    async def __call__(self, scope: Any, receive: Any, send: Any) -> None:
        if scope["type"] != "http" or self._has_moved(scope):
            await self._quart(scope, receive, send)
            return
        scope = {**scope, "headers": with_one_cookie_header(scope["headers"])}
        connection = Connection(receive, send)
        with suppress(ClientLeftError):
            try:
                await self._flask(scope, connection.receive, connection.send)
            finally:
                connection.close()

    def _has_moved(self, scope: Any) -> bool:
        path = scope["path"].removeprefix(scope.get("root_path", ""))
        return self._routes.test(path or "/", scope["method"])


class ClientLeftError(Exception):
    """Ends the answer of the Flask app at its next chunk."""


class Connection:
    """Once the client has left, `receive` and `send` raise ClientLeftError."""

    def __init__(self, receive: Any, send: Any) -> None:
        self._receive, self._send = receive, send
        self._left: asyncio.Task[None] | None = None

    async def receive(self) -> Any:
        message = await self._receive()
        if message["type"] == "http.disconnect":
            raise ClientLeftError
        if not message.get("more_body"):
            self._left = asyncio.create_task(self._until_left())
        return message

    async def send(self, message: Any) -> None:
        if self._left and self._left.done():
            raise ClientLeftError
        await self._send(message)

    async def _until_left(self) -> None:
        await self._receive()  # after a body nothing comes but http.disconnect

    def close(self) -> None:
        if self._left:
            self._left.cancel()


def with_one_cookie_header(
    headers: Iterable[tuple[bytes, bytes]],
) -> list[tuple[bytes, bytes]]:
    """Browsers split cookies over HTTP/2, and WSGI would join them by a comma."""
    headers = [*headers]
    cookies = [value for name, value in headers if name == b"cookie"]
    others = [one for one in headers if one[0] != b"cookie"]
    return [*others, (b"cookie", b"; ".join(cookies))] if cookies else others


def for_hypercorn(wsgi: WSGI) -> WSGI:
    """Hypercorn sends a status only with a chunk, which HEAD, 204 and 304 have not."""

    def application(
        environ: dict[str, Any], start_response: Callable[..., Any]
    ) -> Iterator[bytes]:
        environ["wsgi.input_terminated"] = True  # it has all of a chunked body
        body = wsgi(environ, start_response)
        try:
            yield from chain([b""], body)  # a chain leaves closing to us: once
        finally:
            if close := getattr(body, "close", None):
                close()

    return application


def put_flask_behind(app: Quart, flask_app: WSGI) -> None:
    """Bodies, which are held in memory, end at the limit of the Quart app."""
    limit = app.config["MAX_CONTENT_LENGTH"]
    limit = DEFAULT_LIMIT if limit is None else limit
    behind = FlaskBehind(app, flask_app, limit)
    app.asgi_app = behind  # type: ignore[method-assign]
