"""Answer every error as a problem document (RFC 9457), and log what is our fault.

Try:
    curl -s -i http://127.0.0.1:8000/users/0
    curl -s -i -X DELETE http://127.0.0.1:8000/users/1
    curl -s -i http://127.0.0.1:8000/users/2
"""

import logging

from pydantic import ValidationError
from quart import Quart, current_app
from werkzeug.exceptions import HTTPException, NotFound
from werkzeug.wrappers import Response

log = logging.getLogger(__name__)


class UserNotFound(NotFound):
    description = "There is no such user."


async def answer_problem(error: HTTPException) -> Response:
    """Keep the status and the headers (Allow, Retry-After ...), replace the HTML."""
    response = error.get_response()
    problem = {
        "type": "about:blank",
        "title": error.name,
        "status": response.status_code,
        "detail": error.description,
    }
    cause = getattr(error, "validation_error", None)  # quart-schema's
    if isinstance(cause, ValidationError):
        problem["detail"] = "The request does not have the form it needs."
        problem["errors"] = cause.errors(
            include_url=False, include_context=False, include_input=False
        )
    already_logged = getattr(error, "original_exception", None) is not None
    if response.status_code >= 500 and not already_logged:
        log.error("%s", error, exc_info=error)
    response.data = current_app.json.dumps(problem)
    response.content_type = "application/problem+json"
    return response


def errors_within(group: ExceptionGroup[Exception]) -> list[Exception]:
    errors: list[Exception] = []
    for error in group.exceptions:
        nested = isinstance(error, ExceptionGroup)
        errors.extend(errors_within(error) if nested else [error])
    return errors


async def answer_group(group: ExceptionGroup[Exception]) -> Response:
    """For a TaskGroup in a view: answer its HTTP error, unless it raised others too."""
    errors = errors_within(group)
    http_errors = [error for error in errors if isinstance(error, HTTPException)]
    if len(http_errors) < len(errors):
        raise group
    return await answer_problem(http_errors[0])


def register_error_handlers(app: Quart) -> None:
    app.config["PROPAGATE_EXCEPTIONS"] = False  # else tests never see these answers
    app.register_error_handler(HTTPException, answer_problem)
    app.register_error_handler(ExceptionGroup, answer_group)


def create_app() -> Quart:
    app = Quart(__name__)
    register_error_handlers(app)

    @app.get("/users/<int:user_id>")
    async def show_user(user_id: int) -> dict[str, str]:
        if user_id == 0:
            raise UserNotFound
        names = {1: "ada"}
        return {"username": names[user_id]}

    return app


if __name__ == "__main__":
    from .serving import run

    run(create_app())
