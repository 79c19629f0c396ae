"""Ask something through the bot in a view, and wait for the answer."""

import asyncio
import secrets
from collections.abc import Awaitable, Callable
from typing import TypeVar

from werkzeug.exceptions import GatewayTimeout, ServiceUnavailable

ANSWER_SECONDS = 2  # less than the launcher's DRAIN_SECONDS
WAITING = 100
Answer = TypeVar("Answer")


async def in_time(call: Awaitable[Answer]) -> Answer:
    """What `call` to the bot returns; 504 when it takes too long, 503 offline."""
    try:
        async with asyncio.timeout(ANSWER_SECONDS):
            return await call
    except TimeoutError:
        raise GatewayTimeout("The bot does not answer.") from None
    except OSError:  # a ConnectionError, or that a name or host is not found
        raise ServiceUnavailable("The bot is offline.", retry_after=5) from None


class Questions:
    """What views have asked others through the bot, and is still to be answered."""

    def __init__(self, send: Callable[[str], Awaitable[None]]) -> None:
        self._send = send
        self._waiting: dict[str, asyncio.Future[str]] = {}

    async def ask(self, text: str) -> str:
        """Send `text` behind a number, and return what comes back behind it."""
        if len(self._waiting) >= WAITING:
            raise ServiceUnavailable("Too many questions wait.", retry_after=5)
        number = secrets.token_hex(8)
        answer: asyncio.Future[str] = asyncio.get_running_loop().create_future()
        self._waiting[number] = answer
        try:
            await self._send(f"{number} {text}")
            return await answer
        finally:
            del self._waiting[number]

    def answer(self, message: str) -> bool:
        """Whether `message`, which the bot has heard, answers a question."""
        number, _, text = message.partition(" ")
        waiting = self._waiting.get(number)
        if waiting is None or waiting.done():
            return False
        waiting.set_result(text)
        return True
