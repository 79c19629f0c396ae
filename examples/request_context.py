"""Make links without a request, and pass on what a request has.

Try:
    curl -s -i -X POST http://127.0.0.1:8000/users/ada
    curl -s -i http://127.0.0.1:8000/users/ada/letter -H "Accept-Language: nb"
    python -m quart --app "examples.request_context:create_app()" invite ada
"""

import asyncio
import re
from collections.abc import AsyncGenerator

import click
from quart import Quart, Response, request
from quart.typing import ResponseReturnValue

from .background_tasks import Mailer, log_mail, register_mail, send_mail

GREETINGS = {"en": "Hello", "nb": "Hei"}


class Links:
    """Absolute links from `base_url`, such as https://example.com/shop."""

    def __init__(self, app: Quart, base_url: str) -> None:
        host = r"(?:[\w.-]+|\[[\da-fA-F:]+\])(?::\d+)?"
        base = re.fullmatch(rf"(https?)://({host})(/[^\s?#]*)?", base_url)
        if base is None:
            raise ValueError("base_url is not just http(s)://host:port/path")
        scheme, server_name, path = base.groups()
        self._routes = app.url_map.bind(server_name, path or "/", url_scheme=scheme)

    def to(self, endpoint: str, **values: object) -> str:
        """Views, tasks, threads and commands need no context for it."""
        return self._routes.build(endpoint, values, force_external=True)


def chosen_language() -> str:
    return request.accept_languages.best_match(GREETINGS, "en")


def write_letter(username: str, language: str, link: str) -> str:
    """Stands for a library that blocks, so it runs in a thread."""
    return f"{GREETINGS[language]}, {username}!\n{link}\n"


async def letter(username: str, language: str, link: str) -> AsyncGenerator[str, None]:
    yield await asyncio.to_thread(write_letter, username, language, link)


def register_users(app: Quart, links: Links) -> None:
    @app.post("/users/<username>")
    async def create_user(username: str) -> ResponseReturnValue:
        link = links.to("show_user", username=username)
        send_mail(f"{username}@example.com", f"Welcome! {link}")
        return {"username": username}, 201

    @app.get("/users/<username>")
    async def show_user(username: str) -> ResponseReturnValue:
        return {"username": username}

    @app.get("/users/<username>/letter")
    async def show_letter(username: str) -> Response:
        link = links.to("show_user", username=username)
        stream = letter(username, chosen_language(), link)
        return Response(stream, content_type="text/plain; charset=utf-8")


def register_commands(app: Quart, links: Links, mailer: Mailer) -> None:
    @app.cli.command("invite")
    @click.argument("username")
    def invite(username: str) -> None:
        link = links.to("show_user", username=username)

        async def send() -> None:
            await mailer(f"{username}@example.com", f"Join us! {link}")

        asyncio.run(send())
        click.echo(link)


def create_app(
    base_url: str = "https://app.example.com", mailer: Mailer = log_mail
) -> Quart:
    app = Quart(__name__)
    links = Links(app, base_url)
    register_mail(app, mailer)
    register_users(app, links)
    register_commands(app, links, mailer)
    return app


if __name__ == "__main__":
    from .serving import run

    run(create_app())
