"""How not to move a Flask app to Quart."""

from typing import Any

from hypercorn.middleware import AsyncioWSGIMiddleware
from quart import Quart, flash, render_template_string, request, send_file

PAGE = "{{ get_flashed_messages() }}"


def flash_without_await() -> Quart:
    app = Quart(__name__)
    app.secret_key = "s" * 32

    @app.get("/")
    async def index() -> str:
        flash("Saved.")
        return await render_template_string(PAGE)

    return app


def flask_behind_alone(flask_app: Any) -> Quart:
    app = Quart(__name__)
    app.asgi_app = AsyncioWSGIMiddleware(flask_app)
    return app


def helper_reads_the_body() -> Quart:
    app = Quart(__name__)

    def wanted_name() -> str:
        return request.form["name"]

    @app.post("/name")
    def show_name() -> str:
        return wanted_name()

    return app


def file_without_conditional(path: str) -> Quart:
    app = Quart(__name__)

    @app.get("/video")
    async def show_video() -> Any:
        return await send_file(path)

    return app


def command_as_in_flask() -> Quart:
    app = Quart(__name__)

    @app.cli.command("name")
    def show_name() -> None:
        print(app.url_for("static", filename="name"))

    return app
