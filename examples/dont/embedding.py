"""How a bot and the app beside it lose each other."""

import asyncio
import threading
from collections.abc import AsyncGenerator, Callable, Coroutine
from typing import Any, Protocol

from hypercorn.middleware import DispatcherMiddleware
from quart import Quart


class _Bot(Protocol):
    def run(self) -> None: ...
    async def start(self) -> None: ...
    async def ask(self, text: str) -> str: ...


async def app_as_a_task_of_the_bot(app: Quart, bot: _Bot, port: int) -> None:
    loop = asyncio.get_running_loop()
    loop.create_task(app.run_task("127.0.0.1", port))
    await bot.start()  # until it is stopped


def bot_that_nobody_watches(bot: _Bot) -> Quart:
    app = Quart(__name__)

    @app.before_serving
    async def start_bot() -> None:
        app.extensions["bot"] = asyncio.create_task(bot.start())

    @app.get("/")
    async def dashboard() -> str:
        return "all is well"

    return app


def bot_in_a_thread(bot: _Bot) -> Quart:
    app = Quart(__name__)

    @app.before_serving
    async def start_bot() -> None:
        threading.Thread(target=bot.run, daemon=True).start()

    @app.post("/questions/<text>")
    async def ask(text: str) -> str:
        return await bot.ask(text)

    return app


def app_in_a_thread(app: Quart) -> threading.Thread:
    thread = threading.Thread(target=app.run, kwargs={"use_reloader": False})
    thread.start()
    return thread


def loop_in_a_view(bot: _Bot) -> Quart:
    app = Quart(__name__)

    @app.post("/questions/<text>")
    async def ask(text: str) -> str:
        return asyncio.run(bot.ask(text))

    return app


def task_group_around_the_yield(
    run_bot: Callable[[], Coroutine[Any, Any, None]],
) -> Quart:
    app = Quart(__name__)

    @app.while_serving
    async def bot_beside_the_app() -> AsyncGenerator[None, None]:
        async with asyncio.TaskGroup() as group:
            bot = group.create_task(run_bot())
            yield
            bot.cancel()

    return app


def dispatcher_of_hypercorn(app: Quart, guest: Any) -> Any:
    return DispatcherMiddleware({"/guest": guest, "": app})
