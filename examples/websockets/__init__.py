"""Talk over a websocket, and end it with a code that the client can read.

Try:
    (echo hello; sleep 2) | websockets ws://127.0.0.1:8000/ws/echo
    (echo '{"seconds": 0.1}'; echo 'no JSON'; sleep 2) | websockets ws://127.0.0.1:8000/ws/clock
"""

from quart import Blueprint, Quart, websocket

from .clock import clocks
from .closing import CloseWebsocket, close_codes, first_to_end, going_away
from .messages import receive_message, receive_text, send_text

__all__ = [
    "CloseWebsocket",
    "close_codes",
    "create_app",
    "echo",
    "first_to_end",
    "going_away",
    "receive_message",
    "receive_text",
    "send_back",
    "send_text",
]
echo = Blueprint("echo", __name__)


@echo.websocket("/ws/echo")
async def echo_text() -> None:
    await websocket.accept()
    async with close_codes():
        await first_to_end(send_back(), going_away())


async def send_back() -> None:
    while True:
        await send_text(f"Echo: {await receive_text()}")


def create_app() -> Quart:
    app = Quart(__name__)
    app.register_blueprint(echo)
    app.register_blueprint(clocks)
    return app
