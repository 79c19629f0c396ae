"""Publish to every open socket: a queue for each, so that a slow one delays nobody."""

import asyncio

from quart import Blueprint, websocket

news = Blueprint("news", __name__)
queues: set[asyncio.Queue[str]] = set()


async def publish(text: str) -> None:
    for queue in queues:
        if not queue.full():
            queue.put_nowait(text)
    await asyncio.sleep(0)  # the senders' turn


@news.websocket("/ws/news")
async def listen() -> None:
    queue = asyncio.Queue[str](100)
    await websocket.accept()
    queues.add(queue)
    try:
        while True:
            await websocket.send(await queue.get())
    finally:
        queues.discard(queue)
