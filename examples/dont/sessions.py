"""Mistakes with the session cookie and with logins."""

from collections.abc import Awaitable, Callable
from urllib.parse import urlsplit

from quart import Quart, Response, abort, redirect, request, session, websocket


def _app() -> Quart:
    app = Quart(__name__)
    app.secret_key = "a key of thirty-two bytes, or more"
    return app


def user_in_a_permanent_session(make_report: Callable[[], Awaitable[str]]) -> Quart:
    app = _app()

    @app.post("/login")
    async def log_in() -> str:
        session.permanent = True
        session["user_id"] = 7
        return "logged in"

    @app.post("/logout")
    async def log_out() -> str:
        session.clear()
        return "logged out"

    @app.get("/report")
    async def show_report() -> str:
        return await make_report()

    return app


def cart_in_the_session() -> Quart:
    app = _app()

    @app.post("/cart/<item>")
    async def add_to_cart(item: str) -> dict[str, int]:
        session["cart"] = [*session.get("cart", []), item]
        return {"items": len(session["cart"])}

    @app.get("/cart")
    async def show_cart() -> dict[str, int]:
        return {"items": len(session.get("cart", []))}

    return app


def follow_any_path() -> Quart:
    app = _app()

    @app.post("/login")
    async def log_in() -> Response:
        target = request.args.get("next", "/")
        if urlsplit(target).netloc:
            abort(400)
        return redirect(target)

    return app


def old_key_as_text(key: str, old_key: str) -> Quart:
    app = Quart(__name__)
    app.config.from_mapping(SECRET_KEY=key, SECRET_KEY_FALLBACKS=old_key)
    return app


def login_keeps_the_session() -> Quart:
    app = _app()

    @app.post("/login")
    async def log_in() -> str:
        session["user_id"] = 7
        return "logged in"

    @app.get("/me")
    async def me() -> dict[str, object]:
        return dict(session)

    return app


def change_what_is_inside() -> Quart:
    app = _app()

    @app.post("/topics/<topic>")
    async def follow(topic: str) -> list[str]:
        if "topics" not in session:
            session["topics"] = []
        session["topics"].append(topic)
        return session["topics"]

    return app


def change_the_session_in_a_websocket() -> Quart:
    app = _app()

    @app.websocket("/ws")
    async def follow() -> None:
        session["topic"] = await websocket.receive()
        await websocket.send("followed")

    @app.get("/topic")
    async def show_topic() -> dict[str, str]:
        return {"topic": session.get("topic", "none")}

    return app


def cached_page() -> Quart:
    app = _app()

    @app.post("/login/<username>")
    async def log_in(username: str) -> str:
        session["username"] = username
        return "logged in"

    @app.get("/")
    async def index() -> Response:
        response = Response(f"Hello {session.get('username', 'nobody')}")
        response.cache_control.public = True
        response.cache_control.max_age = 60
        return response

    return app
