"""Work behind the answer: bounded, waited for at shutdown, seen when it fails.

Try:
    curl -s -i -X POST http://127.0.0.1:8000/welcome/ada@example.com
    curl -s -i -X POST http://127.0.0.1:8000/reports/july
    curl -s -i http://127.0.0.1:8000/reports/never-ordered
"""

from quart import Quart
from quart.typing import ResponseReturnValue

from .after_answer import Mailer, TaskLimit, log_mail, register_mail, send_mail
from .jobs import Jobs
from .reports import register_jobs, reports
from .timer import register_timer

__all__ = [
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


def create_app(mailer: Mailer = log_mail) -> Quart:
    app = Quart(__name__)
    register_mail(app, mailer)
    register_jobs(app)
    app.register_blueprint(reports)

    @app.post("/welcome/<address>")
    async def welcome(address: str) -> ResponseReturnValue:
        send_mail(address, "Welcome!")
        return {"mail": "queued"}, 202

    return app
