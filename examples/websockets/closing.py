import asyncio
from collections.abc import AsyncGenerator, Coroutine
from contextlib import asynccontextmanager, suppress
from typing import Any

from quart import current_app, websocket

from ..serving import closing_event

CLOSE_SECONDS = 2


class CloseWebsocket(Exception):
    """End the conversation with `code` and `reason`."""

    def __init__(self, code: int, reason: str) -> None:
        super().__init__(code, reason)
        self.code = code
        self.reason = reason


@asynccontextmanager
async def close_codes() -> AsyncGenerator[None, None]:
    """Close as a CloseWebsocket says, and with 1011 after any other exception.

    For what comes after `accept()`; an `abort()` belongs before it.
    """
    ending = CloseWebsocket(1000, "")
    try:
        yield
    except CloseWebsocket as raised:
        ending = raised
    except Exception:
        current_app.logger.exception("websocket %s failed", websocket.path)
        ending = CloseWebsocket(1011, "internal error")
    with suppress(TimeoutError):  # a client that reads nothing cannot hold us
        async with asyncio.timeout(CLOSE_SECONDS):
            await websocket.close(ending.code, ending.reason)


async def first_to_end(*coroutines: Coroutine[Any, Any, None]) -> None:
    """Run all until one ends, cancel the others, and raise what that one raised."""
    tasks = [asyncio.create_task(coroutine) for coroutine in coroutines]
    try:
        done, _ = await asyncio.wait(tasks, return_when=asyncio.FIRST_COMPLETED)
    finally:
        for task in tasks:
            task.cancel()
        await asyncio.gather(*tasks, return_exceptions=True)
    ended = [task for task in tasks if task in done]
    ended.sort(key=lambda task: isinstance(task.exception(), CloseWebsocket))
    for task in ended:  # an error before a CloseWebsocket of the same moment
        task.result()


async def going_away() -> None:
    """End the conversation when the app is closing."""
    await closing_event(current_app).wait()
    raise CloseWebsocket(1001, "going away")
