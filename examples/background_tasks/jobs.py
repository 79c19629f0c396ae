"""A job whose state the client asks for. It is lost when the process ends."""

import asyncio
import secrets
import time
from collections.abc import Callable
from dataclasses import asdict, dataclass, field
from typing import Any

from quart import Quart

from .after_answer import TaskLimit

KEPT_SECONDS = 3_600


@dataclass
class Job:
    id: str = field(default_factory=lambda: secrets.token_urlsafe(16))
    state: str = "queued"
    result: Any = None
    finished: float | None = None

    def view(self) -> dict[str, Any]:
        return asdict(self)


class Jobs:
    """Runs plain functions in threads, `threads` of them at a time."""

    def __init__(self, app: Quart, threads: int = 2, limit: int = 100) -> None:
        self._tasks = TaskLimit(app, limit)
        self._threads = asyncio.Semaphore(threads)
        self._jobs: dict[str, Job] = {}

    def start(self, function: Callable[..., Any], *arguments: object) -> Job:
        job = Job()
        self._tasks.add(self._run, job, function, *arguments)
        self._jobs[job.id] = job
        return job

    def find(self, job_id: str) -> Job | None:
        return self._jobs.get(job_id)

    async def _run(self, job: Job, function: Callable[..., Any], *args: object) -> None:
        try:
            async with self._threads:
                job.state = "running"
                job.result = await asyncio.to_thread(function, *args)
            job.state = "done"
        except BaseException:
            job.state = "failed"
            raise
        finally:
            job.finished = time.time()

    async def forget_old(self) -> None:
        oldest = time.time() - KEPT_SECONDS
        self._jobs = {
            job_id: job
            for job_id, job in self._jobs.items()
            if job.finished is None or job.finished > oldest
        }
