"""How work behind the response is lost, blocks the loop or grows without end."""

import asyncio
import logging
from collections.abc import AsyncGenerator, Awaitable, Callable, Coroutine
from typing import Any

from celery import Task  # type: ignore[import-untyped]
from quart import Quart, request
from quart.signals import got_background_exception
from quart.typing import ResponseReturnValue

Deliver = Callable[[int], Coroutine[Any, Any, None]]


def bare_create_task(deliver: Deliver) -> Quart:
    app = Quart(__name__)

    @app.post("/members/<int:member_id>/welcome")
    async def welcome(member_id: int) -> ResponseReturnValue:
        asyncio.create_task(deliver(member_id))
        return {"state": "queued"}, 202

    return app


def request_in_the_task(outbox: list[str]) -> Quart:
    app = Quart(__name__)

    async def send_welcome() -> None:
        member = await request.get_json()
        outbox.append(member["email"])

    @app.post("/members")
    async def add_member() -> ResponseReturnValue:
        app.add_background_task(send_welcome)
        return {"state": "queued"}, 202

    return app


def publish_on_the_loop(send_welcome: Task[[int], None]) -> Quart:
    app = Quart(__name__)

    @app.post("/members/<int:member_id>/welcome")
    async def welcome(member_id: int) -> ResponseReturnValue:
        send_welcome.delay(member_id)
        return {"state": "queued"}, 202

    return app


def group_of_threads(render: Callable[[int, str], str]) -> Quart:
    app = Quart(__name__)
    slots = asyncio.Semaphore(1)

    async def write(member_id: int) -> None:
        async with slots, asyncio.TaskGroup() as group:
            for part in ("payments", "visits"):
                group.create_task(asyncio.to_thread(render, member_id, part))

    @app.post("/members/<int:member_id>/reports")
    async def order(member_id: int) -> ResponseReturnValue:
        app.add_background_task(write, member_id)
        return {"state": "queued"}, 202, {"Location": "/reports/1"}

    return app


def endless_background_task(digest: Callable[[], Awaitable[None]]) -> Quart:
    app = Quart(__name__)

    async def every_hour() -> None:
        while True:
            await digest()
            await asyncio.sleep(3600)

    @app.before_serving
    async def start_clock() -> None:
        app.add_background_task(every_hour)

    return app


def unguarded_period(digest: Callable[[], Awaitable[None]], period: float) -> Quart:
    app = Quart(__name__)

    async def every() -> None:
        while True:
            await asyncio.sleep(period)
            await digest()

    @app.while_serving
    async def clock() -> AsyncGenerator[None, None]:
        task = app.extensions["clock"] = asyncio.create_task(every())
        yield
        task.cancel()

    return app


def render_on_the_loop(render: Callable[[int], str]) -> Quart:
    app = Quart(__name__)

    async def write(member_id: int) -> None:
        render(member_id)

    @app.post("/members/<int:member_id>/reports")
    async def order(member_id: int) -> ResponseReturnValue:
        app.add_background_task(write, member_id)
        return {"state": "queued"}, 202

    return app


def status_of_every_job_ever(render: Callable[[int], str]) -> Quart:
    app = Quart(__name__)
    jobs: dict[int, str] = app.extensions.setdefault("jobs", {})

    async def write(job_id: int, member_id: int) -> None:
        jobs[job_id] = await asyncio.to_thread(render, member_id)

    @app.post("/members/<int:member_id>/reports")
    async def order(member_id: int) -> ResponseReturnValue:
        job_id = len(jobs)
        jobs[job_id] = "queued"
        app.add_background_task(write, job_id, member_id)
        return {"id": job_id}, 202

    return app


def error_without_traceback(deliver: Deliver) -> Quart:
    app = Quart(__name__)

    async def send(member_id: int) -> None:
        try:
            await deliver(member_id)
        except Exception as error:
            logging.getLogger(__name__).error(f"Background task failed: {error}")

    @app.post("/members/<int:member_id>/welcome")
    async def welcome(member_id: int) -> ResponseReturnValue:
        app.add_background_task(send, member_id)
        return {"state": "queued"}, 202

    return app


def mails_in_one_task_group(deliver: Deliver) -> Quart:
    app = Quart(__name__)

    async def send_all(member_ids: list[int]) -> None:
        async with asyncio.TaskGroup() as group:
            for member_id in member_ids:
                group.create_task(deliver(member_id))

    @app.post("/newsletter")
    async def newsletter() -> ResponseReturnValue:
        app.add_background_task(send_all, await request.get_json())
        return {"state": "queued"}, 202

    return app


def signal_to_a_local_function(deliver: Deliver, failures: list[str]) -> Quart:
    app = Quart(__name__)

    async def count(app: Quart, exception: Exception, **_: Any) -> None:
        failures.append(str(exception))

    got_background_exception.connect(count, app)

    @app.post("/members/<int:member_id>/welcome")
    async def welcome(member_id: int) -> ResponseReturnValue:
        app.add_background_task(deliver, member_id)
        return {"state": "queued"}, 202

    return app
