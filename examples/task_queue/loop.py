"""A worker: claim a task, run it, store how it ended."""

import asyncio
import logging
from collections.abc import Awaitable, Callable, Mapping
from contextlib import suppress

from ..database_sessions import Database
from ..serving import close_on_signals
from .outbox import Task, after, forget_done, next_due, store

KEPT_SECONDS = 24 * 3600  # a task that is done, for those who ask for its state
POLL_SECONDS = 1
LOOPS = 4  # tasks at once
log = logging.getLogger(__name__)
Handler = Callable[..., Awaitable[None]]  # takes the key, then the task's arguments


class Worker:
    """Runs tasks by their name; any number of workers share the table."""

    def __init__(
        self,
        database: Database,
        handlers: Mapping[str, Handler],
        *,
        lease: float = 60,  # seconds; a task is cancelled after half of them
        attempts: int = 12,  # within three hours
        pause: float = 5,  # seconds before the second attempt, then doubled
    ) -> None:
        self.database, self.handlers = database, handlers
        self.lease, self.attempts, self.pause = lease, attempts, pause

    async def work(self) -> bool:
        """Run the next task that is due; False when there is none."""
        async with self.database.writing() as session:
            task = await next_due(session, self.attempts)
            if task is None:
                await forget_done(session)
                return False
            self.claim(task)
        await self.perform(task)
        return True

    def claim(self, task: Task) -> None:
        """If this worker dies, the task is due again when the lease is out."""
        task.attempts += 1
        task.due_at = after(self.lease)

    async def perform(self, task: Task) -> None:
        limit = self.lease / 2
        try:
            async with asyncio.timeout(limit):
                await contain(self.handlers[task.name](task.id, **task.arguments))
        except Exception:
            log.exception("task %s: attempt %s failed", task.id, task.attempts)
            last = task.attempts >= self.attempts
            pause = 0 if last else self.pause * 2 ** (task.attempts - 1)
            await store(self.database, task, limit, due_at=after(pause))
        else:
            log.info("task %s is done", task.id)
            end = {"state": "done", "due_at": after(KEPT_SECONDS)}
            await store(self.database, task, limit, **end)


async def contain(handler: Awaitable[None]) -> None:
    """A helper that somebody cancelled, or an exit, is a fault of this task only."""
    try:
        await handler
    except asyncio.CancelledError as error:
        loop = asyncio.current_task()
        if loop is not None and loop.cancelling():  # the time limit, or the end
            raise
        raise RuntimeError("what the handler awaited was cancelled") from error
    except SystemExit as error:
        raise RuntimeError("the handler tried to end the worker") from error


async def work_on(worker: Worker, closing: asyncio.Event) -> None:
    """Until `closing` is set, and then to the end of the task at hand."""
    wait: float = POLL_SECONDS
    while not closing.is_set():
        try:
            found = await worker.work()
            wait = POLL_SECONDS
        except Exception as error:  # the database is away
            found, wait = False, min(2 * wait, 30)
            log.warning("no task for %s seconds: %r", wait, error)
        if not found:
            with suppress(TimeoutError):
                await asyncio.wait_for(closing.wait(), wait)


async def work_until_closed(worker: Worker) -> None:
    """SIGTERM leaves the tasks at hand the time that the launcher gives requests."""
    closing = asyncio.Event()
    close_on_signals(closing)
    log.info("the worker is ready")
    try:
        async with asyncio.TaskGroup() as group:
            loops = [group.create_task(work_on(worker, closing)) for _ in range(LOOPS)]
            await watch(loops, closing)
    finally:
        await worker.database.close()


async def watch(loops: list[asyncio.Task[None]], closing: asyncio.Event) -> None:
    """A loop that ends by itself ends the process, with exit code 1."""
    await asyncio.wait(loops, return_when=asyncio.FIRST_COMPLETED)
    if not closing.is_set():
        log.critical("the worker ends: one of its loops was cancelled")
        raise SystemExit(1)
