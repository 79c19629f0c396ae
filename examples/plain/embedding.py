"""Run a bot beside the app: it ends with the app, and the app with it."""

import asyncio
from collections.abc import AsyncGenerator, Callable, Coroutine
from typing import Any

from quart import Quart


def create_app(run_bot: Callable[[], Coroutine[Any, Any, None]]) -> Quart:
    app = Quart(__name__)
    # The launcher of the serving page ends the app when this event is set.
    closing: asyncio.Event = app.extensions.setdefault("closing", asyncio.Event())

    @app.while_serving
    async def bot_beside_the_app() -> AsyncGenerator[None, None]:
        bot = asyncio.create_task(run_bot())
        bot.add_done_callback(lambda _: closing.set())
        try:
            yield
        finally:
            bot.cancel()
            await asyncio.wait({bot}, timeout=2)
        if bot.done() and not bot.cancelled():
            bot.result()  # raises what had ended it: exit code 1

    return app
