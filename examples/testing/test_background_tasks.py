"""The mail goes out after the answer."""

import asyncio

from examples.background_tasks import create_app


async def test_the_mail_goes_out_after_the_answer() -> None:
    outbox: list[str] = []
    answered = asyncio.Event()

    async def keep(address: str, text: str) -> None:
        await answered.wait()
        outbox.append(address)

    app = create_app(mailer=keep)
    async with app.test_app():
        response = await app.test_client().post("/users/ada")
        assert (response.status_code, outbox) == (201, [])
        answered.set()
        await asyncio.gather(*app.background_tasks)
        assert outbox == ["ada@example.com"]
