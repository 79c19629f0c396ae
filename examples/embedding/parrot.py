"""Stands for the client of a chat network."""

import asyncio
import logging
from collections.abc import Awaitable, Callable

Listener = Callable[[str, str], Awaitable[None]]  # takes an author and a text
log = logging.getLogger(__name__)


class Parrot:
    """A bot on a network where everything that it says is repeated."""

    def __init__(self) -> None:
        self.online = False
        self._listeners: list[Listener] = []
        self._inbox = asyncio.Queue[str | None](100)

    def on_message(self, listener: Listener) -> Listener:
        self._listeners.append(listener)
        return listener

    async def start(self) -> None:
        self.online = True

    async def run_until_stopped(self) -> None:
        while True:
            text = await self._inbox.get()
            if text is None:
                return
            for listener in self._listeners:
                try:
                    await listener("parrot", text)
                except Exception:
                    log.exception("a message was lost")

    async def send(self, text: str) -> None:
        if not self.online:
            raise ConnectionError("the bot is offline")
        await self._inbox.put(text)

    async def close(self) -> None:
        self.online = False
        await self._inbox.put(None)
