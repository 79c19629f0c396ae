"""Store a task once a day, however many processes serve the app."""

from contextlib import suppress
from datetime import UTC, datetime

from quart import Quart
from werkzeug.exceptions import Conflict

from ..background_tasks import register_timer
from ..database_sessions import writing
from .outbox import Task, add_task

POLL_SECONDS = 60


def register_daily(app: Quart, name: str, hour: int) -> None:
    """The worker runs `name` each day after `hour` (UTC), if an app serves then."""

    async def store_task() -> None:
        now = datetime.now(UTC)
        key = f"{name}-{now:%Y-%m-%d}"
        if now.hour >= hour:
            with suppress(Conflict):  # another process is quicker
                async with writing() as session:
                    if await session.get(Task, key) is None:
                        add_task(session, name, key)

    register_timer(app, POLL_SECONDS, store_task)
