"""A room: what one says, all in it hear."""

from pydantic import BaseModel, Field, TypeAdapter
from quart import Blueprint, g

from ..authentication import login_required
from .conversation import converse, current_hub
from .hub import Client

ROOM = "/ws/chat"
chat = Blueprint("chat", __name__)


class Say(BaseModel, extra="forbid"):
    text: str = Field(min_length=1, max_length=1_000)


async def say(client: Client, message: Say) -> None:
    said = {"type": "said", "user": g.caller.username, "text": message.text}
    await current_hub().publish(ROOM, said)


@chat.websocket("/ws/chat")
@login_required
async def talk() -> None:
    await converse(TypeAdapter(Say), say, {ROOM})
