"""Rooms with members: only they enter, and who comes and goes is told."""

from typing import Annotated, Any, Literal

from pydantic import BaseModel, Field, TypeAdapter
from quart import Blueprint, Quart, abort, current_app, g

from ..authentication import login_required
from .conversation import converse, current_hub
from .hub import Client, tell
from .pubsub import MayUse

rooms = Blueprint("rooms", __name__)


class Say(BaseModel, extra="forbid"):
    type: Literal["say"]
    text: str = Field(min_length=1, max_length=4_000)


class Who(BaseModel, extra="forbid"):
    type: Literal["who"]


COMMAND = TypeAdapter[Say | Who](Annotated[Say | Who, Field(discriminator="type")])


def register_rooms(app: Quart, may_enter: MayUse) -> None:
    app.extensions["may_enter"] = may_enter
    app.register_blueprint(rooms)


@rooms.websocket("/ws/rooms/<room>")
@login_required
async def meet(room: str) -> None:
    if not await current_app.extensions["may_enter"](g.caller, room):
        abort(403, "Only its members may enter a room.")
    hub, topic = current_hub(), f"/ws/rooms/{room}"  # /ws/pubsub cannot name it

    async def tell_room(client: Client, what: str, **more: Any) -> None:
        await hub.publish(topic, {"type": what, "user": g.caller.username, **more})

    async def obey(client: Client, command: Say | Who) -> None:
        if isinstance(command, Say):
            await tell_room(client, "said", text=command.text)
        else:
            users = sorted(await hub.present(topic))
            await tell([client], {"type": "present", "users": users})

    await converse(COMMAND, obey, {topic}, moved=tell_room)
