"""Who is connected in this process, and what each is still to hear."""

import asyncio
import json
from collections.abc import Mapping
from typing import Any

from ..websockets import CloseWebsocket

BACKLOG = 128
Message = Mapping[str, Any]


class Client:
    """One socket: publishers fill its queue, its own writer empties it."""

    def __init__(self, user_id: int) -> None:
        self.user_id = user_id
        self.topics: set[str] = set()
        self.outbox: asyncio.Queue[str] = asyncio.Queue(BACKLOG)
        self.too_slow = asyncio.Event()

    def put(self, text: str) -> None:
        try:
            self.outbox.put_nowait(text)
        except asyncio.QueueFull:
            self.too_slow.set()

    def tell(self, message: Message) -> None:
        self.put(json.dumps(message))

    async def fall_behind(self) -> None:
        await self.too_slow.wait()
        raise CloseWebsocket(1013, "too slow")


class Hub:
    """Hands a message to the queues of those who hear it, and waits for nobody."""

    def __init__(self) -> None:
        self.clients: set[Client] = set()

    def on_topic(self, topic: str) -> list[Client]:
        return [client for client in self.clients if topic in client.topics]

    async def publish(self, topic: str, message: Message) -> int:
        """Tell all on `topic`; the number of those who will hear it."""
        return await self._tell(self.on_topic(topic), message)

    async def send_to_user(self, user_id: int, message: Message) -> int:
        """Tell all sockets of one user; 0 when none is open in this process."""
        found = [client for client in self.clients if client.user_id == user_id]
        return await self._tell(found, message)

    async def _tell(self, clients: list[Client], message: Message) -> int:
        text = json.dumps(message)
        for client in clients:
            client.put(text)
        await asyncio.sleep(0)  # the writers' turn, else a burst fills the queues
        return len(clients)
