"""Measure variants side by side: interleaved rounds of one run, compared by ratio."""

import asyncio
import gc
import statistics
import time
from collections.abc import Awaitable, Callable, Generator
from contextlib import contextmanager
from dataclasses import dataclass

from quart import Quart

Work = Callable[[], Awaitable[None]]


@dataclass(frozen=True)
class Figure:
    """One line of the table; `values` has one ratio, or one amount, for each round."""

    what: str
    against: str
    values: list[float]
    wanted: float | None = None
    unit: str = "x"

    def __str__(self) -> str:
        median, low, high = (
            f"{value:,.2f}" if self.unit == "x" else f"{value:,.0f}"
            for value in (
                statistics.median(self.values),
                min(self.values),
                max(self.values),
            )
        )
        wanted = "" if self.wanted is None else f"<= {self.wanted:g}"
        unit = "" if self.unit in {"x", ""} else f" {self.unit}"
        return (
            f"| {self.what} | {self.against} | {median}{unit} | {low} to {high} "
            f"| {len(self.values)} | {wanted} |"
        )


HEADER = (
    "| what | against | median | spread | rounds | wanted |\n"
    "| -- | -- | -- | -- | -- | -- |"
)


@contextmanager
def frozen_heap() -> Generator[None, None, None]:
    """Let no collection walk through all that is imported: 0.1 s, at random."""
    gc.collect()
    gc.freeze()
    try:
        yield
    finally:
        gc.unfreeze()


async def cpu_seconds(variants: dict[str, Work], rounds: int) -> dict[str, list[float]]:
    """CPU seconds of this process by variant and round, after one warm-up round."""
    seconds: dict[str, list[float]] = {name: [] for name in variants}
    with frozen_heap():
        for number in range(rounds + 1):
            for name, work in variants.items():
                started = time.process_time()
                await work()
                if number:
                    seconds[name].append(time.process_time() - started)
    return seconds


def ratios(over: list[float], under: list[float]) -> list[float]:
    return [a / b for a, b in zip(over, under, strict=True)]


@dataclass(frozen=True)
class Request:
    method: str
    path: str
    body: bytes = b""
    headers: tuple[tuple[bytes, bytes], ...] = ()


async def call(app: Quart, request: Request) -> int:
    """One request straight into the ASGI app, without a client's or a server's cost."""
    status = 0
    answered = asyncio.Event()
    incoming = [{"type": "http.request", "body": request.body, "more_body": False}]

    async def receive() -> dict[str, object]:
        if incoming:
            return incoming.pop()
        await answered.wait()
        return {"type": "http.disconnect"}

    async def send(message: dict[str, object]) -> None:
        nonlocal status
        if message["type"] == "http.response.start":
            status = int(str(message["status"]))
        elif not message.get("more_body", False):
            answered.set()

    scope = {
        "type": "http",
        "asgi": {"spec_version": "2.3", "version": "3.0"},
        "http_version": "1.1",
        "method": request.method,
        "scheme": "https",
        "path": request.path,
        "raw_path": request.path.encode(),
        "query_string": b"",
        "root_path": "",
        "headers": [(b"host", b"app.example"), *request.headers],
        "client": ("127.0.0.1", 50000),
        "server": ("127.0.0.1", 443),
        "extensions": {},
        "state": {},
    }
    await app(scope, receive, send)  # type: ignore[arg-type]
    return status


def requests(
    app: Quart, count: int, expected: int, make: Callable[[], Request]
) -> Work:
    """`count` requests, one after the other, each built by `make`."""

    async def work() -> None:
        for _ in range(count):
            status = await call(app, make())
            if status != expected:
                raise RuntimeError(f"{app.name} answered {status}, not {expected}")

    return work
