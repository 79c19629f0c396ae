"""How far a task is: /tasks."""

from quart import Blueprint, abort
from quart.typing import ResponseReturnValue

from ..database_sessions import reading
from .outbox import Task

tasks = Blueprint("tasks", __name__, url_prefix="/tasks")


@tasks.get("/<task_id>")
async def show_task(task_id: str) -> ResponseReturnValue:
    """Whoever knows the id may ask; it says nothing of what the task is about."""
    async with reading() as session:
        task = await session.get(Task, task_id)
    if task is None:
        abort(404)
    return {"id": task.id, "state": task.state, "attempts": task.attempts}
