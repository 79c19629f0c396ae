"""How Celery stops the loop, loses its tasks, or fails at every second one."""

import asyncio
from collections.abc import Callable

from celery import Celery, Task  # type: ignore[import-untyped]
from quart import Quart
from quart.typing import ResponseReturnValue
from sqlalchemy import text

from ..database_sessions import Database


def publish_on_the_loop(send_welcome: Task) -> Quart:
    app = Quart(__name__)

    @app.post("/users/<username>")
    async def create_user(username: str) -> ResponseReturnValue:
        send_welcome.delay(f"{username}@example.com")
        return {"username": username}, 201

    return app


def new_loop_for_each_task(celery: Celery, database_url: str) -> Callable[[], None]:
    database = Database(database_url)

    async def count_users() -> None:
        async with database.reading() as session:
            await session.execute(text("SELECT count(*) FROM users"))

    def count() -> None:
        asyncio.run(count_users())

    celery.task(count, name="count_users", shared=False)
    return count


def acknowledge_at_once(redis_url: str, send_mail: Callable[[str], None]) -> Celery:
    celery = Celery("users", broker=redis_url)
    celery.task(send_mail, name="send_mail", shared=False, autoretry_for=(OSError,))
    return celery
