"""Feed each socket from a bounded queue of its own: nobody waits for anybody.

Try:
    python -c "import json; from contextlib import ExitStack; from examples.authentication import Tokens; from websockets.sync.client import connect; ada = {'Authorization': 'Bearer ' + Tokens(['$TOKEN_KEY']).issue(1, 'ada')}; chat = ExitStack().enter_context(connect('ws://127.0.0.1:8000/ws/chat', additional_headers=ada)); chat.send(json.dumps({'text': 'hello'})); print(chat.recv(5)); chat.close()"
    python -c "import json; from contextlib import ExitStack; from examples.authentication import Tokens; from websockets.sync.client import connect; ada = {'Authorization': 'Bearer ' + Tokens(['$TOKEN_KEY']).issue(1, 'ada')}; topics = ExitStack().enter_context(connect('ws://127.0.0.1:8000/ws/pubsub', additional_headers=ada)); [topics.send(json.dumps({'type': kind, 'topic': 'news'})) for kind in ('subscribe', 'who')]; print(topics.recv(5), topics.recv(5)); topics.close()"
    curl -s -i -X POST http://127.0.0.1:8000/announcements/hello
"""  # noqa: E501

import os
from collections.abc import Sequence

from quart import Quart

from ..authentication import register_authentication
from ..websocket_limits import PacedWebsockets, SocketLimit
from .chat import ROOM, chat
from .conversation import converse, current_hub
from .hub import Client, Hub, Message, tell
from .pubsub import may_use_topic, register_pubsub
from .rooms import register_rooms

__all__ = [
    "Client",
    "Hub",
    "Message",
    "converse",
    "create_app",
    "current_hub",
    "may_use_topic",
    "register_broadcast",
    "register_hub",
    "register_pubsub",
    "register_rooms",
    "tell",
]


def register_hub(app: Quart, sockets: SocketLimit | None = None) -> None:
    app.extensions["hub"] = Hub()
    app.extensions["sockets"] = sockets or SocketLimit()


def register_broadcast(app: Quart) -> None:
    """The hub, and `/ws/chat` for all who are logged in."""
    register_hub(app)
    app.register_blueprint(chat)


def create_app(keys: Sequence[str] | None = None) -> Quart:
    app = Quart(__name__)
    app.asgi_app = PacedWebsockets(app.asgi_app)  # type: ignore[method-assign]
    register_authentication(app, keys or [os.environ["TOKEN_KEY"]])
    register_broadcast(app)
    register_pubsub(app)
    register_rooms(app, may_enter=may_use_topic)

    @app.post("/announcements/<text>")
    async def announce(text: str) -> dict[str, int]:
        hear = await current_hub().publish(ROOM, {"type": "announcement", "text": text})
        return {"hear": hear}

    @app.post("/users/<int:user_id>/notes/<text>")
    async def note(user_id: int, text: str) -> dict[str, int]:
        hear = await current_hub().send_to_user(user_id, {"type": "note", "text": text})
        return {"hear": hear}

    return app
