"""A service as a newcomer writes it, for servers that know no closing event."""

import asyncio
import os
from collections.abc import AsyncGenerator

from quart import Quart, Response, request, websocket


def create_app() -> Quart:
    app = Quart(__name__)

    @app.before_serving
    async def connect() -> None:
        if os.environ.get("BROKER") == "away":
            raise ConnectionError("no broker")

    @app.get("/client")
    async def client() -> str:
        return f"{request.scheme} {request.remote_addr}"

    @app.get("/slow")
    async def slow() -> str:
        print("slow started", flush=True)
        await asyncio.sleep(1)
        return "done"

    @app.get("/events")
    async def events() -> Response:
        async def beats() -> AsyncGenerator[str, None]:
            while True:
                yield "data: beat\n\n"
                await asyncio.sleep(0.05)

        response = Response(beats(), content_type="text/event-stream")
        response.timeout = None
        return response

    @app.websocket("/ws/echo")
    async def echo() -> None:
        await websocket.accept()
        while True:
            await websocket.send(str(await websocket.receive()))

    @app.websocket("/ws/members")
    async def members() -> tuple[str, int]:
        return "log in first", 401

    @app.websocket("/ws/closed")
    async def closed() -> None:
        await websocket.close(1008)

    return app
