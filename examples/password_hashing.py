"""Hash passwords off the event loop, one at a time for each client.

Try:
    curl -s -i -d password=guess http://127.0.0.1:8000/check
    curl -s -i -d password=correct-horse http://127.0.0.1:8000/check
"""

import asyncio
import logging
import secrets
from collections import Counter, defaultdict
from collections.abc import AsyncGenerator, Callable
from concurrent.futures import ThreadPoolExecutor
from typing import TypeVar

from argon2 import PasswordHasher
from argon2.exceptions import InvalidHashError, VerifyMismatchError
from quart import Quart, current_app, request
from werkzeug.exceptions import TooManyRequests

R = TypeVar("R")
WAITING_PER_CLIENT = 5
log = logging.getLogger(__name__)
hasher = PasswordHasher(time_cost=2, memory_cost=19_456, parallelism=1)


class PasswordHashing:
    """One thread hashes for all; a client waits behind itself, not before others."""

    def __init__(self, thread: ThreadPoolExecutor) -> None:
        self._thread = thread
        self._waiting = Counter[str]()
        self._turns = defaultdict[str, asyncio.Lock](asyncio.Lock)
        self._nobodys_hash = hasher.hash(secrets.token_hex())

    async def hash(self, password: str, client: str) -> str:
        return await self._in_turn(client, hasher.hash, password)

    async def verify(self, known: str | None, password: str, client: str) -> bool:
        """Take as long for an unknown user (`known` is None) as for a known one."""
        try:
            hashed = known or self._nobodys_hash
            await self._in_turn(client, hasher.verify, hashed, password)
        except VerifyMismatchError:
            return False
        except InvalidHashError:
            log.exception("a stored password hash cannot be read")
            return False
        return known is not None

    async def _in_turn(
        self, client: str, function: Callable[..., R], *arguments: str
    ) -> R:
        if self._waiting[client] >= WAITING_PER_CLIENT:
            raise TooManyRequests(retry_after=1)
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
    known = hasher.hash("correct-horse")

    @app.post("/check")
    async def check() -> dict[str, bool]:
        password = (await request.form).get("password", "")
        client = request.remote_addr or ""
        return {"right": await password_hashing().verify(known, password, client)}

    return app


if __name__ == "__main__":
    from .serving import run

    run(create_app())
