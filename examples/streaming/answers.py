"""What a model says, as it says it: /answers."""

import asyncio
import json
import logging
from collections.abc import AsyncGenerator, Callable
from contextlib import aclosing

from quart import Blueprint, Quart, Response, current_app, request

from ..serving import closing_event
from .responses import stream_response

SILENCE_SECONDS = 45  # proxies give up after 60
JSON_LINES = "application/x-ndjson"
EVENTS = "text/event-stream"
Ask = Callable[[str], AsyncGenerator[str, None]]
Encode = Callable[[dict[str, object]], str]
answers = Blueprint("answers", __name__)
log = logging.getLogger(__name__)


def register_answers(app: Quart, ask: Ask) -> None:
    app.extensions["ask"] = ask
    app.register_blueprint(answers)


def json_line(part: dict[str, object]) -> str:
    return json.dumps(part) + "\n"


def event(part: dict[str, object]) -> str:
    return f"data: {json.dumps(part)}\n\n"  # JSON has no line breaks: they end a field


@answers.post("/answers")
async def answer() -> Response:
    tokens = current_app.extensions["ask"]((await request.form)["question"])
    closing = closing_event(current_app)
    if request.accept_mimetypes.best_match([JSON_LINES, EVENTS]) == EVENTS:
        return stream_response(parts_of(tokens, event, closing), EVENTS)
    return stream_response(parts_of(tokens, json_line, closing), JSON_LINES)


async def parts_of(
    tokens: AsyncGenerator[str, None], encode: Encode, closing: asyncio.Event
) -> AsyncGenerator[str, None]:
    """Each token, and at last `done`, or an error: the status was sent long ago."""
    try:
        async with aclosing(tokens):  # when the client leaves, the model stops
            while not closing.is_set():
                async with asyncio.timeout(SILENCE_SECONDS):
                    token = await anext(tokens, None)
                if token is None:
                    yield encode({"done": True})
                    return
                yield encode({"token": token})
        yield encode({"error": "The server is restarting."})
    except Exception:
        log.exception("an answer broke off")  # Quart would not log it
        yield encode({"error": "The answer broke off."})
