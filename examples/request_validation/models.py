"""What the service accepts and what it answers."""

from typing import Annotated
from uuid import UUID

from pydantic import AwareDatetime, BaseModel, BeforeValidator, Field, SecretStr
from quart_schema.pydantic import File

AsList = BeforeValidator(lambda value: value if isinstance(value, list) else [value])
Username = Annotated[str, Field(pattern=r"^[a-z0-9_]{3,30}$")]
Email = Annotated[str, Field(max_length=254, pattern=r"^[\w.+'-]+@([\w-]+\.)+\w{2,}$")]
Text = Annotated[str, Field(max_length=500, pattern=r"^[^\x00]*$")]


class Strict(BaseModel, extra="forbid"):
    pass


class Profile(Strict):
    username: Username
    email: Email
    bio: Text | None = None


class NewUser(Profile):
    password: SecretStr = Field(min_length=12, max_length=128)


class User(Profile):
    id: int
    created_at: AwareDatetime


class UserPage(Strict):
    users: list[User]


class UserQuery(Strict):
    username: Annotated[list[Username], AsList, Field(max_length=20)] = []
    limit: int = Field(20, ge=1, le=100)


class Trace(BaseModel):
    x_request_id: UUID | None = None


class Avatar(Strict):
    alt: Text
    image: File


class Wanted(Strict):
    username: Username
