"""One format for every line, with the id of the request that it belongs to.

Try:
    curl -s -i -H 'X-Request-Id: support-4711' http://127.0.0.1:8000/hello
    LOG_JSON=1 curl -s -i http://127.0.0.1:8000/hello
"""

import logging
import logging.config
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


def configure_logging(level: str = "INFO", *, json_lines: bool = False) -> None:
    """Replace what the root logger had; call it before `Quart(...)` is made."""
    line = "%(asctime)s %(levelname)s %(request_id)s %(name)s: %(message)s"
    logging.config.dictConfig(
        {
            "version": 1,
            "disable_existing_loggers": False,
            "filters": {"request_id": {"()": RequestIdFilter}},
            "formatters": {
                "text": {"format": line},
                "json": {"()": "pythonjsonlogger.json.JsonFormatter", "format": line},
            },
            "handlers": {
                "stderr": {
                    "class": "logging.StreamHandler",
                    "filters": ["request_id"],
                    "formatter": "json" if json_lines else "text",
                }
            },
            "root": {"level": level, "handlers": ["stderr"]},
        }
    )


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


def create_app() -> Quart:
    configure_logging()
    app = Quart(__name__)
    register_request_id(app)

    @app.get("/hello")
    async def hello() -> dict[str, str]:
        app.logger.info("said hello")
        return {"hello": "world"}

    return app


if __name__ == "__main__":
    from .serving import run

    run(create_app())
