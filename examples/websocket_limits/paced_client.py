import asyncio
from contextlib import suppress
from typing import Any

BURST = 20
PER_SECOND = 10
CLOSE_SECONDS = 2


class PacedClient:
    """One websocket; `receive` and `send` are the server's."""

    def __init__(self, receive: Any, send: Any) -> None:
        self._receive = receive
        self._send = send
        self.inbox = asyncio.Queue[Any]()
        self.closed = False
        self.left = asyncio.Event()

    async def read(self) -> None:
        """Take what the client sends in its time, and drop it once the app has closed.

        Hypercorn lets go of a connection only when all that it has read is taken.
        """
        loop = asyncio.get_running_loop()
        due = loop.time()  # when all messages so far would have come at PER_SECOND
        event = await self._receive()
        while event["type"] != "websocket.disconnect":
            if not self.closed:
                self.inbox.put_nowait(event)
                due = max(due, loop.time()) + 1 / PER_SECOND
                await asyncio.sleep(due - loop.time() - BURST / PER_SECOND)
            event = await self._receive()
        self.leave()
        with suppress(TimeoutError):
            while True:
                async with asyncio.timeout(CLOSE_SECONDS):
                    await self._receive()

    async def send(self, event: Any) -> None:
        if event["type"] == "websocket.close":
            self.closed = True
            loop = asyncio.get_running_loop()
            loop.call_later(CLOSE_SECONDS, self.leave)  # if it does not answer
        await self._send(event)

    def leave(self) -> None:
        self.left.set()
        self.inbox.put_nowait({"type": "websocket.disconnect", "code": 1006})
