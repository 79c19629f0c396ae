"""Work on a timer, once in each process."""

import asyncio
import logging
from collections.abc import AsyncGenerator, Awaitable, Callable

from quart import Quart

Work = Callable[[], Awaitable[None]]
log = logging.getLogger(__name__)


async def every(seconds: float, work: Work) -> None:
    while True:
        await asyncio.sleep(seconds)
        try:
            await work()
        except Exception:
            log.exception("%r failed, next try in %s seconds", work, seconds)


def register_timer(app: Quart, seconds: float, work: Work) -> None:
    @app.while_serving
    async def timer() -> AsyncGenerator[None, None]:
        ticking = asyncio.create_task(every(seconds, work))
        try:
            yield
        finally:
            ticking.cancel()
            await asyncio.wait({ticking})
