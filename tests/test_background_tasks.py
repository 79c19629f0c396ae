"""Background work is bounded, waited for, seen when it fails, off the event loop."""

import asyncio
import gc
import os
import threading
import urllib.request
from collections.abc import AsyncGenerator, Callable
from pathlib import Path
from typing import Any

import pytest
from quart import Quart, current_app, request, session, url_for
from quart.signals import got_background_exception
from quart.typing import TestClientProtocol as Client
from sqlalchemy import select

from examples import database_sessions
from examples.background_tasks import (
    Jobs,
    TaskLimit,
    create_app,
    register_jobs,
    register_mail,
    register_timer,
    reports,
)
from examples.database_sessions import User, reading, writing
from examples.dont import background_tasks as dont
from examples.plain import background_tasks as plain
from tests.support.server import hypercorn
from tests.support.versions import QUART_0_23

ADA = {"username": "ada", "email": "ada@example.com"}


async def finish(app: Quart) -> None:
    """Wait for the background tasks of `app`, for twenty seconds at most."""
    async with asyncio.timeout(20):
        await asyncio.gather(*app.background_tasks)


async def register(app: Quart, username: str = "ada") -> int:
    """Post a user, and say what was answered."""
    response = await app.test_client().post(f"/users/{username}")
    return response.status_code


class Outbox:
    """A mailer that waits for `release`, then keeps what it is given."""

    def __init__(self) -> None:
        self.mails: list[tuple[str, str]] = []
        self.release = asyncio.Event()

    async def send(self, address: str, text: str) -> None:
        await self.release.wait()
        self.mails.append((address, text))


# After the answer


@pytest.mark.parametrize("made", [plain.create_app, create_app])
async def test_the_answer_does_not_wait_for_the_mail(
    made: Callable[..., Quart],
) -> None:
    outbox = Outbox()
    app = made(outbox.send)
    assert await register(app) == 201
    assert outbox.mails == []
    outbox.release.set()
    await finish(app)
    assert outbox.mails == [("ada@example.com", "Welcome, ada!")]


@pytest.mark.parametrize("made", [plain.create_app, create_app])
async def test_shutdown_waits_for_the_mail(made: Callable[..., Quart]) -> None:
    mails: list[str] = []

    async def send(address: str, text: str) -> None:
        await app.shutdown_event.wait()
        mails.append(address)

    app = made(send)
    async with app.test_app():
        await register(app)
    assert mails == ["ada@example.com"]


async def test_shutdown_cancels_what_outlasts_the_timeout() -> None:
    log: list[str] = []

    async def send(address: str, text: str) -> None:
        try:
            await asyncio.Event().wait()
        finally:
            log.append("mail ended")

    app = create_app(send)
    assert app.config["BACKGROUND_TASK_SHUTDOWN_TIMEOUT"] == 5
    app.config["BACKGROUND_TASK_SHUTDOWN_TIMEOUT"] = 0.05

    @app.while_serving
    async def database() -> AsyncGenerator[None, None]:
        yield
        log.append("database closed")

    async with app.test_app():
        await register(app)
    assert log == ["mail ended", "database closed"]


async def post(url: str) -> None:
    def send() -> None:
        urllib.request.urlopen(urllib.request.Request(url, method="POST")).close()

    await asyncio.to_thread(send)


async def log_over_sigterm(target: str) -> str:
    """What a server logs when SIGTERM comes while the mail is being sent."""
    async with hypercorn(f"tests.support.slow_mail:{target}()") as server:
        await post(server.url("/users/ada"))
        assert await server.stop(20) == 0
    return server.log


async def test_sigterm_waits_for_the_mail() -> None:
    log = await log_over_sigterm("right")
    assert ("mail started" in log, "mail sent" in log) == (True, True)


async def test_dont_bare_create_task_loses_the_mail_at_sigterm() -> None:
    log = await log_over_sigterm("wrong")
    assert ("mail started" in log, "mail sent" in log) == (True, False)


async def send_to_nobody(address: str, text: str) -> None:
    """Wait for an answer that only this task could receive."""
    await asyncio.get_running_loop().create_future()


async def test_garbage_collection_keeps_background_tasks() -> None:
    app = create_app(send_to_nobody)
    await register(app)
    await asyncio.sleep(0)
    gc.collect()
    [task] = app.background_tasks
    task.cancel()
    await asyncio.wait({task})


async def test_dont_bare_create_task_is_garbage_collected(
    caplog: pytest.LogCaptureFixture,
) -> None:
    await register(dont.bare_create_task(send_to_nobody))
    await asyncio.sleep(0)
    gc.collect()
    assert "Task was destroyed but it is pending!" in caplog.text


async def test_the_default_mailer_logs_no_address(
    caplog: pytest.LogCaptureFixture,
) -> None:
    caplog.set_level("INFO", logger="examples.background_tasks")
    app = create_app()
    await register(app)
    await finish(app)
    assert caplog.messages == ["a mail of 13 characters would be sent"]


async def test_a_plain_function_runs_in_a_thread() -> None:
    seen: list[int] = []
    app = Quart(__name__)
    app.add_background_task(lambda: seen.append(threading.get_ident()))
    await finish(app)
    assert seen != [threading.get_ident()]


# Bounds


async def test_too_much_is_a_503_until_some_is_done() -> None:
    release = asyncio.Event()
    app = Quart(__name__)
    mails, letters = TaskLimit(app, 2), TaskLimit(app, 1)

    async def wait() -> None:
        await release.wait()

    @app.post("/mails")
    async def mail() -> tuple[str, int]:
        mails.add(wait)
        return "", 202

    client = app.test_client()
    answers = [await client.post("/mails") for _ in range(3)]
    assert [answer.status_code for answer in answers] == [202, 202, 503]
    assert answers[-1].headers["Retry-After"] == "5"
    letters.add(wait)  # another kind has room of its own
    assert len(app.background_tasks) == 3
    release.set()
    await finish(app)
    assert (await client.post("/mails")).status_code == 202
    await finish(app)


async def test_a_task_that_fails_gives_its_place_back(
    caplog: pytest.LogCaptureFixture,
) -> None:
    app = Quart(__name__)
    limit = TaskLimit(app, 1)

    async def fail(place: str) -> None:
        raise LookupError(place)

    for place in ("first", "second"):
        limit.add(fail, place)
        await finish(app)
    assert not limit.full
    assert "LookupError: second" in caplog.text


async def test_a_full_outbox_gives_up_the_mail_not_the_user(
    caplog: pytest.LogCaptureFixture,
) -> None:
    outbox = Outbox()
    app = create_app(outbox.send)
    register_mail(app, outbox.send, limit=1)
    assert [await register(app, name) for name in ("ada", "bob")] == [201, 201]
    assert "too many mails wait, one was not sent" in caplog.messages
    outbox.release.set()
    await finish(app)
    assert [address for address, _ in outbox.mails] == ["ada@example.com"]


# What a task may use


async def test_dont_request_in_the_task_works_on_0_22_only(
    caplog: pytest.LogCaptureFixture,
) -> None:
    outbox = Outbox()
    outbox.release.set()
    app = dont.request_in_the_task(outbox.send)
    response = await app.test_client().post("/users", json=ADA)
    await finish(app)
    assert response.status_code == 201
    if QUART_0_23:
        assert outbox.mails == []
        assert "RuntimeError: There is no request in this context." in caplog.text
    else:
        assert outbox.mails == [("ada@example.com", "Welcome!")]


async def test_a_task_has_no_session_on_0_23(caplog: pytest.LogCaptureFixture) -> None:
    seen: list[str] = []
    app = Quart(__name__)
    app.secret_key = "only for this test, thirty-two bytes"

    async def welcome() -> None:
        seen.append(session["username"])

    @app.post("/login")
    async def login() -> str:
        session["username"] = "ada"
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

    @app.post("/users")
    async def create_user() -> dict[str, Any]:
        return {"body": await request.get_json()}

    response = await app.test_client().post("/users", data="email=ada@example.com")
    assert await response.get_json() == {"body": None}


async def test_a_task_has_the_app_and_opens_a_session_of_its_own(
    database_url: str,
) -> None:
    app = database_sessions.create_app(database_url)
    register_mail(app, Outbox().send)
    found: list[tuple[str, str]] = []

    async def rename() -> None:
        async with writing() as database:
            user = await database.scalar(select(User).with_for_update())
            assert user is not None
            user.username = "grace"
        async with reading() as database:
            found.append((current_app.name, (await database.get_one(User, 1)).username))

    @app.post("/rename")
    async def order() -> str:
        TaskLimit(app, 1).add(rename)
        return ""

    async with app.test_app():
        await app.test_client().put("/users/ada")
        await app.test_client().post("/rename")
    assert found == [(app.name, "grace")]


async def test_dont_link_in_the_task_is_sent_on_0_22_only(
    caplog: pytest.LogCaptureFixture,
) -> None:
    outbox = Outbox()
    outbox.release.set()
    app = dont.link_in_the_task(outbox.send)
    assert await register(app) == 201
    await finish(app)
    if QUART_0_23:
        assert outbox.mails == []
        assert "Unable to create a url adapter" in caplog.text
    else:
        link = "http://localhost/users/ada/confirm"
        assert outbox.mails == [("ada@example.com", link)]


@pytest.mark.parametrize(
    ("options", "scheme"), [({}, "http"), ({"_scheme": "https"}, "https")]
)
async def test_with_server_name_a_link_is_http_unless_told(
    options: dict[str, str], scheme: str
) -> None:
    links: list[str] = []
    app = Quart(__name__)
    app.config.update(SERVER_NAME="app.example.com", PREFERRED_URL_SCHEME="https")
    app.add_url_rule("/confirm", endpoint="confirm")

    async def send_link() -> None:
        links.append(url_for("confirm", _external=True, **options))

    @app.post("/users")
    async def create_user() -> str:
        app.add_background_task(send_link)
        return ""

    await app.test_client().post("/users", headers={"Host": "app.example.com"})
    await finish(app)
    assert links == [f"{scheme}://app.example.com/confirm"]


async def test_a_link_made_in_a_view_follows_the_clients_host() -> None:
    links: list[str] = []

    async def keep(link: str) -> None:
        links.append(link)

    app = Quart(__name__)

    @app.post("/users")
    async def create_user() -> str:
        app.add_background_task(keep, url_for("create_user", _external=True))
        return ""

    await app.test_client().post("/users", headers={"Host": "evil.example"})
    await finish(app)
    assert links == ["http://evil.example/users"]


async def test_dont_plain_with_in_the_task_sends_nothing() -> None:
    outbox = Outbox()
    outbox.release.set()
    app = dont.plain_with_in_the_task(outbox.send)
    assert await register(app) == 201
    [task] = app.extensions["tasks"]
    with pytest.raises(TypeError, match="context manager protocol"):
        await asyncio.wait_for(task, 10)
    assert outbox.mails == []


# Errors


async def fail(address: str, text: str) -> None:
    raise ConnectionError("mail server gone")


async def test_quart_logs_the_traceback_of_a_failed_task(
    caplog: pytest.LogCaptureFixture,
) -> None:
    app = create_app(fail)
    await register(app)
    await finish(app)
    assert "ConnectionError: mail server gone" in caplog.text
    assert "Traceback" in caplog.text


async def test_dont_error_without_traceback_hides_the_place(
    caplog: pytest.LogCaptureFixture,
) -> None:
    app = dont.error_without_traceback(fail)
    await register(app)
    await finish(app)
    assert "Background task failed: mail server gone" in caplog.text
    assert "Traceback" not in caplog.text


async def test_dont_bare_create_task_fails_without_a_signal(
    caplog: pytest.LogCaptureFixture,
) -> None:
    signalled: list[Quart] = []

    async def note(sender: Quart, exception: Exception) -> None:
        signalled.append(sender)

    right, wrong = create_app(fail), dont.bare_create_task(fail)
    for app in (right, wrong):
        got_background_exception.connect(note, app)
        await register(app)
        await finish(app)
    await asyncio.sleep(0)
    gc.collect()
    assert "Task exception was never retrieved" in caplog.text
    assert signalled == [right]


# On a timer


class FailsOnce:
    """Work whose first run fails."""

    def __init__(self) -> None:
        self.runs = 0
        self.recovered = asyncio.Event()

    async def __call__(self) -> None:
        self.runs += 1
        if self.runs == 1:
            raise ConnectionError("no database")
        self.recovered.set()


async def test_a_timer_survives_a_failure_and_ends_with_the_app(
    caplog: pytest.LogCaptureFixture,
) -> None:
    before = asyncio.all_tasks()
    digest = FailsOnce()
    app = Quart(__name__)
    register_timer(app, 0, digest)
    async with app.test_app():
        await asyncio.wait_for(digest.recovered.wait(), 20)
    assert "ConnectionError: no database" in caplog.text
    assert "next try in 0 seconds" in caplog.text
    assert asyncio.all_tasks() == before


async def test_dont_unguarded_timer_ends_at_its_first_failure() -> None:
    digest = FailsOnce()
    app = dont.unguarded_timer(digest, 0)
    async with app.test_app():
        timer = app.extensions["timer"]
        await asyncio.wait_for(asyncio.wait({timer}), 20)
        with pytest.raises(ConnectionError, match="no database"):
            timer.result()
    assert digest.runs == 1


async def test_a_timer_has_the_app_and_its_database(database_url: str) -> None:
    app = database_sessions.create_app(database_url)
    done = asyncio.Event()
    found: list[Any] = []

    async def count() -> None:
        async with reading() as database:
            found.append((current_app.name, list(await database.scalars(select(User)))))
        done.set()

    register_timer(app, 0, count)
    async with app.test_app():
        await asyncio.wait_for(done.wait(), 20)
    assert found[0] == (app.name, [])


async def shutdown_ends(app: Quart) -> bool:
    """Whether shutdown ends by itself, long before its timeout."""
    app.config["BACKGROUND_TASK_SHUTDOWN_TIMEOUT"] = 60
    await app.startup()
    await asyncio.sleep(0)
    shutdown = asyncio.ensure_future(app.shutdown())
    patience = 0.5 if app.background_tasks else 20
    await asyncio.wait({shutdown}, timeout=patience)
    ended = shutdown.done()
    for task in app.background_tasks:
        task.cancel()
    await asyncio.wait({shutdown}, timeout=20)
    return ended


async def test_a_timer_does_not_hold_the_shutdown() -> None:
    app = create_app()
    assert await shutdown_ends(app)


async def test_dont_endless_task_holds_the_shutdown() -> None:
    async def digest() -> None:
        pass

    assert not await shutdown_ends(dont.endless_task(digest))


async def test_the_timer_of_the_example_counts_tasks(
    caplog: pytest.LogCaptureFixture, monkeypatch: pytest.MonkeyPatch
) -> None:
    caplog.set_level("INFO", logger="examples.background_tasks")
    slept = asyncio.sleep
    monkeypatch.setattr(asyncio, "sleep", lambda seconds: slept(0))
    async with create_app().test_app(), asyncio.timeout(20):
        while "0 background tasks" not in caplog.messages:
            await slept(0)


# Jobs with a status


async def order(client: Client, subject: str = "july") -> str:
    """Order a report; where its status is."""
    response = await client.post(f"/reports/{subject}")
    assert response.status_code == 202
    return response.headers["Location"]


async def shown(client: Client, location: str) -> dict[str, Any]:
    return await (await client.get(location)).get_json()


async def test_a_report_is_ordered_and_fetched() -> None:
    app = create_app()
    client = app.test_client()
    location = await order(client)
    await finish(app)
    job_id = location.removeprefix("/reports/")
    report = {"id": job_id, "state": "done", "result": "All about july."}
    assert await shown(client, location) == report
    assert len(job_id) == 43  # 32 random bytes
    assert (await client.get("/reports/never-ordered")).status_code == 404


class Gate:
    """A function for threads: it says when it began, and ends when it is let."""

    def __init__(self) -> None:
        self.begun = threading.Semaphore(0)
        self.release = threading.Event()
        self.lock = threading.Lock()
        self.inside = self.most = 0

    def __call__(self, subject: str = "july") -> str:
        with self.lock:
            self.inside += 1
            self.most = max(self.most, self.inside)
        self.begun.release()
        assert self.release.wait(30)
        with self.lock:
            self.inside -= 1
        return subject

    async def begins(self) -> None:
        assert await asyncio.to_thread(self.begun.acquire, timeout=20)


async def test_no_more_jobs_run_at_once_than_there_are_threads() -> None:
    app = Quart(__name__)
    jobs, gate = Jobs(app, threads=2), Gate()
    started = [jobs.start(gate, str(number)) for number in range(5)]
    await gate.begins()
    await gate.begins()
    assert [job.state for job in started].count("running") == 2
    assert [job.state for job in started].count("queued") == 3
    gate.release.set()
    await finish(app)
    assert [(job.state, job.result) for job in started] == [
        ("done", str(number)) for number in range(5)
    ]
    assert gate.most == 2
    await jobs.close()


async def test_a_cancelled_job_holds_its_place_till_its_thread_ends() -> None:
    app = Quart(__name__)
    jobs, gate = Jobs(app, threads=1), Gate()
    jobs.start(gate)
    await gate.begins()
    for task in app.background_tasks:
        task.cancel()
    await asyncio.wait(app.background_tasks)
    second = jobs.start(gate)
    await asyncio.sleep(0.1)
    assert second.state == "queued"
    gate.release.set()
    await finish(app)
    assert (second.state, gate.most) == ("done", 1)
    await jobs.close()


async def test_a_closed_app_starts_no_waiting_job() -> None:
    app = Quart(__name__)
    app.config["BACKGROUND_TASK_SHUTDOWN_TIMEOUT"] = 0.05
    register_jobs(app)
    app.register_blueprint(reports)
    jobs: Jobs = app.extensions["jobs"]
    gate = Gate()
    async with app.test_app():
        started = [jobs.start(gate) for _ in range(5)]
        await gate.begins()
        await gate.begins()
    gate.release.set()
    assert [job.state for job in started].count("running") == 2
    late = jobs.start(gate)
    await finish(app)
    assert (late.state, gate.most) == ("failed", 2)


async def test_too_many_jobs_are_a_503() -> None:
    app = Quart(__name__)
    jobs, gate = Jobs(app, limit=2), Gate()

    @app.post("/jobs")
    async def start() -> tuple[str, int]:
        jobs.start(gate)
        return "", 202

    answers = [await app.test_client().post("/jobs") for _ in range(3)]
    assert [answer.status_code for answer in answers] == [202, 202, 503]
    gate.release.set()
    await finish(app)
    await jobs.close()


async def test_a_failed_job_says_so_and_its_error_is_logged(
    caplog: pytest.LogCaptureFixture,
) -> None:
    def write(subject: str) -> str:
        raise LookupError(f"no {subject}")

    app = Quart(__name__)
    jobs = Jobs(app)
    job = jobs.start(write, "july")
    await finish(app)
    assert (job.state, job.result) == ("failed", None)
    assert "LookupError: no july" in caplog.text
    await jobs.close()


async def test_a_job_is_forgotten_after_its_time() -> None:
    app = Quart(__name__)
    short, long = Jobs(app, kept_seconds=0), Jobs(app)
    gone, kept = short.start(str), long.start(str)
    assert (short.find(gone.id), long.find(kept.id)) == (gone, kept)
    await finish(app)
    async with asyncio.timeout(20):
        while short.find(gone.id) is not None:  # noqa: ASYNC110
            await asyncio.sleep(0)
    assert long.find(kept.id) is kept
    await short.close()
    await long.close()


async def test_the_state_is_known_in_its_process_only() -> None:
    first, second = create_app(), create_app()
    location = await order(first.test_client())
    assert (await second.test_client().get(location)).status_code == 404
    await finish(first)


async def thread_of(app_of: Callable[[Callable[[str], str]], Quart]) -> int:
    """The thread in which the function given to `app_of` runs."""
    seen: list[int] = []

    def write(subject: str) -> str:
        seen.append(threading.get_ident())
        return subject

    app = app_of(write)
    await app.test_client().post("/reports/july")
    await finish(app)
    return seen[0]


async def test_dont_compute_on_the_loop_stops_every_request() -> None:
    assert await thread_of(dont.compute_on_the_loop) == threading.get_ident()


async def test_jobs_run_off_the_loop() -> None:
    def app_of(write: Callable[[str], str]) -> Quart:
        app = Quart(__name__)
        jobs = Jobs(app)

        @app.post("/reports/<subject>")
        async def start(subject: str) -> str:
            return jobs.start(write, subject).id

        return app

    assert await thread_of(app_of) != threading.get_ident()


async def test_a_thread_keeps_the_process_after_the_app_has_closed(
    tmp_path: Path,
) -> None:
    pipe = tmp_path / "pipe"
    os.mkfifo(pipe)
    async with hypercorn("tests.support.slow_mail:report_on_a_pipe()") as server:
        await post(server.url(f"/pipes{pipe}"))
        await server.logged("report started")
        server.process.terminate()
        await server.logged("app closed")
        ending = asyncio.ensure_future(server.process.wait())
        await asyncio.wait({ending}, timeout=0.5)
        assert not ending.done()
        await asyncio.to_thread(pipe.write_text, "")
        assert await asyncio.wait_for(ending, 20) == 0
