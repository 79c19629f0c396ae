"""Tests that hang, start nothing, send nothing or do not see what fails."""

import asyncio
from collections.abc import AsyncGenerator, AsyncIterator, Iterator
from io import BytesIO

import click
import pytest
from quart import Quart, Response, request, websocket
from quart.typing import TestClientProtocol as Client


def _create_app() -> Quart:
    app = Quart(__name__)

    @app.while_serving
    async def prices() -> AsyncGenerator[None, None]:
        app.extensions["price"] = 3
        yield

    @app.get("/price")
    async def price() -> dict[str, int]:
        return {"price": app.extensions["price"]}

    @app.post("/import")
    async def import_users() -> dict[str, list[str]]:
        return {"form": list(await request.form), "files": list(await request.files)}

    @app.get("/events")
    async def events() -> Response:
        async def stream() -> AsyncGenerator[bytes, None]:
            yield b"start"
            await asyncio.Event().wait()

        return Response(stream())

    @app.websocket("/ws/echo")
    async def echo() -> None:
        await websocket.send(await websocket.receive())
        await websocket.close(1001)

    return app


def flask_client() -> Client:
    app = _create_app()
    app.config["TESTING"] = True
    return app.test_client()


async def form_in_data(client: Client) -> Response:
    users = (BytesIO(b"bob"), "users.csv")
    return await client.post("/import", data={"format": "csv", "users": users})


async def wait_for_the_close(client: Client) -> None:
    async with client.websocket("/ws/echo") as socket:
        await socket.send("hello")
        await socket.receive()
        await socket.receive()


async def leave_an_endless_stream(client: Client) -> bytes:
    async with client.request("/events") as connection:
        return await connection.receive()


async def one_app_for_two_tests() -> None:
    app = _create_app()
    for _ in range(2):
        async with app.test_app():
            await app.test_client().get("/price")


def async_command() -> Quart:
    app = _create_app()

    @app.cli.command("greet")
    @click.argument("username")
    async def greet(username: str) -> None:
        print(f"Hello, {username}!")

    return app


async def command_in_an_async_test(app: Quart) -> None:
    app.test_cli_runner().invoke(args=["greet", "ada"])


@pytest.fixture(scope="session")
async def app_for_all_tests() -> AsyncIterator[Quart]:
    app = _create_app()
    async with app.test_app():
        app.extensions["loop"] = asyncio.get_running_loop()
        yield app


@pytest.fixture
def event_loop() -> Iterator[asyncio.AbstractEventLoop]:
    loop = asyncio.new_event_loop()
    yield loop
    loop.close()
