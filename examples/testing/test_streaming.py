import asyncio
from collections.abc import AsyncGenerator

from examples.streaming import create_app

HEADERS = {"Content-Type": "application/x-www-form-urlencoded"}


async def test_the_model_stops_when_the_client_leaves() -> None:
    stopped = asyncio.Event()

    async def ask(question: str) -> AsyncGenerator[str, None]:
        try:
            yield question
            await asyncio.Event().wait()
        finally:
            stopped.set()

    client = create_app(ask, ["k" * 32]).test_client()
    request = client.request("/answers", method="POST", headers=HEADERS)
    async with asyncio.timeout(10), request as connection:
        await connection.send(b"question=Why")
        await connection.send_complete()
        assert await connection.receive() == b'{"token": "Why"}\n'
        await connection.disconnect()
        await stopped.wait()
