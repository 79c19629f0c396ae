import asyncio
from typing import Any

from .paced_client import PacedClient


class PacedWebsockets:
    """ASGI: hand what a client sends to `app` no faster than PacedClient allows.

    Quart queues without bound what it is handed. What is not taken here stays in the
    client's socket.
    """

    def __init__(self, app: Any) -> None:
        self._app = app
        self._readers: set[asyncio.Task[None]] = set()

    async def __call__(self, scope: Any, receive: Any, send: Any) -> None:
        if scope["type"] != "websocket":
            await self._app(scope, receive, send)
            return
        client = PacedClient(receive, send)
        reader = asyncio.create_task(client.read())
        self._readers.add(reader)
        reader.add_done_callback(self._readers.discard)
        await self._app(scope, client.inbox.get, client.send)
        if client.closed:
            await client.left.wait()
