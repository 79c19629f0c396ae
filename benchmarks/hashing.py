"""The median of a GET while eight logins hash, against an idle server."""

import asyncio
import json
import statistics
import time
from collections.abc import AsyncGenerator
from contextlib import asynccontextmanager

import httpx2
from argon2 import PasswordHasher
from quart import Quart, request

from benchmarks.measure import Figure, ratios
from tests.support.server import Server, hypercorn

GETS = 40
LOGINS = 8
LOGIN = {"name": "ada", "password": "correct horse"}
hasher = PasswordHasher(time_cost=2, memory_cost=19_456, parallelism=1)


def blocking() -> Quart:
    """What is often written: the password is verified in the event loop."""
    app = Quart(__name__)
    known = hasher.hash(LOGIN["password"])

    @app.post("/auth/login")
    async def log_in() -> dict[str, str]:
        hasher.verify(known, (await request.get_json())["password"])
        return {}

    return app


async def median_get(client: httpx2.AsyncClient) -> float:
    seconds = []
    for _ in range(GETS):
        started = time.perf_counter()
        response = await client.get("/api/members")
        seconds.append(time.perf_counter() - started)
        if response.status_code not in {401, 404}:
            raise RuntimeError(f"the GET was answered {response.status_code}")
    return statistics.median(seconds)


@asynccontextmanager
async def logins(client: httpx2.AsyncClient) -> AsyncGenerator[None, None]:
    """Eight clients, each of which logs in again as soon as it is answered."""
    answered = asyncio.Event()

    async def log_in() -> None:
        while True:
            response = await client.post("/auth/login", json=LOGIN)
            if response.status_code != 200:
                raise RuntimeError(f"the login was answered {response.status_code}")
            answered.set()

    tasks = [asyncio.create_task(log_in()) for _ in range(LOGINS)]
    try:
        await answered.wait()
        yield
    finally:
        for task in tasks:
            task.cancel()
        results = await asyncio.gather(*tasks, return_exceptions=True)
    for result in results:
        if not isinstance(result, asyncio.CancelledError):
            raise RuntimeError(result)


async def compare(server: Server, rounds: int) -> list[float]:
    idle, busy = [], []
    async with httpx2.AsyncClient(base_url=server.url("/"), timeout=60) as client:
        await median_get(client)
        for _ in range(rounds):
            idle.append(await median_get(client))
            async with logins(client):
                busy.append(await median_get(client))
    return ratios(busy, idle)


async def figures(rounds: int) -> list[Figure]:
    members = json.dumps({"ada": hasher.hash(LOGIN["password"])})
    env = {"SECRET_KEY": "k" * 32, "MEMBERS": members}
    async with hypercorn("examples.blueprints:create_app()", env=env) as server:
        do = await compare(server, rounds)
    async with hypercorn("benchmarks.hashing:blocking()") as server:
        dont = await compare(server, rounds)
    what, idle = f"GET median while {LOGINS} logins hash", "the same GET, idle"
    return [Figure(what, idle, do, 3), Figure("hashing in the event loop", idle, dont)]
