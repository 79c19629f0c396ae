"""Restart each part of the whole service under load, and count what is lost.

python -m benchmarks.restarts

Two processes at one socket behind an nginx that ends TLS, a worker for the mail,
PostgreSQL, and a Redis that keeps nothing on disk. It takes two minutes, and exits
with 1 if an answer was wrong, or a mail or a room message after the recovery is lost.
"""

import asyncio
import itertools
import json
import platform
import random
import re
import signal
import sys
import tempfile
import time
from collections import Counter
from collections.abc import Awaitable, Callable
from contextlib import AsyncExitStack, suppress
from importlib.metadata import version
from pathlib import Path

import httpx2
from redis.asyncio import Redis
from sqlalchemy import text
from sqlalchemy.ext.asyncio import create_async_engine
from websockets.asyncio.client import ClientConnection
from websockets.exceptions import InvalidStatus, WebSocketException

from benchmarks.service import TOKEN_KEY, bearer
from examples.websocket_broadcast.chat import ROOM
from examples.websocket_scaling.presence import BEAT_SECONDS
from tests.support.nginx import Site, nginx_with_tls
from tests.support.postgres import postgres
from tests.support.redis import redis
from tests.support.server import Server, start
from tests.support.systemd import manager

VISITORS = 3
MEMBERS = 10
SPEECHES = 5  # of each member, after the recovery
SECONDS_BEFORE = 3  # of load, before a part is restarted
RECOVERY_SECONDS = 60
MAIL = re.compile(r"mail <(\w+)@")


class Visitors:
    """Register, log in and look around, for ever; all answers are counted."""

    def __init__(self, site: Site) -> None:
        self._client = site.client()
        self._names = itertools.count()
        self.answers = Counter[str]()
        self.longest = 0.0  # seconds until one request was answered at last
        self.faults: list[str] = []

    def start_counting(self) -> None:
        self.answers.clear()
        self.longest = 0.0

    async def visit(self) -> None:
        while True:
            name = f"user{next(self._names)}"
            given = {"username": name, "password": "correct-horse"}
            new = given | {"email": f"{name}@example.com"}
            await self.ask("POST", "/users", {201, 409}, json=new)
            answer = await self.ask("POST", "/auth/login", {200}, json=given)
            token = answer.json()["access_token"]
            headers = {"Authorization": f"Bearer {token}"}
            for path in ("/api/users?limit=5", "/users/1", "/api/users?limit=5"):
                await self.ask("GET", path, {200}, headers=headers)

    async def ask(
        self, method: str, path: str, wanted: set[int], **options: object
    ) -> httpx2.Response:
        """Ask until it is answered as a client does that knows 503 and 429.

        A 409 is the answer to a second try: the first one was cut after its commit.
        """
        started = time.monotonic()
        while True:
            try:
                answer = await self._client.request(method, path, **options)  # type: ignore[arg-type]
            except httpx2.TransportError as error:
                self.answers["cut or refused"] += 1
                self.faults.append(f"{method} {path}: {error!r}")
            else:
                self.answers[str(answer.status_code)] += 1
                if answer.status_code in wanted:
                    self.longest = max(self.longest, time.monotonic() - started)
                    return answer
                if answer.status_code not in {429, 503}:
                    self.faults.append(f"{method} {path}: {answer.status_code}")
            await asyncio.sleep(0.2)


class Member:
    """Sits in the chat, and comes back when it is cut."""

    def __init__(self, site: Site, number: int) -> None:
        self._site = site
        self._headers = bearer(number)
        self.socket: ClientConnection | None = None
        self.heard = set[str]()
        self.connections = 0
        self.refusals: list[int] = []

    async def stay(self) -> None:
        while True:
            try:
                async with self._site.websocket("/ws/chat", self._headers) as socket:
                    self.connections += 1
                    self.socket = socket
                    async for message in socket:
                        self.heard.add(json.loads(message).get("text", ""))
            except InvalidStatus as error:
                self.refusals.append(error.response.status_code)
            except (OSError, WebSocketException, TimeoutError):
                pass  # nginx is away
            self.socket = None
            await asyncio.sleep(0.2)

    async def leave(self) -> None:
        if self.socket is not None:
            await self.socket.close()

    async def say(self, word: str) -> None:
        if self.socket is not None:
            with suppress(WebSocketException):
                await self.socket.send(json.dumps({"text": word}))


class Room:
    def __init__(self, site: Site) -> None:
        self.members = [Member(site, 1 + number) for number in range(MEMBERS)]
        self._numbers = itertools.count()

    async def round(self, seconds: float) -> int:
        """Each says something new: how often it was not heard in that time."""
        words = {f"word {next(self._numbers)}" for _ in self.members}
        for word, member in zip(words, self.members, strict=True):
            await member.say(word)
        with suppress(TimeoutError):
            async with asyncio.timeout(seconds):
                while True:
                    if not self.unheard(words):
                        break
                    await asyncio.sleep(0.05)
        return self.unheard(words)

    def unheard(self, words: set[str]) -> int:
        return sum(len(words - member.heard) for member in self.members)

    async def recover(self) -> float:
        """Seconds until each hears each."""
        started = time.monotonic()
        async with asyncio.timeout(RECOVERY_SECONDS):
            while True:
                before = time.monotonic()
                if not await self.round(1):
                    return before - started

    async def lost(self) -> int:
        return sum([await self.round(10) for _ in range(SPEECHES)])


class Service:
    """All parts, each of which can be restarted."""

    def __init__(self, stack: AsyncExitStack, folder: Path) -> None:
        self._stack = stack
        self._folder = folder
        self.worker_logs: list[Server] = []

    async def start(self) -> None:
        enter = self._stack.enter_context
        self.database = enter(postgres())
        self.redis = enter(redis())
        shared = enter(manager(self._folder))
        self.env = {
            "DATABASE_URL": self.database.url_of("postgres"),
            "REDIS_URL": self.redis.url,
            "MAIL_OUTBOX": "true",
            "SECRET_KEY": "s" * 32,
            "TOKEN_KEY": TOKEN_KEY,
            "TRUSTED_HOPS": "1",
        }
        self.units = [shared.unit("examples", **self.env) for _ in range(2)]
        self._stack.push_async_callback(self._end)
        for unit in self.units:
            await unit.start()
        await self.start_worker()
        rate = {"rate=20r/s": "rate=2000r/s"}  # all clients have one address
        self.site = await self._stack.enter_async_context(
            nginx_with_tls(shared.address, rate)
        )

    async def start_worker(self) -> None:
        self.worker = await start("examples.task_queue.worker", env=self.env)
        self.worker_logs.append(self.worker)
        await self.worker.logged("the worker is ready", seconds=60)

    async def _end(self) -> None:
        for unit in self.units:
            await unit.end()
        await self.worker.end()

    async def restart_nginx(self) -> None:
        await self.site.nginx.stop()
        await self.site.nginx.start()

    async def restart_database(self) -> None:
        await asyncio.to_thread(self.database.stop)
        await asyncio.to_thread(self.database.start)

    async def restart_redis(self) -> None:
        await asyncio.to_thread(self.redis.stop)
        await asyncio.to_thread(self.redis.start)

    async def kill_worker(self) -> None:
        self.worker.process.send_signal(signal.SIGKILL)
        await self.worker.process.wait()
        await self.start_worker()

    def restarts(self) -> dict[str, Callable[[], Awaitable[None]]]:
        first, second = self.units
        return {
            "nothing": no_restart,
            "process 1": first.restart,
            "process 2": second.restart,
            "nginx": self.restart_nginx,
            "PostgreSQL": self.restart_database,
            "Redis": self.restart_redis,
            "the worker (SIGKILL)": self.kill_worker,
        }

    async def members(self) -> list[int]:
        """How many members of the chat each process shows to the others."""
        async with Redis.from_url(self.redis.url, decode_responses=True) as client:
            keys = [key async for key in client.scan_iter("*:processes:*")]
            lists = [await client.hget(key, ROOM) or "[]" for key in keys]
        return sorted(len(json.loads(users)) for users in lists)

    async def spread(self, members: list[Member]) -> str:
        """Let members come back until each process has two of them or more."""
        async with asyncio.timeout(RECOVERY_SECONDS):
            while True:
                counts = await self.members()
                if sum(counts) == MEMBERS and len(counts) == 2 and counts[0] > 1:
                    return f"{counts[0]} and {counts[1]}"
                if sum(counts) == MEMBERS:
                    for member in random.sample(members, 3):
                        await member.leave()
                await asyncio.sleep(BEAT_SECONDS + 0.5)

    async def mails(self) -> tuple[int, int, int]:
        """How many users there are, how many had their mail, how many more went out."""
        engine = create_async_engine(self.env["DATABASE_URL"])
        async with engine.connect() as connection:
            users = await connection.scalar(text("SELECT count(*) FROM users"))
            async with asyncio.timeout(RECOVERY_SECONDS):
                while True:
                    if not await connection.scalar(text(UNDONE)):
                        break
                    await asyncio.sleep(0.2)
            done = set(await connection.scalars(text(DONE)))
        await engine.dispose()
        sent = [key for log in self.worker_logs for key in MAIL.findall(log.log)]
        return users or 0, len(done & {*sent}), len(sent) - len({*sent})


UNDONE = "SELECT count(*) FROM tasks WHERE state <> 'done'"
DONE = """
SELECT tasks.id FROM tasks JOIN users ON users.email = tasks.arguments ->> 'address'
WHERE state = 'done'
"""


async def no_restart() -> None:
    await asyncio.sleep(SECONDS_BEFORE)


async def run() -> int:
    """The number of what went wrong."""
    async with AsyncExitStack() as stack:
        folder = Path(stack.enter_context(tempfile.TemporaryDirectory()))
        service = Service(stack, folder)
        await service.start()
        visitors, room = Visitors(service.site), Room(service.site)
        work = [visitors.visit() for _ in range(VISITORS)]
        work += [member.stay() for member in room.members]
        tasks = [asyncio.create_task(each) for each in work]
        await room.recover()
        print(HEADER)
        faults = 0
        for name, restart in service.restarts().items():
            spread = await service.spread(room.members)
            visitors.start_counting()
            for member in room.members:
                member.connections = 0
                member.refusals.clear()
            await asyncio.sleep(SECONDS_BEFORE)
            started = time.monotonic()
            await restart()
            took = time.monotonic() - started
            recovery = await room.recover()
            lost = await room.lost()
            again = sum(member.connections for member in room.members)
            refusals = [code for member in room.members for code in member.refusals]
            answers = visitors.answers
            bad = wrong(answers) + sum(code not in {429, 503} for code in refusals)
            print(
                f"| {name} | {spread} | {took:.1f} | {answers.total()} "
                f"| {answers['503']} | {answers['cut or refused']} | {bad} "
                f"| {visitors.longest:.1f} | {again} | {recovery:.1f} "
                f"| {lost} of {SPEECHES * MEMBERS * MEMBERS} |",
                flush=True,
            )
            faults += bad + lost
        for task in tasks:
            task.cancel()
        await asyncio.wait(tasks)
        users, sent, twice = await service.mails()
        print(f"\n{users} users, {users - sent} mails lost, {twice} sent twice")
        for fault in visitors.faults:
            print(fault, file=sys.stderr)
        return faults + users - sent


def wrong(answers: Counter[str]) -> int:
    """Answers that no client should see, whatever is restarted."""
    fine = {"200", "201", "409", "429", "503", "cut or refused"}
    return sum(count for status, count in answers.items() if status not in fine)


HEADER = """\
| restarted | members | took s | answers | 503 | cut or refused | 500 or other \
| longest wait s | sockets anew | all heard after s | messages lost then |
| -- | -- | -- | -- | -- | -- | -- | -- | -- | -- | -- |"""


def main() -> int:
    print(f"Python {platform.python_version()}, Quart {version('quart')}\n")
    return 1 if asyncio.run(run()) else 0


if __name__ == "__main__":
    sys.exit(main())
