"""A Flask app that has become a Quart app, or is on its way.

Try:
    curl -s -i http://127.0.0.1:8000/members/ -d username=ada -d password=correct-horse
    curl -s -i http://127.0.0.1:8000/login -d username=ada -d password=correct-horse
    curl -s -i http://127.0.0.1:8000/members/
"""

import asyncio
import os

import click
from quart import Quart
from sqlalchemy import make_url
from werkzeug.exceptions import HTTPException
from werkzeug.security import generate_password_hash

from ..sync_libraries import register_sync_database, sync_database
from .behind import WSGI, put_flask_behind
from .pages import members
from .queries import add_user, create_tables

__all__ = ["create_app", "put_flask_behind"]


def create_app(
    database_url: str = "", photos: str = "", flask_app: WSGI | None = None
) -> Quart:
    """`flask_app` answers what has not moved yet."""
    app = Quart(__name__)
    app.config.from_mapping(
        SECRET_KEY=os.environ["SECRET_KEY"],
        MAX_CONTENT_LENGTH=1024 * 1024,
        SEND_FILE_MAX_AGE_DEFAULT=0,
        PHOTOS=photos or ".",
    )
    url = make_url(database_url or os.environ["DATABASE_URL"])
    plain_url = url.set(drivername=url.get_backend_name())  # without +aiosqlite
    register_sync_database(app, plain_url.render_as_string(hide_password=False))
    app.register_blueprint(members)

    @app.errorhandler(404)
    def not_found(error: HTTPException) -> tuple[dict[str, str | None], int]:
        return {"error": error.description}, 404

    @app.cli.command("add-member")
    @click.argument("username")
    @click.password_option()
    def add_member(username: str, password: str) -> None:
        hashed = generate_password_hash(password)
        asyncio.run(add_in_context(app, username, hashed))
        click.echo(f"Added {username}.")

    if flask_app:
        put_flask_behind(app, flask_app)
    return app


async def add_in_context(app: Quart, username: str, hashed: str) -> None:
    async with app.app_context():
        await sync_database().run(create_tables)
        await sync_database().run(add_user, username, hashed)
