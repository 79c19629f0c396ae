"""Celery for the tasks of the outbox: a relay publishes, Redis may forget.

Try:
    curl -s -i -X POST http://127.0.0.1:8000/users/ada
    curl -s -i http://127.0.0.1:8000/tasks/never-stored
"""

import os

from quart import Quart, url_for
from quart.typing import ResponseReturnValue

from ..database_sessions import User, register_database, writing
from ..task_queue.outbox import add_task
from ..task_queue.status import tasks as task_states
from .publishing import Relay
from .tasks import create_celery

__all__ = ["Relay", "create_celery"]


def create_app(database_url: str | None = None) -> Quart:
    app = Quart(__name__)
    default = os.environ.get("DATABASE_URL", "sqlite+aiosqlite:///app.sqlite3")
    register_database(app, database_url or default)
    app.register_blueprint(task_states)

    @app.post("/users/<username>")
    async def create_user(username: str) -> ResponseReturnValue:
        email = f"{username}@example.com"
        async with writing() as session:
            session.add(User(username=username, email=email, password_hash="-"))
            task = add_task(session, "mail", address=email, text="Welcome!")
        location = url_for("tasks.show_task", task_id=task.id)
        return {"username": username}, 201, {"Location": location}

    return app
