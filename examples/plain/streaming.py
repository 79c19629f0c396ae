"""Send an answer piece by piece, a line of JSON for each."""

import json
from collections.abc import AsyncGenerator, Callable

from quart import Quart, Response, request

Ask = Callable[[str], AsyncGenerator[str, None]]  # the model: a question in, tokens out


def create_app(ask: Ask) -> Quart:
    app = Quart(__name__)

    @app.post("/answers")
    async def answer() -> Response:
        question = (await request.form)["question"]  # `request` is gone in lines()

        async def lines() -> AsyncGenerator[str, None]:
            async for token in ask(question):
                yield json.dumps({"token": token}) + "\n"

        response = Response(lines(), content_type="application/x-ndjson")
        response.timeout = None  # else it is cut after 60 seconds, and hangs on 0.23
        response.headers["X-Accel-Buffering"] = "no"  # nginx: pass it on at once
        return response

    return app
