"""The one subscription of a process, which is renewed for ever."""

import asyncio
import random
from collections.abc import AsyncGenerator
from contextlib import asynccontextmanager
from typing import Any

from redis.asyncio import Redis
from redis.asyncio.client import PubSub
from redis.asyncio.retry import Retry
from redis.backoff import NoBackoff
from redis.exceptions import ConnectionError as NoConnection

from .bus import Bus

ANSWER_SECONDS = 3.0
FIRST_DELAY, LONGEST_DELAY = 0.1, 2.0


async def follow(bus: Bus) -> None:
    """Read the channel; when Redis is lost, subscribe anew, for ever."""
    delay = FIRST_DELAY
    while True:
        try:
            async with bus.redis.pubsub() as subscription:
                await subscription.subscribe(bus.channel)
                while True:
                    message = await next_message(subscription)
                    delay = FIRST_DELAY
                    if message["type"] == "subscribe" or not bus.linked.is_set():
                        await bus.link()
                    if message["type"] == "message":
                        await bus.hear(message["data"])
        except Exception as error:  # whatever it is, read on
            bus.lose(error)
        await asyncio.sleep(delay * random.uniform(0.5, 1.5))
        delay = min(2 * delay, LONGEST_DELAY)


async def next_message(subscription: PubSub) -> Any:
    """Wait for it, but for no Redis that leaves a ping without an answer."""
    try:
        async with asyncio.timeout(ANSWER_SECONDS):
            return await subscription.get_message(timeout=None)
    except TimeoutError:
        await subscription.ping()
    async with asyncio.timeout(ANSWER_SECONDS):
        return await subscription.get_message(timeout=None)


@asynccontextmanager
async def following(bus: Bus, redis_url: str) -> AsyncGenerator[None, None]:
    """Open the client and read, with Redis or without it."""
    bus.redis = Redis.from_url(
        redis_url,
        socket_connect_timeout=ANSWER_SECONDS,
        socket_timeout=ANSWER_SECONDS,
        retry=Retry(NoBackoff(), 1, (NoConnection,)),  # one may be lost while idle
    )
    async with bus.redis:
        reader = asyncio.create_task(follow(bus))
        try:
            await bus.tried.wait()
            yield
        finally:
            await asyncio.gather(*bus.sending, return_exceptions=True)
            bus.linked.clear()
            await end(reader)


async def end(task: asyncio.Task[None]) -> None:
    """On Python 3.11 redis-py may swallow a cancellation: cancel it again."""
    while task.cancel():
        await asyncio.wait({task}, timeout=0.1)
