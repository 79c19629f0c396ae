"""Bots that own the loop: python -m tests.support.bot_in_charge NAME, with PORT."""

import asyncio
import gc
import os
import sys
import threading

from hypercorn.asyncio import serve
from hypercorn.config import Config
from quart import Quart

from examples.dont import embedding as dont
from examples.serving import run

PORT = int(os.environ.get("PORT", "0"))


class Bot:
    """Watches the other tasks end, and goes on."""

    def run(self) -> None:
        asyncio.run(self.start())

    async def start(self) -> None:
        others = asyncio.all_tasks() - {asyncio.current_task()}
        await asyncio.wait(others)
        del others
        gc.collect()
        print("the bot goes on")

    async def ask(self, text: str) -> str:
        return text


async def task() -> None:
    await dont.app_as_a_task_of_the_bot(Quart("acme"), Bot(), PORT)


async def task_group() -> None:
    config = Config.from_mapping(bind=f"127.0.0.1:{PORT}")
    closing = asyncio.Event()
    async with asyncio.TaskGroup() as group:
        group.create_task(serve(Quart("acme"), config, shutdown_trigger=closing.wait))
        group.create_task(Bot().start())


async def app_in_a_thread() -> None:
    await asyncio.to_thread(dont.app_in_a_thread(Quart("acme")).join)
    print("the bot goes on")


async def launcher_in_a_thread() -> None:
    thread = threading.Thread(target=run, args=(Quart("acme"), "127.0.0.1:0"))
    thread.start()
    await asyncio.to_thread(thread.join)
    print("the bot goes on")


if __name__ == "__main__":
    asyncio.run(globals()[sys.argv[1]]())
