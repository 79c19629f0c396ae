"""Who is there in the other processes."""

import asyncio
import json
import logging
from collections import defaultdict
from collections.abc import AsyncGenerator, Awaitable, Callable
from contextlib import asynccontextmanager
from typing import Any

from redis.exceptions import RedisError

from ..websocket_broadcast import Client
from .bus import Bus
from .reader import end

BEAT_SECONDS = 2.0
KEPT_SECONDS = 10.0  # what a process has shown that shows nothing more
log = logging.getLogger(__name__)


class Presence:
    """Each process shows its members in one key of Redis, which expires with it."""

    def __init__(self, bus: Bus, clients: set[Client]) -> None:
        self._bus = bus
        self._clients = clients
        self._processes = f"{bus.channel}:processes"
        self._turn = asyncio.Lock()
        self._asked = self._shown = 0

    def _key(self, process: str) -> str:
        return f"{self._processes}:{process}"

    async def show(self) -> None:
        """Who hears each topic in this process."""
        redis, process = self._bus.redis, self._bus.process
        users = defaultdict[str, set[int]](set)
        for client in self._clients:
            for topic in client.topics:
                users[topic].add(client.user_id)
        now, _ = await redis.time()  # one clock for all hosts
        async with redis.pipeline() as pipe:
            pipe.delete(self._key(process))
            if users:
                pipe.hset(
                    self._key(process),
                    mapping={topic: json.dumps([*ids]) for topic, ids in users.items()},
                )
                pipe.pexpire(self._key(process), int(KEPT_SECONDS * 1000))
            pipe.zadd(self._processes, {process: now})
            pipe.zremrangebyscore(self._processes, "-inf", now - KEPT_SECONDS)
            await pipe.execute()

    async def leave(self) -> None:
        redis, process = self._bus.redis, self._bus.process
        await redis.delete(self._key(process))
        await redis.zrem(self._processes, process)

    async def elsewhere(self, topic: str) -> set[int]:
        """The users on `topic` in the other processes."""
        redis = self._bus.redis
        shown: Any = await redis.zrange(self._processes, 0, -1)
        others = {process.decode() for process in shown} - {self._bus.process}
        async with redis.pipeline(transaction=False) as pipe:
            for process in others:
                pipe.hget(self._key(process), topic)
            lists = await pipe.execute()
        return {user_id for users in lists if users for user_id in json.loads(users)}

    @asynccontextmanager
    async def shown(self) -> AsyncGenerator[None, None]:
        beating = asyncio.create_task(self._beat())
        try:
            yield
        finally:
            await end(beating)
            await self._try(self.leave)

    async def renew(self) -> None:
        """Show who is here now; once for all who ask meanwhile."""
        self._asked += 1
        asked = self._asked
        async with self._turn:
            if self._shown < asked:
                self._shown = self._asked
                await self._try(self.show)

    async def _beat(self) -> None:
        while True:
            await self.renew()
            await asyncio.sleep(BEAT_SECONDS)

    async def _try(self, change: Callable[[], Awaitable[None]]) -> None:
        if self._bus.linked.is_set():
            try:
                await change()
            except RedisError as error:
                log.warning("other processes do not see who is here: %r", error)
