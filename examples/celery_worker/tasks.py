"""Celery runs what the outbox holds; a message only says which row."""

import asyncio
from collections.abc import Mapping
from functools import cache

from celery import Celery  # type: ignore[import-untyped]

from ..configuration import Settings
from ..database_sessions import Database
from ..task_queue.loop import Handler, Worker
from ..task_queue.mail import log_mail_task
from ..task_queue.outbox import Task


def celery_of(settings: Settings) -> Celery:
    if settings.redis_url is None:
        raise SystemExit("Cannot start:\n  REDIS_URL: Field required")
    return create_celery(
        settings.redis_url.get_secret_value(),
        settings.database_url.get_secret_value(),
        {"mail": log_mail_task},
    )


def create_celery(
    redis_url: str, database_url: str, handlers: Mapping[str, Handler]
) -> Celery:
    celery = Celery("tasks", broker=redis_url, set_as_current=False)
    celery.conf.update(
        broker_connection_retry_on_startup=True,
        broker_transport_options={"socket_connect_timeout": 3, "socket_timeout": 5},
        task_ignore_result=True,  # the row has it
        task_publish_retry_policy={"max_retries": 0},  # the relay tries again
        task_time_limit=60,  # ends a process that a task blocks
        worker_prefetch_multiplier=1,
    )

    @cache
    def of_this_process() -> tuple[asyncio.Runner, Worker]:
        """One loop for one pool of connections, made after Celery has forked."""
        return asyncio.Runner(), Worker(Database(database_url, pool_size=1), handlers)

    def run_task(task_id: str, attempts: int) -> None:
        runner, worker = of_this_process()
        runner.run(run_published(worker, task_id, attempts))

    celery.task(run_task, name="run_task", shared=False)
    return celery


async def run_published(worker: Worker, task_id: str, attempts: int) -> None:
    """Not if the row has moved on: a message may come late, twice or never."""
    async with worker.database.writing() as session:
        task = await session.get(Task, task_id, with_for_update=True)
        if task is None or task.state != "waiting" or task.attempts != attempts:
            return
        worker.claim(task)
    await worker.perform(task)
