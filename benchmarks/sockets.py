"""Broadcasts against the plain loop, with and without a stalled client; a flood."""

import asyncio
import json
import os
import statistics
import time
from collections.abc import AsyncGenerator, Callable
from contextlib import AsyncExitStack, asynccontextmanager, closing
from pathlib import Path
from typing import Any, cast

import jwt
from quart import Quart, websocket
from quart.sessions import SecureCookieSessionInterface
from websockets.asyncio.client import ClientConnection, connect

from benchmarks.measure import Figure, ratios
from tests.support.memory import peak_mb
from tests.support.raw_client import RawClient, frame, raw_client
from tests.support.server import Server, hypercorn, running

CLIENTS = 100
MESSAGES = 100
FLOOD_MB = 100
KEY = "k" * 32
ORIGIN = "https://app.example"
ENV = {"SECRET_KEY": KEY, "CORS_ORIGINS": ORIGIN}


def plain_loop() -> Quart:
    """What is often written: one loop that sends to one client after the other."""
    app = Quart(__name__)
    clients = set()

    @app.websocket("/ws/feed")
    async def feed() -> None:
        client = cast(Any, websocket)._get_current_object()
        await websocket.accept()
        clients.add(client)
        try:
            while True:
                message = await websocket.receive()
                for other in list(clients):
                    await other.send(message)
        finally:
            clients.discard(client)

    return app


def deaf() -> Quart:
    """A handler that does not receive, as one that waits for a database."""
    app = Quart(__name__)

    @app.websocket("/ws/chat")
    async def chat() -> None:
        await websocket.accept()
        await asyncio.sleep(60)

    return app


def cookie(member: str) -> dict[str, str]:
    app = Quart(__name__)
    app.secret_key = KEY
    serializer = SecureCookieSessionInterface().get_signing_serializer(app)
    if serializer is None:
        raise RuntimeError("the session cookie cannot be signed")
    value = serializer.dumps({"member": member, "topics": ["news"]})
    return {"Cookie": f"session={value}"}


def command(kind: str, text: str = "") -> str:
    return json.dumps({"type": kind, "topic": "news", "text": text})


class Room:
    """A server with a hundred clients, each of which publishes in its turn."""

    def __init__(self, server: Server, clients: list[ClientConnection]) -> None:
        self.server = server
        self.clients = clients

    async def publish(self, number: int, text: str) -> list[float]:
        """Seconds until each client has read it."""

        async def read(client: ClientConnection) -> float:
            while text not in await client.recv():
                pass
            return time.perf_counter() - started

        started = time.perf_counter()
        await self.clients[number % CLIENTS].send(command("publish", text))
        return await asyncio.gather(*(read(client) for client in self.clients))

    async def publish_all(self, size: int) -> list[float]:
        seconds: list[float] = []
        for number in range(MESSAGES):
            seconds += await self.publish(
                number, f"{time.perf_counter()}".ljust(size, "x")
            )
        return seconds

    async def cpu_per_delivery(self) -> float:
        before = cpu_seconds(self.server.process.pid)
        await self.publish_all(200)
        spent = cpu_seconds(self.server.process.pid) - before
        return spent / (MESSAGES * CLIENTS)

    async def p99(self) -> float:
        return statistics.quantiles(await self.publish_all(4_000), n=100)[98]


def cpu_seconds(pid: int) -> float:
    """User and system time of a process (Linux)."""
    fields = Path(f"/proc/{pid}/stat").read_text().rpartition(")")[2].split()
    return (int(fields[11]) + int(fields[12])) / os.sysconf("SC_CLK_TCK")


@asynccontextmanager
async def room(server: Server) -> AsyncGenerator[Room, None]:
    async with AsyncExitStack() as stack:
        clients = []
        for number in range(CLIENTS):
            client = await stack.enter_async_context(
                connect(
                    server.ws_url("/ws/feed"),
                    origin=ORIGIN,  # type: ignore[arg-type]
                    additional_headers=cookie(f"member{number}"),
                    compression=None,
                )
            )
            await client.send(command("subscribe"))
            clients.append(client)
        opened = Room(server, clients)
        await opened.publish(0, "everybody is here")
        yield opened


@asynccontextmanager
async def stalled(server: Server) -> AsyncGenerator[RawClient, None]:
    """A client that subscribes and never reads."""
    headers = {**cookie("stalled"), "Origin": ORIGIN}
    client = await raw_client(server.address, "/ws/feed", headers, stalled=True)
    with closing(client):
        await client.send(frame(command("subscribe").encode()))
        yield client


async def interleaved(
    rounds: int, *measures: Callable[[], AsyncGenerator[float, None]]
) -> list[list[float]]:
    generators = [measure() for measure in measures]
    values: list[list[float]] = [[] for _ in measures]
    for number in range(rounds + 1):
        for generator, into in zip(generators, values, strict=True):
            value = await anext(generator)
            if number:
                into.append(value)
    return values


async def broadcasts(rounds: int) -> list[Figure]:
    async with (
        running("examples.websocket_broadcast", env=ENV) as do,
        hypercorn("benchmarks.sockets:plain_loop()") as plain,
        room(do) as hub,
        room(plain) as loop,
    ):

        async def cpu(of: Room) -> AsyncGenerator[float, None]:
            while True:
                yield await of.cpu_per_delivery()

        async def p99() -> AsyncGenerator[float, None]:
            while True:
                yield await hub.p99()

        async def p99_stalled() -> AsyncGenerator[float, None]:
            while True:
                async with stalled(do):
                    yield await hub.p99()

        spent = await interleaved(rounds, lambda: cpu(hub), lambda: cpu(loop))
        late = await interleaved(rounds, p99_stalled, p99)
    return [
        Figure(
            "broadcast to 100, CPU per delivery", "plain loop", ratios(*spent), 1.35
        ),
        Figure("p99 with a stalled client", "p99 without", ratios(*late), 2),
    ]


async def flood(target: str) -> float:
    """How many MB more the server has needed at most."""
    async with hypercorn(target, env=ENV) as server:
        before = peak_mb(server.process.pid)
        headers = {**token(), "Origin": ORIGIN}
        client = await raw_client(server.address, "/ws/chat", headers)
        with closing(client):
            await client.flood(b"x" * 4_000, FLOOD_MB * 1_000_000)
        return peak_mb(server.process.pid) - before


def token() -> dict[str, str]:
    now = int(time.time())
    claims = {"sub": "ada", "aud": "chat", "iat": now, "exp": now + 900}
    return {"Authorization": f"Bearer {jwt.encode(claims, KEY, 'HS256')}"}


async def figures(rounds: int) -> list[Figure]:
    table = await broadcasts(rounds)
    targets = ("examples.websockets:create_app()", "benchmarks.sockets:deaf()")
    grown = [[await flood(target) for target in targets] for _ in range(rounds)]
    do, dont = (list(values) for values in zip(*grown, strict=True))
    sent = f"{FLOOD_MB} MB sent"
    return [
        *table,
        Figure("memory a flood costs", sent, do, 20, "MB"),
        Figure("the same, handler not receiving", sent, dont, None, "MB"),
    ]
