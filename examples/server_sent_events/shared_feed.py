"""A feed of all processes, each of which numbers the events itself."""

from typing import Any, Protocol

from .feed import Feed, Whom


class Bus(Protocol):
    """Brings what one process sends to the listener of that name in all."""

    def listen(self, name: str, listener: Any) -> None:
        """Raise when the name is taken."""

    def send_soon(self, listener: str, message: dict[str, Any]) -> object:
        """Raise at once what cannot be sent."""


class SharedFeed(Feed):
    """A second one has a name of its own."""

    def __init__(self, bus: Bus, name: str = "feed") -> None:
        super().__init__()
        self._bus = bus
        self._name = name
        bus.listen(name, self)

    def publish(self, name: str, data: object, to: Whom = None) -> None:
        self._bus.send_soon(self._name, {"name": name, "data": data, "to": to})

    async def hear(self, event: dict[str, Any]) -> None:
        super().publish(**event)

    async def missed(self) -> None:
        super().publish("reset", {})
