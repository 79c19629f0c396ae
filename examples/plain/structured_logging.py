"""Configure logging before the app is made; `app.logger.info` is silent without it."""

from logging.config import dictConfig

from quart import Quart

LOGGING = {
    "version": 1,
    "disable_existing_loggers": False,
    "formatters": {
        "line": {"format": "%(asctime)s %(levelname)s %(name)s: %(message)s"}
    },
    "handlers": {"stderr": {"class": "logging.StreamHandler", "formatter": "line"}},
    "root": {"level": "INFO", "handlers": ["stderr"]},
}


def create_app() -> Quart:
    dictConfig(LOGGING)
    app = Quart(__name__)

    @app.get("/hello")
    async def hello() -> dict[str, str]:
        app.logger.info("said hello")
        return {"hello": "world"}

    return app
