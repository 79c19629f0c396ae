"""How an app behind a proxy believes the wrong one, or nobody."""

from collections import Counter
from typing import Any

from hypercorn.middleware import ProxyFixMiddleware
from quart import Quart, Response, abort, redirect, request, url_for, websocket


def proxy_fix_alone() -> Quart:
    app = Quart(__name__)

    @app.websocket("/ws/echo")
    async def echo() -> None:
        await websocket.send("hello")

    app.asgi_app = ProxyFixMiddleware(app.asgi_app)
    return app


def middleware_around_the_app() -> Any:
    app = Quart(__name__)

    @app.get("/")
    async def index() -> str:
        return url_for("index", _external=True)

    app = ProxyFixMiddleware(app)
    if __name__ == "__main__":
        app.run()
    return app


def first_forwarded_address() -> Quart:
    app = Quart(__name__)
    tries: Counter[str] = Counter()

    @app.post("/login")
    async def log_in() -> str:
        client = request.access_route[0]  # X-Forwarded-For
        tries[client] += 1
        if tries[client] > 5:
            abort(429)
        return "tried"

    return app


def redirect_to_https() -> Quart:
    app = Quart(__name__)

    @app.before_request
    async def use_https() -> Response | None:
        if request.is_secure:
            return None
        return redirect(request.url.replace("http:", "https:"))

    @app.get("/")
    async def index() -> str:
        return "welcome"

    return app


def preferred_url_scheme() -> Quart:
    app = Quart(__name__)
    app.config["PREFERRED_URL_SCHEME"] = "https"

    @app.get("/")
    async def index() -> str:
        return url_for("index", _external=True)

    return app


def every_host_is_ours() -> Quart:
    app = Quart(__name__)

    @app.post("/passwords")
    async def mail_a_link() -> str:
        return url_for("mail_a_link", token="t", _external=True)

    app.asgi_app = ProxyFixMiddleware(app.asgi_app)
    return app
