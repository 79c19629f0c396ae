"""Test the app as it is served: lifespan, database, tasks, websockets and commands.

Try:
    curl -s http://127.0.0.1:8000/reports/july
    printf "from websockets.sync.client import connect\\nwith connect('ws://127.0.0.1:8000/views', origin='https://reports.example.com') as ws:\\n    ws.send('july')\\n    print(ws.recv(5))\\n" | python -
    curl -s -i -m 5 --http1.1 -H 'Connection: Upgrade' -H 'Upgrade: websocket' -H 'Sec-WebSocket-Version: 13' -H 'Sec-WebSocket-Key: cXVhcnQtcGF0dGVybnMhIQ==' http://127.0.0.1:8000/views
"""  # noqa: E501

import asyncio
import os
from collections.abc import AsyncGenerator
from contextlib import asynccontextmanager

import click
from quart import Quart, abort, websocket
from sqlalchemy import text
from sqlalchemy.ext.asyncio import create_async_engine

ORIGIN = "https://reports.example.com"
CREATE = text("CREATE TABLE IF NOT EXISTS views (report TEXT)")
INSERT = text("INSERT INTO views (report) VALUES (:report)")
COUNT = text("SELECT count(*) FROM views WHERE report = :report")


def create_app() -> Quart:
    app = Quart(__name__)
    url = os.environ["DATABASE_URL"]

    @app.while_serving
    async def database() -> AsyncGenerator[None, None]:
        engine = app.extensions["engine"] = create_async_engine(url)
        try:
            async with engine.begin() as connection:
                await connection.execute(CREATE)
            yield
        finally:
            await engine.dispose()

    async def record(report: str) -> None:
        async with app.extensions["engine"].begin() as connection:
            await connection.execute(INSERT, {"report": report})

    async def count(report: str) -> int:
        async with app.extensions["engine"].connect() as connection:
            return int(await connection.scalar(COUNT, {"report": report}))

    @app.get("/reports/<report>")
    async def read(report: str) -> dict[str, str]:
        app.add_background_task(record, report)
        return {"report": report}

    @app.websocket("/views")
    async def views() -> None:
        if websocket.headers.get("Origin") != ORIGIN:
            abort(403)
        while isinstance(name := await websocket.receive(), str) and len(name) <= 100:
            await websocket.send(str(await count(name)))
        await websocket.close(1008, "name too long")

    @app.cli.command("views")
    @click.argument("report")
    def print_views(report: str) -> None:
        async def counted() -> int:
            async with asynccontextmanager(database)():
                return await count(report)

        print(asyncio.run(counted()))

    return app
