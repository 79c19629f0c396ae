"""A process of the scaled hub that is soon forgotten, on a machine that may be slow."""

import os

from quart import Quart
from redis.asyncio import Redis

from examples.dont import websocket_scaling as dont
from examples.serving import run
from examples.websocket_scaling import create_app, presence, reader


def members_in_a_set() -> Quart:
    """The app of a Don't, for a process that is killed."""
    app: Quart = dont.members_in_a_set(Redis.from_url(os.environ["REDIS_URL"]))
    return app


if __name__ == "__main__":
    presence.BEAT_SECONDS, presence.KEPT_SECONDS = 0.2, 1.0
    reader.ANSWER_SECONDS = 30
    run(create_app())
