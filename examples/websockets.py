"""Talk over a websocket, and end it with a code that the client can read.

Try:
    (echo hello; sleep 1) | websockets ws://127.0.0.1:8000/ws/echo
    (echo '{"seconds": 0.1}'; sleep 1) | websockets ws://127.0.0.1:8000/ws/clock
"""

import asyncio
import time
from collections.abc import AsyncGenerator, Coroutine
from contextlib import asynccontextmanager, suppress
from typing import Any, TypeVar

from pydantic import BaseModel, Field, TypeAdapter, ValidationError
from quart import Blueprint, Quart, current_app, websocket

from .serving import closing_event

IDLE_SECONDS = 300
CLOSE_SECONDS = 2
echo = Blueprint("echo", __name__)
Message = TypeVar("Message")


class CloseWebsocket(Exception):
    """End the conversation with `code` and `reason`."""

    def __init__(self, code: int, reason: str) -> None:
        super().__init__(code, reason)
        self.code = code
        self.reason = reason


@asynccontextmanager
async def close_codes() -> AsyncGenerator[None, None]:
    """Close as a CloseWebsocket says, and with 1011 when the handler fails."""
    try:
        yield
    except CloseWebsocket as ending:
        await close(ending.code, ending.reason)
    except Exception:
        current_app.logger.exception("%s failed", websocket.path)
        await close(1011, "internal error")


async def close(code: int, reason: str) -> None:
    """A client that does not read cannot hold the handler."""
    with suppress(TimeoutError):
        async with asyncio.timeout(CLOSE_SECONDS):
            await websocket.close(code, reason)


async def receive_text(idle_seconds: float = IDLE_SECONDS) -> str:
    try:
        async with asyncio.timeout(idle_seconds):
            data = await websocket.receive()
    except TimeoutError:
        raise CloseWebsocket(4408, "idle") from None
    if not isinstance(data, str):  # bytes, or None for an empty binary message
        raise CloseWebsocket(1003, "send text")
    return data


async def receive_message(kind: TypeAdapter[Message]) -> Message:
    """The next message that is a `kind`; each other one is answered with an error."""
    while True:
        try:
            return kind.validate_json(await receive_text())
        except ValidationError as error:
            first = error.errors(include_context=False, include_input=False)[0]
            await websocket.send_json({"type": "error", "detail": first["msg"]})


async def first_to_end(*coroutines: Coroutine[Any, Any, None]) -> None:
    """Run all until one ends, cancel the others, and raise what that one raised."""
    tasks = [asyncio.create_task(coroutine) for coroutine in coroutines]
    try:
        done, _ = await asyncio.wait(tasks, return_when=asyncio.FIRST_COMPLETED)
    finally:
        for task in tasks:
            task.cancel()
        await asyncio.gather(*tasks, return_exceptions=True)
    for task in done:
        task.result()


async def going_away() -> None:
    await closing_event(current_app).wait()
    raise CloseWebsocket(1001, "going away")


@echo.websocket("/ws/echo")
async def echo_text() -> None:
    await websocket.accept()
    async with close_codes():
        await first_to_end(send_back(), going_away())


async def send_back() -> None:
    while True:
        await websocket.send(f"Echo: {await receive_text()}")


class Pace(BaseModel, extra="forbid"):
    seconds: float = Field(ge=0.1, le=60)


def create_app() -> Quart:
    app = Quart(__name__)
    app.register_blueprint(echo)

    @app.websocket("/ws/clock")
    async def clock() -> None:
        """Send the time as often as the client's last message says."""
        pace = Pace(seconds=1)

        async def listen() -> None:
            nonlocal pace
            while True:
                pace = await receive_message(TypeAdapter(Pace))

        async def tick() -> None:
            while True:
                await websocket.send_json({"time": time.time()})
                await asyncio.sleep(pace.seconds)

        await websocket.accept()
        async with close_codes():
            await first_to_end(listen(), tick(), going_away())

    return app


if __name__ == "__main__":
    from .serving import run

    run(create_app())
