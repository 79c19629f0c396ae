"""Topics: a client hears those that it subscribes to, if it may."""

from collections.abc import Awaitable, Callable
from typing import Annotated, Any, Literal

from pydantic import BaseModel, Field, TypeAdapter
from quart import Blueprint, Quart, current_app, g

from ..authentication import Caller, login_required
from .conversation import converse, current_hub
from .hub import Client, tell

TOPICS_PER_CLIENT = 50
pubsub = Blueprint("pubsub", __name__)
MayUse = Callable[[Caller, str], Awaitable[bool]]
Topic = Annotated[str, Field(pattern=r"^[a-z0-9._-]{1,50}$")]


class Subscribe(BaseModel, extra="forbid"):
    type: Literal["subscribe", "unsubscribe", "who"]
    topic: Topic


class Publish(BaseModel, extra="forbid"):
    type: Literal["publish"]
    topic: Topic
    text: str = Field(min_length=1, max_length=4_000)


COMMAND = TypeAdapter[Subscribe | Publish](
    Annotated[Subscribe | Publish, Field(discriminator="type")]
)


async def may_use_topic(caller: Caller, topic: str) -> bool:
    """All topics are for all who are logged in, but `user.7` is for user 7 alone."""
    return not topic.startswith("user.") or topic == f"user.{caller.user_id}"


def register_pubsub(app: Quart, may_use: MayUse = may_use_topic) -> None:
    app.extensions["may_use_topic"] = may_use
    app.register_blueprint(pubsub)


@pubsub.websocket("/ws/pubsub")
@login_required
async def topics() -> None:
    await converse(COMMAND, obey, set())


async def obey(client: Client, command: Subscribe | Publish) -> None:
    topic = command.topic
    reply: dict[str, Any] = {"topic": topic}
    if not await current_app.extensions["may_use_topic"](g.caller, topic):
        await tell([client], reply | {"type": "error", "detail": "not allowed"})
    elif isinstance(command, Publish):
        message = {"type": "message", "user": g.caller.username, "text": command.text}
        await current_hub().publish(topic, reply | message)
    elif command.type == "who":
        users = sorted(await current_hub().present(topic))
        await tell([client], reply | {"type": "present", "users": users})
    elif command.type == "unsubscribe":
        client.topics.discard(topic)
        await tell([client], reply | {"type": "unsubscribed"})
    elif len(client.topics) >= TOPICS_PER_CLIENT:
        await tell([client], reply | {"type": "error", "detail": "too many topics"})
    else:
        client.topics.add(topic)
        await tell([client], reply | {"type": "subscribed"})
