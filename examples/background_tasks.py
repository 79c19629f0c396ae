"""Work behind the response: bounded, waited for at shutdown, seen when it fails.

Try:
    curl -s -i -X POST http://127.0.0.1:8000/members/7/welcome
    curl -s -i -X POST http://127.0.0.1:8000/members/7/reports
    curl -s -i http://127.0.0.1:8000/reports/never-ordered
"""

import asyncio
import logging
import secrets
from collections import deque
from collections.abc import AsyncGenerator, Awaitable, Callable
from dataclasses import asdict, dataclass, field

from quart import Quart, abort
from quart.typing import ResponseReturnValue
from werkzeug.exceptions import ServiceUnavailable

PARTS = ("payments", "visits")
log = logging.getLogger(__name__)


@dataclass
class Job:
    member_id: int
    id: str = field(default_factory=lambda: secrets.token_urlsafe(16))
    state: str = "queued"
    report: str | None = None


async def log_welcome(member_id: int) -> None:
    log.info("welcome, member %s", member_id)


async def log_digest() -> None:
    log.info("the digest of this hour")


def render_part(member_id: int, part: str) -> str:
    return f"The {part} of member {member_id}."


async def every(seconds: float, work: Callable[[], Awaitable[None]]) -> None:
    while True:
        await asyncio.sleep(seconds)
        try:
            await work()
        except Exception:
            log.exception("periodic work failed, next try in %s seconds", seconds)


def create_app(
    deliver: Callable[[int], Awaitable[None]] = log_welcome,
    render: Callable[[int, str], str] = render_part,
    digest: Callable[[], Awaitable[None]] = log_digest,
    *,
    period: float = 3600,
    limit: int = 100,
    concurrency: int = 2,
    kept: int = 1000,
) -> Quart:
    app = Quart(__name__)
    jobs: dict[str, Job] = {}
    finished: deque[Job] = deque()
    slots = asyncio.Semaphore(concurrency)

    @app.while_serving
    async def clock() -> AsyncGenerator[None, None]:
        ticking = asyncio.create_task(every(period, digest))
        try:
            yield
        finally:
            ticking.cancel()
            await asyncio.wait({ticking})

    async def write(job: Job) -> None:
        try:
            async with slots:
                job.state = "running"
                work = [
                    asyncio.to_thread(render, job.member_id, part) for part in PARTS
                ]
                parts = await asyncio.gather(*work, return_exceptions=True)
            if errors := [part for part in parts if isinstance(part, Exception)]:
                raise ExceptionGroup("the report failed", errors)
            job.report = " ".join(map(str, parts))
            job.state = "done"
        except Exception:
            job.state = "failed"
            raise
        finally:
            finished.append(job)
            if len(finished) > kept:
                del jobs[finished.popleft().id]

    def in_background(work: Callable[..., Awaitable[None]], *args: object) -> None:
        if len(app.background_tasks) >= limit:
            raise ServiceUnavailable(retry_after=5)
        app.add_background_task(work, *args)

    @app.post("/members/<int(min=1, max=2147483647):member_id>/welcome")
    async def welcome(member_id: int) -> ResponseReturnValue:
        in_background(deliver, member_id)
        return {"state": "queued"}, 202

    @app.post("/members/<int(min=1, max=2147483647):member_id>/reports")
    async def order(member_id: int) -> ResponseReturnValue:
        job = Job(member_id)
        in_background(write, job)
        jobs[job.id] = job
        return asdict(job), 202, {"Location": f"/reports/{job.id}"}

    @app.get("/reports/<job_id>")
    async def report(job_id: str) -> ResponseReturnValue:
        if job_id not in jobs:
            abort(404)
        return asdict(jobs[job_id])

    return app
