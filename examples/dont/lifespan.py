"""How resources leak, probes mislead and shutdown hangs."""

import asyncio
import signal
from collections.abc import AsyncGenerator
from functools import cache
from pathlib import Path

from quart import Quart, Response
from sqlalchemy import text
from sqlalchemy.ext.asyncio import create_async_engine


def stream_until_shutdown_event() -> Quart:
    app = Quart(__name__)

    @app.get("/events")
    async def events() -> Response:
        async def beats() -> AsyncGenerator[str, None]:
            yield "event: beat\ndata:\n\n"
            await app.shutdown_event.wait()
            yield "event: end\ndata:\n\n"

        response = Response(beats(), content_type="text/event-stream")
        response.timeout = None
        return response

    return app


def signal_handler_in_the_app() -> Quart:
    app = Quart(__name__)
    closing = asyncio.Event()

    @app.before_serving
    async def listen() -> None:
        loop = asyncio.get_running_loop()
        loop.add_signal_handler(signal.SIGTERM, closing.set)

    @app.get("/events")
    async def events() -> Response:
        async def beats() -> AsyncGenerator[str, None]:
            yield "event: beat\ndata:\n\n"
            await closing.wait()
            yield "event: end\ndata:\n\n"

        return Response(beats(), content_type="text/event-stream")

    return app


def bare_yield(database_url: str) -> Quart:
    app = Quart(__name__)

    @app.while_serving
    async def database() -> AsyncGenerator[None, None]:
        engine = app.extensions["engine"] = create_async_engine(database_url)
        yield
        await engine.dispose()

    return app


@cache
def one_app_for_all_tests() -> Quart:
    app = Quart(__name__)

    @app.while_serving
    async def cache() -> AsyncGenerator[None, None]:
        app.extensions["cache"] = {}
        yield

    return app


def last_words_in_after_serving(journal: Path) -> Quart:
    app = Quart(__name__)

    @app.while_serving
    async def open_journal() -> AsyncGenerator[None, None]:
        with journal.open("w") as file:
            app.extensions["journal"] = file
            yield

    @app.after_serving
    async def say_goodbye() -> None:
        app.extensions["journal"].write("stopped\n")

    return app


def live_asks_the_database(database_url: str) -> Quart:
    app = _app_with_engine(database_url)

    @app.get("/live")
    async def live() -> dict[str, str]:
        async with app.extensions["engine"].connect() as connection:
            await connection.execute(text("SELECT 1"))
        return {"status": "live"}

    return app


def check_without_a_timeout(database_url: str) -> Quart:
    app = _app_with_engine(database_url)

    @app.get("/ready")
    async def ready() -> dict[str, str]:
        async with app.extensions["engine"].connect() as connection:
            await connection.execute(text("SELECT 1"))
        return {"status": "ready"}

    return app


def _app_with_engine(database_url: str) -> Quart:
    app = Quart(__name__)

    @app.while_serving
    async def database() -> AsyncGenerator[None, None]:
        engine = app.extensions["engine"] = create_async_engine(database_url)
        try:
            yield
        finally:
            await engine.dispose()

    return app
