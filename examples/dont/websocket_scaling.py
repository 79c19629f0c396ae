"""How processes lose each other."""

import asyncio
from collections.abc import Awaitable, Callable

import redis
from quart import Quart, websocket
from redis.asyncio import Redis


def subscribe_once(client: Redis, hear: Callable[[str], Awaitable[None]]) -> Quart:
    app = Quart(__name__)

    async def follow() -> None:
        async with client.pubsub(ignore_subscribe_messages=True) as news:
            await news.subscribe("news")
            async for message in news.listen():
                await hear(message["data"].decode())

    @app.before_serving
    async def follow_redis() -> None:
        app.extensions["reader"] = asyncio.create_task(follow())

    return app


def subscription_per_websocket(client: Redis) -> Quart:
    app = Quart(__name__)

    @app.websocket("/ws/news")
    async def listen() -> None:
        await websocket.accept()
        async with client.pubsub(ignore_subscribe_messages=True) as news:
            await news.subscribe("news")
            async for message in news.listen():
                await websocket.send(message["data"].decode())

    return app


def members_in_a_set(client: Redis) -> Quart:
    app = Quart(__name__)

    @app.websocket("/ws/chat/<user>")
    async def chat(user: str) -> None:
        await client.sadd("members", user)
        try:
            await websocket.accept()
            while True:
                await websocket.receive()
        finally:
            await client.srem("members", user)

    return app


def blocking_client(url: str) -> Quart:
    app = Quart(__name__)
    client = redis.Redis.from_url(url)

    @app.post("/news/<text>")
    async def publish(text: str) -> dict[str, int]:
        return {"processes": client.publish("news", text)}

    @app.get("/")
    async def index() -> str:
        return "all is well"

    return app
