"""The whole service on a real server, with a database of its own."""

import tempfile
from collections.abc import AsyncGenerator
from contextlib import asynccontextmanager

from examples.authentication import Tokens
from tests.support.server import Server, hypercorn

SERVICE = "examples.app_factory:create_app()"
TOKEN_KEY = "t" * 32
tokens = Tokens([TOKEN_KEY], lifetime=24 * 3_600)


def bearer(user_id: int) -> dict[str, str]:
    """The header of a user who has logged in."""
    return {"Authorization": f"Bearer {tokens.issue(user_id, f'user{user_id}')}"}


@asynccontextmanager
async def serving(target: str = SERVICE) -> AsyncGenerator[Server, None]:
    """Serve it with plain Hypercorn, as what it is compared with."""
    with tempfile.TemporaryDirectory() as folder:
        env = {
            "SECRET_KEY": "s" * 32,
            "TOKEN_KEY": TOKEN_KEY,
            "DATABASE_URL": f"sqlite+aiosqlite:///{folder}/app.sqlite3",
        }
        async with hypercorn(target, env=env) as server:
            yield server
