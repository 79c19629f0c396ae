import asyncio
import json
from typing import TypeVar

from pydantic import TypeAdapter, ValidationError
from quart import websocket

from .closing import CloseWebsocket

IDLE_SECONDS = 300
SEND_SECONDS = 30
Message = TypeVar("Message")


async def receive_text() -> str:
    try:
        async with asyncio.timeout(IDLE_SECONDS):
            data = await websocket.receive()
    except TimeoutError:
        raise CloseWebsocket(4408, "idle") from None
    if not isinstance(data, str):  # bytes, or None for an empty binary message
        raise CloseWebsocket(1003, "send text")
    return data


async def send_text(text: str) -> None:
    """Send, and end the conversation with a client that does not read."""
    try:
        async with asyncio.timeout(SEND_SECONDS):
            await websocket.send(text)
    except TimeoutError:
        raise CloseWebsocket(1013, "too slow") from None


async def receive_message(kind: TypeAdapter[Message]) -> Message:
    """The next message that is a `kind`; a wrong one is answered, an empty one not."""
    while True:
        text = await receive_text()
        if text == "":  # a sign of life, against the idle limit
            continue
        try:
            return kind.validate_json(text)
        except ValidationError as error:
            first = error.errors(include_context=False, include_input=False)[0]
            await send_text(json.dumps({"type": "error", "detail": first["msg"]}))
