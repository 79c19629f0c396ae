"""Apps beside bots that go their own ways: python -m tests.support.bot_service NAME."""

import asyncio
import signal
import sys

from quart import Quart

from examples.embedding import Parrot, mount, register_bot
from examples.serving import run


class TalkativeBot(Parrot):
    async def start(self) -> None:
        await super().start()
        print("bot online", flush=True)

    async def close(self) -> None:
        await super().close()
        print("bot offline", flush=True)


class KickedBot(Parrot):
    async def run_until_stopped(self) -> None:
        print("kicked", flush=True)
        raise ConnectionError("kicked")


class GreedyBot(Parrot):
    """Takes the signals, as some libraries do unless they are told not to."""

    async def start(self) -> None:
        await super().start()
        loop = asyncio.get_running_loop()

        def stop() -> None:
            self.closing = loop.create_task(self.close())

        for number in (signal.SIGINT, signal.SIGTERM):
            loop.add_signal_handler(number, stop)


def beside(bot: Parrot) -> Quart:
    app = Quart("acme")
    register_bot(app, bot)

    @app.get("/")
    async def dashboard() -> str:
        return "all is well"

    return app


def parrot() -> Quart:
    return beside(TalkativeBot())


def kicked() -> Quart:
    return beside(KickedBot())


def greedy() -> Quart:
    return beside(GreedyBot())


def host() -> Quart:
    guest = Quart("guest")

    @guest.after_serving
    async def closed() -> None:
        print("guest closed", flush=True)

    @guest.get("/slow")
    async def slow() -> str:
        print("slow started", flush=True)
        await asyncio.sleep(2)
        print("slow ended", flush=True)
        return "slow"

    app = Quart("acme")
    mount(app, "/guest", guest)
    return app


if __name__ == "__main__":
    run(globals()[sys.argv[1]]())
