import asyncio
from collections.abc import AsyncGenerator
from pathlib import Path

from examples.streaming import create_app

HEADERS = {"Content-Type": "application/x-www-form-urlencoded"}


async def test_the_model_stops_when_the_client_leaves(tmp_path: Path) -> None:
    stopped = asyncio.Event()

    async def ask(question: str) -> AsyncGenerator[str, None]:
        try:
            yield question
            await asyncio.Event().wait()
        finally:
            stopped.set()

    app = create_app(ask, ["k" * 32], f"sqlite+aiosqlite:///{tmp_path}/db")
    client = app.test_client()
    request = client.request("/answers", method="POST", headers=HEADERS)
    async with asyncio.timeout(10), app.test_app(), request as connection:
        await connection.send(b"question=Why")
        await connection.send_complete()
        assert await connection.receive() == b'{"token": "Why"}\n'
        await connection.disconnect()
        await stopped.wait()
