"""The latest events of a process, which all its readers share."""

import asyncio
import json
import secrets
from collections import deque
from dataclasses import dataclass

Whom = int | str | None  # a user, a topic, or all


@dataclass(frozen=True)
class Event:
    id: int
    name: str
    data: str  # JSON, which has no line breaks: they would end the field
    to: Whom = None

    @property
    def text(self) -> str:
        return f"id: {self.id}\nevent: {self.name}\ndata: {self.data}\n\n"


class Feed:
    """Each reader asks for what comes behind the event that it has seen last."""

    def __init__(self, kept: int = 1_000) -> None:
        self.last_id = secrets.randbits(60)  # unlike those of any other process
        self.news = asyncio.Event()
        self.readers: list[int] = []  # users, once for each stream
        self._events = deque[Event](maxlen=kept)

    def publish(self, name: str, data: object, to: Whom = None) -> None:
        event = Event(self.last_id + 1, name, json.dumps(data), to)  # may raise
        self._events.append(event)
        self.last_id = event.id
        self.news.set()  # wakes all who wait for it
        self.news = asyncio.Event()

    def after(self, seen: int) -> Event | None:
        """The next event, or `reset` for a reader that has missed some."""
        behind = self.last_id - seen
        if behind == 0:
            return None
        if 0 < behind <= len(self._events):
            return self._events[-behind]
        return Event(self.last_id, "reset", "{}")
