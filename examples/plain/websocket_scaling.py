"""Hear what other processes publish."""

import asyncio
from collections.abc import AsyncGenerator, Awaitable, Callable

from quart import Quart
from redis.asyncio import Redis


def share(app: Quart, redis: Redis, hear: Callable[[str], Awaitable[None]]) -> None:
    async def follow() -> None:
        async with redis, redis.pubsub(ignore_subscribe_messages=True) as news:
            while True:
                try:
                    await news.subscribe("news")
                    async for message in news.listen():
                        await hear(message["data"].decode())
                except Exception:  # of one message, or Redis is away: read on
                    app.logger.exception("what others publish was not heard")
                    await asyncio.sleep(1)

    @app.while_serving
    async def follow_redis() -> AsyncGenerator[None, None]:
        reader = asyncio.create_task(follow())
        yield
        while reader.cancel():  # Python 3.11 may swallow one
            await asyncio.wait({reader}, timeout=0.1)
