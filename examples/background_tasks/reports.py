"""Order a report, and ask for it later: /reports."""

import time
from dataclasses import asdict

from quart import Blueprint, Quart, abort, current_app, url_for
from quart.typing import ResponseReturnValue

from .jobs import Jobs

reports = Blueprint("reports", __name__, url_prefix="/reports")


def write_report(subject: str) -> str:
    time.sleep(0.2)  # a library that computes or blocks: it runs in a thread
    return f"All about {subject}."


def register_jobs(app: Quart) -> None:
    jobs = app.extensions["jobs"] = Jobs(app)
    app.after_serving(jobs.close)


@reports.post("/<subject>")
async def order_report(subject: str) -> ResponseReturnValue:
    jobs: Jobs = current_app.extensions["jobs"]
    job = jobs.start(write_report, subject)
    return asdict(job), 202, {"Location": url_for(".show_report", job_id=job.id)}


@reports.get("/<job_id>")
async def show_report(job_id: str) -> ResponseReturnValue:
    jobs: Jobs = current_app.extensions["jobs"]
    job = jobs.find(job_id)
    if job is None:
        abort(404)
    return asdict(job)
