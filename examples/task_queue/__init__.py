"""Work that survives the process: stored with its cause, done by a worker.

Try:
    curl -s -i -X POST http://127.0.0.1:8000/users/ada
    curl -s -i http://127.0.0.1:8000/tasks/never-stored
"""

import os

from quart import Quart, url_for
from quart.typing import ResponseReturnValue

from ..database_sessions import User, register_database, writing
from .loop import Handler, Worker, work_on, work_until_closed
from .mail import log_mail_task, register_outbox, store_mail
from .outbox import Task, add_task, after, store
from .status import tasks

__all__ = [
    "Handler",
    "Task",
    "Worker",
    "add_task",
    "after",
    "log_mail_task",
    "register_outbox",
    "store",
    "store_mail",
    "tasks",
    "work_on",
    "work_until_closed",
]


def create_app(database_url: str | None = None) -> Quart:
    app = Quart(__name__)
    default = os.environ.get("DATABASE_URL", "sqlite+aiosqlite:///app.sqlite3")
    register_database(app, database_url or default)
    app.register_blueprint(tasks)

    @app.post("/users/<username>")
    async def create_user(username: str) -> ResponseReturnValue:
        email = f"{username}@example.com"
        async with writing() as session:
            session.add(User(username=username, email=email, password_hash="-"))
            task = add_task(session, "mail", address=email, text="Welcome!")
        location = url_for("tasks.show_task", task_id=task.id)
        return {"username": username}, 201, {"Location": location}

    return app
