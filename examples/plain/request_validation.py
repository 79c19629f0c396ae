"""Validate the body and the answer of a route."""

from pydantic import BaseModel, Field
from quart import Quart
from quart_schema import QuartSchema, validate_request, validate_response


class NewUser(BaseModel, extra="forbid"):
    username: str = Field(min_length=3, max_length=30)


class User(BaseModel):
    id: int
    username: str


def create_app() -> Quart:
    app = Quart(__name__)
    QuartSchema(app, openapi_path=None)  # else its pages are public

    @app.post("/users")
    @validate_request(NewUser)
    @validate_response(User, 201)
    async def create_user(data: NewUser) -> tuple[User, int]:
        return User(id=1, username=data.username), 201

    return app
