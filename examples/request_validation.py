"""Check every input at the edge, and answer only what the model of the answer names.

Try:
    curl -s -i -H 'Content-Type: application/json' -d '{"username": "ada"}' http://127.0.0.1:8000/users
    curl -s 'http://127.0.0.1:8000/users?limit=5'
    curl -s -i -F 'text=Hello' -F 'topics=billing' http://127.0.0.1:8000/messages
"""

from datetime import UTC, datetime
from typing import Annotated, Any

from pydantic import AwareDatetime, BaseModel, BeforeValidator, Field, SecretStr
from pydantic_core import from_json
from quart import Quart, Request, abort
from quart_schema import (
    DataSource,
    QuartSchema,
    validate_querystring,
    validate_request,
    validate_response,
)


def as_list(value: object) -> object:
    """A list with one element arrives as that element, from forms and queries alike."""
    return value if isinstance(value, list) else [value]


Username = Annotated[str, Field(pattern=r"^[A-Za-z0-9_.-]{3,30}$")]
Email = Annotated[str, Field(max_length=254, pattern=r"^[\w.+'-]+@([\w-]+\.)+\w{2,}$")]
Password = Annotated[SecretStr, Field(min_length=8, max_length=128)]
Text = Annotated[str, Field(max_length=500, pattern=r"^[^\x00]*$")]  # no NUL
Id = Annotated[int, Field(ge=1, le=2**31 - 1)]


class Strict(BaseModel, extra="forbid"):
    """Refuse what no field takes, so that nobody sets `role` or `id`."""


class NewUser(Strict):
    username: Username
    email: Email
    password: Password
    bio: Text | None = None
    invited_by: Id | None = None


class UserChanges(Strict):
    email: Email = ""  # not null: a default that is never used, see exclude_unset
    bio: Text | None = None


class UserView(BaseModel, from_attributes=True):
    id: int
    username: str
    email: str
    bio: str | None
    created_at: AwareDatetime


class PageQuery(Strict):
    after: Annotated[int, Field(ge=0, le=2**31 - 1)] = 0
    limit: int = Field(20, ge=1, le=100)


class UserPage(BaseModel):
    users: list[UserView]
    next_after: int | None


class Message(Strict):
    text: Text
    topics: Annotated[list[Text], BeforeValidator(as_list), Field(max_length=5)] = []


class JSONRequest(Request):
    """Refuse with 400 or 415 what Quart turns into None or a 500."""

    async def get_json(
        self, force: bool = False, silent: bool = False, cache: bool = True
    ) -> Any:
        if not (force or self.is_json):
            return None if silent else abort(415, "Send application/json.")
        try:
            return from_json(await self.get_data(cache=cache), allow_inf_nan=False)
        except ValueError as error:
            return None if silent else self.on_json_loading_failed(error)


def create_app() -> Quart:
    app = Quart(__name__)
    app.request_class = JSONRequest
    QuartSchema(app, openapi_path=None)
    users: list[UserView] = []

    @app.post("/users")
    @validate_request(NewUser)
    @validate_response(UserView, 201)
    async def create_user(data: NewUser) -> tuple[UserView, int]:
        profile = data.model_dump(include={"username", "email", "bio"})
        user = UserView(id=len(users) + 1, created_at=datetime.now(UTC), **profile)
        users.append(user)
        return user, 201

    @app.patch("/users/<int:user_id>")
    @validate_request(UserChanges)
    @validate_response(UserView)
    async def change_user(user_id: int, data: UserChanges) -> UserView:
        if not 1 <= user_id <= len(users):
            abort(404)
        changes = data.model_dump(exclude_unset=True)  # only what was sent
        users[user_id - 1] = users[user_id - 1].model_copy(update=changes)
        return users[user_id - 1]

    @app.get("/users")
    @validate_querystring(PageQuery)
    @validate_response(UserPage)
    async def list_users(query_args: PageQuery) -> UserPage:
        found = [user for user in users if user.id > query_args.after]
        return UserPage(users=found[: query_args.limit], next_after=None)

    @app.post("/messages")
    @validate_request(Message, source=DataSource.FORM_MULTIPART)
    async def take_message(data: Message) -> dict[str, int]:
        return {"topics": len(data.topics)}

    return app


if __name__ == "__main__":
    from .serving import run

    run(create_app())
