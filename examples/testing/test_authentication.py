import asyncio

import pytest
from quart.testing import WebsocketResponseError

from examples.authentication import Tokens, create_app

KEY, OLD_KEY = "k" * 32, "o" * 32


def bearer(tokens: Tokens) -> dict[str, str]:
    return {"Authorization": f"Bearer {tokens.issue(1, 'ada')}"}


async def test_an_old_key_verifies_until_it_is_dropped() -> None:
    headers = bearer(Tokens([OLD_KEY]))
    for keys, status in (([KEY, OLD_KEY], 200), ([KEY], 401)):
        answer = await create_app(keys).test_client().get("/me", headers=headers)
        assert answer.status_code == status


async def test_an_expired_token_opens_no_websocket() -> None:
    client = create_app([KEY]).test_client()
    headers = bearer(Tokens([KEY], lifetime=-60))
    async with client.websocket("/ws/me", headers=headers) as socket:
        with pytest.raises(WebsocketResponseError) as refusal:
            await asyncio.wait_for(socket.receive(), 10)
    assert refusal.value.response.status_code == 401
