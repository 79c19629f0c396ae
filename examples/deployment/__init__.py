"""Run as a service of systemd: several processes at one socket, a restart unseen.

Try:
    curl -s -i http://127.0.0.1:8000/live
    curl -s -i http://127.0.0.1:8000/process
"""

import os

from quart import Quart

from ..lifespan import register_health
from .systemd import register_systemd

__all__ = ["register_systemd"]


def create_app() -> Quart:
    app = Quart(__name__)

    @app.get("/process")
    async def process() -> dict[str, int]:
        return {"pid": os.getpid()}

    register_health(app)
    register_systemd(app)
    return app
