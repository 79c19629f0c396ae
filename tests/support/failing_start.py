"""An app whose start fails."""

from quart import Quart


def create_app() -> Quart:
    app = Quart(__name__)

    @app.before_serving
    async def connect() -> None:
        raise ConnectionError("no broker")

    return app
