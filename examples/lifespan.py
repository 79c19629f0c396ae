"""Open what the app needs before it serves, close it after, end within a limit.

Try:
    curl -s http://127.0.0.1:8000/ready
    curl -s -i http://127.0.0.1:8000/live
    curl -s -N -m 2 http://127.0.0.1:8000/events || test $? -eq 28
"""

import asyncio
import os
import signal
from collections.abc import AsyncGenerator
from contextlib import suppress

from hypercorn.asyncio import serve
from hypercorn.config import Config
from quart import Quart, Response
from quart.typing import ResponseReturnValue
from sqlalchemy import text
from sqlalchemy.exc import SQLAlchemyError
from sqlalchemy.ext.asyncio import AsyncEngine, create_async_engine

CHECK_SECONDS = 1
BEAT_SECONDS = 1


async def check(engine: AsyncEngine) -> None:
    async with asyncio.timeout(CHECK_SECONDS), engine.connect() as connection:
        await connection.execute(text("SELECT 1"))


def create_app(database_url: str | None = None) -> Quart:
    url = database_url or os.environ["DATABASE_URL"]
    app = Quart(__name__)
    closing = app.extensions["closing"] = asyncio.Event()

    @app.while_serving
    async def database() -> AsyncGenerator[None, None]:
        engine = create_async_engine(url)
        try:
            await check(engine)
            app.extensions["engine"] = engine
            yield
        finally:
            await engine.dispose()

    @app.get("/live")
    async def live() -> ResponseReturnValue:
        return {"status": "live"}

    @app.get("/ready")
    async def ready() -> ResponseReturnValue:
        if closing.is_set():
            return {"status": "closing"}, 503
        try:
            await check(app.extensions["engine"])
        except (OSError, SQLAlchemyError) as error:
            app.logger.warning("not ready: %r", error)
            return {"status": "no database"}, 503
        return {"status": "ready"}

    @app.get("/events")
    async def events() -> ResponseReturnValue:
        async def beats() -> AsyncGenerator[str, None]:
            while not closing.is_set():
                yield "event: beat\ndata:\n\n"
                with suppress(TimeoutError):
                    await asyncio.wait_for(closing.wait(), BEAT_SECONDS)
            yield "event: end\ndata:\n\n"

        response = Response(beats(), content_type="text/event-stream")
        response.timeout = None
        return response

    return app


async def run(app: Quart, config: Config, seconds: float = 6) -> None:
    """Serve until SIGINT or SIGTERM; `seconds` later, cut what is still open."""
    outside = asyncio.all_tasks()
    closing: asyncio.Event = app.extensions["closing"]
    for number in (signal.SIGINT, signal.SIGTERM):
        asyncio.get_running_loop().add_signal_handler(number, closing.set)
    config.graceful_timeout = 2 * seconds
    server = asyncio.create_task(serve(app, config, shutdown_trigger=closing.wait))
    closed = asyncio.create_task(closing.wait())
    await asyncio.wait({server, closed}, return_when=asyncio.FIRST_COMPLETED)
    closed.cancel()
    await asyncio.wait({server}, timeout=seconds)
    if server.done():
        server.result()
        return
    app.logger.warning("cut the connections still open after %s seconds", seconds)
    for _ in range(4):  # A stalled connection survives one cancellation.
        if tasks := asyncio.all_tasks() - outside:
            for task in tasks:
                task.cancel()
            await asyncio.wait(tasks, timeout=0.25)
    await asyncio.wait_for(app.shutdown(), seconds)


def main() -> None:
    bind = os.environ.get("BIND", "127.0.0.1:8000")
    asyncio.run(run(create_app(), Config.from_mapping(bind=bind)))


if __name__ == "__main__":
    main()
