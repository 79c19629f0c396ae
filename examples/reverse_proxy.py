"""Believe what trusted proxies tell of a client, and nobody else.

Try:
    curl -s -i http://127.0.0.1:8000/client -H 'X-Forwarded-For: 203.0.113.9' -H 'X-Forwarded-Proto: https'
    websockets ws://127.0.0.1:8000/ws/client < /dev/null
"""  # noqa: E501

import re
from typing import Any

from quart import Quart, request, url_for, websocket


class BehindProxy:
    """ASGI: take a client's address and scheme from the proxies before the app.

    Each of them sets or extends X-Forwarded-For, the nearest one X-Forwarded-Proto.
    It passes on what is below `prefix` without taking that off.
    """

    def __init__(self, app: Any, trusted_hops: int, prefix: str = "") -> None:
        self._app = app
        self._trusted_hops = trusted_hops
        self._prefix = prefix

    async def __call__(self, scope: Any, receive: Any, send: Any) -> None:
        if scope["type"] in {"http", "websocket"}:
            if self._trusted_hops:
                self.read_headers(scope)  # in place: the access log shows it, too
            if self._prefix and scope["path"].startswith(f"{self._prefix}/"):
                scope["root_path"] = self._prefix
        await self._app(scope, receive, send)

    def read_headers(self, scope: Any) -> None:
        addresses = values_of(scope, b"x-forwarded-for")
        if len(addresses) >= self._trusted_hops:
            scope["client"] = (addresses[-self._trusted_hops], 0)
        if values_of(scope, b"x-forwarded-proto")[-1:] == ["https"]:
            # Quart refuses a websocket whose scheme is https.
            scope["scheme"] = "wss" if scope["type"] == "websocket" else "https"


def values_of(scope: Any, name: bytes) -> list[str]:
    """The parts of a header, which may stand in several lines."""
    lines = [value.decode("latin-1") for key, value in scope["headers"] if key == name]
    return [part.strip() for line in lines for part in line.split(",")]


def register_proxy(app: Quart, trusted_hops: int, prefix: str = "") -> None:
    """Call it last; with 0 the headers are those of anybody, and unread."""
    if trusted_hops < 0 or not re.fullmatch("(/[^/]+)*", prefix):
        raise ValueError(
            "trusted_hops is the number of proxies, prefix is like '/shop' or '':"
            f" not {trusted_hops} and {prefix!r}"
        )
    if trusted_hops or prefix:
        proxied = BehindProxy(app.asgi_app, trusted_hops, prefix)
        app.asgi_app = proxied  # type: ignore[method-assign]


def create_app(trusted_hops: int = 1, prefix: str = "") -> Quart:
    app = Quart(__name__)

    @app.get("/client")
    async def show_client() -> dict[str, str | None]:
        link = url_for("show_client", _external=True)
        return {"address": request.remote_addr, "link": link}

    @app.websocket("/ws/client")
    async def tell_client() -> None:
        await websocket.accept()
        await websocket.send(f"{websocket.scheme} {websocket.remote_addr}")

    register_proxy(app, trusted_hops, prefix)
    return app


if __name__ == "__main__":
    from .serving import run

    run(create_app())
