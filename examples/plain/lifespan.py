"""Open a pool before the first request, close it after the last."""

from collections.abc import AsyncGenerator

import asyncpg
from quart import Quart


def create_app(database_url: str) -> Quart:
    app = Quart(__name__)

    @app.while_serving
    async def open_pool() -> AsyncGenerator[None, None]:
        async with asyncpg.create_pool(database_url, command_timeout=10) as pool:
            app.extensions["pool"] = pool
            yield

    @app.get("/time")
    async def time() -> dict[str, str]:
        now = await app.extensions["pool"].fetchval("SELECT now()")
        return {"time": now.isoformat()}

    return app
