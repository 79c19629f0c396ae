"""Run on Quart 0.22 and 0.23 alike: what overrides did, a layer around the app does.

Try:
    curl -s -i http://127.0.0.1:8000/size -d "a=1"
    head -c 2000 /dev/zero | curl -s -i http://127.0.0.1:8000/size -H "Transfer-Encoding: chunked" --data-binary @-
    (sleep 1) | websockets ws://127.0.0.1:8000/ws/greeting
"""  # noqa: E501

import json
from typing import Any

from quart import Quart, request, websocket

TOO_LARGE = json.dumps(
    {"type": "about:blank", "title": "Request Entity Too Large", "status": 413}
).encode()


class BodyLimit:
    """ASGI: a 413 as soon as a body is longer than `limit` bytes, a chunked one too.

    Quart 0.23 has all of it in memory before it looks at MAX_CONTENT_LENGTH.
    """

    def __init__(self, app: Any, limit: int) -> None:
        self._app = app
        self._limit = limit

    async def __call__(self, scope: Any, receive: Any, send: Any) -> None:
        if scope["type"] == "http":
            body = LimitedBody(receive, send, self._limit)
            receive, send = body.receive, body.send
        await self._app(scope, receive, send)  # 0.23 ends it when the client has left


class LimitedBody:
    """One request; `receive` and `send` are the server's."""

    def __init__(self, receive: Any, send: Any, limit: int) -> None:
        self._receive = receive
        self._send = send
        self._left = limit
        self._answered = False

    async def receive(self) -> Any:
        event = await self._receive()
        self._left -= len(event.get("body", b""))
        if self._left >= 0:
            return event
        if not self._answered:
            await self._refuse()
        return {"type": "http.disconnect"}  # with this the app drops the request

    async def send(self, event: Any) -> None:
        if self._left >= 0:
            self._answered = True
            await self._send(event)

    async def _refuse(self) -> None:
        headers = [
            (b"content-type", b"application/problem+json"),
            (b"content-length", str(len(TOO_LARGE)).encode()),
        ]
        start = {"type": "http.response.start", "status": 413, "headers": headers}
        body = {"type": "http.response.body", "body": TOO_LARGE, "more_body": False}
        await self._send(start)
        await self._send(body)


def create_app(limit: int = 1_000) -> Quart:
    app = Quart(__name__)
    app.asgi_app = BodyLimit(app.asgi_app, limit)  # type: ignore[method-assign]

    @app.post("/size")
    async def size() -> dict[str, int]:
        return {"size": len(await request.get_data())}

    @app.websocket("/ws/greeting")
    async def greet() -> None:
        await websocket.send("hello")
        await websocket.close(4000, "That was all.")

    return app


if __name__ == "__main__":
    from .serving import run

    run(create_app())
