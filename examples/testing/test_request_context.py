"""Helpers that need a context get one."""

import asyncio

from examples.background_tasks import send_mail
from examples.request_context import chosen_language, create_app


async def test_a_helper_reads_the_request() -> None:
    app = create_app()
    async with app.test_request_context("/", headers={"Accept-Language": "nb"}):
        assert chosen_language() == "nb"


async def test_a_helper_reads_the_app() -> None:
    outbox: list[str] = []

    async def keep(address: str, text: str) -> None:
        outbox.append(address)

    app = create_app(mailer=keep)
    async with app.app_context():
        send_mail("ada@example.com", "Hello")
    await asyncio.gather(*app.background_tasks)
    assert outbox == ["ada@example.com"]
