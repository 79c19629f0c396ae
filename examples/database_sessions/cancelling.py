"""Keep a cancellation that an error of the commit would replace."""

import asyncio
from collections.abc import AsyncGenerator
from contextlib import asynccontextmanager


@asynccontextmanager
async def stay_cancelled() -> AsyncGenerator[None, None]:
    """A timer that catches errors would go on, and the shutdown wait for it."""
    before = cancellations()
    try:
        yield
    except Exception as error:
        if cancellations() > before:
            raise asyncio.CancelledError from error
        raise


def cancellations() -> int:
    task = asyncio.current_task()
    return task.cancelling() if task else 0
