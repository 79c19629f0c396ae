"""Hash passwords off the event loop, one at a time for each client.

Try:
    curl -s -i -d username=ada -d password=guess http://127.0.0.1:8000/login
    curl -s -i -d username=ada -d password=correct-horse http://127.0.0.1:8000/login
"""

import asyncio
import logging
import secrets
from collections import Counter, defaultdict
from collections.abc import AsyncGenerator, Callable
from concurrent.futures import ThreadPoolExecutor
from typing import TypeVar

from argon2 import PasswordHasher
from argon2.exceptions import InvalidHashError, VerificationError, VerifyMismatchError
from quart import Quart, abort, current_app, request
from quart.typing import ResponseReturnValue
from werkzeug.exceptions import ServiceUnavailable, TooManyRequests

R = TypeVar("R")
WAITING_PER_CLIENT = 5
WAITING_IN_ALL = 100
log = logging.getLogger(__name__)
hasher = PasswordHasher(time_cost=2, memory_cost=19_456, parallelism=1)


def matches(stored: str, password: str) -> bool:
    try:
        return hasher.verify(stored, password)
    except VerifyMismatchError:
        return False


class PasswordHashing:
    """One thread for all; each client has one call in its queue at a time."""

    def __init__(self, thread: ThreadPoolExecutor) -> None:
        self._thread = thread
        self._waiting = Counter[str]()
        self._turns = defaultdict[str, asyncio.Lock](asyncio.Lock)
        self._hash_of_nobody = hasher.hash(secrets.token_hex())

    async def hash(self, password: str, client: str) -> str:
        return await self._in_turn(client, hasher.hash, password)

    async def verify(self, known: str | None, password: str, client: str) -> bool:
        """`known` is the stored hash; None, for an unknown user, takes as long."""
        stored = known or self._hash_of_nobody
        try:
            right = await self._in_turn(client, matches, stored, password)
        except (InvalidHashError, VerificationError):
            log.exception("a stored password hash cannot be verified")
            return False
        return right and known is not None

    async def _in_turn(
        self, client: str, function: Callable[..., R], *arguments: str
    ) -> R:
        """Wait for the other calls of this client, then for the thread."""
        if self._waiting[client] >= WAITING_PER_CLIENT:
            raise TooManyRequests(retry_after=1)
        if self._waiting.total() >= WAITING_IN_ALL:
            raise ServiceUnavailable("Too many logins at once.", retry_after=5)
        self._waiting[client] += 1
        try:
            async with self._turns[client]:
                loop = asyncio.get_running_loop()
                return await loop.run_in_executor(self._thread, function, *arguments)
        finally:
            self._waiting[client] -= 1
            if not self._waiting[client]:
                del self._waiting[client], self._turns[client]


def register_password_hashing(app: Quart) -> None:
    @app.while_serving
    async def hashing_thread() -> AsyncGenerator[None, None]:
        with ThreadPoolExecutor(1, "hashing") as thread:
            app.extensions["password_hashing"] = PasswordHashing(thread)
            yield


def password_hashing() -> PasswordHashing:
    made: PasswordHashing = current_app.extensions["password_hashing"]
    return made


def create_app() -> Quart:
    app = Quart(__name__)
    register_password_hashing(app)
    known = {"ada": hasher.hash("correct-horse")}

    @app.post("/login")
    async def log_in() -> ResponseReturnValue:
        form = await request.form
        username, password = form.get("username", ""), form.get("password", "")
        client = request.remote_addr or ""
        if not await password_hashing().verify(known.get(username), password, client):
            abort(401, "The username or the password is wrong.")
        return "", 204

    return app


if __name__ == "__main__":
    from .serving import run

    run(create_app())
