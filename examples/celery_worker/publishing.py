"""From the outbox to Celery."""

import asyncio
from functools import partial

from celery import Celery  # type: ignore[import-untyped]

from ..database_sessions import Database
from ..task_queue.loop import Worker
from ..task_queue.outbox import Task, after, store


class Relay(Worker):
    """A row stays open until its task is done, so Redis may forget the message."""

    def __init__(
        self, database: Database, celery: Celery, publish_again: float = 300
    ) -> None:
        super().__init__(database, {})
        self.celery = celery
        self.publish_again = publish_again  # seconds, unless it has run by then

    def claim(self, task: Task) -> None:
        task.due_at = after(self.publish_again)

    async def perform(self, task: Task) -> None:
        """Publish it, in a thread since that blocks; run_task stores how it ended."""
        send = partial(self.celery.send_task, expires=self.publish_again)
        try:
            await asyncio.to_thread(send, "run_task", [task.id, task.attempts])
        except Exception:
            await store(self.database, task, self.lease, due_at=after(0))
            raise
