"""Configure logging before the app is made; `app.logger.info` is silent without it."""

import logging

from quart import Quart

LINE = "%(asctime)s %(levelname)s %(name)s: %(message)s"


def create_app() -> Quart:
    logging.basicConfig(level=logging.INFO, format=LINE, force=True)
    app = Quart(__name__)

    @app.get("/hello")
    async def hello() -> dict[str, str]:
        app.logger.info("said hello")
        return {"hello": "world"}

    return app
