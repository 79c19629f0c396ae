"""Mistakes with tokens and guards."""

import jwt
from quart import Quart, abort, request, websocket


def guard_requests_only() -> Quart:
    app = Quart(__name__)

    @app.before_request
    async def need_a_token() -> None:
        if request.authorization is None:
            abort(401)

    @app.websocket("/ws/chat")
    async def chat() -> None:
        await websocket.send("ada: call 555-0100")

    return app


def take_any_claims(key: str) -> Quart:
    app = Quart(__name__)

    @app.get("/me")
    async def me() -> dict[str, str]:
        token = request.headers.get("Authorization", "").removeprefix("Bearer ")
        try:
            claims = jwt.decode(token, key, algorithms=["HS256"])
        except jwt.InvalidTokenError:
            abort(401)
        return {"username": claims["sub"]}

    return app


def split_the_header(key: str) -> Quart:
    app = Quart(__name__)

    @app.get("/me")
    async def me() -> dict[str, str]:
        token = request.headers["Authorization"].split(" ")[1]
        claims = jwt.decode(token, key, algorithms=["HS256"])
        return {"username": claims["sub"]}

    return app


def token_in_the_url(key: str) -> Quart:
    app = Quart(__name__)

    @app.websocket("/ws/chat")
    async def chat() -> None:
        jwt.decode(websocket.args["token"], key, algorithms=["HS256"])
        await websocket.send("hello")

    return app


def guard_a_websocket_with_request() -> Quart:
    app = Quart(__name__)

    @app.websocket("/ws/chat")
    async def chat() -> None:
        if "Authorization" not in request.headers:
            abort(401)
        await websocket.send("hello")

    return app
