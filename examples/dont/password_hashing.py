"""Mistakes with password hashes."""

import asyncio
from collections.abc import Mapping

from argon2 import PasswordHasher
from argon2.exceptions import VerifyMismatchError
from quart import Quart, abort, request
from werkzeug.security import check_password_hash

hasher = PasswordHasher(time_cost=2, memory_cost=19_456, parallelism=1)


def hash_in_the_view(hashes: Mapping[str, str]) -> Quart:
    app = Quart(__name__)

    @app.post("/login")
    async def log_in() -> tuple[str, int]:
        form = await request.form
        known = hashes.get(form["username"], "")
        if not check_password_hash(known, form["password"]):
            abort(401)
        return "", 204

    return app


def hash_behind_a_semaphore(hashes: Mapping[str, str]) -> Quart:
    app = Quart(__name__)
    one_at_a_time = asyncio.Semaphore(1)

    @app.post("/login")
    async def log_in() -> tuple[str, int]:
        form = await request.form
        known = hashes[form["username"]]
        async with one_at_a_time:
            try:
                await asyncio.to_thread(hasher.verify, known, form["password"])
            except VerifyMismatchError:
                abort(401)
        return "", 204

    return app


def tell_who_is_a_user(hashes: Mapping[str, str]) -> Quart:
    app = Quart(__name__)

    @app.post("/login")
    async def log_in() -> tuple[str, int]:
        form = await request.form
        if form["username"] not in hashes:
            abort(404, "There is no such user.")
        known = hashes[form["username"]]
        try:
            await asyncio.to_thread(hasher.verify, known, form["password"])
        except VerifyMismatchError:
            abort(401, "The password is wrong.")
        return "", 204

    return app
