"""Broadcasts against the plain loop, with and without a stalled client; a flood."""

import asyncio
import json
import os
import statistics
import time
from collections.abc import AsyncGenerator, Callable
from contextlib import AsyncExitStack, asynccontextmanager, closing, suppress
from pathlib import Path
from typing import Any, cast

from quart import Quart, websocket
from websockets.asyncio.client import ClientConnection, connect

from benchmarks.measure import Figure, frozen_heap, ratios
from benchmarks.service import SERVICE, bearer, serving
from tests.support.memory import forget_peak, peak_mb
from tests.support.raw_client import RawClient, frame, raw_client
from tests.support.server import Server

CLIENTS = 100
MESSAGES = 100
FLOOD_MB = 100
FLOOD_SECONDS = 10


def plain_loop() -> Quart:
    """What is often written: one loop that sends to one client after the other."""
    app = Quart(__name__)
    clients = set()

    @app.websocket("/ws/pubsub")
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


def command(kind: str, **more: str) -> str:
    return json.dumps({"type": kind, "topic": "news", **more})


class Room:
    """A server with a hundred clients, each of which publishes in its turn."""

    def __init__(self, server: Server, clients: list[ClientConnection]) -> None:
        self.server = server
        self.clients = clients

    async def publish(self, number: int, text: str) -> list[float]:
        """Seconds until each client has read it."""

        async def read(client: ClientConnection) -> float:
            await until_heard(client, text)
            return time.perf_counter() - started

        started = time.perf_counter()
        await self.clients[number % CLIENTS].send(command("publish", text=text))
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


async def until_heard(client: ClientConnection, text: str) -> None:
    async with asyncio.timeout(60):
        while text not in await client.recv():
            pass


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
                    server.ws_url("/ws/pubsub"),
                    additional_headers=bearer(1 + number),
                    compression=None,
                )
            )
            await client.send(command("subscribe"))
            await until_heard(client, "subscribe")
            clients.append(client)
        yield Room(server, clients)


@asynccontextmanager
async def stalled(server: Server) -> AsyncGenerator[RawClient, None]:
    """A client that subscribes and never reads."""
    headers = bearer(1 + CLIENTS)
    client = await raw_client(server.address, "/ws/pubsub", headers, stalled=True)
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
        serving() as do,
        serving("benchmarks.sockets:plain_loop()") as plain,
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
                    value = await hub.p99()
                yield value

        spent = await interleaved(rounds, lambda: cpu(hub), lambda: cpu(loop))
        with frozen_heap():
            late = await interleaved(rounds, p99_stalled, p99)
    return [
        Figure(
            "broadcast to 100, CPU per delivery", "plain loop", ratios(*spent), 1.35
        ),
        Figure("p99 with a stalled client", "p99 without", ratios(*late), 2),
    ]


async def flood(target: str) -> float:
    """How many MB more the server has needed at most.

    The brake lets the client send a few messages a second, hence the limit in time.
    """
    async with serving(target) as server:
        forget_peak(server.process.pid)
        before = peak_mb(server.process.pid)
        client = await raw_client(server.address, "/ws/chat", bearer(1))
        with closing(client), suppress(TimeoutError):
            async with asyncio.timeout(FLOOD_SECONDS):
                await client.flood(b"x" * 4_000, FLOOD_MB * 1_000_000)
        return peak_mb(server.process.pid) - before


async def figures(rounds: int) -> list[Figure]:
    table = await broadcasts(rounds)
    targets = (SERVICE, "benchmarks.sockets:deaf()")
    grown = [[await flood(target) for target in targets] for _ in range(rounds)]
    do, dont = (list(values) for values in zip(*grown, strict=True))
    sent = f"{FLOOD_MB} MB or {FLOOD_SECONDS} s of sending"
    return [
        *table,
        Figure("memory a flood costs", sent, do, 20, "MB"),
        Figure("the same, not receiving and no brake", sent, dont, None, "MB"),
    ]
