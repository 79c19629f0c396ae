"""Events for clients that left, and events that arrive in pieces."""

import asyncio
from collections.abc import AsyncGenerator, Awaitable, Callable

from quart import Quart, Response


def queue_for_ever() -> Quart:
    app = Quart(__name__)
    queues = app.extensions["queues"] = set()

    @app.get("/events")
    async def events() -> Response:
        queue = asyncio.Queue()
        queues.add(queue)

        async def listen() -> AsyncGenerator[str, None]:
            while True:
                yield f"data: {await queue.get()}\n\n"

        response = Response(listen(), content_type="text/event-stream")
        response.timeout = None
        return response

    return app


def swallow_cancellation(next_text: Callable[[], Awaitable[str]]) -> Quart:
    app = Quart(__name__)

    @app.get("/events")
    async def events() -> Response:
        async def listen() -> AsyncGenerator[str, None]:
            while True:
                try:
                    yield f"data: {await next_text()}\n\n"
                except asyncio.CancelledError:
                    app.logger.warning("the client left")

        response = Response(listen(), content_type="text/event-stream")
        response.timeout = None
        return response

    return app


def text_in_data(text: str) -> str:
    return f"data: {text}\n\n"
