"""Answer every error as JSON, with its own status and headers."""

import json

from quart import Quart
from werkzeug.exceptions import HTTPException
from werkzeug.wrappers import Response


async def answer(error: HTTPException) -> Response:
    problem = {"title": error.name, "status": error.code, "detail": error.description}
    response = error.get_response()  # keeps Allow, Retry-After, WWW-Authenticate
    response.data = json.dumps(problem)
    response.content_type = "application/problem+json"
    return response


def create_app() -> Quart:
    app = Quart(__name__)
    app.register_error_handler(HTTPException, answer)  # 500 too, which Quart has logged
    return app
