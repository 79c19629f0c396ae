"""One engine for the app, one session for each unit of work."""

from collections.abc import AsyncGenerator

from quart import Quart
from sqlalchemy import text
from sqlalchemy.ext.asyncio import async_sessionmaker, create_async_engine


def create_app(database_url: str) -> Quart:
    app = Quart(__name__)

    @app.while_serving
    async def database() -> AsyncGenerator[None, None]:
        engine = create_async_engine(database_url, pool_pre_ping=True)
        app.extensions["sessions"] = async_sessionmaker(engine, expire_on_commit=False)
        try:
            yield
        finally:
            await engine.dispose()

    @app.get("/time")
    async def time() -> dict[str, str]:
        async with app.extensions["sessions"]() as session:  # to write: .begin()
            return {"time": str(await session.scalar(text("SELECT CURRENT_TIMESTAMP")))}

    return app
