"""A form with a file, and a stream as it comes."""

import asyncio
from collections.abc import AsyncGenerator
from io import BytesIO

from quart import Quart, Response, request
from quart.datastructures import FileStorage


def create_app() -> Quart:
    app = Quart(__name__)
    closing = app.extensions["closing"] = asyncio.Event()

    @app.post("/import")
    async def import_users() -> dict[str, str | None]:
        form, files = await request.form, await request.files
        return {"as": form["as"], "file": files["users"].filename}

    @app.get("/events")
    async def events() -> Response:
        async def stream() -> AsyncGenerator[str, None]:
            yield "start"
            await closing.wait()
            yield "end"

        return Response(stream())

    return app


async def test_a_form_with_a_file() -> None:
    client = create_app().test_client()
    users = FileStorage(BytesIO(b"ada, bob"), "users.csv")
    response = await client.post("/import", form={"as": "csv"}, files={"users": users})
    assert await response.get_json() == {"as": "csv", "file": "users.csv"}


async def test_a_stream_comes_in_parts() -> None:
    app = create_app()
    async with asyncio.timeout(10), app.test_client().request("/events") as connection:
        assert await connection.receive() == b"start"
        app.extensions["closing"].set()
        assert await connection.receive() == b"end"
