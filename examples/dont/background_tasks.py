"""How work behind the answer is lost, fails unseen or stops everything else."""

import asyncio
from collections.abc import AsyncGenerator, Awaitable, Callable, Coroutine
from typing import Any

from quart import Quart, current_app, request, url_for
from quart.typing import ResponseReturnValue

Mailer = Callable[[str, str], Coroutine[Any, Any, None]]
Work = Callable[[], Awaitable[None]]


def bare_create_task(send_mail: Mailer) -> Quart:
    app = Quart(__name__)

    @app.post("/users/<username>")
    async def create_user(username: str) -> ResponseReturnValue:
        asyncio.create_task(send_mail(f"{username}@example.com", "Welcome!"))
        return {"username": username}, 201

    return app


def request_in_the_task(send_mail: Mailer) -> Quart:
    app = Quart(__name__)

    async def welcome() -> None:
        user = await request.get_json()
        await send_mail(user["email"], "Welcome!")

    @app.post("/users")
    async def create_user() -> ResponseReturnValue:
        app.add_background_task(welcome)
        return "", 201

    return app


def link_in_the_task(send_mail: Mailer) -> Quart:
    app = Quart(__name__)

    async def send_link(username: str) -> None:
        link = url_for("confirm", username=username, _external=True)
        await send_mail(f"{username}@example.com", link)

    @app.get("/users/<username>/confirm")
    async def confirm(username: str) -> str:
        return "confirmed"

    @app.post("/users/<username>")
    async def create_user(username: str) -> ResponseReturnValue:
        app.add_background_task(send_link, username)
        return {"username": username}, 201

    return app


def plain_with_in_the_task(send_mail: Mailer) -> Quart:
    app = Quart(__name__)
    app.config["SENDER"] = "service@example.com"
    tasks: list[asyncio.Task[None]] = app.extensions.setdefault("tasks", [])

    async def welcome(address: str) -> None:
        with app.app_context():  # type: ignore[attr-defined]
            await send_mail(address, current_app.config["SENDER"])

    @app.post("/users/<username>")
    async def create_user(username: str) -> ResponseReturnValue:
        tasks.append(asyncio.create_task(welcome(f"{username}@example.com")))
        return {"username": username}, 201

    return app


def endless_task(send_digest: Work) -> Quart:
    app = Quart(__name__)

    async def every_hour() -> None:
        while True:
            await send_digest()
            await asyncio.sleep(3600)

    @app.before_serving
    async def start_timer() -> None:
        app.add_background_task(every_hour)

    return app


def unguarded_timer(send_digest: Work, seconds: float = 3600) -> Quart:
    app = Quart(__name__)

    async def every() -> None:
        while True:
            await asyncio.sleep(seconds)
            await send_digest()

    @app.while_serving
    async def timer() -> AsyncGenerator[None, None]:
        task = app.extensions["timer"] = asyncio.create_task(every())
        try:
            yield
        finally:
            task.cancel()

    return app


def compute_on_the_loop(write_report: Callable[[str], str]) -> Quart:
    app = Quart(__name__)
    written: dict[str, str] = app.extensions.setdefault("written", {})

    async def write(subject: str) -> None:
        written[subject] = write_report(subject)

    @app.post("/reports/<subject>")
    async def order_report(subject: str) -> ResponseReturnValue:
        app.add_background_task(write, subject)
        return {"subject": subject}, 202

    return app


def error_without_traceback(send_mail: Mailer) -> Quart:
    app = Quart(__name__)

    async def welcome(address: str) -> None:
        try:
            await send_mail(address, "Welcome!")
        except Exception as error:
            app.logger.error(f"Background task failed: {error}")

    @app.post("/users/<username>")
    async def create_user(username: str) -> ResponseReturnValue:
        app.add_background_task(welcome, f"{username}@example.com")
        return {"username": username}, 201

    return app
