"""How a process does not end at SIGTERM."""

import asyncio
import signal
from collections.abc import AsyncGenerator

from quart import Quart, Response


def endless_stream() -> Quart:
    app = Quart(__name__)

    @app.get("/events")
    async def events() -> Response:
        async def beats() -> AsyncGenerator[str, None]:
            while True:
                yield "event: beat\ndata:\n\n"
                await asyncio.sleep(1)

        response = Response(beats(), content_type="text/event-stream")
        response.timeout = None
        return response

    return app


def stream_until_shutdown_event() -> Quart:
    app = Quart(__name__)

    @app.get("/events")
    async def events() -> Response:
        async def beats() -> AsyncGenerator[str, None]:
            yield "event: beat\ndata:\n\n"
            await app.shutdown_event.wait()
            yield "event: end\ndata:\n\n"

        response = Response(beats(), content_type="text/event-stream")
        response.timeout = None
        return response

    return app


def signal_handler_in_the_app() -> Quart:
    app = Quart(__name__)
    closing = app.extensions["closing"] = asyncio.Event()

    @app.before_serving
    async def listen() -> None:
        loop = asyncio.get_running_loop()
        loop.add_signal_handler(signal.SIGTERM, closing.set)

    return app
