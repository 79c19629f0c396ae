"""How work is lost, done for nothing or done twice on its way to a worker."""

from collections.abc import Awaitable, Callable

from quart import Quart
from quart.typing import ResponseReturnValue
from sqlalchemy import select
from sqlalchemy.ext.asyncio import AsyncSession

from ..database_sessions import User, writing
from ..task_queue import Task

Publish = Callable[[str], Awaitable[None]]


def _user(username: str) -> User:
    email = f"{username}@example.com"
    return User(username=username, email=email, password_hash="-")


def publish_after_the_commit(publish: Publish) -> Quart:
    app = Quart(__name__)

    @app.post("/users/<username>")
    async def create_user(username: str) -> ResponseReturnValue:
        user = _user(username)
        async with writing() as session:
            session.add(user)
        await publish(user.email)
        return {"id": user.id}, 201

    return app


def publish_before_the_commit(publish: Publish) -> Quart:
    app = Quart(__name__)

    @app.post("/users/<username>")
    async def create_user(username: str) -> ResponseReturnValue:
        user = _user(username)
        async with writing() as session:
            session.add(user)
            await publish(user.email)
        return {"id": user.id}, 201

    return app


async def claim_without_a_lock(session: AsyncSession) -> Task | None:
    waiting = select(Task).where(Task.state == "waiting").order_by(Task.due_at)
    task = await session.scalar(waiting.limit(1))
    if task is not None:
        task.state = "running"
    return task


async def delete_before_the_work(session: AsyncSession, publish: Publish) -> None:
    task = await session.scalar(select(Task).limit(1).with_for_update(skip_locked=True))
    if task is not None:
        await session.delete(task)
        await session.commit()
        await publish(task.arguments["address"])
