"""Take client, scheme and host from one proxy: what a library has for it."""

from typing import Any

from hypercorn.middleware import ProxyFixMiddleware
from quart import Quart


class WebsocketScheme:
    """ASGI: Quart refuses a websocket whose scheme is https; say wss."""

    def __init__(self, app: Any) -> None:
        self.app = app

    async def __call__(self, scope: Any, receive: Any, send: Any) -> None:
        if scope["type"] == "websocket":
            scope["scheme"] = scope["scheme"].replace("http", "ws")
        await self.app(scope, receive, send)


def trust_proxy(app: Quart) -> None:
    inner = WebsocketScheme(app.asgi_app)
    app.asgi_app = ProxyFixMiddleware(inner, trusted_hops=1)  # type: ignore
