"""What goes in and what goes out, one model each."""

from typing import Annotated

from pydantic import AwareDatetime, BaseModel, Field
from quart_schema.pydantic import File

from .fields import AsList, Email, Id, NotNull, Password, Text, Username


class Strict(BaseModel, extra="forbid"):
    """Refuse what no field takes, so that nobody sets `role` or `id`."""


class NewUser(Strict):
    username: Username
    email: Email
    password: Password
    bio: Text | None = None
    invited_by: Id | None = None


class UserChanges(Strict):
    """What is absent stays as it is; null clears `bio`, and is refused for `email`."""

    email: Annotated[Email | None, NotNull] = None
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
    topics: Annotated[list[Text], AsList, Field(max_length=5)] = []
    files: Annotated[list[File], AsList, Field(max_length=5)] = []
