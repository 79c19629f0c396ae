"""One answer for every HTTPException: a crash, an `abort()`, a refused request."""

import logging

from pydantic import ValidationError
from pydantic_core import ErrorDetails
from quart import current_app
from quart_schema import RequestSchemaValidationError
from werkzeug.exceptions import HTTPException, InternalServerError
from werkzeug.wrappers import Response

log = logging.getLogger(__name__)


async def answer_problem(error: HTTPException) -> Response:
    """Keep the status and the headers (Allow, Retry-After ...), replace the HTML."""
    response = error.get_response()
    problem: dict[str, object] = {
        "type": "about:blank",
        "title": error.name,
        "status": response.status_code,
        "detail": error.description,
    }
    if isinstance(error, RequestSchemaValidationError):
        problem["detail"] = "The request is not valid."
        problem["errors"] = faults(error.validation_error)[:20]
    if response.status_code >= 500 and not is_crash(error):
        log.error("%s", error, exc_info=error)
    response.data = current_app.json.dumps(problem)
    response.content_type = "application/problem+json"
    return response


def faults(error: Exception) -> list[ErrorDetails]:
    """Where and what, never the value; none for the TypeError of missing headers."""
    if not isinstance(error, ValidationError):
        return []
    return error.errors(include_url=False, include_context=False, include_input=False)


def is_crash(error: HTTPException) -> bool:
    """A bug, not an `abort(500)`: Quart has logged its traceback already."""
    if not isinstance(error, InternalServerError):
        return False
    return error.original_exception is not None
