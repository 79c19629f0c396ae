"""Mistakes in error handling; each app answers POST /quotes like the right one."""

import asyncio
import logging
import uuid
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from contextvars import ContextVar

from pydantic import BaseModel, ConfigDict, Field, ValidationError, field_validator
from quart import Quart, abort, request, websocket
from quart.logging import default_handler
from quart_schema import QuartSchema, RequestSchemaValidationError, validate_request
from werkzeug.exceptions import HTTPException, InternalServerError, NotFound

request_id: ContextVar[str] = ContextVar("request_id", default="-")


class Quote(BaseModel):
    model_config = ConfigDict(extra="forbid")
    skus: list[str] = Field(min_length=1, max_length=20)

    @field_validator("skus")
    @classmethod
    def refuse_duplicates(cls, skus: list[str]) -> list[str]:
        if len(set(skus)) < len(skus):
            raise ValueError("Each product once.")
        return skus


class UnknownProduct(Exception):
    pass


async def price_of(sku: str) -> int:
    if sku == "crash":
        raise RuntimeError("postgresql://app:hunter2@db/prices is down")
    if sku not in ("cup", "tea"):
        raise UnknownProduct(sku)
    return 450


def quotes_app() -> Quart:
    app = Quart(__name__)
    QuartSchema(app, openapi_path=None)

    @app.post("/quotes")
    @validate_request(Quote)
    async def make_quote(data: Quote) -> dict[str, int]:
        return {"total": sum([await price_of(sku) for sku in data.skus])}

    return app


def catch_everything() -> Quart:
    app = quotes_app()

    @app.errorhandler(Exception)
    async def unexpected(error: Exception) -> tuple[dict[str, str], int]:
        app.logger.exception("Unexpected error occurred")
        return {"error": "An unexpected error occurred"}, 500

    return app


def handle_pydantic_errors() -> Quart:
    app = quotes_app()

    @app.errorhandler(ValidationError)
    async def invalid(error: ValidationError) -> tuple[dict[str, object], int]:
        return {"error": "Validation Error", "details": error.errors()}, 422

    return app


def echo_the_input() -> Quart:
    app = quotes_app()

    @app.errorhandler(RequestSchemaValidationError)
    async def invalid(
        error: RequestSchemaValidationError,
    ) -> tuple[dict[str, object], int]:
        return {"errors": error.validation_error.errors()}, 400

    return app


def handle_404_only() -> Quart:
    app = quotes_app()

    @app.errorhandler(404)
    async def not_found(error: NotFound) -> tuple[dict[str, str], int]:
        return {"error": "Not Found"}, 404

    return app


def forget_the_headers() -> Quart:
    app = quotes_app()

    @app.errorhandler(HTTPException)
    async def http_error(error: HTTPException) -> tuple[dict[str, str], int | None]:
        return {"error": error.name}, error.code

    return app


def log_again() -> Quart:
    app = quotes_app()

    @app.errorhandler(500)
    async def internal_error(error: InternalServerError) -> tuple[dict[str, str], int]:
        app.logger.error(f"Internal error: {error}")
        return {"error": "Internal Server Error"}, 500

    return app


def keep_the_defaults_for_tests() -> Quart:
    app = log_again()
    app.testing = True
    return app


def hide_the_error_in_a_group() -> Quart:
    app = Quart(__name__)

    @app.errorhandler(UnknownProduct)
    async def unknown(error: UnknownProduct) -> tuple[dict[str, str], int]:
        return {"error": "Unknown product"}, 404

    @app.post("/quotes")
    async def make_quote() -> dict[str, int]:
        async with asyncio.TaskGroup() as group:
            price = group.create_task(price_of("pot"))
        return {"total": price.result()}

    return app


@asynccontextmanager
async def error_boundary(operation: str) -> AsyncIterator[None]:
    try:
        yield
    except Exception:
        logging.getLogger(__name__).exception("%s failed", operation)
        raise RuntimeError("Operation failed")


def wrap_in_a_boundary() -> Quart:
    app = Quart(__name__)

    @app.post("/quotes")
    async def make_quote() -> dict[str, int]:
        async with error_boundary("make_quote"):
            if (await request.get_json())["skus"] != ["tea"]:
                abort(404)
            return {"total": 450}

    return app


class MessageLost(Exception):
    def __init__(self, resource: str, resource_id: int) -> None:
        self.message = f"{resource} {resource_id} not found"


class UnpickledNever(Exception):
    def __init__(self, resource: str, resource_id: int) -> None:
        super().__init__(f"{resource} {resource_id} not found")


def set_the_id_in_a_sync_hook() -> Quart:
    app = quotes_app()

    @app.before_request
    def take_request_id() -> None:
        request_id.set(request.headers.get("X-Request-Id") or uuid.uuid4().hex)

    @app.after_request
    async def send_request_id(response):
        response.headers["X-Request-Id"] = request_id.get()
        return response

    return app


def add_request_id(record: logging.LogRecord) -> bool:
    record.request_id = request_id.get()
    return True


def format_the_handler_of_quart() -> Quart:
    app = quotes_app()
    default_handler.addFilter(add_request_id)
    default_handler.setFormatter(logging.Formatter("[%(request_id)s] %(message)s"))
    return app


def stamp_one_logger() -> Quart:
    app = quotes_app()
    app.logger.addFilter(add_request_id)
    return app


def crash_in_a_websocket() -> Quart:
    app = Quart(__name__)

    @app.websocket("/prices")
    async def stream_prices() -> None:
        while True:
            await websocket.send_json(
                {"price": await price_of(await websocket.receive())}
            )

    return app
