"""How a context is looked for where it is not, or carried to where it does harm."""

import asyncio
from collections.abc import AsyncGenerator, Awaitable, Callable
from threading import Thread
from typing import Any

import flask
from quart import (
    Blueprint,
    Quart,
    Response,
    copy_current_request_context,
    current_app,
    g,
    request,
    session,
    stream_with_context,
    url_for,
)
from quart.typing import ResponseReturnValue

Mailer = Callable[[str, str], Awaitable[None]]


def g_in_the_stream() -> Quart:
    app = Quart(__name__)

    @app.get("/profile")
    async def show_profile() -> Response:
        g.username = request.headers["X-User"]

        @stream_with_context
        async def profile() -> AsyncGenerator[str, None]:
            yield "Profile of "
            yield g.username

        return Response(profile(), content_type="text/plain")

    return app


def request_in_the_stream() -> Quart:
    app = Quart(__name__)

    @app.get("/profile")
    async def show_profile() -> Response:
        async def profile() -> AsyncGenerator[str, None]:
            yield "Profile of "
            yield request.headers["X-User"]

        return Response(profile(), content_type="text/plain")

    return app


def copied_context(connect: Callable[[], Any]) -> Quart:
    app = Quart(__name__)

    @app.before_request
    async def open_connection() -> None:
        g.connection = connect()

    @app.teardown_request
    async def close_connection(error: object) -> None:
        await g.connection.close()

    @app.get("/users")
    async def list_users() -> list[str]:
        @copy_current_request_context
        async def note_visit() -> None:
            await g.connection.fetch("INSERT INTO visits")

        await asyncio.create_task(note_visit())
        return await g.connection.fetch("SELECT name FROM users")

    return app


def copied_twice() -> Quart:
    app = Quart(__name__)

    @app.get("/both")
    async def both() -> dict[str, list[str]]:
        @copy_current_request_context
        async def ask(service: str) -> str:
            await asyncio.sleep(0)
            return f"{service} for {request.path}"

        return {"answers": await asyncio.gather(ask("prices"), ask("stock"))}

    return app


def links_by_server_name() -> Quart:
    app = Quart(__name__)
    app.config["SERVER_NAME"] = "app.example.com"
    app.config["PREFERRED_URL_SCHEME"] = "https"

    @app.get("/users/<username>")
    async def show_user(username: str) -> dict[str, str]:
        return {"username": username}

    return app


def link_to_the_clients_host(send_mail: Mailer) -> Quart:
    app = Quart(__name__)

    @app.post("/password/<username>")
    async def forget_password(username: str) -> ResponseReturnValue:
        link = url_for("choose_password", token="secret", _external=True)
        app.add_background_task(send_mail, f"{username}@example.com", link)
        return "", 202

    @app.get("/password/new/<token>")
    async def choose_password(token: str) -> str:
        return "Choose a password."

    return app


async def _settings(app: Quart) -> AsyncGenerator[str, None]:
    async with app.app_context():
        for name in ("SENDER", "SUPPORT"):
            yield current_app.config[name]


async def context_around_yield(app: Quart) -> str:
    async for address in _settings(app):
        return address
    return "nobody"


def config_at_import() -> Blueprint:
    pages = Blueprint("pages", __name__)
    page_size = current_app.config["PAGE_SIZE"]

    @pages.get("/size")
    async def show_size() -> str:
        return str(page_size)

    return pages


def app_in_a_thread(sent: list[str]) -> Quart:
    app = Quart(__name__)
    app.config["SENDER"] = "shop@example.com"

    def send() -> None:
        with app.app_context():  # type: ignore[attr-defined]
            sent.append(current_app.config["SENDER"])

    @app.post("/mails")
    async def mail() -> ResponseReturnValue:
        Thread(target=send).start()
        return "", 202

    return app


def pushed_like_flask() -> str:
    app = Quart(__name__)
    app.config["SENDER"] = "shop@example.com"
    app.app_context().push()
    return current_app.config["SENDER"]


def request_of_flask() -> Quart:
    app = Quart(__name__)

    @app.get("/path")
    async def show_path() -> str:
        return flask.request.path

    return app


def context_inside_a_view() -> Quart:
    app = Quart(__name__)

    @app.get("/path")
    async def show_path() -> str:
        async with app.app_context():
            return request.path

    return app


def session_after_the_answer(tasks: list[asyncio.Task[None]]) -> Quart:
    app = Quart(__name__)
    app.secret_key = "thirty-two bytes, for tests only"

    async def remember() -> None:
        await asyncio.sleep(0)
        session["seen"] = True

    @app.post("/visits")
    async def visit() -> ResponseReturnValue:
        tasks.append(asyncio.create_task(remember()))
        return "", 202

    return app
