"""Tasks in the app's own database, each stored by the transaction that causes it."""

import asyncio
import logging
import secrets
from datetime import UTC, datetime, timedelta
from typing import Any

from sqlalchemy import JSON, Index, String, delete, select, update
from sqlalchemy.ext.asyncio import AsyncSession
from sqlalchemy.orm import Mapped, mapped_column

from ..database_sessions import Base, Database
from ..database_sessions.models import UtcDateTime

RETRY_SECONDS = 1
log = logging.getLogger(__name__)


def new_key() -> str:
    return secrets.token_hex(16)


class Task(Base):
    """`due_at` is when it may be claimed; when it goes, for one that is done."""

    __tablename__ = "tasks"
    __table_args__ = (Index("tasks_due", "state", "due_at"),)

    id: Mapped[str] = mapped_column(String(32), primary_key=True)
    name: Mapped[str] = mapped_column(String(50))
    arguments: Mapped[dict[str, Any]] = mapped_column(JSON)
    state: Mapped[str] = mapped_column(String(10), default="waiting")  # or done, dead
    attempts: Mapped[int] = mapped_column(default=0)
    due_at: Mapped[datetime] = mapped_column(UtcDateTime, default=lambda: after(0))


def after(seconds: float) -> datetime:
    return datetime.now(UTC) + timedelta(seconds=seconds)


def add_task(
    session: AsyncSession, name: str, key: str | None = None, /, **arguments: Any
) -> Task:
    """Call it in the transaction of what causes the task: both are kept, or none.

    A `key` of yours (32 characters) is refused while a task has it. No argument may
    have the name of the handler's first parameter, which takes the key.
    """
    task = Task(id=key or new_key(), name=name, arguments=arguments)
    session.add(task)
    return task


async def next_due(session: AsyncSession, attempts: int) -> Task | None:
    """The row stays locked until the commit, and other workers take the next one."""
    due = select(Task).where(Task.state == "waiting", Task.due_at <= after(0))
    due = due.order_by(Task.due_at).limit(1)
    task = await session.scalar(due.with_for_update(skip_locked=True))
    if task is not None and task.attempts >= attempts:
        task.state = "dead"
        log.error("task %s (%s) is dead", task.id, task.name)
        return None
    return task


async def store(database: Database, task: Task, seconds: float, **values: Any) -> None:
    """Unless it was claimed again. While the database is away, try for `seconds`."""
    ours = (Task.id == task.id, Task.attempts == task.attempts)
    async with asyncio.timeout(seconds):
        while True:
            try:
                async with database.writing() as session:
                    await session.execute(update(Task).where(*ours).values(**values))
                return
            except Exception as error:
                log.warning("task %s is not stored yet: %r", task.id, error)
                await asyncio.sleep(RETRY_SECONDS)


async def forget_done(session: AsyncSession) -> None:
    done = delete(Task).where(Task.state == "done", Task.due_at <= after(0))
    await session.execute(done)
