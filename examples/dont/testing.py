"""Tests that hang, see no error, start nothing or write to the wrong database."""

import asyncio
import os
from collections.abc import Iterator

import click
import pytest
from quart import Quart
from quart.testing import QuartClient

from examples.testing import create_app
from examples.testing.test_views import HEADERS


def flask_client() -> QuartClient:
    app = create_app()
    app.config["TESTING"] = True
    return QuartClient(app)


async def wait_for_the_close(client: QuartClient) -> None:
    async with client.websocket("/views", headers=HEADERS) as ws:
        await ws.send("x" * 101)
        await ws.receive()


async def websocket_without_origin(client: QuartClient) -> None:
    async with client.websocket("/views") as ws:
        await ws.send("july")
        await ws.receive()


async def one_app_for_two_tests() -> None:
    app = create_app()
    for _ in range(2):
        async with app.test_app():
            await QuartClient(app).get("/reports/july")


def errorhandler_for_everything(app: Quart) -> None:
    @app.errorhandler(Exception)
    async def failed(error: Exception) -> tuple[dict[str, str], int]:
        return {"error": "failed"}, 500


def async_command() -> Quart:
    app = create_app()

    @app.cli.command("views")
    @click.argument("report")
    async def print_views(report: str) -> None:
        print(0)

    return app


async def command_in_an_async_test() -> int:
    result = create_app().test_cli_runner().invoke(args=["views", "july"])
    return result.exit_code


class ConfigReadAtImport:
    DATABASE_URL = os.environ.get("DATABASE_URL", "sqlite+aiosqlite:///dev.sqlite3")


@pytest.fixture
def event_loop() -> Iterator[asyncio.AbstractEventLoop]:
    loop = asyncio.new_event_loop()
    yield loop
    loop.close()
