"""Mistakes in checking input, each one an app of its own."""

from dataclasses import dataclass
from typing import Any

from pydantic import BaseModel, ValidationError
from quart import Quart, request, websocket
from quart.json.provider import DefaultJSONProvider
from quart_schema import (
    QuartSchema,
    RequestSchemaValidationError,
    SchemaValidationError,
    validate_querystring,
    validate_request,
    validate_response,
)

from examples.request_validation.models import NewUser, User, Wanted


def titled_schema() -> Quart:
    app = Quart(__name__)
    QuartSchema(app, title="Users", version="1.0.0")
    return app


def public_docs() -> Quart:
    app = Quart(__name__)
    QuartSchema(app)
    return app


def pydantic_handler() -> Quart:
    app = Quart(__name__)
    QuartSchema(app, openapi_path=None)

    @app.errorhandler(ValidationError)
    async def invalid(error: ValidationError) -> tuple[dict[str, Any], int]:
        return {"errors": error.errors(include_input=False)}, 422

    @app.post("/users")
    @validate_request(NewUser)
    async def create_user(data: NewUser) -> tuple[str, int]:
        return "", 201

    return app


def echoing_handler() -> Quart:
    app = Quart(__name__)
    QuartSchema(app, openapi_path=None)

    @app.errorhandler(RequestSchemaValidationError)
    async def invalid(error: RequestSchemaValidationError) -> tuple[Any, int]:
        return {"errors": error.validation_error.errors()}, 422

    @app.post("/users")
    @validate_request(NewUser)
    async def create_user(data: NewUser) -> tuple[str, int]:
        return "", 201

    return app


def stdlib_dataclasses() -> Quart:
    @dataclass
    class NewUser:
        username: str
        email: str

    @dataclass
    class User:
        id: int
        username: str

    app = Quart(__name__)
    QuartSchema(app, openapi_path=None)

    @app.post("/users")
    @validate_request(NewUser)
    @validate_response(User, 201)
    async def create_user(data: NewUser) -> tuple[User, int]:
        return User(id="not a number", username=data.username), 201

    return app


def row_as_response(row: dict[str, Any]) -> Quart:
    class UserRow(User):
        password_hash: str

    app = Quart(__name__)
    QuartSchema(app, openapi_path=None)

    @app.get("/users/ada")
    @validate_response(User)
    async def read_user() -> User:
        return UserRow(**row)

    return app


def checks_above_route() -> Quart:
    app = Quart(__name__)
    QuartSchema(app)

    @validate_response(User, 201)
    @app.post("/users")
    async def create_user() -> tuple[dict[str, Any], int]:
        return await request.get_json(), 201

    return app


def renamed_parameter() -> Quart:
    app = Quart(__name__)
    QuartSchema(app, openapi_path=None)

    @app.post("/users")
    @validate_request(NewUser)
    async def create_user(user: NewUser) -> tuple[str, int]:
        return "", 201

    return app


def bare_list_in_query() -> Quart:
    class UserQuery(BaseModel):
        username: list[str] = []

    app = Quart(__name__)
    QuartSchema(app, openapi_path=None)

    @app.get("/users")
    @validate_querystring(UserQuery)
    async def list_users(query_args: UserQuery) -> dict[str, list[str]]:
        return {"users": query_args.username}

    return app


def plain_request() -> Quart:
    app = Quart(__name__)
    QuartSchema(app, openapi_path=None)

    @app.post("/users")
    @validate_request(NewUser)
    async def create_user(data: NewUser) -> tuple[str, int]:
        return "", 201

    return app


def provider_before_schema() -> Quart:
    class UnsortedJSON(DefaultJSONProvider):
        sort_keys = False

    app = Quart(__name__)
    app.json = UnsortedJSON(app)
    QuartSchema(app, openapi_path=None)

    @app.get("/users/ada")
    async def read_user() -> dict[str, str]:
        return {"username": "ada", "email": "ada@example.com"}

    return app


def receive_as_alone() -> Quart:
    app = Quart(__name__)
    QuartSchema(app, openapi_path=None)

    @app.websocket("/usernames")
    async def usernames() -> None:
        while True:
            try:
                await websocket.receive_as(Wanted)
            except SchemaValidationError:
                await websocket.send_json({"errors": []})
            else:
                await websocket.send_json({"free": True})

    return app
