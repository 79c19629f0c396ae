"""What each process tells all, through one channel of Redis."""

import asyncio
import json
import logging
import secrets
from collections import Counter
from dataclasses import dataclass
from typing import Any, Protocol

from pydantic import TypeAdapter
from redis.asyncio import Redis
from redis.exceptions import RedisError

PARCEL_BYTES = 64 * 1024
log = logging.getLogger(__name__)


class Listener(Protocol):
    async def hear(self, message: dict[str, Any]) -> None: ...

    async def missed(self) -> None:
        """Others have told what did not come here."""


@dataclass(frozen=True)
class Parcel:
    sender: str  # a process
    number: int  # of the sender's parcels
    listener: str  # its name; "" when all have missed what the sender told
    message: dict[str, Any]


PARCEL = TypeAdapter(Parcel)


class Bus:
    """What one process sends all hear, in one order, at most once."""

    redis: Redis  # there while the app serves

    def __init__(self, channel: str) -> None:
        self.channel = channel
        self.process = secrets.token_hex(8)
        self.listeners: dict[str, Listener] = {}
        self.linked = asyncio.Event()  # not set: this process is alone
        self.tried = asyncio.Event()  # whether Redis is there is known
        self.sending: set[asyncio.Task[None]] = set()
        self._turn = asyncio.Lock()
        self._sent = 0
        self._told_alone = False
        self._heard = Counter[str]()  # the last number of each sender

    def listen(self, name: str, listener: Listener) -> None:
        if name in self.listeners:
            raise ValueError(f"{name!r} listens already; give it another name")
        self.listeners[name] = listener

    async def send(self, listener: str, message: dict[str, Any]) -> None:
        """Tell all processes, or only this one while Redis is away."""
        await asyncio.shield(self.send_soon(listener, message))

    def send_soon(self, listener: str, message: dict[str, Any]) -> asyncio.Task[None]:
        """In the order of the calls, even if the caller is cancelled meanwhile.

        What is no JSON, or too large, raises here: nobody may await the task.
        """
        parcel = Parcel(self.process, self._sent + 1, listener, message)
        data = json.dumps(vars(parcel)).encode()
        if len(data) > PARCEL_BYTES:
            raise ValueError(f"{len(data)} bytes are too many to tell all")
        self._sent += 1
        task = asyncio.create_task(self._send(parcel, data))
        self.sending.add(task)
        task.add_done_callback(self.sending.discard)
        return task

    async def _send(self, parcel: Parcel, data: bytes) -> None:
        async with self._turn:
            if not await self._publish(data):
                self._told_alone = True
                await self._tell(parcel)

    async def _publish(self, data: bytes) -> bool:
        if not self.linked.is_set():
            return False
        try:
            await self.redis.publish(self.channel, data)
        except RedisError as error:
            self.lose(error)
            return False
        return True

    async def hear(self, data: bytes) -> None:
        try:
            await self._tell(PARCEL.validate_json(data))
        except Exception:  # of another version, perhaps: read on
            log.exception("a message to all processes was not understood")

    async def _tell(self, parcel: Parcel) -> None:
        if parcel.number <= self._heard[parcel.sender]:
            return  # it comes twice, or late, after a try that had failed
        self._heard[parcel.sender] = parcel.number
        if parcel.listener:
            await self.listeners[parcel.listener].hear(parcel.message)
        else:
            await self._tell_of_the_gap()

    async def _tell_of_the_gap(self) -> None:
        for name, listener in self.listeners.items():
            try:
                await listener.missed()
            except Exception:
                log.exception("%s does not know that it has missed some", name)

    async def link(self) -> None:
        """Redis answers (again), so this process is no longer alone."""
        first = not self.tried.is_set()
        was_alone = not (first or self.linked.is_set())
        self.linked.set()
        self.tried.set()
        level = logging.WARNING if was_alone else logging.INFO  # as in lose()
        log.log(level, "linked to the other processes")
        if self._told_alone:
            self._told_alone = False
            await self.send("", {})
        elif not first:
            await self._tell_of_the_gap()

    def lose(self, error: Exception) -> None:
        """Be alone until Redis answers."""
        if self.linked.is_set() or not self.tried.is_set():
            is_bug = not isinstance(error, RedisError | TimeoutError)
            log.warning("this process is alone: %r %s", error, error, exc_info=is_bug)
        self.linked.clear()
        self.tried.set()
