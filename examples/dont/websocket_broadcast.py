"""Broadcasts that stop for one client, or never forget."""

import asyncio
import json
from collections import defaultdict

from quart import Quart, websocket


def serial_loop() -> Quart:
    app = Quart(__name__)
    clients = set()

    @app.websocket("/ws/feed")
    async def feed() -> None:
        await websocket.accept()
        clients.add(websocket._get_current_object())
        while True:
            message = await websocket.receive()
            for client in clients:
                await client.send(message)

    return app


def bare_except() -> Quart:
    app = Quart(__name__)
    clients = app.extensions["clients"] = {}

    @app.websocket("/ws/feed/<member>")
    async def feed(member: str) -> None:
        await websocket.accept()
        clients[member] = websocket._get_current_object()
        try:
            while True:
                message = await websocket.receive()
                for name, client in list(clients.items()):
                    try:
                        await client.send(message)
                    except:
                        clients.pop(name, None)
        finally:
            clients.pop(member, None)

    return app


def live_set() -> Quart:
    app = Quart(__name__)
    topics = app.extensions["topics"] = defaultdict(set)

    @app.websocket("/ws/feed")
    async def feed() -> None:
        while True:
            command = json.loads(await websocket.receive())
            topic = topics[command["topic"]]
            if command["type"] == "subscribe":
                topic.add(websocket._get_current_object())
            else:
                for client in topic:
                    await client.send(json.dumps(command))

    return app


def unpaced_burst() -> Quart:
    app = Quart(__name__)
    queues = set()

    @app.websocket("/ws/feed")
    async def feed() -> None:
        queue = asyncio.Queue(128)
        queues.add(queue)

        async def read() -> None:
            while True:
                message = await websocket.receive()
                for other in list(queues):
                    if other.full():
                        queues.discard(other)
                        other.get_nowait()
                        other.put_nowait(None)
                    else:
                        other.put_nowait(message)

        await websocket.accept()
        reader = asyncio.create_task(read())
        try:
            while message := await queue.get():
                await websocket.send(message)
            await websocket.close(1013, "too slow")
        finally:
            reader.cancel()
            queues.discard(queue)

    return app


def task_group_writer() -> Quart:
    app = Quart(__name__)

    @app.websocket("/ws/feed")
    async def feed() -> None:
        async def write() -> None:
            while True:
                await websocket.send("news")

        await websocket.accept()
        async with asyncio.TaskGroup() as tasks:
            tasks.create_task(write())
            while True:
                await websocket.receive()

    return app
