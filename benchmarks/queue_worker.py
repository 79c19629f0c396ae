"""A worker of each queue, and how a mail gets into it; task_queues.py kills them.

python -m benchmarks.queue_worker KIND FOLDER
"""

import asyncio
import os
import sys
from collections.abc import Awaitable, Callable
from pathlib import Path

import procrastinate
from sqlalchemy.ext.asyncio import AsyncSession, create_async_engine
from taskiq import AsyncBroker
from taskiq.api import run_receiver_task
from taskiq_redis import RedisStreamBroker

from examples.database_sessions import Database
from examples.task_queue import Worker, add_task, work_until_closed
from tests.support import celery_mail
from tests.support.task_worker import mail_in

Publish = Callable[[str], Awaitable[None]]  # takes an address
POISON = "poison"
CELERY = {
    "Celery, its defaults": "defaults",
    "Celery, set right": "safe",
    POISON: "poison",
}
TASKIQ, PROCRASTINATE, OUTBOX = "taskiq, Redis streams", "procrastinate", "outbox"
LEASE = 2


def taskiq_broker(folder: Path) -> AsyncBroker:
    """What is not acknowledged may be claimed after a second, not ten minutes."""
    redis_url = os.environ["REDIS_URL"]
    broker = RedisStreamBroker(redis_url, consumer_id="0", idle_timeout=1000)

    @broker.task(task_name="send_mail")
    async def send_mail(address: str) -> None:
        await mail_in(folder)("-", address, "")

    return broker


def procrastinate_app(folder: Path) -> procrastinate.App:
    url = os.environ["DATABASE_URL"].replace("+asyncpg", "")
    app = procrastinate.App(connector=procrastinate.PsycopgConnector(conninfo=url))

    @app.task(name="send_mail")
    async def send_mail(address: str) -> None:
        await mail_in(folder)("-", address, "")

    return app


async def publish(kind: str, folder: Path, address: str) -> None:
    """In a transaction of SQLAlchemy where the queue can."""
    if kind in CELERY:
        celery = celery_mail.celery_of(CELERY[kind], folder)
        await asyncio.to_thread(celery.send_task, "send_mail", [address])
        celery.close()
    elif kind == TASKIQ:
        broker = taskiq_broker(folder)
        await broker.startup()
        send_mail = broker.find_task("send_mail")
        assert send_mail is not None
        await send_mail.kiq(address)
        await broker.shutdown()
    elif kind == PROCRASTINATE:
        url = os.environ["DATABASE_URL"].replace("asyncpg", "psycopg")
        engine = create_async_engine(url)
        async with AsyncSession(engine) as session, session.begin():
            raw = await (await session.connection()).get_raw_connection()
            task = procrastinate_app(folder).tasks["send_mail"]
            deferrer = task.configure(connection=raw.driver_connection)
            await deferrer.defer_async(address=address)
        await engine.dispose()
    else:
        database = Database(os.environ["DATABASE_URL"])
        async with database.writing() as session:
            add_task(session, "mail", address=address, text="Welcome!")
        await database.close()


async def work(kind: str, folder: Path) -> None:
    if kind == TASKIQ:
        await run_receiver_task(taskiq_broker(folder), run_startup=True)
    elif kind == PROCRASTINATE:
        app = procrastinate_app(folder)
        async with app.open_async():
            await app.run_worker_async(
                update_heartbeat_interval=0.5, stalled_worker_timeout=2
            )
    else:
        database = Database(os.environ["DATABASE_URL"])
        handlers = {"mail": mail_in(folder)}
        await work_until_closed(Worker(database, handlers, lease=LEASE))


async def create_tables() -> None:
    database = Database(os.environ["DATABASE_URL"])
    await database.create_tables()
    await database.close()
    app = procrastinate_app(Path())
    async with app.open_async():
        await app.schema_manager.apply_schema_async()


async def retry_stalled() -> int:
    """What procrastinate leaves to the app: a periodic task would do this."""
    app = procrastinate_app(Path())
    async with app.open_async():
        jobs = app.job_manager
        stalled = [*await jobs.get_stalled_jobs(seconds_since_heartbeat=2)]
        for job in stalled:
            await jobs.retry_job(job)
    return len(stalled)


if __name__ == "__main__":
    kind, folder = sys.argv[1], Path(sys.argv[2])
    if kind in CELERY:
        celery = celery_mail.celery_of(CELERY[kind], folder)
        celery.worker_main(["worker", *celery_mail.OPTIONS])
    else:
        asyncio.run(work(kind, folder))
