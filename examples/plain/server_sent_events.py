"""Send the state of something to every page that is open, again and again."""

import asyncio
import json
from collections.abc import AsyncGenerator, Awaitable, Callable

from quart import Quart, Response


def create_app(read_state: Callable[[], Awaitable[object]]) -> Quart:
    app = Quart(__name__)
    closing = app.extensions.setdefault("closing", asyncio.Event())

    @app.get("/events")
    async def events() -> Response:
        async def states() -> AsyncGenerator[str, None]:
            while not closing.is_set():  # the launcher sets it at SIGTERM
                yield f"data: {json.dumps(await read_state())}\n\n"
                await asyncio.sleep(2)

        response = Response(states(), content_type="text/event-stream")
        response.timeout = None  # else it is cut after 60 seconds, and hangs on 0.23
        response.headers["X-Accel-Buffering"] = "no"  # nginx: pass each on at once
        return response

    return app
