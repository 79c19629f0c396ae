"""Mistakes in checking input, each one an app of its own."""

from dataclasses import dataclass
from typing import Any

from pydantic import BaseModel, ValidationError
from quart import Quart, request
from quart_schema import (
    DataSource,
    QuartSchema,
    validate_querystring,
    validate_request,
    validate_response,
)
from quart_schema.pydantic import File


class _NewUser(BaseModel, extra="forbid"):
    username: str


class _User(BaseModel):
    id: int
    username: str


def unchecked_body() -> Quart:
    app = Quart(__name__)

    @app.post("/users")
    async def create_user() -> tuple[dict[str, str], int]:
        data = await request.get_json()
        return {"username": data["username"]}, 201

    return app


def unpacked_body() -> Quart:
    app = Quart(__name__)

    @app.post("/users")
    async def create_user() -> tuple[dict[str, str], int]:
        user = _NewUser(**await request.get_json())
        return user.model_dump(), 201

    return app


def int_of_argument() -> Quart:
    app = Quart(__name__)

    @app.get("/users")
    async def list_users() -> dict[str, int]:
        return {"page": int(request.args["page"])}

    return app


def except_in_the_view() -> Quart:
    app = Quart(__name__)
    QuartSchema(app, openapi_path=None)

    @app.post("/users")
    @validate_request(_NewUser)
    async def create_user(data: _NewUser) -> tuple[dict[str, str], int]:
        try:
            return {"username": data.username}, 201
        except ValidationError:
            return {"error": "invalid"}, 422

    return app


def stdlib_dataclasses() -> Quart:
    @dataclass
    class NewUser:
        username: str
        email: str

    app = Quart(__name__)
    QuartSchema(app, openapi_path=None)

    @app.post("/users")
    @validate_request(NewUser)
    async def create_user(data: NewUser) -> tuple[dict[str, str], int]:
        return {"username": data.username}, 201

    return app


def row_as_response() -> Quart:
    class UserRow(_User):
        password_hash: str

    app = Quart(__name__)
    QuartSchema(app, openapi_path=None)

    @app.get("/users/ada")
    @validate_response(_User)
    async def show_user() -> _User:
        return UserRow(id=1, username="ada", password_hash="$argon2id$secret")

    return app


def checks_above_route() -> Quart:
    app = Quart(__name__)
    QuartSchema(app)

    @validate_response(_User, 201)
    @app.post("/users")
    async def create_user() -> tuple[dict[str, Any], int]:
        return await request.get_json(), 201

    return app


def renamed_parameter() -> Quart:
    app = Quart(__name__)
    QuartSchema(app, openapi_path=None)

    @app.post("/users")
    @validate_request(_NewUser)
    async def create_user(user: _NewUser) -> tuple[str, int]:
        return "", 201

    return app


def bare_lists() -> Quart:
    class Search(BaseModel):
        username: list[str] = []

    class Upload(BaseModel):
        files: list[File]

    app = Quart(__name__)
    QuartSchema(app, openapi_path=None)

    @app.get("/users")
    @validate_querystring(Search)
    async def list_users(query_args: Search) -> dict[str, list[str]]:
        return {"users": query_args.username}

    @app.post("/files")
    @validate_request(Upload, source=DataSource.FORM_MULTIPART)
    async def take_files(data: Upload) -> dict[str, int]:
        return {"files": len(data.files)}

    return app


def limit_in_the_view() -> Quart:
    app = Quart(__name__)
    app.config["MAX_CONTENT_LENGTH"] = 1_000

    @app.post("/files")
    async def take_file() -> dict[str, int]:
        request.max_content_length = 1_000_000
        return {"bytes": len(await request.get_data())}

    return app


def titled_schema() -> Quart:
    app = Quart(__name__)
    QuartSchema(app, title="Users", version="1.0.0")
    return app


def public_docs() -> Quart:
    app = Quart(__name__)
    QuartSchema(app)
    return app
