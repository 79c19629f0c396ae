"""Limits that do not hold."""

import asyncio
from collections import Counter

from quart import Quart, abort, websocket


def sleep_in_handler() -> Quart:
    app = Quart(__name__)

    @app.websocket("/ws/echo")
    async def echo() -> None:
        while True:
            await websocket.send(await websocket.receive())
            await asyncio.sleep(0.1)

    return app


def count_without_finally() -> Quart:
    app = Quart(__name__)
    sockets = Counter()

    @app.websocket("/ws/echo/<user>")
    async def echo(user: str) -> None:
        if sockets[user] >= 5:
            abort(429)
        sockets[user] += 1
        message = await websocket.receive()
        while message != "bye":
            await websocket.send(message)
            message = await websocket.receive()
        sockets[user] -= 1

    return app


def wait_for_a_message(idle_seconds: float) -> Quart:
    app = Quart(__name__)

    @app.websocket("/ws/echo")
    async def echo() -> None:
        while True:
            message = await asyncio.wait_for(websocket.receive(), idle_seconds)
            await websocket.send(message)

    return app
