"""Background work is waited for, bounded, seen when it fails, off the event loop."""

import asyncio
import gc
import threading
import urllib.request
import weakref
from collections.abc import AsyncGenerator, Callable
from functools import partial
from typing import Any

import pytest
from celery import Celery, Task
from celery.signals import before_task_publish
from quart import Quart, request, session
from quart.signals import got_background_exception
from quart.typing import TestClientProtocol as Client

from examples.background_tasks import create_app
from examples.dont import background_tasks as dont
from tests.support.server import Server, hypercorn
from tests.support.versions import QUART_0_23


async def finish(app: Quart) -> None:
    """Wait for the background tasks of `app`, for ten seconds at most."""
    async with asyncio.timeout(10):
        await asyncio.gather(*app.background_tasks)


async def order(client: Client, member_id: int = 7) -> str:
    response = await client.post(f"/members/{member_id}/reports")
    assert response.status_code == 202
    return response.headers["Location"]


async def state(client: Client, location: str) -> str:
    return (await (await client.get(location)).get_json())["state"]


async def test_the_answer_does_not_wait_for_the_mail() -> None:
    outbox: list[int] = []
    release = asyncio.Event()

    async def deliver(member_id: int) -> None:
        await release.wait()
        outbox.append(member_id)

    app = create_app(deliver=deliver)
    response = await app.test_client().post("/members/7/welcome")
    assert (response.status_code, outbox) == (202, [])
    release.set()
    await finish(app)
    assert outbox == [7]


async def test_shutdown_waits_for_the_mail() -> None:
    outbox: list[int] = []

    async def deliver(member_id: int) -> None:
        await app.shutdown_event.wait()
        outbox.append(member_id)

    app = create_app(deliver=deliver)
    async with app.test_app() as served:
        await served.test_client().post("/members/7/welcome")
    assert outbox == [7]


async def log_over_sigterm(target: str) -> str:
    """What a server logs when SIGTERM comes while the mail is being sent."""

    def welcome(server: Server) -> None:
        url = server.url("/members/7/welcome")
        post = urllib.request.Request(url, method="POST")
        urllib.request.urlopen(post, timeout=10).close()

    async with hypercorn(f"tests.support.slow_mail:{target}()") as server:
        await asyncio.to_thread(welcome, server)
        assert await server.stop() == 0
    return server.log


async def test_sigterm_waits_for_the_mail() -> None:
    log = await log_over_sigterm("right")
    assert ("mail started" in log, "mail sent" in log) == (True, True)


async def test_dont_bare_create_task_loses_the_mail_at_sigterm() -> None:
    log = await log_over_sigterm("wrong")
    assert ("mail started" in log, "mail sent" in log) == (True, False)


async def deliver_to_nobody(member_id: int) -> None:
    """Wait for an answer that only this task could receive."""
    await asyncio.get_running_loop().create_future()


async def test_garbage_collection_keeps_background_tasks() -> None:
    app = create_app(deliver=deliver_to_nobody)
    await app.test_client().post("/members/7/welcome")
    await asyncio.sleep(0)
    gc.collect()
    assert len(app.background_tasks) == 1
    [task] = app.background_tasks
    task.cancel()
    await asyncio.wait({task})


async def test_dont_bare_create_task_is_garbage_collected(
    caplog: pytest.LogCaptureFixture,
) -> None:
    app = dont.bare_create_task(deliver_to_nobody)
    await app.test_client().post("/members/7/welcome")
    await asyncio.sleep(0)
    gc.collect()
    assert "Task was destroyed but it is pending!" in caplog.text


async def test_shutdown_cancels_what_outlasts_the_timeout() -> None:
    log: list[str] = []

    async def deliver(member_id: int) -> None:
        try:
            await asyncio.Event().wait()
        except asyncio.CancelledError:
            log.append("cancelled")
            raise

    app = create_app(deliver=deliver)
    assert app.config["BACKGROUND_TASK_SHUTDOWN_TIMEOUT"] == 5
    app.config["BACKGROUND_TASK_SHUTDOWN_TIMEOUT"] = 0.05

    @app.while_serving
    async def database() -> AsyncGenerator[None, None]:
        yield
        log.append("closed")

    async with app.test_app() as served:
        await served.test_client().post("/members/7/welcome")
    assert log == ["cancelled", "closed"]


async def test_dont_request_in_the_task_works_on_0_22_only(
    caplog: pytest.LogCaptureFixture,
) -> None:
    outbox: list[str] = []
    app = dont.request_in_the_task(outbox)
    member = {"email": "ada@example.com"}
    response = await app.test_client().post("/members", json=member)
    await finish(app)
    assert response.status_code == 202
    if QUART_0_23:
        assert outbox == []
        assert "RuntimeError: There is no request in this context." in caplog.text
    else:
        assert outbox == ["ada@example.com"]


async def test_a_task_has_no_session_on_0_23(
    caplog: pytest.LogCaptureFixture,
) -> None:
    seen: list[str] = []
    app = Quart(__name__)
    app.secret_key = "only for this test, thirty-two bytes"

    async def welcome() -> None:
        seen.append(session["member"])

    @app.post("/login")
    async def login() -> str:
        session["member"] = "ada"
        app.add_background_task(welcome)
        return "welcome"

    await app.test_client().post("/login")
    await finish(app)
    if QUART_0_23:
        assert seen == []
        assert "'NoneType' object has no attribute 'accessed'" in caplog.text
    else:
        assert seen == ["ada"]


async def test_a_body_of_another_type_is_none() -> None:
    app = Quart(__name__)

    @app.post("/members")
    async def add_member() -> dict[str, Any]:
        return {"body": await request.get_json()}

    response = await app.test_client().post("/members", data="email=ada@example.com")
    assert await response.get_json() == {"body": None}


async def test_a_report_goes_from_queued_to_done() -> None:
    release = threading.Event()

    def render(member_id: int, part: str) -> str:
        assert release.wait(10)
        return f"{part} {member_id}"

    app = create_app(render=render, concurrency=1)
    client = app.test_client()
    first, second = await order(client), await order(client)
    assert [await state(client, first), await state(client, second)] == [
        "running",
        "queued",
    ]
    release.set()
    await finish(app)
    assert await (await client.get(first)).get_json() == {
        "id": first.removeprefix("/reports/"),
        "member_id": 7,
        "report": "payments 7 visits 7",
        "state": "done",
    }


async def test_the_defaults_render_and_log(caplog: pytest.LogCaptureFixture) -> None:
    caplog.set_level("INFO", logger="examples.background_tasks")
    app = create_app(period=0)
    async with app.test_app() as served, asyncio.timeout(10):
        location = await order(served.test_client())
        await served.test_client().post("/members/7/welcome")
        await finish(app)
        report = await (await served.test_client().get(location)).get_json()
        while "the digest of this hour" not in caplog.text:  # noqa: ASYNC110
            await asyncio.sleep(0)
    assert report["report"] == "The payments of member 7. The visits of member 7."
    assert "welcome, member 7" in caplog.text


async def test_an_unknown_report_is_not_found() -> None:
    response = await create_app().test_client().get("/reports/never-ordered")
    assert response.status_code == 404


async def test_no_more_reports_run_at_once_than_allowed() -> None:
    lock, running, peak = threading.Lock(), set[int](), 0
    enough = threading.Barrier(4)

    def render(member_id: int, part: str) -> str:
        nonlocal peak
        with lock:
            running.add(member_id)
            peak = max(peak, len(running))
        enough.wait(10)
        with lock:
            running.discard(member_id)
        return part

    app = create_app(render=render, concurrency=2)
    for member_id in range(1, 7):
        await order(app.test_client(), member_id)
    await finish(app)
    assert peak == 2


class HalfFailing:
    """Renders reports whose payments fail while their visits wait for `release`."""

    def __init__(self) -> None:
        self.release = threading.Event()
        self.inside: set[int] = set()
        self.together = threading.Event()
        self.most = 0
        self.begun = {member_id: threading.Event() for member_id in (1, 2, 3)}

    def render(self, member_id: int, part: str) -> str:
        if part == "payments":
            assert self.begun[member_id].wait(10)
            raise LookupError("no payments")
        self.inside.add(member_id)
        self.begun[member_id].set()
        self.most = max(self.most, len(self.inside))
        if len(self.inside) == 2:
            self.together.set()
        assert self.release.wait(10)
        self.inside.discard(member_id)
        return part


async def test_a_failing_part_keeps_the_slot_till_its_siblings_end() -> None:
    half = HalfFailing()
    app = create_app(render=half.render, concurrency=1)
    for member_id in (1, 2, 3):
        await order(app.test_client(), member_id)
    assert not await asyncio.to_thread(half.together.wait, 0.3)
    half.release.set()
    await finish(app)
    assert half.most == 1


async def test_dont_group_of_threads_frees_the_slot_too_early() -> None:
    half = HalfFailing()
    app = dont.group_of_threads(half.render)
    for member_id in (1, 2, 3):
        await order(app.test_client(), member_id)
    assert await asyncio.to_thread(half.together.wait, 10)
    half.release.set()
    await finish(app)


async def test_a_full_app_answers_503_and_recovers() -> None:
    release = asyncio.Event()

    async def deliver(member_id: int) -> None:
        await release.wait()

    app = create_app(deliver=deliver, limit=2)
    client = app.test_client()
    answers = [await client.post("/members/7/welcome") for _ in range(3)]
    answers.append(await client.post("/members/7/reports"))
    assert [answer.status_code for answer in answers] == [202, 202, 503, 503]
    assert answers[-1].headers["Retry-After"] == "5"
    release.set()
    await finish(app)
    assert (await client.post("/members/7/welcome")).status_code == 202
    await finish(app)


async def test_only_the_last_reports_are_kept() -> None:
    app = create_app(kept=2)
    client = app.test_client()
    locations = []
    for member_id in range(1, 5):
        locations.append(await order(client, member_id))
        await finish(app)
    codes = [(await client.get(location)).status_code for location in locations]
    assert codes == [404, 404, 200, 200]


async def test_dont_status_of_every_job_ever_grows_without_end() -> None:
    app = dont.status_of_every_job_ever(lambda member_id: "ready")
    for _ in range(50):
        await app.test_client().post("/members/7/reports")
        await finish(app)
    assert app.extensions["jobs"] == dict.fromkeys(range(50), "ready")


async def test_a_failed_report_says_so_and_logs_why(
    caplog: pytest.LogCaptureFixture,
) -> None:
    def render(member_id: int, part: str) -> str:
        if part == "visits":
            raise LookupError("no visits")
        return part

    app = create_app(render=render)
    client = app.test_client()
    location = await order(client)
    await finish(app)
    assert await state(client, location) == "failed"
    assert "ExceptionGroup: the report failed" in caplog.text
    assert "LookupError: no visits" in caplog.text


async def fail(member_id: int) -> None:
    raise ConnectionError("mail server gone")


async def test_quart_logs_the_traceback_of_a_failed_task(
    caplog: pytest.LogCaptureFixture,
) -> None:
    app = create_app(deliver=fail)
    await app.test_client().post("/members/7/welcome")
    await finish(app)
    assert "ConnectionError: mail server gone" in caplog.text
    assert "Traceback" in caplog.text


async def test_dont_error_without_traceback_hides_the_place(
    caplog: pytest.LogCaptureFixture,
) -> None:
    app = dont.error_without_traceback(fail)
    await app.test_client().post("/members/7/welcome")
    await finish(app)
    assert "Background task failed: mail server gone" in caplog.text
    assert "Traceback" not in caplog.text


async def test_a_receiver_that_is_held_sees_background_errors() -> None:
    failures: list[str] = []

    async def count(app: Quart, exception: Exception, **_: Any) -> None:
        failures.append(str(exception))

    app = create_app(deliver=fail)
    got_background_exception.connect(count, app, weak=False)
    receiver = weakref.ref(count)
    del count
    gc.collect()
    await app.test_client().post("/members/7/welcome")
    await finish(app)
    assert failures == ["mail server gone"]
    got_background_exception.disconnect(receiver(), app)


async def test_dont_signal_to_a_local_function_counts_nothing() -> None:
    failures: list[str] = []
    app = dont.signal_to_a_local_function(fail, failures)
    gc.collect()
    await app.test_client().post("/members/7/welcome")
    await finish(app)
    assert failures == []


async def deliver_to_all_but(
    bad: int, outbox: list[int], gate: asyncio.Event, member_id: int
) -> None:
    if member_id == bad:
        gate.set()
        raise ConnectionError("no such address")
    await gate.wait()
    await asyncio.sleep(0)
    outbox.append(member_id)


async def test_one_failed_mail_spares_the_others() -> None:
    outbox: list[int] = []
    app = create_app(deliver=partial(deliver_to_all_but, 2, outbox, asyncio.Event()))
    for member_id in (1, 2, 3):
        await app.test_client().post(f"/members/{member_id}/welcome")
    await finish(app)
    assert outbox == [1, 3]


async def test_dont_mails_in_one_task_group_end_with_the_first_failure() -> None:
    outbox: list[int] = []
    deliver = partial(deliver_to_all_but, 2, outbox, asyncio.Event())
    app = dont.mails_in_one_task_group(deliver)
    await app.test_client().post("/newsletter", json=[1, 2, 3])
    await finish(app)
    assert outbox == []


class FailsOnce:
    """Periodic work whose first run fails."""

    def __init__(self) -> None:
        self.calls = 0
        self.recovered = asyncio.Event()

    async def __call__(self) -> None:
        self.calls += 1
        if self.calls == 1:
            raise ConnectionError("no database")
        self.recovered.set()


async def test_a_periodic_task_survives_a_failure_and_ends_at_shutdown(
    caplog: pytest.LogCaptureFixture,
) -> None:
    before = asyncio.all_tasks()
    digest = FailsOnce()
    async with create_app(digest=digest, period=0).test_app():
        await asyncio.wait_for(digest.recovered.wait(), 10)
    assert "ConnectionError: no database" in caplog.text
    assert asyncio.all_tasks() == before


async def test_dont_unguarded_period_ends_at_its_first_failure() -> None:
    digest = FailsOnce()
    app = dont.unguarded_period(digest, period=0)
    async with app.test_app():
        await asyncio.wait_for(asyncio.wait({app.extensions["clock"]}), 10)
        with pytest.raises(ConnectionError, match="no database"):
            app.extensions["clock"].result()
    assert digest.calls == 1


async def shutdown_ends(app: Quart) -> bool:
    """Whether shutdown ends well before the timeout for background tasks."""
    await app.startup()
    await asyncio.sleep(0)
    shutdown = asyncio.ensure_future(app.shutdown())
    await asyncio.wait({shutdown}, timeout=0.5)
    ended = shutdown.done()
    for task in app.background_tasks:
        task.cancel()
    await asyncio.wait({shutdown}, timeout=10)
    return ended


async def test_a_periodic_task_does_not_hold_the_shutdown() -> None:
    assert await shutdown_ends(create_app())


async def test_dont_endless_background_task_holds_the_shutdown() -> None:
    async def digest() -> None:
        pass

    assert not await shutdown_ends(dont.endless_background_task(digest))


async def thread_of(
    app_of: Callable[[Callable[..., str]], Quart], path: str
) -> int | None:
    """The thread in which the work of `app_of(work)` behind `path` runs."""
    seen: list[int] = []

    def work(*_: object) -> str:
        seen.append(threading.get_ident())
        return "ready"

    app = app_of(work)
    await app.test_client().post(path)
    await finish(app)
    return seen[0]


async def test_reports_render_off_the_event_loop() -> None:
    def app_of(render: Callable[..., str]) -> Quart:
        return create_app(render=render)

    assert await thread_of(app_of, "/members/7/reports") != threading.get_ident()


async def test_a_plain_function_runs_in_a_thread() -> None:
    def app_of(deliver: Callable[..., Any]) -> Quart:
        return create_app(deliver=deliver)

    assert await thread_of(app_of, "/members/7/welcome") != threading.get_ident()


async def test_dont_render_on_the_loop_blocks_every_request() -> None:
    thread = await thread_of(dont.render_on_the_loop, "/members/7/reports")
    assert thread == threading.get_ident()


@pytest.fixture
def send_welcome() -> Task[[int], None]:
    celery = Celery("members", broker="memory://", set_as_current=False)

    @celery.task(name="send_welcome")
    def send_welcome(member_id: int) -> None: ...

    return send_welcome


async def publisher(app: Quart) -> int:
    """The thread in which Celery publishes when a member is welcomed."""
    seen: list[int] = []

    def record(**_: object) -> None:
        seen.append(threading.get_ident())

    before_task_publish.connect(record)
    try:
        response = await app.test_client().post("/members/7/welcome")
    finally:
        before_task_publish.disconnect(record)
    assert response.status_code == 202
    return seen[0]


async def test_celery_publishes_off_the_event_loop(
    send_welcome: Task[[int], None],
) -> None:
    app = Quart(__name__)

    @app.post("/members/<int:member_id>/welcome")
    async def welcome(member_id: int) -> tuple[dict[str, str], int]:
        await asyncio.to_thread(send_welcome.delay, member_id)
        return {"state": "queued"}, 202

    assert await publisher(app) != threading.get_ident()


async def test_dont_publish_on_the_loop_blocks_every_request(
    send_welcome: Task[[int], None],
) -> None:
    app = dont.publish_on_the_loop(send_welcome)
    assert await publisher(app) == threading.get_ident()
