import asyncio
import gc
import json
import logging
import sqlite3
import sys
import threading
from collections.abc import AsyncGenerator, AsyncIterator, Callable, Iterator, Sequence
from concurrent.futures import Future, ThreadPoolExecutor
from contextlib import AsyncExitStack, asynccontextmanager, suppress
from pathlib import Path
from typing import Any

import httpx2
import pytest
from quart import (
    Quart,
    Response,
    abort,
    current_app,
    g,
    request,
    send_file,
    session,
    stream_with_context,
)
from quart.signals import got_request_exception
from sqlalchemy import text, update
from werkzeug.exceptions import NotFound

from examples import serving as launcher
from examples.background_tasks import TaskLimit
from examples.database_sessions import Database, User
from examples.dont import streaming as dont
from examples.plain import streaming as plain
from examples.serving import closing_event
from examples.streaming import (
    answers,
    create_app,
    csv_export,
    repeat,
    stream_response,
)
from tests.support import shell
from tests.support.http_call import http_call, single_error
from tests.support.login import KEY, bearer
from tests.support.memory import peak_mb
from tests.support.nginx import nginx
from tests.support.server import running
from tests.support.serving import serving, until
from tests.support.versions import QUART_0_23

FORM = {"Content-Type": "application/x-www-form-urlencoded"}
KINDS = [
    "text/event-stream",
    "application/x-ndjson",
    "application/json-lines",
    "text/csv",
]
Step = str | Exception | None


@pytest.fixture(autouse=True)
def environment(monkeypatch: pytest.MonkeyPatch, sqlite_url: str) -> None:
    monkeypatch.setenv("TOKEN_KEY", KEY)
    monkeypatch.setenv("DATABASE_URL", sqlite_url)


class Model:
    """Says its tokens; None ends the answer, without it the model falls silent."""

    def __init__(self, *steps: Step) -> None:
        self.steps: asyncio.Queue[Step] = asyncio.Queue()
        for step in steps:
            self.steps.put_nowait(step)
        self.started_in: asyncio.Task[Any] | None = None
        self.stopped_in: asyncio.Task[Any] | None = None
        self.stopped = asyncio.Event()

    async def ask(self, question: str) -> AsyncGenerator[str, None]:
        self.started_in = asyncio.current_task()
        try:
            while (step := await self.steps.get()) is not None:
                if isinstance(step, Exception):
                    raise step
                yield step
        finally:
            self.stopped_in = asyncio.current_task()
            self.stopped.set()


def app_of(model: Model) -> Quart:
    return create_app(model.ask)


@asynccontextmanager
async def streamed(
    address: str, path: str, method: str = "GET", **options: Any
) -> AsyncIterator[httpx2.Response]:
    async with (
        asyncio.timeout(90),
        httpx2.AsyncClient(timeout=30) as client,
        client.stream(method, f"http://{address}{path}", **options) as response,
    ):
        yield response


@asynccontextmanager
async def asked(address: str, accept: str = "*/*") -> AsyncIterator[httpx2.Response]:
    question = {"question": "Is the sky blue?"}
    headers = {"Accept": accept}
    async with streamed(
        address, "/answers", "POST", data=question, headers=headers
    ) as response:
        assert response.status_code == 200
        yield response


async def ask(app: Quart, accept: str = "*/*") -> httpx2.Response:
    """The whole answer."""
    async with serving(app) as address, asked(address, accept) as response:
        await response.aread()
    return response


def parts_of(response: httpx2.Response) -> list[Any]:
    return [json.loads(line) for line in response.text.splitlines()]


# Answers


async def test_a_token_arrives_before_the_next_one_is_made() -> None:
    model = Model("The")
    async with serving(app_of(model)) as address, asked(address) as response:
        assert response.headers["Content-Type"] == "application/x-ndjson"
        assert response.headers["X-Accel-Buffering"] == "no"
        assert response.headers["Cache-Control"] == "no-store"
        lines = response.aiter_lines()
        assert json.loads(await anext(lines)) == {"token": "The"}
        model.steps.put_nowait(" sky\n\n")
        assert json.loads(await anext(lines)) == {"token": " sky\n\n"}
        model.steps.put_nowait(None)
        assert [json.loads(line) async for line in lines] == [{"done": True}]
    assert model.stopped_in is model.started_in


async def test_whoever_accepts_events_gets_the_same_as_events() -> None:
    response = await ask(app_of(Model("The", " sky\n\n", None)), "text/event-stream")
    assert response.headers["Content-Type"] == "text/event-stream"
    *events, rest = response.text.split("\n\n")
    assert [json.loads(event.removeprefix("data: ")) for event in events] == [
        {"token": "The"},
        {"token": " sky\n\n"},
        {"done": True},
    ]
    assert rest == ""


async def test_a_request_without_a_question_is_a_400() -> None:
    response = await app_of(Model()).test_client().post("/answers", form={"q": "?"})
    assert response.status_code == 400


async def test_an_error_after_the_first_token_is_said_and_logged(
    caplog: pytest.LogCaptureFixture,
) -> None:
    model = Model("The", RuntimeError("over quota at http://model.internal"))
    response = await ask(app_of(model))
    assert parts_of(response) == [{"token": "The"}, {"error": "The answer broke off."}]
    [record] = caplog.records
    assert record.getMessage() == "an answer broke off"
    assert "RuntimeError: over quota at http://model.internal" in caplog.text


async def test_a_model_that_falls_silent_is_an_error(
    monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture
) -> None:
    monkeypatch.setattr(answers, "SILENCE_SECONDS", 0.2)
    model = Model("The")
    response = await ask(app_of(model))
    assert parts_of(response)[-1] == {"error": "The answer broke off."}
    assert model.stopped.is_set()
    assert "TimeoutError" in caplog.text


def test_the_silence_ends_before_the_patience_of_proxies() -> None:
    assert answers.SILENCE_SECONDS < 60


async def test_an_answer_ends_with_the_app() -> None:
    model = Model("The")
    app = app_of(model)
    async with serving(app) as address, asked(address) as response:
        lines = response.aiter_lines()
        await anext(lines)
        closing_event(app).set()
        following = asyncio.ensure_future(anext(lines))
        await asyncio.wait({following}, timeout=0.2)
        assert not following.done()  # nothing is said before the next token
        model.steps.put_nowait(" sky")
        assert json.loads(await following) == {"token": " sky"}
        assert [json.loads(line) async for line in lines] == [
            {"error": "The server is restarting."},
        ]
    assert model.stopped_in is model.started_in


async def test_a_client_that_leaves_stops_the_model() -> None:
    model = Model("The")
    async with serving(app_of(model)) as address:
        async with asked(address) as response:
            await anext(response.aiter_lines())
        await asyncio.wait_for(model.stopped.wait(), 20)
    assert model.stopped_in is model.started_in


@pytest.mark.parametrize("make", [plain.create_app, create_app])
async def test_a_client_that_leaves_while_it_is_sent_a_token_stops_the_model(
    make: Callable[..., Quart],
) -> None:
    """Without `aclosing` the garbage collection does it, in some other task."""
    model = Model("The", " sky", " is")
    options: Any = {"method": "POST", "headers": FORM, "body": b"question=Why"}
    await http_call(make(model.ask), "/answers", leave_in_send=2, **options)
    await asyncio.wait_for(model.stopped.wait(), 20)
    assert (model.stopped_in is model.started_in) == (make is create_app)


async def test_sigterm_ends_an_answer_with_a_word() -> None:
    async with running("examples.streaming") as server:
        question = {"question": "why " * 500}
        url = server.url("/answers")
        async with (
            asyncio.timeout(40),
            httpx2.AsyncClient(timeout=30) as client,
            client.stream("POST", url, data=question) as response,
        ):
            lines = response.aiter_lines()
            assert json.loads(await anext(lines)) == {"token": "why "}
            code = asyncio.create_task(server.stop(30))
            rest = [json.loads(line) async for line in lines]
            assert rest[-1] == {"error": "The server is restarting."}
            assert await code == 0
    assert "Traceback" not in server.log


async def test_sigterm_cuts_a_silent_model_without_a_word() -> None:
    assert launcher.DRAIN_SECONDS == 3
    async with (
        running("tests.support.silent_model") as server,
        asked(server.address) as response,
    ):
        lines = response.aiter_lines()
        assert json.loads(await anext(lines)) == {"token": "Is the sky blue?"}
        code = asyncio.create_task(server.stop(30))
        with pytest.raises(httpx2.TransportError):
            await anext(lines)
        assert await code == 0
    assert "cut 1 requests" in server.log


async def test_the_model_of_the_example_repeats_the_question() -> None:
    assert [word async for word in repeat("The sky?")] == ["The ", "sky? "]


# The sixty seconds


async def read_until(
    error: type[httpx2.TransportError], response: httpx2.Response
) -> list[str]:
    """The lines that came before `error`."""
    lines = []

    async def read() -> None:
        async for line in response.aiter_lines():
            lines.append(line)

    with pytest.raises(error):
        await read()
    return lines


async def slow_lines() -> AsyncGenerator[str, None]:
    for number in range(12):
        yield f"{number}\n"
        await asyncio.sleep(0.05)


def app_with(response: Callable[[], Response]) -> Quart:
    app = Quart(__name__)

    @app.get("/lines")
    async def lines() -> Response:
        return response()

    return app


def test_a_response_has_sixty_seconds() -> None:
    assert Quart(__name__).config["RESPONSE_TIMEOUT"] == 60


async def test_a_stream_may_take_longer_than_response_timeout() -> None:
    app = app_with(lambda: stream_response(slow_lines(), "text/event-stream"))
    app.config["RESPONSE_TIMEOUT"] = 0.2
    async with serving(app) as address, streamed(address, "/lines") as response:
        assert response.headers["Content-Type"].startswith("text/event-stream")
        lines = [line async for line in response.aiter_lines()]
    assert lines == [str(number) for number in range(12)]


async def test_dont_no_timeout_set_cuts_the_stream_or_hangs() -> None:
    error = httpx2.ReadTimeout if QUART_0_23 else httpx2.RemoteProtocolError

    async def lines_before_the_end(address: str) -> int:
        async with streamed(address, "/lines", timeout=1.5) as response:
            lines = await read_until(error, response)
        assert response.status_code == 200
        return len(lines)

    async with AsyncExitStack() as stack:
        addresses = []
        for kind in KINDS:
            app = dont.no_timeout_set(slow_lines, kind)
            app.config["RESPONSE_TIMEOUT"] = 0.2
            addresses.append(await stack.enter_async_context(serving(app)))
        counts = await asyncio.gather(*map(lines_before_the_end, addresses))
    assert max(counts) < 12


@pytest.mark.filterwarnings("ignore::pytest.PytestUnraisableExceptionWarning")
@pytest.mark.parametrize("lifted", [True, False])
async def test_a_download_has_sixty_seconds_too(tmp_path: Path, lifted: bool) -> None:
    megabytes = 16  # more than what the network holds for a reader that pauses
    film = tmp_path / "film"
    film.write_bytes(bytes(megabytes * 2**20))
    app = Quart(__name__)
    app.config["RESPONSE_TIMEOUT"] = 0.5

    @app.get("/film")
    async def send_film() -> Response:
        response = await send_file(film)
        if lifted:
            response.timeout = None
        return response

    async with (
        serving(app) as address,
        streamed(address, "/film", timeout=20 if lifted else 1.5) as response,
    ):
        await asyncio.sleep(1.2)  # the reader pauses
        if lifted:
            assert len(await response.aread()) == megabytes * 2**20
        else:
            error = httpx2.ReadTimeout if QUART_0_23 else httpx2.RemoteProtocolError
            with pytest.raises(error):
                await response.aread()
    gc.collect()  # Quart leaves a file open that it has cut


async def test_the_plain_form_may_take_longer_too() -> None:
    app = plain.create_app(repeat)
    app.config["RESPONSE_TIMEOUT"] = 0.2
    response = await ask(app)
    words = [{"token": f"{word} "} for word in ["Is", "the", "sky", "blue?"]]
    assert parts_of(response) == words
    assert response.headers["X-Accel-Buffering"] == "no"


# Errors after the first byte


async def test_an_error_that_nobody_catches_breaks_the_connection(
    caplog: pytest.LogCaptureFixture,
) -> None:
    app = plain.create_app(Model("The", RuntimeError("over quota")).ask)
    server_log = logging.getLogger("hypercorn.error")
    async with (
        serving(app, errorlog=server_log) as address,
        asked(address) as response,
    ):
        lines = await read_until(httpx2.RemoteProtocolError, response)
    assert lines == ['{"token": "The"}']
    assert caplog.messages == ["Error in ASGI Framework"]


async def test_quart_does_not_see_an_error_in_a_generator(
    caplog: pytest.LogCaptureFixture,
) -> None:
    seen = []

    async def lines() -> AsyncGenerator[str, None]:
        yield "The"
        abort(404)

    app = app_with(lambda: Response(lines()))

    @app.errorhandler(404)
    @app.errorhandler(500)
    async def answer_error(error: Exception) -> tuple[str, int]:
        seen.append(error)
        return "", 500

    async def note(sender: Quart, exception: Exception) -> None:
        seen.append(exception)

    with (
        got_request_exception.connected_to(note, app),
        pytest.raises((NotFound, ExceptionGroup)) as caught,
    ):
        await http_call(app, "/lines")
    assert isinstance(single_error(caught.value), NotFound)
    assert seen == []
    assert caplog.records == []


async def rows_that_fail() -> AsyncGenerator[str, None]:
    yield "1,ada\r\n"
    raise ConnectionError("the database is gone")


async def test_dont_error_in_half_a_file_looks_like_the_whole_file() -> None:
    app = dont.error_in_half_a_file(rows_that_fail)
    async with serving(app) as address, streamed(address, "/rows.csv") as response:
        assert await response.aread() == b"1,ada\r\n"
    assert response.status_code == 200


@pytest.mark.parametrize("version", ["1.0", "1.1"])
async def test_nginx_hides_a_broken_stream_unless_it_speaks_http_1_1(
    version: str,
) -> None:
    app = app_with(lambda: stream_response(rows_that_fail(), "text/csv"))
    async with (
        serving(app) as upstream,
        nginx(upstream, f"proxy_http_version {version};") as address,
        streamed(address, "/lines") as response,
    ):
        if version == "1.1":
            with pytest.raises(httpx2.RemoteProtocolError):
                await response.aread()
        else:
            assert await response.aread() == b"1,ada\r\n"


# Proxies


@pytest.mark.parametrize("told", [True, False])
async def test_nginx_keeps_a_stream_back_unless_it_is_told(told: bool) -> None:
    go_on = asyncio.Event()

    async def lines() -> AsyncGenerator[str, None]:
        yield "first\n"
        await go_on.wait()
        yield "second\n"

    def response() -> Response:
        return stream_response(lines(), "text/plain") if told else Response(lines())

    async def read_first(address: str) -> str:
        async with streamed(address, "/lines") as response:
            return await anext(response.aiter_lines())

    async with serving(app_with(response)) as upstream, nginx(upstream) as address:
        reading = asyncio.create_task(read_first(address))
        await asyncio.wait({reading}, timeout=30 if told else 1)
        assert reading.done() == told
        go_on.set()
        assert await reading == "first"


async def test_nginx_gives_up_a_stream_that_is_silent() -> None:
    """After `proxy_read_timeout`, 60 seconds by default."""

    async def lines() -> AsyncGenerator[str, None]:
        yield "first\n"
        await asyncio.Event().wait()

    app = app_with(lambda: stream_response(lines(), "text/plain"))
    options = "proxy_http_version 1.1; proxy_read_timeout 3s;"
    async with (
        serving(app) as upstream,
        nginx(upstream, options) as address,
        streamed(address, "/lines") as response,
    ):
        assert await read_until(httpx2.RemoteProtocolError, response) == ["first"]


# HEAD


def endless(started: asyncio.Event, end: asyncio.Event) -> AsyncGenerator[str, None]:
    async def lines() -> AsyncGenerator[str, None]:
        started.set()
        while not end.is_set():
            yield "x"
            await asyncio.sleep(0.01)

    return lines()


async def test_head_makes_nothing() -> None:
    started, end = asyncio.Event(), asyncio.Event()
    app = app_with(lambda: stream_response(endless(started, end), "text/plain"))
    start, *bodies = await http_call(app, "/lines", method="HEAD")
    assert start["status"] == 200
    assert b"".join(event["body"] for event in bodies) == b""
    assert not started.is_set()


async def test_without_that_head_runs_an_endless_stream_for_nobody() -> None:
    """Behind it Hypercorn does not read on, so it never sees the client leave."""
    started, end = asyncio.Event(), asyncio.Event()

    def response() -> Response:
        made = Response(endless(started, end))
        made.timeout = None
        return made

    async with serving(app_with(response)) as address:
        host, port = address.split(":")
        reader, writer = await asyncio.open_connection(host, int(port))
        line = f"/lines HTTP/1.1\r\nHost: {address}\r\n\r\n"
        writer.write(f"HEAD {line}GET {line}".encode())
        async with asyncio.timeout(20):
            await reader.readuntil(b"\r\n\r\n")
            await started.wait()
        writer.close()
        await asyncio.sleep(0.5)
        assert len(asyncio.all_tasks()) > 5
        end.set()


async def test_an_answer_made_by_a_task_is_whole_without_its_client() -> None:
    """The task puts the tokens into a queue, and the view streams what is in it."""
    model = Model("The")
    stored: list[str] = []
    app = Quart(__name__)
    limit = TaskLimit(app, 10)

    @app.post("/answers")
    async def answer() -> Response:
        queue = asyncio.Queue[str | None]()

        async def make() -> None:
            said = []
            async for token in model.ask("Is the sky blue?"):
                said.append(token)
                queue.put_nowait(token)
            stored.append(" ".join(said))
            queue.put_nowait(None)

        async def tokens() -> AsyncGenerator[str, None]:
            while (token := await queue.get()) is not None:
                yield token

        limit.add(make)
        return stream_response(tokens(), "text/plain")

    async with serving(app) as address:
        async with streamed(address, "/answers", "POST") as response:
            assert await anext(response.aiter_text()) == "The"
        for step in ("sky", "is", None):
            model.steps.put_nowait(step)
        await until(lambda: stored == ["The sky is"])
        for step in ("Yes", None):
            model.steps.put_nowait(step)
        async with streamed(address, "/answers", "POST") as response:
            assert await response.aread() == b"Yes"


async def test_who_streams_without_an_export_needs_no_database() -> None:
    """So an app whose User has no email imports what stands on streaming."""
    modules = "streaming", "server_sent_events", "websocket_scaling"
    importing = "; ".join(f"import examples.{module}" for module in modules)
    names = "'sqlalchemy', 'examples.streaming.csv_export'"
    code = f"import sys; {importing}; print({{{names}}} & {{*sys.modules}})"
    assert await shell.run(f'{sys.executable} -c "{code}"') == (0, "set()\n")


# Exports


@pytest.fixture
async def app(database_url: str) -> AsyncIterator[Quart]:
    app = create_app(database_url=database_url)
    async with app.test_app():
        yield app


async def add_users(app: Quart, *usernames: str) -> None:
    database: Database = app.extensions["database"]
    async with app.app_context(), database.writing() as session:
        for name in usernames:
            email = f"{len(name)}@example.com"
            session.add(User(username=name, email=email, password_hash="secret-4711"))


async def log_in_once(app: Quart, username: str) -> None:
    database: Database = app.extensions["database"]
    one = update(User).where(User.username == username).values(logins=1)
    async with app.app_context(), database.writing() as session:
        await session.execute(one)


async def export(app: Quart) -> list[str]:
    response = await app.test_client().get("/users.csv", headers=bearer(1, "admin"))
    assert response.status_code == 200
    assert response.headers["Content-Type"] == "text/csv; charset=utf-8"
    attachment = 'attachment; filename="users.csv"'
    assert response.headers["Content-Disposition"] == attachment
    return (await response.get_data(as_text=True)).split("\r\n")


async def test_all_users_are_exported_page_by_page(
    app: Quart, monkeypatch: pytest.MonkeyPatch
) -> None:
    assert await export(app) == ["id,username,email,created_at", ""]
    await add_users(app, "a", "bb", "ccc", "dddd", 'comma, "quote"\nline')
    await log_in_once(app, "a")  # PostgreSQL has the row behind the others now
    for page in (1, 2, 5, 1_000):
        monkeypatch.setattr(csv_export, "PAGE", page)
        head, *rows, end = await export(app)
        assert head == "id,username,email,created_at"
        assert [row.rpartition(",")[0] for row in rows] == [
            "1,a,1@example.com",
            "2,bb,2@example.com",
            "3,ccc,3@example.com",
            "4,dddd,4@example.com",
            '5,"comma, ""quote""\nline",19@example.com',
        ]
        assert all(row.endswith("+00:00") for row in rows)
        assert end == ""


async def test_a_slow_reader_holds_no_connection(
    app: Quart, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(csv_export, "PAGE", 1)
    await add_users(app, "a", "bb")
    database: Database = app.extensions["database"]
    pool: Any = database.reader.pool
    lines = csv_export.users_as_csv(database, await csv_export.users_after(database, 0))
    for _ in range(3):
        await anext(lines)
        assert pool.checkedout() == 0
    await lines.aclose()


async def test_only_an_admin_exports(app: Quart) -> None:
    client = app.test_client()
    assert (await client.get("/users.csv")).status_code == 401
    refused = await client.get("/users.csv", headers=bearer(1))
    assert refused.status_code == 403


async def test_a_formula_is_left_to_the_reader(app: Quart) -> None:
    await add_users(app, "=1+1")
    assert (await export(app))[1].startswith("1,=1+1,")


async def test_what_fails_before_the_first_byte_has_a_status(app: Quart) -> None:
    database: Database = app.extensions["database"]
    async with database.writer.begin() as connection:
        await connection.execute(text("ALTER TABLE users RENAME TO lost"))
    response = await app.test_client().get("/users.csv", headers=bearer(1, "admin"))
    assert response.status_code == 500


async def test_what_fails_later_breaks_the_connection(
    app: Quart, monkeypatch: pytest.MonkeyPatch
) -> None:
    users_after = csv_export.users_after

    async def fail_on_the_second_page(
        database: Database, user_id: int
    ) -> Sequence[Any]:
        if user_id:
            raise ConnectionError("the database is gone")
        return await users_after(database, user_id)

    await add_users(app, "ada")
    monkeypatch.setattr(csv_export, "users_after", fail_on_the_second_page)
    with pytest.raises((ConnectionError, ExceptionGroup)) as caught:
        await http_call(app, "/users.csv", headers=bearer(1, "admin"))
    assert isinstance(single_error(caught.value), ConnectionError)


def fill(database: Path, users: int) -> None:
    row = "INSERT INTO users VALUES (?, ?, ?, '-', NULL, 'user', NULL, 0, ?)"
    created = "2026-11-29 00:00:00.000000"
    with sqlite3.connect(database) as connection:
        connection.executemany(
            row,
            (
                (number, f"user-{number}", f"{number}@example.com", created)
                for number in range(1, users + 1)
            ),
        )
    connection.close()


async def test_the_memory_does_not_grow_with_the_table(tmp_path: Path) -> None:
    database = tmp_path / "users.sqlite3"
    env = {"DATABASE_URL": f"sqlite+aiosqlite:///{database}"}
    async with running("examples.streaming", env=env) as server:
        await asyncio.to_thread(fill, database, 60_000)
        before = peak_mb(server.process.pid)
        async with streamed(
            server.address, "/users.csv", headers=bearer(1, "admin")
        ) as response:
            lines = 0
            async for chunk in response.aiter_bytes():
                lines += chunk.count(b"\n")
        assert lines == 60_001
        assert peak_mb(server.process.pid) - before < 15


# What a generator may use


async def test_dont_g_in_the_generator_fails_after_the_200() -> None:
    with pytest.raises((AttributeError, ExceptionGroup)) as caught:
        await http_call(dont.g_in_the_generator(), "/lines")
    error = single_error(caught.value)
    assert isinstance(error, AttributeError)
    assert error.name == "user"


async def run(read: Callable[[], object], *, with_context: bool) -> bytes:
    """What a generator reads, in an app that has set a user in `g`."""
    app = Quart("acme")
    app.secret_key = KEY

    @app.before_request
    async def log_in() -> None:
        g.user = "ada"

    async def lines() -> AsyncGenerator[str, None]:
        yield f"{read()}"

    @app.get("/lines")
    async def answer() -> Response:
        made = stream_with_context(lines)() if with_context else lines()
        return Response(made)

    _, body, _ = await http_call(app, "/lines")
    data: bytes = body["body"]
    return data


READ: dict[str, Callable[[], object]] = {
    "request": lambda: request.path,
    "session": lambda: session.get("user", "nobody"),
    "current_app": lambda: current_app.name,
    "g": lambda: g.user,
}
OUTSIDE = {
    "request": "Not within a request context",
    "session": "Not within a request nor websocket context",
    "current_app": "Not within an app context",
    "g": "Not within an app context",
}


@pytest.mark.parametrize("name", READ)
async def test_a_generator_has_no_context(name: str) -> None:
    with pytest.raises((RuntimeError, ExceptionGroup)) as caught:
        await run(READ[name], with_context=False)
    assert str(single_error(caught.value)) == OUTSIDE[name]


@pytest.mark.parametrize(
    ("name", "value"),
    [("request", b"/lines"), ("session", b"nobody"), ("current_app", b"acme")],
)
async def test_stream_with_context_carries_all_but_g(name: str, value: bytes) -> None:
    assert await run(READ[name], with_context=True) == value


async def test_stream_with_context_runs_the_teardown_twice() -> None:
    log: list[object] = []
    app = Quart(__name__)

    @app.before_request
    async def log_in() -> None:
        g.user = "ada"

    @app.teardown_request
    async def tear_down(error: BaseException | None) -> None:
        log.append(g.get("user"))

    @app.get("/lines")
    async def answer() -> Response:
        @stream_with_context
        async def lines() -> AsyncGenerator[str, None]:
            log.append("stream")
            yield ""

        return Response(lines())

    await http_call(app, "/lines")
    assert log == ["ada", "stream", None]


# Blocking sources


class Alternating(ThreadPoolExecutor):
    """Runs each step in the other one of two threads."""

    def __init__(self) -> None:
        super().__init__(1)
        self._other = ThreadPoolExecutor(1)
        self._steps = 0

    def submit(self, *work: Any, **options: Any) -> Future[Any]:
        self._steps += 1
        if self._steps % 2:
            return self._other.submit(*work, **options)
        return super().submit(*work, **options)

    def shutdown(self, *arguments: Any, **options: Any) -> None:
        self._other.shutdown(*arguments, **options)
        super().shutdown(*arguments, **options)


async def test_a_plain_generator_runs_step_by_step_in_threads() -> None:
    asyncio.get_running_loop().set_default_executor(Alternating())
    threads = []

    def lines() -> Iterator[str]:
        for number in range(4):
            threads.append(threading.current_thread())
            yield str(number)

    await http_call(app_with(lambda: stream_response(lines(), "text/plain")), "/lines")
    assert len(set(threads)) == 2
    assert threading.main_thread() not in threads


async def test_so_a_cursor_of_sqlite_fails_in_a_plain_generator() -> None:
    executor = Alternating()
    asyncio.get_running_loop().set_default_executor(executor)
    connections = []

    def lines() -> Iterator[str]:
        connections.append(sqlite3.connect(":memory:"))
        for (number,) in connections[0].execute("SELECT 1 UNION SELECT 2"):
            yield str(number)

    app = app_with(lambda: stream_response(lines(), "text/plain"))
    with pytest.raises((sqlite3.ProgrammingError, ExceptionGroup)) as caught:
        await http_call(app, "/lines")
    assert isinstance(single_error(caught.value), sqlite3.ProgrammingError)
    for _ in range(2):
        with suppress(sqlite3.ProgrammingError):
            executor.submit(connections[0].close).result()


async def test_a_plain_generator_ends_when_its_client_leaves() -> None:
    ended = threading.Event()

    def lines() -> Iterator[str]:
        try:
            while True:
                yield "x"
        finally:
            ended.set()

    app = app_with(lambda: stream_response(lines(), "text/plain"))
    await http_call(app, "/lines", leave_in_send=3)
    await until(ended.is_set)


@pytest.mark.parametrize("blocking", [True, False])
async def test_dont_blocking_source_stops_all_other_requests(blocking: bool) -> None:
    """Off the loop, in a plain generator, the same source stops nobody."""
    hello = threading.Event()

    def tokens() -> Iterator[str]:
        yield "The"
        yield " sky" if hello.wait(1 if blocking else 20) else " nobody said hello"

    if blocking:
        app = dont.blocking_source(tokens)
    else:
        app = app_with(lambda: stream_response(tokens(), "text/plain"))

    @app.get("/hello")
    async def say_hello() -> str:
        hello.set()
        return "hello"

    async with (
        serving(app) as address,
        httpx2.AsyncClient(timeout=30) as client,
        streamed(address, "/lines") as response,
    ):
        asking = asyncio.create_task(client.get(f"http://{address}/hello"))
        body = await response.aread()
        assert (await asking).text == "hello"
    assert body == (b"The nobody said hello" if blocking else b"The sky")
