"""The welcome mail is sent after the answer, by the mailer that the app is given."""

import asyncio

from examples.app_factory import create_app
from examples.configuration import Settings


async def test_a_new_user_is_welcomed(settings: Settings, no_errors: None) -> None:
    outbox: list[str] = []

    async def keep(address: str, text: str) -> None:
        outbox.append(address)

    app = create_app(settings, mailer=keep)
    async with app.test_app():
        ada = {"username": "ada", "email": "ada@example.com", "password": "password123"}
        response = await app.test_client().post("/users", json=ada)
        assert response.status_code == 201
        await asyncio.gather(*app.background_tasks)
        assert outbox == ["ada@example.com"]
