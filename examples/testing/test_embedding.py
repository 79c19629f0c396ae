import asyncio

import pytest
from quart import Quart

from examples.embedding import Parrot, register_bot
from examples.serving import closing_event


async def test_the_end_of_the_bot_ends_the_app() -> None:
    bot = Parrot()
    app = Quart("acme")
    register_bot(app, bot)
    await app.startup()
    await bot.close()
    await asyncio.wait_for(closing_event(app).wait(), 10)
    with pytest.raises(RuntimeError, match="the bot has ended"):
        await app.shutdown()
