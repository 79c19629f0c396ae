"""Refuse a second socket of the same client, and end a silent one."""

import asyncio

from quart import Quart, abort, websocket


def create_app(idle_seconds: float = 300) -> Quart:
    app = Quart(__name__)
    clients: set[str] = set()

    @app.websocket("/ws/echo/<client>")
    async def echo(client: str) -> None:
        if client in clients:
            abort(429)
        clients.add(client)
        try:
            while True:
                async with asyncio.timeout(idle_seconds):
                    message = await websocket.receive()
                await websocket.send(message)
        except TimeoutError:
            await websocket.close(1000, "idle")
        finally:
            clients.discard(client)

    return app
