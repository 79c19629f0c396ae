"""Count and change what others change too, without losing an update.

Try:
    curl -s -i -X POST http://127.0.0.1:8000/rooms/lobby/visits
    curl -s -i -X PUT http://127.0.0.1:8000/rooms/lobby/topic -d 'topic=Hello&version=1'
    curl -s -i http://127.0.0.1:8000/visits
"""

import os
from collections.abc import AsyncGenerator

from quart import Quart, abort, request
from quart.typing import ResponseReturnValue
from sqlalchemy.ext.asyncio import async_sessionmaker

from .engines import open_engines
from .rooms import Base, Room, change_topic, count_visit, visits_and_total

__all__ = ["open_engines"]


def create_app(database_url: str | None = None) -> Quart:
    app = Quart(__name__)
    default = os.environ.get("DATABASE_URL", "sqlite+aiosqlite:///app.sqlite3")

    @app.while_serving
    async def database() -> AsyncGenerator[None, None]:
        reader, writer = open_engines(database_url or default)
        app.extensions["reading"] = async_sessionmaker(reader)
        app.extensions["writing"] = async_sessionmaker(writer, expire_on_commit=False)
        try:
            async with writer.begin() as connection:
                await connection.run_sync(Base.metadata.create_all)
            async with app.extensions["writing"].begin() as session:
                await session.merge(Room(name="lobby"))
            yield
        finally:
            await reader.dispose()
            await writer.dispose()

    @app.post("/rooms/<name>/visits")
    async def visit(name: str) -> ResponseReturnValue:
        async with app.extensions["writing"].begin() as session:
            visits = await count_visit(session, name)
        if visits is None:
            abort(404)
        return {"visits": visits}

    @app.put("/rooms/<name>/topic")
    async def set_topic(name: str) -> ResponseReturnValue:
        form = await request.form
        topic = form["topic"]
        version = form.get("version", default=0, type=int)
        if len(topic) > 100 or "\0" in topic:  # PostgreSQL stores neither
            abort(400)
        async with app.extensions["writing"].begin() as session:
            room = await change_topic(session, name, topic, version)
        return {"topic": room.topic, "version": room.version}

    @app.get("/visits")
    async def show_visits() -> ResponseReturnValue:
        async with app.extensions["reading"]() as session:
            visits, total = await visits_and_total(session)
        return {"visits": visits, "total": total}

    return app
