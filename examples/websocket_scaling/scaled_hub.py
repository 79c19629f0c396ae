"""The hub of this process, as a part of one that spans all."""

import asyncio
import logging
from typing import Any

from redis.exceptions import RedisError

from ..websocket_broadcast import Hub, Message, tell
from .bus import Bus
from .presence import Presence

log = logging.getLogger(__name__)


class ScaledHub(Hub):
    """In the place of a Hub; the numbers that it returns are of this process."""

    def __init__(self, bus: Bus) -> None:
        super().__init__()
        self.presence = Presence(bus, self.clients)
        self._bus = bus
        bus.listen("hub", self)

    async def show(self) -> None:
        await asyncio.shield(self.presence.renew())  # as in Bus.send

    async def publish(self, topic: str, message: Message) -> int:
        await self._bus.send("hub", {"topic": topic, "message": message})
        return len(self.on_topic(topic))

    async def send_to_user(self, user_id: int, message: Message) -> int:
        await self._bus.send("hub", {"user_id": user_id, "message": message})
        return sum(client.user_id == user_id for client in self.clients)

    async def present(self, topic: str) -> set[int]:
        """The users on `topic` in all processes, or in this one without Redis."""
        here = await super().present(topic)
        if not self._bus.linked.is_set():
            return here
        try:
            elsewhere = self.presence.elsewhere(topic)
            return here | await asyncio.shield(elsewhere)
        except RedisError as error:
            log.warning("who is in other processes is not known: %r", error)
            return here

    async def hear(self, sent: dict[str, Any]) -> None:
        if "topic" in sent:
            await super().publish(sent["topic"], sent["message"])
        else:
            await super().send_to_user(sent["user_id"], sent["message"])

    async def missed(self) -> None:
        """Tell every client to load anew what it shows."""
        await tell([*self.clients], {"type": "reset"})
