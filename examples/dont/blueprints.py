"""Mistakes with blueprints, their guards and their logins."""

import asyncio
import time
from collections.abc import Callable
from typing import Any

import jwt
from argon2 import PasswordHasher
from argon2.exceptions import VerifyMismatchError
from quart import Blueprint, Quart, abort, current_app, request, websocket
from quart_cors import cors
from werkzeug.exceptions import NotFound

hasher = PasswordHasher(time_cost=2, memory_cost=19_456, parallelism=1)


def guard_requests_only() -> Quart:
    app = Quart(__name__)
    api = Blueprint("api", __name__, url_prefix="/api")

    @api.before_request
    async def guard() -> None:
        if "Authorization" not in request.headers:
            abort(401)

    @api.get("/members")
    async def list_members() -> list[str]:
        return ["ada"]

    @api.websocket("/chat")
    async def chat() -> None:
        await websocket.send("ada: call 555-0100")

    app.register_blueprint(api)
    return app


def handle_404_in_the_blueprint() -> Quart:
    app = Quart(__name__)
    api = Blueprint("api", __name__, url_prefix="/api")

    @api.errorhandler(404)
    async def not_found(error: NotFound) -> tuple[dict[str, str], int]:
        return {"detail": "There is no such member."}, 404

    @api.get("/members/<name>")
    async def show_member(name: str) -> None:
        abort(404)

    app.register_blueprint(api)
    return app


def guard_the_preflight() -> Quart:
    app = cors(guard_requests_only(), allow_origin=["https://app.example.com"])
    return app


nested_api = Blueprint("api", __name__, url_prefix="/api")
nested_members = Blueprint("members", __name__, url_prefix="/members")


def nest_in_the_factory() -> Quart:
    app = Quart(__name__)
    nested_api.register_blueprint(nested_members)
    app.register_blueprint(nested_api)
    return app


def leave_the_body_empty() -> Quart:
    app = Quart(__name__)
    api = Blueprint("api", __name__, url_prefix="/api")

    @api.get("/members")
    async def list_members() -> None:
        pass

    @api.websocket("/chat")
    async def chat() -> None:
        pass

    app.register_blueprint(api)
    return app


def login_app(verify: Callable[[str, str], Any], members: dict[str, str]) -> Quart:
    app = Quart(__name__)
    auth = Blueprint("auth", __name__, url_prefix="/auth")

    @auth.post("/login")
    async def log_in() -> dict[str, str]:
        given = await request.get_json()
        if given["name"] not in members:
            abort(401, "There is no such member.")
        try:
            await verify(members[given["name"]], given["password"])
        except VerifyMismatchError:
            abort(401, "The password is wrong.")
        return {"access_token": "of-ada"}

    app.register_blueprint(auth)
    return app


def tell_who_is_a_member(members: dict[str, str]) -> Quart:
    async def verify(known: str, password: str) -> None:
        await asyncio.to_thread(hasher.verify, known, password)

    return login_app(verify, members)


def hash_in_the_event_loop(
    members: dict[str, str], check: Any = hasher.verify
) -> Quart:
    async def verify(known: str, password: str) -> None:
        check(known, password)

    return login_app(verify, members)


def hash_behind_a_semaphore(
    members: dict[str, str], check: Any = hasher.verify
) -> Quart:
    one = asyncio.Semaphore(1)

    async def verify(known: str, password: str) -> None:
        async with one:
            await asyncio.to_thread(check, known, password)

    return login_app(verify, members)


def trust_any_claims(secret_key: str) -> Quart:
    app = Quart(__name__)
    api = Blueprint("api", __name__, url_prefix="/api")

    @api.before_request
    async def guard() -> None:
        token = request.headers.get("Authorization", "").removeprefix("Bearer ")
        try:
            jwt.decode(token, secret_key, algorithms=["HS256"])
        except jwt.InvalidTokenError:
            abort(401)

    @api.get("/members")
    async def list_members() -> list[str]:
        return ["ada"]

    app.register_blueprint(api)
    return app
