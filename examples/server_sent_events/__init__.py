"""Events for every open page: what a page has missed it gets when it is back.

Try:
    curl -s -N -m 2 http://127.0.0.1:8000/events -H "Authorization: Bearer $(python -c "from examples.authentication import Tokens; print(Tokens(['$TOKEN_KEY']).issue(1, 'ada'))")" || test $? -eq 28
    curl -s -i -X POST http://127.0.0.1:8000/announcements/lunch -H "Authorization: Bearer $(python -c "from examples.authentication import Tokens; print(Tokens(['$TOKEN_KEY']).issue(1, 'ada', 'admin'))")"
"""  # noqa: E501

import os
from collections.abc import Sequence

from quart import Quart

from ..authentication import register_authentication
from .feed import Event, Feed
from .shared_feed import SharedFeed
from .streams import current_feed, event_stream, events, require_page_login

__all__ = [
    "Event",
    "Feed",
    "SharedFeed",
    "create_app",
    "current_feed",
    "event_stream",
    "register_events",
    "require_page_login",
]


def register_events(app: Quart) -> None:
    app.extensions["feed"] = Feed()
    app.register_blueprint(events)


def create_app(keys: Sequence[str] | None = None) -> Quart:
    app = Quart(__name__)
    register_authentication(app, keys or [os.environ["TOKEN_KEY"]])
    register_events(app)
    return app
