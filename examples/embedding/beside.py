"""Run a bot, or any other program, in the event loop of the app."""

import asyncio
import logging
from collections.abc import AsyncGenerator
from typing import Protocol

from quart import Quart

from ..serving import closing_event

START_SECONDS = 30
CLOSE_SECONDS = 2
log = logging.getLogger(__name__)


class Bot(Protocol):
    async def start(self) -> None:
        """Log in; raise when the network refuses."""

    async def run_until_stopped(self) -> None:
        """Return after `close`, or raise what has ended it."""

    async def close(self) -> None:
        """Log out, also when `start` has failed."""


def register_bot(app: Quart, bot: Bot) -> None:
    """Start `bot` before the first request and close it after the last.

    An end that nobody asked for ends the app too, with exit code 1.
    """
    closing = closing_event(app)

    async def run() -> None:
        try:
            await bot.run_until_stopped()
            if not closing.is_set():
                raise RuntimeError("the bot has ended")
        finally:
            closing.set()

    @app.while_serving
    async def bot_beside_the_app() -> AsyncGenerator[None, None]:
        try:
            async with asyncio.timeout(START_SECONDS):
                await bot.start()
            running = asyncio.create_task(run())
            yield
        finally:
            closing.set()
            try:
                async with asyncio.timeout(CLOSE_SECONDS):
                    await bot.close()
            except Exception:
                log.exception("the bot did not close")
        async with asyncio.timeout(CLOSE_SECONDS):
            await running  # raises what had ended it
