"""Feed each socket from a bounded queue of its own, so that nobody waits for anybody.

Try:
    (echo '{"text": "hello"}'; sleep 1) | python -m websockets.cli --help >/dev/null
    curl -s -i -X POST http://127.0.0.1:8000/announcements/hello
"""

import os
from collections.abc import Sequence

from quart import Quart

from ..authentication import register_authentication
from ..websocket_limits import SocketLimit
from .chat import ROOM, chat
from .conversation import current_hub
from .hub import Hub
from .pubsub import may_use_topic, register_pubsub

__all__ = [
    "Hub",
    "current_hub",
    "may_use_topic",
    "register_broadcast",
    "register_pubsub",
]


def register_broadcast(app: Quart) -> None:
    app.extensions["hub"] = Hub()
    app.extensions["sockets"] = SocketLimit()
    app.register_blueprint(chat)


def create_app(keys: Sequence[str] | None = None) -> Quart:
    app = Quart(__name__)
    register_authentication(app, keys or [os.environ["TOKEN_KEY"]])
    register_broadcast(app)
    register_pubsub(app)

    @app.post("/announcements/<text>")
    async def announce(text: str) -> dict[str, int]:
        hear = await current_hub().publish(ROOM, {"type": "announcement", "text": text})
        return {"hear": hear}

    @app.post("/users/<int:user_id>/notes/<text>")
    async def note(user_id: int, text: str) -> dict[str, int]:
        hear = await current_hub().send_to_user(user_id, {"type": "note", "text": text})
        return {"hear": hear}

    return app
