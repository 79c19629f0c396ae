"""Log in: POST /auth/login."""

import asyncio
import time
from collections.abc import Callable

import jwt
from argon2 import PasswordHasher
from argon2.exceptions import VerifyMismatchError
from pydantic import BaseModel, Field, ValidationError
from quart import Blueprint, abort, current_app, request
from quart.typing import ResponseReturnValue

blueprint = Blueprint("auth", __name__, url_prefix="/auth")
hasher = PasswordHasher(time_cost=2, memory_cost=19_456, parallelism=1)
PATIENCE = 5


class Credentials(BaseModel, extra="forbid"):
    name: str = Field(max_length=40)
    password: str = Field(max_length=128)


@blueprint.errorhandler(ValidationError)
async def invalid(error: ValidationError) -> ResponseReturnValue:
    problem = {
        "title": "Bad Request",
        "status": 400,
        "detail": "Send your credentials.",
    }
    return problem, 400, {"Content-Type": "application/problem+json"}


async def hashing(function: Callable[..., object], *args: str) -> None:
    run = asyncio.get_running_loop().run_in_executor
    try:
        async with asyncio.timeout(PATIENCE):
            await run(current_app.extensions["hashing"], function, *args)
    except TimeoutError:
        abort(503, "Too many logins at once.")


@blueprint.post("/login")
async def log_in() -> ResponseReturnValue:
    given = Credentials.model_validate_json(await request.get_data())
    known = current_app.extensions["members"].get(given.name)
    try:
        if known is None:
            await hashing(hasher.hash, given.password)
            raise VerifyMismatchError
        await hashing(hasher.verify, known, given.password)
    except VerifyMismatchError:
        abort(401, "The name or the password is wrong.")
    now = int(time.time())
    claims = {"iss": "auth", "aud": "api", "sub": given.name, "iat": now}
    token = jwt.encode(claims | {"exp": now + 900}, current_app.secret_key, "HS256")
    return {"access_token": token}, {"Cache-Control": "no-store"}
