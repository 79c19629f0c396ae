"""The chat room, seen by a client in the same process."""

import asyncio

import pytest
from quart.testing import WebsocketResponseError
from quart.typing import TestClientProtocol as Client


async def test_what_one_says_all_hear(client: Client, ada: dict[str, str]) -> None:
    async with (
        asyncio.timeout(10),
        client.websocket("/ws/chat", headers=ada) as speaker,
        client.websocket("/ws/chat", headers=ada) as listener,
    ):
        await speaker.send_json({"text": "hello"})
        said = await listener.receive_json()
    assert said == {"type": "said", "user": "ada", "text": "hello"}


async def test_nobody_talks_without_a_token(client: Client) -> None:
    with pytest.raises(WebsocketResponseError) as refusal:
        async with asyncio.timeout(10), client.websocket("/ws/chat") as socket:
            await socket.receive()
    assert refusal.value.response.status_code == 403
