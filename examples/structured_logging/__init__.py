"""One format for every line, with the id of the request that it belongs to.

Try:
    curl -s -i -H 'X-Request-Id: support-4711' http://127.0.0.1:8000/hello
    curl -s -i -H 'X-Request-Id: too long, or not sane' http://127.0.0.1:8000/hello
"""

from quart import Quart

from .lines import ServerLogs, configure_logging
from .request_ids import register_request_id, request_id

__all__ = ["ServerLogs", "configure_logging", "register_request_id", "request_id"]


def create_app(*, json_lines: bool = False) -> Quart:
    configure_logging(json_lines=json_lines)
    app = Quart(__name__)
    register_request_id(app)

    @app.get("/hello")
    async def hello() -> dict[str, str]:
        app.logger.info("said hello")
        return {"hello": "world"}

    return app
