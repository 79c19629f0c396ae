"""Mistakes in error handling; most of the apps answer POST /login."""

import asyncio
from typing import Any

from pydantic import BaseModel, Field, ValidationError
from quart import Quart, abort
from quart_schema import QuartSchema, RequestSchemaValidationError, validate_request
from werkzeug.exceptions import HTTPException, InternalServerError, NotFound


class _Login(BaseModel, extra="forbid"):
    username: str
    password: str = Field(min_length=8)


class _UnknownUser(Exception):
    pass


async def _find_user(username: str) -> str:
    if username == "crash":
        raise RuntimeError("postgresql://app:hunter2@db/users is down")
    if username != "ada":
        raise _UnknownUser(username)
    return username


def _login_app() -> Quart:
    app = Quart(__name__)
    QuartSchema(app, openapi_path=None)

    @app.post("/login")
    @validate_request(_Login)
    async def log_in(data: _Login) -> dict[str, str]:
        return {"user": await _find_user(data.username)}

    return app


def catch_everything() -> Quart:
    app = _login_app()

    @app.errorhandler(Exception)
    async def unexpected(error: Exception) -> tuple[dict[str, str], int]:
        return {"error": "An unexpected error occurred"}, 500

    return app


def catch_everything_by_a_call() -> Quart:
    app = _login_app()

    async def unexpected(error: Exception) -> tuple[dict[str, str], int]:
        return {"error": "An unexpected error occurred"}, 500

    app.errorhandler(Exception)(unexpected)
    return app


def handle_pydantic_errors() -> Quart:
    app = _login_app()

    @app.errorhandler(ValidationError)
    async def invalid(error: ValidationError) -> tuple[dict[str, object], int]:
        return {"error": "Validation Error", "details": error.errors()}, 422

    return app


def echo_the_input() -> Quart:
    app = _login_app()

    @app.errorhandler(RequestSchemaValidationError)
    async def invalid(error: RequestSchemaValidationError) -> tuple[Any, int]:
        return {"errors": error.validation_error.errors()}, 400

    return app


def echo_the_text() -> Quart:
    app = _login_app()

    @app.errorhandler(RequestSchemaValidationError)
    async def invalid(
        error: RequestSchemaValidationError,
    ) -> tuple[dict[str, str], int]:
        return {"error": f"{error.validation_error}"}, 400

    return app


def forget_the_headers() -> Quart:
    app = _login_app()

    @app.errorhandler(HTTPException)
    async def http_error(error: HTTPException) -> tuple[dict[str, str], int | None]:
        return {"error": error.name}, error.code

    return app


def handle_404_only() -> Quart:
    app = _login_app()

    @app.errorhandler(404)
    async def not_found(error: NotFound) -> tuple[dict[str, str], int]:
        return {"error": "Not Found"}, 404

    return app


def log_again() -> Quart:
    app = _login_app()

    @app.errorhandler(500)
    async def internal_error(error: InternalServerError) -> tuple[dict[str, str], int]:
        app.logger.error(f"Internal error: {error}")
        return {"error": "Internal Server Error"}, 500

    return app


def keep_the_defaults_for_tests() -> Quart:
    app = log_again()
    app.testing = True
    return app


def swallow_the_abort() -> Quart:
    app = Quart(__name__)

    @app.get("/users/<username>")
    async def show_user(username: str) -> tuple[dict[str, str], int]:
        try:
            if username != "ada":
                abort(404)
            return {"user": username}, 200
        except Exception:
            return {"error": "Internal error"}, 500

    return app


def hide_the_error_in_a_group() -> Quart:
    app = Quart(__name__)

    @app.errorhandler(_UnknownUser)
    async def unknown(error: _UnknownUser) -> tuple[dict[str, str], int]:
        return {"error": "Unknown user"}, 404

    @app.get("/users/<username>")
    async def show_user(username: str) -> dict[str, str]:
        async with asyncio.TaskGroup() as group:
            user = group.create_task(_find_user(username))
        return {"user": user.result()}

    return app


class MessageLost(Exception):
    def __init__(self, resource: str, resource_id: int) -> None:
        self.message = f"{resource} {resource_id} not found"
