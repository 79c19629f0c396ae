"""Broadcasts that stop for one client, or never forget."""

import asyncio
import json
from collections import defaultdict

from quart import Quart, websocket


def serial_loop() -> Quart:
    app = Quart(__name__)
    clients = set()

    @app.websocket("/ws/broadcast")
    async def broadcast() -> None:
        await websocket.accept()
        clients.add(websocket._get_current_object())
        while True:
            message = await websocket.receive()
            for client in list(clients):
                await client.send(message)

    return app


def bare_except() -> Quart:
    app = Quart(__name__)
    clients = app.extensions["clients"] = {}

    @app.websocket("/ws/broadcast/<name>")
    async def broadcast(name: str) -> None:
        await websocket.accept()
        clients[name] = websocket._get_current_object()
        try:
            while True:
                message = await websocket.receive()
                for name, client in list(clients.items()):
                    try:
                        await client.send(message)
                    except:
                        clients.pop(name, None)
        finally:
            clients.pop(name, None)

    return app


def live_set() -> Quart:
    app = Quart(__name__)
    subscriptions = app.extensions["subscriptions"] = defaultdict(set)

    @app.websocket("/ws/pubsub")
    async def pubsub() -> None:
        while True:
            message = json.loads(await websocket.receive())
            subscribers = subscriptions[message["topic"]]
            if message["type"] == "subscribe":
                subscribers.add(websocket._get_current_object())
            else:
                for client in subscribers:
                    await client.send(json.dumps(message))

    return app


def stored_websocket() -> Quart:
    app = Quart(__name__)
    devices = {}

    @app.websocket("/ws/devices/<name>")
    async def connect(name: str) -> None:
        devices[name] = websocket
        while True:
            await websocket.receive()

    @app.post("/devices/<name>/start")
    async def start(name: str) -> str:
        await devices[name].send("start")
        return "started"

    return app


class _Device:
    def __init__(self, connection) -> None:
        self.connection = connection

    async def start(self) -> None:
        await self.connection.send("start")


def websocket_in_an_object() -> Quart:
    app = Quart(__name__)
    devices: dict[str, _Device] = {}

    @app.websocket("/ws/devices/<name>")
    async def connect(name: str) -> None:
        devices[name] = _Device(websocket)
        while True:
            await websocket.receive()

    @app.post("/devices/<name>/start")
    async def start(name: str) -> str:
        await devices[name].start()
        return "started"

    return app


def unpaced_queues() -> Quart:
    app = Quart(__name__)
    queues = set()

    @app.websocket("/ws/broadcast")
    async def broadcast() -> None:
        queue = asyncio.Queue(100)
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


def task_group() -> Quart:
    app = Quart(__name__)

    @app.websocket("/ws/news")
    async def news() -> None:
        async def write() -> None:
            while True:
                await websocket.send("news")

        await websocket.accept()
        async with asyncio.TaskGroup() as tasks:
            tasks.create_task(write())
            while True:
                await websocket.receive()

    return app
