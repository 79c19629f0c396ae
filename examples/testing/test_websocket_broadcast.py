"""A view tells one user something, and nobody else hears it."""

import asyncio

from examples.authentication import Tokens
from examples.websocket_broadcast import create_app

KEY = "k" * 32


def login(user_id: int) -> dict[str, str]:
    token = Tokens([KEY]).issue(user_id, f"user-{user_id}")
    return {"Authorization": f"Bearer {token}"}


async def test_a_note_is_heard_by_one_user() -> None:
    client = create_app([KEY]).test_client()
    async with (
        asyncio.timeout(10),
        client.websocket("/ws/pubsub", headers=login(1)) as ada,
        client.websocket("/ws/pubsub", headers=login(2)) as grace,
    ):
        for user in (ada, grace):
            await user.send_json({"type": "who", "topic": "news"})
            await user.receive_json()
        response = await client.post("/users/1/notes/lunch")
        assert await response.get_json() == {"hear": 1}
        await client.post("/users/2/notes/tea")
        assert (await ada.receive_json())["text"] == "lunch"
        assert (await grace.receive_json())["text"] == "tea"
