"""Log in with a form; a signed cookie says who it is."""

from collections.abc import Awaitable, Callable

from quart import Quart, abort, request, session


def create_app(secret_key: str, find_user: Callable[..., Awaitable[object]]) -> Quart:
    app = Quart(__name__)
    app.config.from_mapping(
        SECRET_KEY=secret_key,
        SESSION_COOKIE_NAME="__Host-session",
        SESSION_COOKIE_SAMESITE="Lax",
        SESSION_COOKIE_SECURE=True,
    )

    @app.post("/login")
    async def log_in() -> tuple[str, int]:
        form = await request.form
        user_id = await find_user(form["username"], form["password"])
        if user_id is None:
            abort(401)
        session.clear()  # somebody else may have planted what was there
        session["user_id"] = user_id
        return "", 204

    return app
