"""The id of a request: taken or made, logged, and sent back."""

import logging
import re
import uuid
from contextvars import ContextVar

from quart import Quart, Response, has_request_context, request, websocket

request_id: ContextVar[str] = ContextVar("request_id", default="-")


class RequestIdFilter(logging.Filter):
    """Give each record the id of the request it was logged in."""

    def filter(self, record: logging.LogRecord) -> bool:
        record.request_id = request_id.get()
        return True


def register_request_id(app: Quart) -> None:
    """Take a sane `X-Request-Id` or make one, log it and send it back."""

    @app.before_request
    @app.before_websocket
    async def take_request_id() -> None:
        connection = request if has_request_context() else websocket
        given = connection.headers.get("X-Request-Id", "")
        sane = re.fullmatch(r"[A-Za-z0-9._-]{8,64}", given)
        request_id.set(given if sane else uuid.uuid4().hex)

    @app.after_request
    async def send_request_id(response: Response) -> Response:
        response.headers["X-Request-Id"] = request_id.get()
        return response
