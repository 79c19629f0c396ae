from typing import Annotated, Any, Literal

from pydantic import BaseModel, Field, TypeAdapter, ValidationError


class Ping(BaseModel, extra="forbid"):
    type: Literal["ping"]


class Say(BaseModel, extra="forbid"):
    type: Literal["say"]
    text: str = Field(min_length=1, max_length=1_000)


MESSAGE = TypeAdapter[Ping | Say](Annotated[Ping | Say, Field(discriminator="type")])


async def answer(member: str, raw: str | bytes) -> dict[str, Any]:
    try:
        message = MESSAGE.validate_json(raw)
    except ValidationError as error:
        first = error.errors(include_context=False, include_input=False)[0]
        return {"type": "error", "at": first["loc"], "detail": first["msg"]}
    if isinstance(message, Ping):
        return {"type": "pong"}
    return {"type": "said", "member": member, "text": message.text}
