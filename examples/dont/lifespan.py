"""How resources break, leak or are gone, and how probes mislead."""

from collections.abc import AsyncGenerator, Callable
from functools import cache
from pathlib import Path

import asyncpg
import httpx2
from quart import Quart, g


def one_connection(database_url: str) -> Quart:
    app = Quart(__name__)

    @app.before_serving
    async def connect() -> None:
        app.extensions["connection"] = await asyncpg.connect(database_url)

    @app.get("/time")
    async def time() -> dict[str, str]:
        now = await app.extensions["connection"].fetchval("SELECT now()")
        return {"time": now.isoformat()}

    return app


def pool_in_g(database_url: str) -> Quart:
    app = Quart(__name__)

    @app.before_serving
    async def open_pool() -> None:
        g.pool = await asyncpg.create_pool(database_url)

    @app.after_serving
    async def close_pool() -> None:
        await g.pool.close()

    @app.get("/time")
    async def time() -> dict[str, str]:
        now = await g.pool.fetchval("SELECT now()")
        return {"time": now.isoformat()}

    return app


def client_at_import(prices_url: str) -> Callable[[], Quart]:
    client = httpx2.AsyncClient(base_url=prices_url, timeout=30)  # in a module

    def create_app() -> Quart:
        app = Quart(__name__)

        @app.get("/price")
        async def price() -> str:
            response = await client.get("/price")
            return response.text

        return app

    return create_app


def bare_yield(database_url: str) -> Quart:
    app = Quart(__name__)

    @app.while_serving
    async def open_pool() -> AsyncGenerator[None, None]:
        pool = app.extensions["pool"] = await asyncpg.create_pool(database_url)
        yield
        await pool.close()

    return app


def live_asks_the_database(app: Quart) -> None:
    @app.get("/live")
    async def live() -> dict[str, str]:
        await app.extensions["pool"].execute("SELECT 1")
        return {"status": "live"}


def check_without_a_timeout(app: Quart) -> None:
    @app.get("/ready")
    async def ready() -> dict[str, str]:
        await app.extensions["pool"].execute("SELECT 1")
        return {"status": "ready"}


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


@cache
def one_app_for_all_tests() -> Quart:
    app = Quart(__name__)

    @app.while_serving
    async def cache() -> AsyncGenerator[None, None]:
        app.extensions["cache"] = {}
        yield

    return app
