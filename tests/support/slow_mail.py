"""Servers whose background work is under way when SIGTERM comes."""

import asyncio
from collections.abc import Callable, Coroutine
from pathlib import Path
from typing import Any

from quart import Quart

from examples.background_tasks import create_app
from examples.dont import background_tasks as dont


def mail_that_takes(seconds: float) -> Callable[[str, str], Coroutine[Any, Any, None]]:
    async def send_mail(address: str, text: str) -> None:
        print("mail started", flush=True)
        await asyncio.sleep(seconds)
        print("mail sent", flush=True)

    return send_mail


def right() -> Quart:
    return create_app(mail_that_takes(1))


def slower() -> Quart:
    return create_app(mail_that_takes(60))


def wrong() -> Quart:
    """It takes less time than Quart would give a background task."""
    return dont.bare_create_task(mail_that_takes(4))


def held_by_a_thread(pipe: Path) -> str:
    """Open a pipe to read, which takes as long as nobody opens it to write."""
    print("report started", flush=True)
    return pipe.read_text()


def report_on_a_pipe() -> Quart:
    app = create_app()
    app.config["BACKGROUND_TASK_SHUTDOWN_TIMEOUT"] = 0.1

    @app.post("/pipes/<path:pipe>")
    async def order(pipe: str) -> tuple[str, int]:
        app.extensions["jobs"].start(held_by_a_thread, Path("/", pipe))
        return "", 202

    @app.after_serving
    async def tell() -> None:
        print("app closed", flush=True)

    return app
