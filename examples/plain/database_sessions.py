"""One engine for the app, one session for each use."""

from collections.abc import AsyncGenerator

from quart import Quart
from sqlalchemy import text
from sqlalchemy.ext.asyncio import async_sessionmaker, create_async_engine


def create_app(database_url: str) -> Quart:
    app = Quart(__name__)
    engine = create_async_engine(database_url, pool_pre_ping=True)
    sessions = async_sessionmaker(engine, expire_on_commit=False)

    @app.while_serving
    async def database() -> AsyncGenerator[None, None]:
        yield
        await engine.dispose()

    @app.get("/time")
    async def time() -> dict[str, str]:
        async with sessions() as session:  # to write: sessions.begin()
            return {"time": str(await session.scalar(text("SELECT CURRENT_TIMESTAMP")))}

    return app
