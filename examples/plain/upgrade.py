from collections.abc import Callable

from quart import Quart
from quart.signals import (
    got_background_exception,
    got_request_exception,
    got_websocket_exception,
)

ERRORS = (got_background_exception, got_request_exception, got_websocket_exception)


def create_app(report: Callable[[Exception], None]) -> Quart:
    app = Quart(__name__)

    @app.errorhandler(500)  # what the client gets
    async def internal_error(error: Exception) -> tuple[dict[str, str], int]:
        return {"error": "internal server error"}, 500

    async def report_error(sender: Quart, exception: Exception) -> None:
        report(exception)  # Quart logs it too

    for signal in ERRORS:
        signal.connect(report_error, app, weak=False)
    return app
