"""A route that needs a token: `Authorization: Bearer ...`."""

import jwt
from quart import Quart, abort, current_app, request


def current_user() -> str:
    scheme, _, token = request.headers.get("Authorization", "").partition(" ")
    if scheme.lower() != "bearer":
        abort(401)
    key = current_app.config["TOKEN_KEY"]  # 32 bytes or more
    try:
        claims = jwt.decode(token, key, ["HS256"], options={"require": ["exp", "sub"]})
    except jwt.InvalidTokenError:
        abort(401)
    return str(claims["sub"])


def create_app(token_key: str) -> Quart:
    app = Quart(__name__)
    app.config["TOKEN_KEY"] = token_key

    @app.get("/me")
    async def me() -> dict[str, str]:
        return {"username": current_user()}

    return app
