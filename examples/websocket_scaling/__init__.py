"""One hub for all processes: what one says, all hear, whatever process they are on.

Try:
    python -c "import json; from contextlib import ExitStack; from examples.authentication import Tokens; from websockets.sync.client import connect; ada = {'Authorization': 'Bearer ' + Tokens(['$TOKEN_KEY']).issue(1, 'ada')}; chat = ExitStack().enter_context(connect('ws://127.0.0.1:8000/ws/chat', additional_headers=ada)); chat.send(json.dumps({'text': 'hello'})); print(chat.recv(5)); chat.close()"
    curl -s -i -X POST http://127.0.0.1:8000/announcements/hello
"""  # noqa: E501

import os
from collections.abc import AsyncGenerator, Sequence

from quart import Quart

from ..server_sent_events import SharedFeed
from ..websocket_broadcast import create_app as create_hub
from .bus import Bus
from .reader import following
from .scaled_hub import ScaledHub

__all__ = ["Bus", "ScaledHub", "create_app", "register_scaling"]
LOCAL = "redis://127.0.0.1:6379/0"


def register_scaling(
    app: Quart, redis_url: str | None, channel: str | None = None
) -> None:
    """Take the place of the hub and the feed; without an address, do nothing.

    All that have one Redis and one `channel`, by default the app's name, are together.
    """
    if redis_url is None:
        return
    bus = app.extensions["bus"] = Bus(channel or app.name)
    hub = app.extensions["hub"] = ScaledHub(bus)
    app.extensions["feed"] = SharedFeed(bus)

    @app.while_serving
    async def follow_redis() -> AsyncGenerator[None, None]:
        async with following(bus, redis_url), hub.presence.shown():
            yield


def create_app(
    redis_url: str | None = None, keys: Sequence[str] | None = None
) -> Quart:
    app = create_hub(keys)
    register_scaling(app, redis_url or os.environ.get("REDIS_URL", LOCAL))
    return app
