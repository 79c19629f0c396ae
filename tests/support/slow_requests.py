"""Requests that outlast a shutdown, served as the lifespan page says."""

import asyncio
from collections.abc import AsyncGenerator

from quart import Quart, Response


def create_app() -> Quart:
    app = Quart(__name__)
    app.extensions["closing"] = asyncio.Event()

    @app.while_serving
    async def journal() -> AsyncGenerator[None, None]:
        print("opened", flush=True)
        yield
        print("closed", flush=True)

    @app.get("/report/<int:seconds>")
    async def report(seconds: int) -> dict[str, str]:
        print("report started", flush=True)
        try:
            await asyncio.sleep(seconds)
        except asyncio.CancelledError:
            print("report cancelled", flush=True)
            raise
        return {"report": "ready"}

    @app.get("/flood")
    async def flood() -> Response:
        async def pages() -> AsyncGenerator[bytes, None]:
            while True:
                yield bytes(65_536)

        print("flood started", flush=True)
        response = Response(pages())
        response.timeout = None
        return response

    return app


if __name__ == "__main__":
    from hypercorn.config import Config

    from examples.lifespan import run

    config = Config.from_mapping(bind="127.0.0.1:0")
    asyncio.run(run(create_app(), config, seconds=0.5))
