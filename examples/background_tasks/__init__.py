"""Work behind the answer: bounded, waited for at shutdown, seen when it fails.

Try:
    curl -s -i -X POST http://127.0.0.1:8000/users/ada
    curl -s -i -X POST http://127.0.0.1:8000/reports/july
    curl -s -i http://127.0.0.1:8000/reports/never-ordered
"""

import logging

from quart import Quart
from quart.typing import ResponseReturnValue

from .after_answer import Mailer, TaskLimit, log_mail, register_mail, send_mail
from .jobs import Job, Jobs
from .reports import register_jobs, reports
from .timer import register_timer

__all__ = [
    "Job",
    "Jobs",
    "Mailer",
    "TaskLimit",
    "log_mail",
    "register_jobs",
    "register_mail",
    "register_timer",
    "reports",
    "send_mail",
]
log = logging.getLogger(__name__)


def create_app(mailer: Mailer = log_mail) -> Quart:
    app = Quart(__name__)
    register_mail(app, mailer)
    register_jobs(app)
    app.register_blueprint(reports)

    async def log_tasks() -> None:
        log.info("%s background tasks", len(app.background_tasks))

    register_timer(app, 60, log_tasks)

    @app.post("/users/<username>")
    async def create_user(username: str) -> ResponseReturnValue:
        send_mail(f"{username}@example.com", f"Welcome, {username}!")
        return {"username": username}, 201

    return app
