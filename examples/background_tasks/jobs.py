"""A job whose state the client asks for. It is lost when the process ends."""

import asyncio
import secrets
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass, field
from typing import Any, Literal

from quart import Quart

from .after_answer import TaskLimit


@dataclass
class Job:
    id: str = field(default_factory=secrets.token_urlsafe)
    state: Literal["queued", "running", "done", "failed"] = "queued"
    result: Any = None


class Jobs:
    """Runs plain functions in a few threads, and forgets a job after `kept_seconds`."""

    def __init__(
        self, app: Quart, threads: int = 2, limit: int = 100, kept_seconds: int = 3_600
    ) -> None:
        self._tasks = TaskLimit(app, limit)
        self._threads = ThreadPoolExecutor(threads, "jobs")
        self._kept_seconds = kept_seconds
        self._jobs: dict[str, Job] = {}

    def start(self, function: Callable[..., Any], *arguments: object) -> Job:
        job = Job()
        self._tasks.add(self._run, job, function, *arguments)
        self._jobs[job.id] = job
        return job

    def find(self, job_id: str) -> Job | None:
        return self._jobs.get(job_id)

    async def close(self) -> None:
        self._threads.shutdown(wait=False, cancel_futures=True)

    async def _run(self, job: Job, function: Callable[..., Any], *args: object) -> None:
        def work() -> Any:
            job.state = "running"
            return function(*args)

        loop = asyncio.get_running_loop()
        try:
            job.result = await loop.run_in_executor(self._threads, work)
            job.state = "done"
        except Exception:
            job.state = "failed"
            raise  # Quart logs it
        finally:
            loop.call_later(self._kept_seconds, self._jobs.pop, job.id)
