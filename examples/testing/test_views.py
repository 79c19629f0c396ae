"""The tests of the app, with the fixtures of conftest.py."""

import asyncio

import pytest
from quart import Quart
from quart.testing import QuartClient, WebsocketResponseError
from websockets.asyncio.client import connect

from . import ORIGIN, create_app

HEADERS = {"Origin": ORIGIN}


async def test_a_view_is_counted(app: Quart, client: QuartClient) -> None:
    await client.get("/reports/july")
    await asyncio.gather(*app.background_tasks)
    async with client.websocket("/views", headers=HEADERS) as ws:
        await ws.send("july")
        assert await asyncio.wait_for(ws.receive(), 5) == "1"


async def test_a_foreign_origin_is_refused(client: QuartClient) -> None:
    with pytest.raises(WebsocketResponseError) as refusal:
        async with client.websocket("/views") as ws:
            await asyncio.wait_for(ws.receive(), 5)
    assert refusal.value.response.status_code == 403


async def test_a_long_name_closes_with_1008(server: str) -> None:
    async with connect(f"ws://{server}/views", additional_headers=HEADERS) as ws:
        await ws.send("x" * 101)
        await asyncio.wait_for(ws.wait_closed(), 5)
    assert ws.close_code == 1008


def test_the_command_prints_the_views() -> None:
    result = create_app().test_cli_runner().invoke(args=["views", "july"])
    assert result.output == "0\n"
