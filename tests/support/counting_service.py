"""A service that notes each order: run by tests in several processes."""

import asyncio
import os

from quart import Quart, Response, request

from examples.deployment import register_systemd
from examples.lifespan import register_health
from examples.serving import beats, closing_event, run
from examples.websockets import echo

SECONDS = 0.02  # that a request takes


def create_app() -> Quart:
    app = Quart(__name__)
    orders = os.environ.get("ORDERS", os.devnull)

    @app.get("/orders")
    async def show() -> dict[str, int]:
        await asyncio.sleep(SECONDS)
        return {"pid": os.getpid()}

    @app.post("/orders")
    async def order() -> str:
        number = str(await request.get_data(as_text=True))
        await asyncio.sleep(SECONDS)
        with open(orders, "a") as log:  # noqa: ASYNC230 one short write
            log.write(f"{number}\n")
        return number

    @app.get("/events")
    async def events() -> Response:
        stream = beats(closing_event(app))
        response = Response(stream, content_type="text/event-stream")
        response.timeout = None
        return response

    app.register_blueprint(echo)
    register_health(app)
    register_systemd(app)
    return app


if __name__ == "__main__":
    run(create_app())
