"""Answer every error in one shape: its status kept, its cause in the log only.

Try:
    curl -s -H 'Content-Type: application/json' -d '{"skus": ["cup", "pot"]}' http://127.0.0.1:8000/quotes
    curl -s -H 'Content-Type: application/json' -d '{"skus": [], "cup": 1}' http://127.0.0.1:8000/quotes
    curl -s -i -H 'X-Request-Id: support-4711' http://127.0.0.1:8000/quotes
"""

import asyncio
import logging
import re
import uuid
from collections.abc import Callable, Coroutine
from contextvars import ContextVar
from typing import Any

from pydantic import BaseModel, ConfigDict, Field, ValidationError
from quart import Quart, Request, current_app, request, websocket
from quart_schema import QuartSchema, validate_request
from werkzeug.exceptions import HTTPException, NotFound
from werkzeug.wrappers import Response

log = logging.getLogger(__name__)
request_id: ContextVar[str] = ContextVar("request_id", default="-")
LINE = "%(asctime)s %(levelname)s %(request_id)s %(name)s: %(message)s"
PriceOf = Callable[[str], Coroutine[Any, Any, int]]


class UnknownProduct(NotFound):
    type = "/problems/unknown-product"


class Quote(BaseModel):
    model_config = ConfigDict(extra="forbid")
    skus: list[str] = Field(min_length=1, max_length=20)


class JSONRequest(Request):
    async def get_json(
        self, force: bool = False, silent: bool = False, cache: bool = True
    ) -> Any:
        try:
            return await super().get_json(force, silent, cache)
        except (RecursionError, UnicodeDecodeError) as error:
            return None if silent else self.on_json_loading_failed(error)


async def answer(error: HTTPException) -> Response:
    response = error.get_response()
    problem = {
        "type": getattr(error, "type", "about:blank"),
        "title": error.name,
        "status": response.status_code,
        "detail": error.description,
        "request_id": request_id.get(),
    }
    if isinstance(cause := getattr(error, "validation_error", None), ValidationError):
        problem["errors"] = cause.errors(
            include_url=False, include_context=False, include_input=False
        )[:20]
    if response.status_code >= 500 and not getattr(error, "original_exception", None):
        log.error("%s", error, exc_info=error)
    response.data = current_app.json.dumps(problem)
    response.content_type = "application/problem+json"
    return response


async def answer_group(group: ExceptionGroup[Exception]) -> Response:
    if group.split(HTTPException)[1] is not None:
        raise group
    error: Any = group
    while isinstance(error, ExceptionGroup):
        error = error.exceptions[0]
    return await answer(error)


async def take_request_id() -> None:
    given = (request or websocket).headers.get("X-Request-Id", "")
    sane = re.fullmatch(r"[A-Za-z0-9._-]{8,64}", given)
    request_id.set(given if sane else uuid.uuid4().hex)


async def send_request_id(response: Response) -> Response:
    response.headers["X-Request-Id"] = request_id.get()
    return response


def add_request_id(record: logging.LogRecord) -> bool:
    record.request_id = request_id.get()
    return True


async def listed_price(sku: str) -> int:
    if price := {"cup": 900, "tea": 450}.get(sku):
        return price
    raise UnknownProduct("No product has this number.")


def create_app(price_of: PriceOf = listed_price) -> Quart:
    app = Quart(__name__)
    app.request_class = JSONRequest
    app.config.update(MAX_CONTENT_LENGTH=65_536, PROPAGATE_EXCEPTIONS=False)
    QuartSchema(app, openapi_path=None)
    logging.basicConfig(format=LINE, level=logging.INFO)
    for handler in logging.getLogger().handlers:
        handler.addFilter(add_request_id)
    app.register_error_handler(HTTPException, answer)
    app.register_error_handler(ExceptionGroup, answer_group)
    app.before_request(take_request_id)
    app.before_websocket(take_request_id)
    app.after_request(send_request_id)

    @app.post("/quotes")
    @validate_request(Quote)
    async def make_quote(data: Quote) -> dict[str, int]:
        async with asyncio.TaskGroup() as group:
            prices = [group.create_task(price_of(sku)) for sku in data.skus]
        return {"total": sum(task.result() for task in prices)}

    return app
