"""Refuse what a page of another site sends with the cookie of your user."""

from quart import Quart, abort, request, session


def create_app(secret_key: str) -> Quart:
    app = Quart(__name__)
    app.config.from_mapping(
        SECRET_KEY=secret_key,
        SESSION_COOKIE_SAMESITE="Lax",
        SESSION_COOKIE_SECURE=True,
    )

    @app.before_request
    async def refuse_foreign_pages() -> None:
        changes = request.method not in {"GET", "HEAD", "OPTIONS"}
        if changes and request.headers.get("Sec-Fetch-Site") != "same-origin":
            abort(403)  # browsers send this header over https and to localhost

    @app.post("/bio")
    async def change_bio() -> tuple[str, int]:
        session["bio"] = (await request.form).get("bio", "")
        return "", 204

    return app
