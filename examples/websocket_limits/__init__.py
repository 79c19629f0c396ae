"""Bound what one client may send and how many sockets it may hold.

Try:
    (echo hello; sleep 2) | websockets ws://127.0.0.1:8000/ws/echo
"""

from quart import Quart, websocket

from ..websockets import close_codes, first_to_end, going_away, send_back
from .paced_client import PacedClient
from .paced_websockets import PacedWebsockets
from .places import SocketLimit

__all__ = ["PacedClient", "PacedWebsockets", "SocketLimit", "create_app"]


def create_app() -> Quart:
    app = Quart(__name__)
    app.asgi_app = PacedWebsockets(app.asgi_app)  # type: ignore[method-assign]
    sockets = SocketLimit()

    @app.websocket("/ws/echo")
    async def echo() -> None:
        with sockets.place(websocket.remote_addr):
            await websocket.accept()
            async with close_codes():
                await first_to_end(send_back(), going_away())

    return app
