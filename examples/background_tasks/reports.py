"""Order a report, and ask for it later: /reports."""

import time

from quart import Blueprint, Quart, abort, current_app
from quart.typing import ResponseReturnValue

from .jobs import Jobs
from .timer import register_timer

reports = Blueprint("reports", __name__, url_prefix="/reports")


def write_report(subject: str) -> str:
    time.sleep(0.2)  # a library that computes or blocks: it runs in a thread
    return f"All about {subject}."


def register_jobs(app: Quart) -> None:
    jobs = app.extensions["jobs"] = Jobs(app)
    register_timer(app, 60, jobs.forget_old)


@reports.post("/<subject>")
async def order_report(subject: str) -> ResponseReturnValue:
    jobs: Jobs = current_app.extensions["jobs"]
    job = jobs.start(write_report, subject)
    return job.view(), 202


@reports.get("/<job_id>")
async def show_report(job_id: str) -> ResponseReturnValue:
    jobs: Jobs = current_app.extensions["jobs"]
    job = jobs.find(job_id)
    if job is None:
        abort(404)
    return job.view()
