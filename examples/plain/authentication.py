"""A route that needs a token."""

import jwt
from quart import Quart, abort, g, request


def create_app(token_key: str) -> Quart:
    app = Quart(__name__)

    async def require_login() -> None:
        scheme, _, token = request.headers.get("Authorization", "").partition(" ")
        if scheme.lower() != "bearer":
            abort(401)
        required = {"require": ["exp", "sub"]}
        try:
            g.claims = jwt.decode(token, token_key, ["HS256"], options=required)
        except jwt.InvalidTokenError:
            abort(401)

    @app.get("/me")
    async def me() -> dict[str, str]:
        await require_login()
        return {"user": g.claims["sub"]}

    return app
