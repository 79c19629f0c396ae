"""What one says, all hear: a queue for each, so that a slow one delays nobody."""

import asyncio

from quart import Quart, websocket


def create_app() -> Quart:
    app = Quart(__name__)
    queues: set[asyncio.Queue[str]] = set()

    async def send_all(queue: asyncio.Queue[str]) -> None:
        while True:
            await websocket.send(await queue.get())

    @app.websocket("/ws/chat")
    async def chat() -> None:
        queue: asyncio.Queue[str] = asyncio.Queue(100)
        await websocket.accept()
        sending = asyncio.create_task(send_all(queue))
        queues.add(queue)
        try:
            while True:
                message = await websocket.receive()
                for other in queues:
                    if not other.full():
                        other.put_nowait(message)
        finally:
            queues.discard(queue)
            sending.cancel()

    return app
