"""The median of a GET while eight logins hash, against an idle server."""

import asyncio
import statistics
import time
from collections.abc import AsyncGenerator
from contextlib import AsyncExitStack, asynccontextmanager

import httpx2
from quart import Quart

from benchmarks.measure import Figure, ratios
from benchmarks.service import bearer, serving
from examples.app_factory import create_app
from examples.password_hashing import hasher
from tests.support.server import Server

GETS = 40
LOGINS = 8
USER = {"username": "ada", "email": "ada@example.com", "password": "correct-horse"}
LOGIN = {"username": "ada", "password": "correct-horse"}


class HashingInTheLoop:
    """What is often written: nothing else is served while it hashes."""

    async def hash(self, password: str, client: str) -> str:
        return hasher.hash(password)

    async def verify(self, known: str, password: str, client: str) -> bool:
        return hasher.verify(known, password)


def blocking() -> Quart:
    """The service, but for that."""
    app = create_app()

    @app.while_serving
    async def replace() -> AsyncGenerator[None, None]:
        app.extensions["password_hashing"] = HashingInTheLoop()
        yield

    return app


def http_client(server: Server, address: str) -> httpx2.AsyncClient:
    """A client on a loopback address of its own."""
    return httpx2.AsyncClient(
        base_url=server.url("/"),
        headers=bearer(1),
        timeout=60,
        transport=httpx2.AsyncHTTPTransport(local_address=address),
    )


async def median_get(client: httpx2.AsyncClient) -> float:
    seconds = []
    for _ in range(GETS):
        started = time.perf_counter()
        response = await client.get("/users/1")
        seconds.append(time.perf_counter() - started)
        if response.status_code != 200:
            raise RuntimeError(f"the GET was answered {response.status_code}")
    return statistics.median(seconds)


@asynccontextmanager
async def logins(server: Server) -> AsyncGenerator[None, None]:
    """Eight clients, each of which logs in again as soon as it is answered.

    Each has an address of its own: of one address only one hashes at a time.
    """
    answered = asyncio.Event()

    async def log_in(client: httpx2.AsyncClient) -> None:
        while True:
            response = await client.post("/auth/login", json=LOGIN)
            if response.status_code != 200:
                raise RuntimeError(f"the login was answered {response.status_code}")
            answered.set()

    async with AsyncExitStack() as stack:
        tasks = []
        for number in range(LOGINS):
            client = http_client(server, f"127.0.0.{2 + number}")
            await stack.enter_async_context(client)
            tasks.append(asyncio.create_task(log_in(client)))
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
    async with http_client(server, "127.0.0.1") as client:
        created = await client.post("/users", json=USER)
        if created.status_code != 201:
            raise RuntimeError(f"the user was answered {created.status_code}")
        await median_get(client)
        for _ in range(rounds):
            idle.append(await median_get(client))
            async with logins(server):
                busy.append(await median_get(client))
    return ratios(busy, idle)


async def figures(rounds: int) -> list[Figure]:
    async with serving() as server:
        do = await compare(server, rounds)
    async with serving("benchmarks.hashing:blocking()") as server:
        dont = await compare(server, rounds)
    what = f"GET median while {LOGINS} logins hash, from {LOGINS} addresses"
    against = "the same GET, idle"
    return [
        Figure(what, against, do, 3),
        Figure("the same, hashing in the event loop", against, dont),
    ]
