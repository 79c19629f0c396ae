"""Hash in a thread: on the loop it would stop every other request."""

import asyncio
from concurrent.futures import ThreadPoolExecutor

from argon2 import PasswordHasher
from argon2.exceptions import VerifyMismatchError
from quart import Quart, abort, request

hasher = PasswordHasher()
thread = ThreadPoolExecutor(1)  # one hash takes a core and 64 MiB


def create_app(known_hash: str) -> Quart:
    app = Quart(__name__)

    @app.post("/check")
    async def check() -> dict[str, bool]:
        password = (await request.form).get("password", "")
        loop = asyncio.get_running_loop()
        try:
            await loop.run_in_executor(thread, hasher.verify, known_hash, password)
        except VerifyMismatchError:
            abort(401)
        return {"right": True}

    return app
