"""Who is connected in this process, and what each is still to hear."""

import asyncio
import json
from typing import Any

from ..websockets import CloseWebsocket

BACKLOG = 128
Message = dict[str, Any]


class Client:
    """One socket: publishers fill its outbox, its own writer empties it."""

    def __init__(self, user_id: int) -> None:
        self.user_id = user_id
        self.topics: set[str] = set()
        self.outbox = asyncio.Queue[str](BACKLOG)
        self.too_slow = asyncio.Event()

    def put(self, text: str) -> None:
        try:
            self.outbox.put_nowait(text)
        except asyncio.QueueFull:
            self.too_slow.set()

    async def fall_behind(self) -> None:
        await self.too_slow.wait()
        raise CloseWebsocket(1013, "too slow")


class Hub:
    def __init__(self) -> None:
        self.clients: set[Client] = set()
        self._turn = asyncio.Lock()  # of those who publish

    async def show(self) -> None:
        """For a hub of many processes: others see now who is here."""

    def on_topic(self, topic: str) -> list[Client]:
        return [client for client in self.clients if topic in client.topics]

    async def present(self, topic: str) -> set[int]:
        return {client.user_id for client in self.on_topic(topic)}

    async def publish(self, topic: str, message: Message) -> int:
        """Tell all who hear `topic`, and say how many they are."""
        async with self._turn:
            return await tell(self.on_topic(topic), message)

    async def send_to_user(self, user_id: int, message: Message) -> int:
        """Tell all sockets of one user; 0 when none is open here."""
        async with self._turn:
            found = [client for client in self.clients if client.user_id == user_id]
            return await tell(found, message)


async def tell(clients: list[Client], message: Message) -> int:
    text = json.dumps(message)
    for client in clients:
        client.put(text)
    await asyncio.sleep(0)  # the writers' turn: each sends one message
    return len(clients)
