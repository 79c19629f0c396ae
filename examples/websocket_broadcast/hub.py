import asyncio
import json
from typing import Any

from quart import Quart

BACKLOG = 128


class Client:
    def __init__(self, member: str) -> None:
        self.member = member
        self.topics: set[str] = set()
        self.queue = asyncio.Queue[str](BACKLOG)
        self.open = asyncio.timeout(None)
        self.ending: tuple[int, str] | None = None

    def send(self, message: str) -> None:
        try:
            self.queue.put_nowait(message)
        except asyncio.QueueFull:
            self.end(1013, "too slow")

    def tell(self, **event: Any) -> None:
        self.send(json.dumps(event))

    def end(self, code: int, reason: str) -> None:
        if not self.ending:
            self.ending = code, reason
            self.open.reschedule(0)


class Hub:
    def __init__(self, app: Quart) -> None:
        self.app = app
        self.clients: set[Client] = set()
        self.closing = asyncio.Event()
        self.turn = asyncio.Lock()

    def publish(self, topic: str, **event: Any) -> None:
        message = json.dumps({"topic": topic, **event})
        self.app.add_background_task(self.deliver, topic, message)

    async def deliver(self, topic: str, message: str) -> None:
        async with self.turn:
            for client in self.clients:
                if topic in client.topics:
                    client.send(message)
            await asyncio.sleep(0)

    def members(self, topic: str) -> list[str]:
        return sorted({c.member for c in self.clients if topic in c.topics})

    def subscribe(self, client: Client, topic: str) -> None:
        if client.member not in self.members(topic):
            self.publish(topic, type="joined", member=client.member)
        client.topics.add(topic)
        client.tell(type="present", topic=topic, members=self.members(topic))

    def unsubscribe(self, client: Client, topics: set[str]) -> None:
        client.topics = client.topics - topics
        for topic in topics:
            if client.member not in self.members(topic):
                self.publish(topic, type="left", member=client.member)

    def close(self) -> None:
        self.closing.set()
        for client in self.clients:
            client.end(1001, "shutdown")
