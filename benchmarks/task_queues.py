"""What queues lose: real workers, Redis and PostgreSQL, killed and restarted.

python -m benchmarks.task_queues     prints the table of patterns/task_queue.md

Waits are shortened: a lease of 2 s instead of 60, visibility and idle time-outs of 1 s.
"""

import asyncio
import os
import sys
import tempfile
from collections.abc import AsyncIterator, Awaitable, Callable
from contextlib import asynccontextmanager
from pathlib import Path

from benchmarks.queue_worker import (
    CELERY,
    OUTBOX,
    POISON,
    PROCRASTINATE,
    TASKIQ,
    create_tables,
    publish,
    retry_stalled,
)
from tests.support.postgres import Postgres, postgres
from tests.support.redis import RedisServer, redis
from tests.support.server import start
from tests.support.task_worker import read

KINDS = [*list(CELERY)[:2], TASKIQ, PROCRASTINATE, OUTBOX]
PATIENCE = 12  # seconds, many times what was set for this table
FAULTS = ["SIGKILL in mid-task", "restart of broker or database", "kill after commit"]


@asynccontextmanager
async def worker(kind: str, folder: Path) -> AsyncIterator[None]:
    """Killed at the end, as by a power cut."""
    process = await start("benchmarks.queue_worker", kind, str(folder))
    try:
        yield
    finally:
        process.kill()
        await process.end()


async def wrote(folder: Path, *words: str, seconds: float = 60) -> bool:
    for _ in range(int(seconds / 0.1)):
        if any(line[: len(words)] == [*words] for line in read(folder)):
            return True
        await asyncio.sleep(0.1)
    return False


async def killed_in_mid_task(kind: str, folder: Path) -> str:
    await publish(kind, folder, "ada")
    async with worker(kind, folder):
        assert await wrote(folder, "begun", "ada"), (kind, folder)
    (folder / "go").touch()
    async with worker(kind, folder):
        if await wrote(folder, "sent", "ada", seconds=PATIENCE):
            return "done later"
        if await done_by_the_next(kind, folder):
            return "done after the next message"
        if kind == PROCRASTINATE and await retry_stalled():
            assert await wrote(folder, "sent", "ada")
            return "done once the app retries stalled jobs"
    return "lost"


async def done_by_the_next(kind: str, folder: Path) -> bool:
    """Whether ada's mail has been sent soon after one that came later."""
    await publish(kind, folder, "bob")
    assert await wrote(folder, "sent", "bob"), (kind, folder)
    return await wrote(folder, "sent", "ada", seconds=3)


async def restarted(kind: str, folder: Path, restart: Callable[[], None]) -> str:
    (folder / "go").touch()
    await publish(kind, folder, "ada")
    await asyncio.to_thread(restart)
    async with worker(kind, folder):
        return "done" if await done_by_the_next(kind, folder) else "lost"


async def killed_after_the_commit(kind: str, folder: Path) -> str:
    """Who publishes in the transaction has published by now; the others had not."""
    (folder / "go").touch()
    if kind in (PROCRASTINATE, OUTBOX):
        await publish(kind, folder, "ada")
    async with worker(kind, folder):
        return "done" if await done_by_the_next(kind, folder) else "lost"


async def poisoned(folder: Path) -> str:
    """How often a late acknowledgement brings back what no process survives."""
    await publish(POISON, folder, "ada")
    worker = await start("benchmarks.queue_worker", POISON, str(folder))
    await asyncio.sleep(PATIENCE)
    await worker.stop()
    return f"{len(read(folder))} times in {PATIENCE} seconds"


async def table(server: RedisServer, database: Postgres, folder: Path) -> None:
    os.environ["REDIS_URL"] = server.url
    os.environ["DATABASE_URL"] = database.url_of("postgres")
    await create_tables()

    def restart() -> None:
        for one in (server, database):
            one.stop()
            one.start()

    print(f"| | {' | '.join(FAULTS)} |\n| -- | -- | -- | -- |")
    for number, kind in enumerate(KINDS):
        faults: list[Callable[[str, Path], Awaitable[str]]] = [
            killed_in_mid_task,
            lambda kind, folder: restarted(kind, folder, restart),
            killed_after_the_commit,
        ]
        cells = []
        for fault, run in enumerate(faults):
            place = folder / f"{number}-{fault}"
            place.mkdir()
            server.empty()
            cells.append(await run(kind, place))
        print(f"| {kind} | {' | '.join(cells)} |", flush=True)
    server.empty()
    place = folder / "poison"
    place.mkdir()
    print(f"\nCelery, set right, ran what kills its process {await poisoned(place)}")


def main() -> int:
    with (
        redis() as server,
        postgres() as database,
        tempfile.TemporaryDirectory(prefix="quart-patterns-") as folder,
    ):
        asyncio.run(table(server, database, Path(folder)))
    return 0


if __name__ == "__main__":
    sys.exit(main())
