"""Loops in loops: the rules of embedding."""

from tests.check_app import PREAMBLE, cases, check


@cases("""
## loops
async def one():
    app.run()  # QP704
    loop.run_until_complete(two())  # QP704
    asyncio.run(two())  # QP704
    other.run()
    await app.run_task()
    await asyncio.to_thread(lambda: asyncio.run(two()))

    def in_thread():
        asyncio.run(two())

def two():
    asyncio.run(one())
    app.run()
## patched loops
import nest_asyncio

async def one():
    asyncio.run(two())
## tasks that serve
from asyncio import create_task

async def one(bot, group):
    asyncio.create_task(app.run_task())  # QP822
    asyncio.ensure_future(app.run_task("0.0.0.0", 80))  # QP822
    create_task(app.run_task())  # QP822
    bot.loop.create_task(app.run_task())  # QP822
    asyncio.get_event_loop().create_task(app.run_task())  # QP822
    group.create_task(app.run_task())
    serving = asyncio.create_task(app.run_task())
    asyncio.create_task(app.startup())  # QP714
    await asyncio.gather(app.run_task(), bot.start())
""")
def test_embedding(code: str) -> None:
    check(PREAMBLE + code)
