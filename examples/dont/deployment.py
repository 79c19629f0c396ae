"""What holds in one process, and not in two or after a restart."""

import secrets

from quart import Quart, abort, request, session
from werkzeug.serving import BaseWSGIServer, make_server


def key_made_at_the_start() -> Quart:
    app = Quart(__name__)
    app.secret_key = secrets.token_hex(32)

    @app.post("/login")
    async def log_in() -> str:
        session["user"] = "ada"
        return "welcome"

    @app.get("/account")
    async def account() -> str:
        return session.get("user") or abort(401)

    return app


def tokens_in_memory() -> Quart:
    app = Quart(__name__)
    users: dict[str, str] = {}

    @app.post("/login")
    async def log_in() -> str:
        token = secrets.token_urlsafe()
        users[token] = "ada"
        return token

    @app.get("/account")
    async def account() -> str:
        return users.get(request.headers["Authorization"]) or abort(401)

    return app


def wsgi_server(app: Quart) -> BaseWSGIServer:
    return make_server("127.0.0.1", 0, app)
