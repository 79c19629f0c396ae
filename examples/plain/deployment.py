"""What a container serves: hypercorn -w 0 -b 0.0.0.0:8000 "acme:create_app()"."""

import os

from quart import Quart


def create_app() -> Quart:
    app = Quart(__name__)
    app.secret_key = os.environ["SECRET_KEY"]  # the same in all processes

    @app.get("/live")
    async def live() -> dict[str, str]:
        return {"status": "live"}

    return app
