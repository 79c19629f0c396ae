"""Mistakes in logging, each one an app of its own."""

import logging
from collections.abc import Callable
from contextvars import ContextVar
from logging.config import dictConfig

from quart import Quart, request

LINE = "%(levelname)s %(name)s: %(message)s"
HANDLERS = {
    "formatters": {"line": {"format": LINE}},
    "handlers": {"stderr": {"class": "logging.StreamHandler", "formatter": "line"}},
    "root": {"level": "INFO", "handlers": ["stderr"]},
}
log = logging.getLogger(__name__)
request_id: ContextVar[str] = ContextVar("request_id", default="-")


def configured_by_nobody() -> Quart:
    app = Quart(__name__)
    app.logger.info("starting")
    return app


def basic_config_without_force() -> Quart:
    logging.basicConfig(level=logging.INFO, format="%(levelname)s %(message)s")
    app = Quart(__name__)
    app.logger.info("starting")
    return app


def silenced_loggers() -> None:
    dictConfig({"version": 1, **HANDLERS})
    log.error("the mail server is away")


def configured_after_the_first_line() -> Quart:
    app = Quart(__name__)
    app.logger.warning("starting")
    dictConfig({"version": 1, "disable_existing_loggers": False, **HANDLERS})
    app.logger.info("started")
    return app


def lost_traceback(log_in: Callable[[], None]) -> None:
    try:
        log_in()
    except Exception as error:
        log.error(f"Login failed: {error}")


def logged_password() -> Quart:
    app = Quart(__name__)

    @app.before_request
    async def log_request() -> None:
        body = await request.get_data(as_text=True)
        app.logger.warning("%s %s %s", request.url, dict(request.headers), body)

    return app


def id_in_a_sync_hook() -> Quart:
    app = Quart(__name__)

    @app.before_request
    def take_request_id() -> None:
        request_id.set(request.headers["X-Request-Id"])

    @app.post("/login")
    async def log_in() -> dict[str, str]:
        return {"request_id": request_id.get()}

    return app


def _add_request_id(record: logging.LogRecord) -> bool:
    record.request_id = request_id.get()
    return True


def filter_on_the_app_logger() -> Quart:
    app = Quart(__name__)
    app.logger.addFilter(_add_request_id)
    return app
