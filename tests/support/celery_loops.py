"""Call the task of `new_loop_for_each_task` three times, and say what it raises."""

import asyncio
import os

from celery import Celery  # type: ignore[import-untyped]

from examples.database_sessions import Database
from examples.dont import celery_worker as dont


async def create_tables(database_url: str) -> None:
    database = Database(database_url)
    await database.create_tables()
    await database.close()


if __name__ == "__main__":
    database_url = os.environ["DATABASE_URL"]
    asyncio.run(create_tables(database_url))
    count = dont.new_loop_for_each_task(Celery("users"), database_url)
    for _ in range(3):
        try:
            count()
            print("counted", flush=True)
        except RuntimeError as error:
            print(error, flush=True)
