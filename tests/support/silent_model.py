"""The streams of the example, with a model that says a token and then nothing more."""

import asyncio
from collections.abc import AsyncGenerator

from examples import serving
from examples.streaming import create_app


async def ask(question: str) -> AsyncGenerator[str, None]:
    yield question
    await asyncio.Event().wait()


if __name__ == "__main__":
    serving.DRAIN_SECONDS = 1
    serving.run(create_app(ask))
