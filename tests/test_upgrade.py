"""What Quart 0.23 changed: each cell of the page's table on the line it speaks of."""

import asyncio
import gc
import importlib
import json
import logging
import re
import sys
from collections.abc import AsyncGenerator, Awaitable, Callable
from contextlib import suppress
from importlib.metadata import metadata
from typing import Any

import httpx2
import pytest
from quart import (
    Blueprint,
    Quart,
    Response,
    Websocket,
    abort,
    copy_current_request_context,
    g,
    render_template_string,
    request,
    session,
    url_for,
    websocket,
)
from quart.json.provider import DefaultJSONProvider
from quart.signals import (
    appcontext_popped,
    appcontext_pushed,
    got_background_exception,
    got_request_exception,
    got_websocket_exception,
    request_finished,
    request_started,
)
from quart_cors import cors, route_cors
from websockets.exceptions import InvalidStatus

from examples.dont import upgrade as dont
from examples.plain import upgrade as plain
from examples.request_validation import BodyLimit
from examples.testing.test_upgrade import sent_by
from examples.upgrade import create_app
from tests.support.memory import forget_peak, peak_mb
from tests.support.server import ROOT, hypercorn, running
from tests.support.serving import serving, until
from tests.support.versions import QUART_0_23
from tests.support.websocket_client import connected, ending

PAGE = ROOT / "patterns" / "upgrade.md"
LINE = "0.23" if QUART_0_23 else "0.22"
SECONDS = 20
COMES = 0.5 if QUART_0_23 else SECONDS  # for what comes on 0.22 and hangs on 0.23
Answer = tuple[int, dict[str, str], str]
Probe = Callable[[], Awaitable[str]]
probes: dict[str, Probe] = {}


def row(what: str) -> Callable[[Probe], Probe]:
    """The probe returns what the row `what` says of the Quart under test."""

    def add(probe: Probe) -> Probe:
        probes[what] = probe
        return probe

    return add


def table() -> dict[str, dict[str, str]]:
    """The cells of the page, without backticks, by row and Quart."""
    rows = re.findall(r"^\| (.+) \| (.+) \| (.+) \| (.+) \|$", PAGE.read_text(), re.M)
    plain_rows = [[cell.replace("`", "") for cell in cells] for cells in rows]
    return {
        what: {"0.22": old, "0.23": new}
        for what, old, new, _ in plain_rows
        if what not in ("Overridden, called", "What", "--")
    }


def sample_app(**overrides: Any) -> Quart:
    """Some views; `overrides` are methods of its class."""
    app: Quart = type("App", (Quart,), overrides)("sample")

    @app.get("/")
    async def home() -> str:
        return "home"

    @app.get("/crash")
    async def crash() -> str:
        raise LookupError("crashed")

    @app.get("/page")
    async def page() -> str:
        return await render_template_string("for {{ user }}")

    @app.get("/mail")
    async def mail() -> str:
        async def send() -> None:
            raise LookupError("no mail")

        app.add_background_task(send)
        return ""

    @app.websocket("/ws/hello")
    async def hello() -> None:
        await websocket.send("hello")

    @app.websocket("/ws/crash")
    async def crash_in_websocket() -> None:
        await websocket.send("hello")
        raise LookupError("crashed")

    return app


class Call:
    """A request that the test feeds; its client leaves when it is answered."""

    def __init__(
        self, app: Any, path: str = "/", method: str = "GET", *, leaves: bool = True
    ) -> None:
        self.events: asyncio.Queue[dict[str, Any]] = asyncio.Queue()
        self.status = 0
        self.headers: dict[str, str] = {}
        self.body = b""
        self.answered = asyncio.Event()
        self._leaves = leaves
        scope = {
            "type": "http",
            "http_version": "1.1",
            "method": method,
            "scheme": "http",
            "path": path,
            "query_string": b"",
            "headers": [],
        }
        self.task = asyncio.create_task(app(scope, self.events.get, self._send))

    async def _send(self, event: dict[str, Any]) -> None:
        if event["type"] == "http.response.start":
            assert not self.status, "a second answer"
            self.status = event["status"]
            pairs = [
                (name.decode(), value.decode()) for name, value in event["headers"]
            ]
            self.headers = dict(pairs)
            return
        self.body += event["body"]
        if not event["more_body"]:
            self.answered.set()
            if self._leaves:
                self.leave()

    def leave(self) -> None:
        self.events.put_nowait({"type": "http.disconnect"})


def chunk(size: int, *, more: bool = True) -> dict[str, Any]:
    return {"type": "http.request", "body": b"x" * size, "more_body": more}


async def answer(app: Quart, path: str = "/", method: str = "GET") -> Answer:
    """Status, headers and body as the server gets them; an error as it leaves."""
    call = Call(app, path, method)
    call.events.put_nowait(chunk(0, more=False))
    await asyncio.wait_for(call.task, SECONDS)
    return call.status, call.headers, call.body.decode()


def single_error(error: BaseException) -> BaseException:
    """The error inside the groups that 0.23 wraps it in."""
    while isinstance(error, BaseExceptionGroup):
        [error] = error.exceptions
    return error


async def outcome(app: Quart, path: str = "/", method: str = "GET") -> int | str:
    """The status, or the name of the error that the server gets instead."""
    try:
        status, _, _ = await answer(app, path, method)
    except Exception as error:
        return type(single_error(error)).__name__
    return status


async def websocket_outcome(app: Quart, path: str = "/ws/hello") -> int | str:
    """The status or close code, or the name of the error that the server gets."""
    try:
        sent = await sent_by(app, "websocket", path)
    except Exception as error:
        return type(single_error(error)).__name__
    [code] = [
        event[key] for event in sent for key in ("status", "code") if key in event
    ]
    return int(code)


async def finish(app: Quart) -> None:
    async with asyncio.timeout(SECONDS):
        await asyncio.gather(*app.background_tasks, return_exceptions=True)


def single(results: set[str]) -> str:
    [result] = results
    return result


def errors_logged(app: Quart) -> list[str]:
    """The errors that Quart logs from now on."""
    messages: list[str] = []

    class Keep(logging.Handler):
        def emit(self, record: logging.LogRecord) -> None:
            messages.append(record.getMessage())

    app.logger.addHandler(Keep(logging.ERROR))
    return messages


def keep_errors(app: Quart, *signals: Any) -> list[Exception]:
    errors: list[Exception] = []

    async def keep(sender: Quart, exception: Exception) -> None:
        errors.append(exception)

    for one in signals:
        one.connect(keep, app, weak=False)
    return errors


# Overridden methods


@row("handle_exception, log_exception")
async def error_overrides() -> str:
    calls: list[str] = []

    async def handle_exception(self: Quart, error: Exception) -> Any:
        calls.append("handle_exception")
        return await Quart.handle_exception(self, error)

    async def handle_websocket_exception(self: Quart, error: Exception) -> Any:
        calls.append("handle_websocket_exception")
        return await Quart.handle_websocket_exception(self, error)

    def log_exception(self: Quart, info: Any) -> None:
        calls.append("log_exception")

    results = set()
    for override in (handle_exception, log_exception):
        app = sample_app(**{override.__name__: override})
        status = await outcome(app, "/crash")
        called = calls == [override.__name__] and status == 500
        results.add("called" if called else str(status))
        calls.clear()
    app = sample_app(handle_websocket_exception=handle_websocket_exception)
    ended = await websocket_outcome(app, "/ws/crash")
    called = calls == ["handle_websocket_exception"] and ended == 1000
    results.add("called" if called else str(ended))
    return single(results)


@row("handle_user_exception, handle_http_exception")
async def answer_overrides() -> str:
    async def handle_user_exception(self: Quart, error: Exception) -> Any:
        return "from the override", 404

    async def handle_http_exception(self: Quart, error: Exception) -> Any:
        return "from the override", 404

    results = set()
    for override in (handle_user_exception, handle_http_exception):
        app = sample_app(**{override.__name__: override})
        status, _, body = await answer(app, "/nowhere")
        called = body == "from the override"
        results.add("called" if called else f"404 becomes {status}")
    return single(results)


@row("handle_background_exception")
async def background_override() -> str:
    calls: list[Exception] = []

    async def handle_background_exception(self: Quart, error: Exception) -> None:
        calls.append(error)

    app = sample_app(handle_background_exception=handle_background_exception)
    await answer(app, "/mail")
    await finish(app)
    return "called" if calls else "not called"


@row("make_default_options_response")
async def options_override() -> str:
    async def make_default_options_response(self: Quart) -> Response:
        return Response("", headers={"Allow": "GET"})

    app = sample_app(make_default_options_response=make_default_options_response)
    status = await outcome(app, method="OPTIONS")
    return "called" if status == 200 else f"OPTIONS: {status}"


@row("update_template_context")
async def template_override() -> str:
    async def update_template_context(self: Quart, context: dict[str, Any]) -> None:
        context["user"] = "ada"

    app = sample_app(update_template_context=update_template_context)
    status = await outcome(app, "/page")
    return "called" if status == 200 else f"templates: {status}"


@row("process_response, finalize_request")
async def response_overrides() -> str:
    given: list[Any] = []

    def override(name: str) -> dict[str, Any]:
        async def method(self: Quart, result: Any, context: Any = None) -> Any:
            given.append(result)
            return await getattr(Quart, name)(self, result, context)

        return {name: method}

    for name in ("process_response", "finalize_request"):
        assert await outcome(sample_app(**override(name))) == 200
    for name in ("postprocess_websocket", "finalize_websocket"):
        assert await websocket_outcome(sample_app(**override(name))) == 1000
    assert len(given) == 4
    results = {gets_the_context(one) for one in given}
    return "gets the context" if single(results) else "gets the answer"


def gets_the_context(argument: Any) -> bool:
    return type(argument).__name__ == "AppContext"


@row("do_teardown_request")
async def teardown_overrides() -> str:
    given: list[Any] = []

    def override(name: str) -> dict[str, Any]:
        async def method(self: Quart, exc: Any, context: Any = None) -> None:
            given.append(exc)
            await getattr(Quart, name)(self, exc, context)

        return {name: method}

    assert await outcome(sample_app(**override("do_teardown_request"))) == 200
    app = sample_app(**override("do_teardown_websocket"))
    assert await websocket_outcome(app) == 1000
    assert len(given) == 2
    if given == [None, None]:
        return "exc is None"
    results = {gets_the_context(one) for one in given}
    return "exc is the context" if single(results) else "an error"


@row("do_teardown_appcontext")
async def appcontext_override() -> str:
    async def do_teardown_appcontext(self: Quart, exc: Any) -> None:
        await Quart.do_teardown_appcontext(self, exc)

    status = await outcome(sample_app(do_teardown_appcontext=do_teardown_appcontext))
    return "called" if status == 200 else str(status)


@row("Websocket.__init__ that names receive")
async def websocket_override() -> str:
    class NamedArguments(Websocket):
        def __init__(
            self,
            path: Any,
            query_string: Any,
            scheme: Any,
            headers: Any,
            root_path: Any,
            http_version: Any,
            subprotocols: Any,
            receive: Any,
            send: Any,
            accept: Any,
            close: Any,
            scope: Any,
        ) -> None:
            first = (path, query_string, scheme, headers, root_path)
            rest = (http_version, subprotocols, receive, send, accept, close)
            super().__init__(*first, *rest, scope=scope)

    app = sample_app()
    app.websocket_class = NamedArguments
    ended = await websocket_outcome(app)
    return "called" if ended == 1000 else str(ended)


@row(
    "preprocess_request(), dispatch_request(), full_dispatch_request() called, by "
    "tests or super()"
)
async def calls_without_context() -> str:
    results = set()
    for step in STEPS:
        results.add(await called_by_super(f"{step}_request", got_request_exception))
        method = f"{step}_websocket"
        results.add(await called_by_super(method, got_websocket_exception))
        results.add(await called_in_a_test(f"{step}_request"))
    return single(results)


STEPS = ("preprocess", "dispatch", "full_dispatch")


async def called_by_super(name: str, failed: Any) -> str:
    async def method(self: Quart, context: Any = None) -> Any:
        return await getattr(Quart, name)(self)

    app = sample_app(**{name: method})
    errors = keep_errors(app, failed)
    ends = outcome if name.endswith("request") else websocket_outcome
    status = await ends(app)
    assert status in (200, 500, 1000)  # before accept() the handshake fails
    return "works" if status != 500 else type(errors[0]).__name__


async def called_in_a_test(name: str, *arguments: Any) -> str:
    app = sample_app()
    async with app.test_request_context("/"):
        try:
            await getattr(app, name)(*arguments)
        except TypeError as error:
            return type(error).__name__
    return "works"


async def test_a_context_that_is_passed_works_on_both() -> None:
    app = sample_app()
    async with app.test_request_context("/") as ctx:
        assert await app.preprocess_request(ctx) is None  # type: ignore[arg-type]
        assert await app.dispatch_request(ctx) == "home"  # type: ignore[arg-type]
        answered = await app.full_dispatch_request(ctx)  # type: ignore[arg-type]
    assert answered.status_code == 200


@row("most others called")
async def other_calls_without_context() -> str:
    error, answer = LookupError("crashed"), Response("tea")
    called: dict[str, tuple[Any, ...]] = {
        "finalize_request": ("tea",),
        "handle_exception": (error,),
        "make_default_options_response": (),
        "process_response": (answer,),
        "update_template_context": ({},),
    }
    return single({await called_in_a_test(name, *called[name]) for name in called})


# Imports


def importing(*names: str) -> str:
    results = set()
    for name in names:
        module, _, attribute = name.rpartition(".")
        there = hasattr(importlib.import_module(module), attribute)
        results.add("works" if there else "ImportError")
    return single(results)


@row(
    "import of RequestContext, WebsocketContext, request_ctx, websocket_ctx, "
    "_cv_request"
)
async def contexts_imported() -> str:
    return importing(
        "quart.ctx.RequestContext",
        "quart.ctx.WebsocketContext",
        "quart.globals.request_ctx",
        "quart.globals.websocket_ctx",
        "quart.globals._cv_request",
    )


@row("import of WebsocketDisconnectError, HTTPDisconnectError")
async def disconnects_imported() -> str:
    module = "quart.testing.connections"
    return importing(
        f"{module}.WebsocketDisconnectError", f"{module}.HTTPDisconnectError"
    )


# Contexts


@row("request, url_for(_external=True) in add_background_task")
async def request_in_a_task() -> str:
    results: set[str] = set()
    answered = asyncio.Event()
    app = sample_app()

    async def look() -> None:
        await answered.wait()
        for read in (lambda: request.path, lambda: url_for("home", _external=True)):
            try:
                read()
            except RuntimeError:
                results.add("RuntimeError")
            else:
                results.add("stale")

    @app.get("/task")
    async def start() -> str:
        app.add_background_task(look)
        return ""

    await answer(app, "/task")
    answered.set()
    await finish(app)
    return single(results)


@row("request inside app_context() in a view")
async def request_in_an_app_context() -> str:
    app = sample_app()

    @app.get("/nested")
    async def nested() -> str:
        async with app.app_context():
            try:
                return f"works: {request.path}"
            except RuntimeError:
                return "RuntimeError"

    _, _, body = await answer(app, "/nested")
    return body.removesuffix(": /nested")


@row("g in copy_current_request_context")
async def g_in_a_copy() -> str:
    app = sample_app()

    @app.get("/copy")
    async def copy() -> str:
        g.user = "ada"

        @copy_current_request_context
        async def look() -> str:
            return "shared" if "user" in g else "empty"

        seen: str = await asyncio.create_task(look())
        return seen

    _, _, body = await answer(app, "/copy")
    return body


# Streams, websockets, disconnects


@row("stream that outlives RESPONSE_TIMEOUT (60 s)")
async def stream_after_the_timeout() -> str:
    app, stopped = streaming_app(0.2)
    async with (
        serving(app) as address,
        httpx2.AsyncClient(timeout=SECONDS) as client,
        client.stream("GET", f"http://{address}/stream") as response,
    ):
        await asyncio.wait_for(stopped.wait(), SECONDS)
        try:
            async with asyncio.timeout(COMES):
                await response.aread()
        except httpx2.RemoteProtocolError:
            return "cut"
        except TimeoutError:
            return "hangs"
    return "complete"


def streaming_app(seconds: float) -> tuple[Quart, asyncio.Event]:
    """A stream without end, and what is set when Quart stops it."""
    app = sample_app()
    app.config["RESPONSE_TIMEOUT"] = seconds
    stopped = asyncio.Event()

    @app.get("/stream")
    async def stream() -> Response:
        async def parts() -> AsyncGenerator[str, None]:
            try:
                yield "part"
                await asyncio.Event().wait()
            finally:
                stopped.set()

        return Response(parts())

    return app, stopped


@row("websocket view that returns before accept()")
async def silent_websocket() -> str:
    app = sample_app()

    @app.websocket("/ws/silent")
    async def silent() -> None:
        pass

    async with serving(app) as address:
        try:
            async with asyncio.timeout(COMES), connected(address, "/ws/silent"):
                return "accepted"
        except InvalidStatus as refusal:
            return str(refusal.response.status_code)
        except TimeoutError:
            return "hangs"


@row("receive() in a task of its own, client gone")
async def receive_in_a_task() -> str:
    app = sample_app()
    errors: list[str] = []
    turns: list[None] = []  # of the loop, while the reader goes on
    readers: list[asyncio.Task[None]] = []

    async def read() -> None:
        while len(errors) < 3:
            try:
                await websocket.receive()
            except Exception as error:
                asyncio.get_running_loop().call_soon(turns.append, None)
                errors.append(type(error).__name__)
        assert not turns

    @app.websocket("/ws")
    async def talk() -> None:
        readers.append(asyncio.create_task(read()))
        await websocket.send("hello")
        await asyncio.Event().wait()

    await visit(app)
    ended, waiting = await asyncio.wait(readers, timeout=SECONDS if QUART_0_23 else 0.2)
    for reader in waiting:
        reader.cancel()
        return "waits"
    for reader in ended:
        reader.result()
    assert errors == ["ClientDisconnectedError"] * 3
    return "raises at once, each time"


async def visit(app: Quart) -> None:
    """Hear the first message of /ws, and leave."""
    async with asyncio.timeout(SECONDS), app.test_client().websocket("/ws") as socket:
        assert await socket.receive() == "hello"


@row("reader in a TaskGroup, client leaves")
async def reader_in_a_group() -> str:
    app = sample_app()

    async def read() -> None:
        while True:
            await websocket.receive()

    @app.websocket("/ws")
    async def talk() -> None:
        async with asyncio.TaskGroup() as tasks:
            tasks.create_task(read())
            await websocket.send("hello")

    logged = errors_logged(app)
    await visit(app)
    return "an ERROR is logged" if logged else "silent"


# Tests and layers


@row("test client: receive() after the server's close")
async def receive_after_the_close() -> str:
    app = sample_app()

    @app.websocket("/ws")
    async def talk() -> None:
        await websocket.send("hello")
        await websocket.close(1008)

    async with app.test_client().websocket("/ws") as socket:
        await asyncio.wait_for(socket.receive(), SECONDS)
        try:
            await asyncio.wait_for(socket.receive(), COMES)
        except TimeoutError:
            return "hangs"
        except Exception as error:
            return type(error).__name__
    return "a message"


@row("await app(scope, receive, send) in tests and layers ends")
async def end_of_a_call() -> str:
    call = Call(sample_app(), leaves=False)
    call.events.put_nowait(chunk(0, more=False))
    await asyncio.wait_for(call.answered.wait(), SECONDS)
    ended, _ = await asyncio.wait({call.task}, timeout=COMES)
    call.leave()
    await asyncio.wait_for(call.task, SECONDS)
    return "after the answer" if ended else "after http.disconnect"


# Bodies


def upload_app() -> Quart:
    app = sample_app()
    app.config["MAX_CONTENT_LENGTH"] = 1_000

    @app.post("/size")
    async def size() -> dict[str, int]:
        return {"size": len(await request.get_data())}

    return app


@row("chunked body over MAX_CONTENT_LENGTH")
async def chunked_body() -> str:
    app = upload_app()
    try:
        async with asyncio.timeout(COMES):
            start, *_ = await sent_by(app, "http", "/size", chunk(600), chunk(600))
    except TimeoutError:
        end = chunk(0, more=False)
        start, *_ = await sent_by(app, "http", "/size", chunk(600), chunk(600), end)
        assert start["status"] == 413
        return "413 after all of it"
    assert start["status"] == 413
    return "413 at the limit"


@row("last chunk of async for chunk in request.body")
async def last_chunk() -> str:
    app = sample_app()

    @app.post("/last")
    async def last() -> str:
        chunks = [chunk async for chunk in request.body]
        return "data" if chunks[-1] else 'b""'

    response = await app.test_client().post("/last", data=b"data")
    text: str = await response.get_data(as_text=True)
    return text


# Errors


@row("error that leaves the app (PROPAGATE_EXCEPTIONS, teardown)")
async def leaving_errors() -> str:
    propagating = sample_app()
    propagating.config["PROPAGATE_EXCEPTIONS"] = True
    results = set()
    for app, path in ((propagating, "/crash"), (raising_teardown(), "/")):
        try:
            await answer(app, path)
        except LookupError:
            results.add("bare")
        except ExceptionGroup:
            results.add("in an ExceptionGroup")
    return single(results)


def raising_teardown() -> Quart:
    app = sample_app()

    @app.teardown_request
    async def fail(error: BaseException | None) -> None:
        raise LookupError("not closed")

    return app


# Other things


@row("Vary: Cookie, with a SECRET_KEY")
async def vary() -> str:
    app = sample_app()
    app.secret_key = "s" * 32

    @app.get("/account")
    async def account() -> str:
        return str(session.get("user"))

    found = set()
    for path in ("/", "/account"):
        _, headers, _ = await answer(app, path)
        found.add(headers.get("vary", ""))
    return {"": "not for reading a session", "Cookie": "on each answer"}[single(found)]


@row("sync receiver of appcontext_pushed, appcontext_popped")
async def context_signals() -> str:
    results = set()
    for signal_of_contexts in (appcontext_pushed, appcontext_popped):
        app = sample_app()
        calls: list[Quart] = []

        def note(sender: Quart, calls: list[Quart] = calls) -> None:
            calls.append(sender)

        signal_of_contexts.connect(note, app)
        status = await outcome(app)
        works = status == 200 and calls == [app]
        results.add("works" if works else "no request works")
    return single(results)


@row("preflight of route_cors")
async def preflight() -> str:
    app = sample_app()

    @app.post("/notes")
    @route_cors(allow_origin="https://app.example.com")
    async def add_note() -> str:
        return ""

    return str((await ask_before(app, "/notes")).status_code)


async def ask_before(app: Quart, path: str) -> Response:
    headers = {
        "Origin": "https://app.example.com",
        "Access-Control-Request-Method": "POST",
    }
    return await app.test_client().options(path, headers=headers)


@pytest.mark.parametrize("what", probes)
async def test_each_row_says_what_happens_on_this_line(what: str) -> None:
    assert await probes[what]() == table()[what][LINE]


def test_the_table_has_these_rows_and_no_others() -> None:
    assert list(table()) == list(probes)


# What suits both: errors


async def test_the_plain_form_answers_and_reports_on_both() -> None:
    reports: list[Exception] = []
    app = plain.create_app(reports.append)

    async def fail() -> None:
        raise LookupError("no mail")

    @app.get("/crash")
    async def crash() -> str:
        raise LookupError("crashed")

    @app.get("/mail")
    async def mail() -> str:
        app.add_background_task(fail)
        return ""

    @app.websocket("/ws/crash")
    async def crash_in_websocket() -> None:
        await fail()

    status, _, body = await answer(app, "/crash")
    assert (status, body) == (
        500,
        '{"error":"internal server error"}\n',
    )
    await answer(app, "/mail")
    await finish(app)
    [refusal, *_] = await sent_by(app, "websocket", "/ws/crash")
    assert refusal["status"] == 500
    app.testing = True  # skips the handler of 500, not the signal
    await answer(app, "/crash")
    texts = [str(error) for error in reports]
    assert texts == ["crashed", "no mail", "no mail", "crashed"]


async def test_a_receiver_that_nobody_holds_is_never_called() -> None:
    """Why the plain form says weak=False."""
    app = sample_app()
    reports: list[Exception] = []

    def connect() -> None:
        async def report(sender: Quart, exception: Exception) -> None:
            reports.append(exception)

        got_request_exception.connect(report, app)

    connect()
    gc.collect()
    assert await outcome(app, "/crash") == 500
    assert reports == []


async def test_hooks_do_on_both_what_overrides_did() -> None:
    app = sample_app()
    torn_down: list[str] = []

    @app.errorhandler(404)
    async def not_found(error: Exception) -> tuple[str, int]:
        return "not here", 404

    @app.errorhandler(LookupError)
    async def lost(error: LookupError) -> tuple[str, int]:
        return f"lost: {error}", 503

    @app.after_request
    async def add_header(response: Response) -> Response:
        response.headers["X-Line"] = "both"
        return response

    @app.context_processor
    async def add_user() -> dict[str, str]:
        return {"user": "ada"}

    @app.teardown_request
    async def close_request(error: BaseException | None) -> None:
        torn_down.append(f"request {error}")

    @app.teardown_appcontext
    async def close_app(error: BaseException | None) -> None:
        torn_down.append(f"app {error}")

    errors = keep_errors(app, got_background_exception)
    for path, method, status, body in (
        ("/nowhere", "GET", 404, "not here"),
        ("/crash", "GET", 503, "lost: crashed"),
        ("/", "OPTIONS", 200, ""),
        ("/page", "GET", 200, "for ada"),
    ):
        answered, headers, text = await answer(app, path, method)
        assert (answered, text, headers["x-line"]) == (status, body, "both")
    assert torn_down == ["request None", "app None"] * 4
    await answer(app, "/mail")
    await finish(app)
    assert [str(error) for error in errors] == ["no mail"]


async def test_websocket_hooks_do_on_both_what_overrides_did() -> None:
    app = sample_app()
    calls: list[str] = []

    @app.after_websocket
    async def finished(response: Any) -> Any:
        calls.append(f"finished {response}")
        return response

    @app.teardown_websocket
    async def close(error: BaseException | None) -> None:
        calls.append(f"closed {error}")

    assert await websocket_outcome(app) == 1000
    assert calls == ["finished None", "closed None"]


async def test_a_json_provider_is_what_a_json_encoder_was() -> None:
    class Encoder(json.JSONEncoder):
        def default(self, value: Any) -> Any:
            pytest.fail("the encoder is asked")

    class Provider(DefaultJSONProvider):
        @staticmethod
        def default(value: Any) -> Any:
            return sorted(value) if isinstance(value, set) else json_default(value)

    json_default = DefaultJSONProvider.default
    app = sample_app()
    app.add_url_rule("/tags", view_func=lambda: {"tags": {"b", "a"}})
    app.json_encoder = Encoder  # type: ignore[attr-defined]
    assert await outcome(app, "/tags") == 500
    app.json = Provider(app)
    _, _, body = await answer(app, "/tags")
    assert body == '{"tags":["a","b"]}\n'


async def test_an_override_that_passes_on_what_it_gets_works_on_both() -> None:
    seen: list[str] = []

    class App(Quart):
        async def handle_exception(self, *arguments: Any) -> Any:
            seen.append(str(arguments[-1]))
            return await super().handle_exception(*arguments)

        async def handle_user_exception(self, *arguments: Any) -> Any:
            seen.append(str(arguments[-1]))
            return await super().handle_user_exception(*arguments)

        def log_exception(self, *arguments: Any) -> None:
            kind, _, _ = arguments[-1]
            seen.append(kind.__name__)

        async def update_template_context(self, *arguments: Any) -> None:
            arguments[-1]["user"] = "ada"
            await super().update_template_context(*arguments)

        async def full_dispatch_request(self, *arguments: Any) -> Any:
            seen.append("full_dispatch_request")
            return await super().full_dispatch_request(*arguments)

        async def dispatch_request(self, *arguments: Any) -> Any:
            seen.append("dispatch_request")
            return await super().dispatch_request(*arguments)

        async def preprocess_request(self, *arguments: Any) -> Any:
            seen.append("preprocess_request")
            return await super().preprocess_request(*arguments)

        async def handle_request(self, request: Any) -> Any:
            seen.append(request.path)
            return await super().handle_request(request)

        async def handle_websocket_exception(self, *arguments: Any) -> Any:
            seen.append(str(arguments[-1]))
            return await super().handle_websocket_exception(*arguments)

        async def preprocess_websocket(self, *arguments: Any) -> Any:
            seen.append("preprocess_websocket")
            return await super().preprocess_websocket(*arguments)

    class AnyWebsocket(Websocket):
        def __init__(self, *arguments: Any, **options: Any) -> None:
            seen.append(arguments[0])
            super().__init__(*arguments, **options)

    app = App("app")
    app.websocket_class = AnyWebsocket

    @app.websocket("/ws/crash")
    async def crash_in_websocket() -> None:
        await websocket.send("hello")
        raise LookupError("crashed")

    @app.get("/crash")
    async def crash() -> str:
        raise LookupError(await render_template_string("for {{ user }}"))

    assert await outcome(app, "/crash") == 500
    assert seen == [
        "/crash",
        "full_dispatch_request",
        "preprocess_request",
        "dispatch_request",
        "for ada",
        "for ada",
        "LookupError",
    ]
    seen.clear()
    assert await websocket_outcome(app, "/ws/crash") == 1000
    assert seen == [
        "/ws/crash",
        "preprocess_websocket",
        "crashed",
        "crashed",
        "LookupError",
    ]


@pytest.mark.parametrize("propagate", [True, False])
async def test_except_star_takes_the_error_that_leaves_the_app(propagate: bool) -> None:
    app = sample_app() if propagate else raising_teardown()
    app.config["PROPAGATE_EXCEPTIONS"] = propagate
    caught: list[BaseException] = []
    try:
        await answer(app, "/crash" if propagate else "/")
    except* LookupError as errors:
        caught.append(single_error(errors))
    assert [type(error) for error in caught] == [LookupError]


# What suits both: contexts


async def test_values_taken_in_the_view_reach_tasks_and_copies() -> None:
    app = sample_app()
    links: list[str] = []
    answered = asyncio.Event()

    async def send(link: str) -> None:
        await answered.wait()
        links.append(link)

    @app.get("/task")
    async def start() -> str:
        link = url_for("home", _external=True)
        app.add_background_task(send, link)
        async with app.app_context():
            return link

    _, _, body = await answer(app, "/task")
    answered.set()
    await finish(app)
    assert links == [body]


# What suits both: streams, websockets, disconnects


async def test_a_stream_without_a_timeout_goes_on() -> None:
    app = sample_app()
    app.config["RESPONSE_TIMEOUT"] = 0.05

    @app.get("/stream")
    async def stream() -> Response:
        async def parts() -> AsyncGenerator[str, None]:
            yield "part, "
            await asyncio.sleep(0.2)
            yield "rest"

        response = Response(parts())
        response.timeout = None
        return response

    _, _, body = await answer(app, "/stream")
    assert body == "part, rest"


async def test_abort_refuses_a_websocket_with_its_status() -> None:
    app = sample_app()

    @app.websocket("/ws/members")
    async def members() -> None:
        abort(401)

    async with serving(app) as address:
        with pytest.raises(InvalidStatus) as refusal:
            async with connected(address, "/ws/members"):
                pass
    assert refusal.value.response.status_code == 401


async def test_receiving_in_the_view_ends_silently_when_the_client_leaves() -> None:
    app = sample_app()
    senders: list[asyncio.Task[None]] = []

    async def send() -> None:
        with suppress(Exception):  # it may be sending when the client leaves
            await websocket.send("hello")
            await asyncio.Event().wait()

    @app.websocket("/ws")
    async def talk() -> None:
        async with asyncio.TaskGroup() as tasks:
            senders.append(tasks.create_task(send()))
            while True:
                with suppress(ValueError):
                    int(await websocket.receive())

    logged = errors_logged(app)
    await visit(app)
    assert logged == []
    assert [sender.cancelled() for sender in senders] == [True]


async def test_a_layer_that_acts_in_send_sees_the_end_of_the_answer() -> None:
    ends: list[str] = []

    def noting_ends(inner: Any) -> Any:
        async def layer(scope: Any, receive: Any, send: Any) -> None:
            async def noting(event: Any) -> None:
                if event.get("more_body") is False:
                    ends.append(scope["path"])
                await send(event)

            await inner(scope, receive, noting)

        return layer

    app = sample_app()
    app.asgi_app = noting_ends(app.asgi_app)
    for path in ("/", "/nowhere", "/crash"):
        await answer(app, path)
    assert ends == ["/", "/nowhere", "/crash"]


async def test_the_helper_shows_a_refusal_too() -> None:
    start, *_ = await sent_by(create_app(), "websocket", "/ws/nowhere")
    assert (start["type"], start["status"]) == ("websocket.http.response.start", 404)


async def test_the_helper_ends_where_the_app_does_not_answer() -> None:
    app = sample_app()

    @app.websocket("/ws/silent")
    async def silent() -> None:
        await asyncio.Event().wait()

    with pytest.raises(TimeoutError):
        await asyncio.wait_for(sent_by(app, "websocket", "/ws/silent"), 0.2)


# What suits both: other things


async def test_chunks_with_something_in_them_are_the_body() -> None:
    app = sample_app()

    @app.post("/size")
    async def size() -> list[int]:
        return [len(chunk) async for chunk in request.body if chunk]

    client = app.test_client()
    for body, sizes in ((b"data", [4]), (b"", [])):
        response = await client.post("/size", data=body)
        assert await response.get_json() == sizes


async def test_cache_control_of_a_view_holds_on_both() -> None:
    app = sample_app()
    app.secret_key = "s" * 32

    @app.get("/account")
    async def account() -> Response:
        response = Response(str(session.get("user")))
        response.cache_control.private = True
        return response

    _, headers, _ = await answer(app, "/account")
    assert headers["cache-control"] == "private"


async def test_receivers_of_request_signals_work_on_both() -> None:
    app = sample_app()
    calls: list[str] = []

    def started(sender: Quart) -> None:
        calls.append("started")

    async def finished(sender: Quart, response: Response) -> None:
        calls.append(f"finished {response.status_code}")

    request_started.connect(started, app)
    request_finished.connect(finished, app)
    assert await outcome(app) == 200
    assert calls == ["started", "finished 200"]


@pytest.mark.parametrize("scope", ["app", "blueprint"])
async def test_cors_answers_preflights_on_both(scope: str) -> None:
    app = sample_app()
    notes = Blueprint("notes", __name__)
    notes.post("/notes", endpoint="add_note")(lambda: "")
    if scope == "blueprint":
        notes = cors(notes, allow_origin="https://app.example.com")
    app.register_blueprint(notes)
    if scope == "app":
        app = cors(app, allow_origin="https://app.example.com")
    response = await ask_before(app, "/notes")
    allowed = response.headers["Access-Control-Allow-Origin"]
    assert (response.status_code, allowed) == (200, "https://app.example.com")


# The layer


@pytest.mark.parametrize("size", [0, 1_000])
async def test_a_body_up_to_the_limit_is_taken(size: int) -> None:
    response = await create_app().test_client().post("/size", data=b"x" * size)
    assert response.status_code == 200
    assert await response.get_json() == {"size": size}


async def test_a_longer_body_is_a_413_in_the_form_of_the_service() -> None:
    chunks = [chunk(600), chunk(400), chunk(1), chunk(600, more=False)]
    start, body = await sent_by(create_app(), "http", "/size", *chunks)
    assert start["status"] == 413
    headers = dict(start["headers"])
    assert headers[b"content-type"] == b"application/problem+json"
    assert headers[b"content-length"] == str(len(body["body"])).encode()
    assert json.loads(body["body"]) == {
        "type": "about:blank",
        "title": "Request Entity Too Large",
        "status": 413,
    }


async def test_the_view_is_cancelled_and_nothing_more_is_sent() -> None:
    app = sample_app()
    ends: list[str] = []

    @app.post("/stubborn")
    async def stubborn() -> str:
        try:
            await request.get_data()
        except asyncio.CancelledError:
            ends.append("cancelled")
        return "an answer all the same"

    app.asgi_app = BodyLimit(app.asgi_app, 100)
    with suppress(ExceptionGroup):  # 0.23 tells the server that the client has left
        chunks = [chunk(60), chunk(60), chunk(60, more=False)]
        sent = await sent_by(app, "http", "/stubborn", *chunks)
        assert [event.get("status") for event in sent] == [413, None]
    assert ends == ["cancelled"]


async def test_an_early_answer_is_the_only_one_and_the_rest_is_not_kept() -> None:
    app = sample_app()

    @app.post("/early")
    async def early() -> tuple[str, int]:
        return "no", 401

    app.asgi_app = BodyLimit(app.asgi_app, 100)
    call = Call(app, "/early", "POST", leaves=False)
    call.events.put_nowait(chunk(60))
    await until(lambda: call.status == 401)
    call.events.put_nowait(chunk(60))
    assert not call.answered.is_set()  # the client has not sent all yet
    call.events.put_nowait(chunk(60, more=False))
    await asyncio.wait_for(call.answered.wait(), SECONDS)
    call.leave()
    await asyncio.wait_for(call.task, SECONDS)
    assert (call.status, call.body) == (401, b"no")


async def test_a_stream_that_reads_too_much_is_cut_off() -> None:
    """It has answered already: the server ends the connection, whatever it sends."""
    app = sample_app()

    @app.post("/echo")
    async def echo() -> Response:
        body = request.body

        async def parts() -> AsyncGenerator[bytes, None]:
            yield b"so far"
            try:
                async for part in body:
                    yield part
            except asyncio.CancelledError:
                yield b"and more all the same"

        return Response(parts())

    app.asgi_app = BodyLimit(app.asgi_app, 100)
    call = Call(app, "/echo", "POST")
    call.events.put_nowait(chunk(60))
    await until(lambda: call.body == b"so far" + b"x" * 60)
    call.events.put_nowait(chunk(60))
    await asyncio.wait_for(call.task, SECONDS)
    assert call.body == b"so far" + b"x" * 60
    assert not call.answered.is_set()


async def test_a_long_chunked_body_is_not_kept_in_memory() -> None:
    async with running("examples.upgrade") as server:
        async with httpx2.AsyncClient(timeout=SECONDS) as client:
            small = await client.post(server.url("/size"), content=b"x" * 1_000)
            assert small.json() == {"size": 1_000}
            forget_peak(server.process.pid)
            before = peak_mb(server.process.pid)
            with suppress(httpx2.TransportError):  # the server has hung up
                refused = await client.post(server.url("/size"), content=megabytes(50))
                assert refused.status_code == 413
            after = peak_mb(server.process.pid)
            assert (await client.post(server.url("/size"))).json() == {"size": 0}
        assert await server.stop() == 0
    assert after - before < 20
    assert "Traceback" not in server.log


async def megabytes(count: int) -> AsyncGenerator[bytes, None]:
    for _ in range(count):
        yield bytes(1_000_000)


async def test_the_example_greets_and_closes() -> None:
    async with (
        serving(create_app()) as address,
        connected(address, "/ws/greeting") as ws,
    ):
        assert await asyncio.wait_for(ws.recv(), SECONDS) == "hello"
        assert await ending(ws) == (4000, "That was all.")


# Don'ts


def override_for_0_23() -> Quart:
    class App(Quart):
        async def handle_exception(self, ctx: Any, error: Exception) -> Any:
            await super().handle_exception(ctx, error)
            return self.response_class("Sorry.", 500)

    return App(__name__)


@pytest.mark.parametrize(
    ("mistake", "works_on"),
    [(dont.overridden_method, "0.22"), (override_for_0_23, "0.23")],
)
async def test_dont_override_what_gets_a_context_on_one_line_only(
    mistake: Callable[[], Quart], works_on: str
) -> None:
    """On the other the server answers for itself, and Quart says nothing."""
    app = mistake()

    @app.get("/crash")
    async def crash() -> str:
        raise LookupError("crashed")

    errors, logged = keep_errors(app, got_request_exception), errors_logged(app)
    async with (
        serving(app, loglevel="CRITICAL") as address,
        httpx2.AsyncClient(timeout=SECONDS) as client,
    ):
        response = await client.get(f"http://{address}/crash")
    assert response.status_code == 500
    if works_on == LINE:
        assert response.text == "Sorry."
        assert [str(error) for error in errors] == ["crashed"]
        assert logged == ["Exception on request GET /crash"]
    else:
        assert (response.text, errors, logged) == ("", [], [])


async def test_a_websocket_override_is_closed_by_the_server_on_0_23() -> None:
    class App(Quart):
        async def handle_websocket_exception(self, error: Exception) -> Any:
            return await super().handle_websocket_exception(error)

    app = App("app")

    @app.websocket("/ws/crash")
    async def crash() -> None:
        await websocket.send("hello")
        raise LookupError("crashed")

    errors, logged = keep_errors(app, got_websocket_exception), errors_logged(app)
    async with (
        serving(app, loglevel="CRITICAL") as address,
        connected(address, "/ws/crash") as ws,
    ):
        assert await asyncio.wait_for(ws.recv(), SECONDS) == "hello"
        code, _ = await ending(ws)
    expected = (1011, 0, 0) if QUART_0_23 else (1000, 1, 1)
    assert (code, len(errors), len(logged)) == expected


def test_dont_branch_on_a_version_that_is_not_there() -> None:
    with pytest.raises(AttributeError, match="__version__"):
        dont.branch_on_the_version()


# Versions


def test_0_23_wants_python_3_13_and_older_pythons_get_0_22() -> None:
    lock = (ROOT / "requirements.lock").read_text()
    assert re.search(r"^quart==0\.22\.\d+ ; python_full_version < '3\.13'", lock, re.M)
    assert re.search(r"^quart==0\.23\.\d+ ; python_full_version >= '3\.13'", lock, re.M)
    if QUART_0_23:
        assert metadata("quart")["Requires-Python"] == ">=3.13"


async def test_hypercorn_on_python_3_12_waits_for_streams_without_end() -> None:
    target = "examples.dont.serving:stream_until_shutdown_event()"
    async with (
        hypercorn(target, "--graceful-timeout", "1") as server,
        httpx2.AsyncClient(timeout=SECONDS) as client,
        client.stream("GET", server.url("/events")) as response,
    ):
        events = response.aiter_bytes()
        await anext(events)
        waits = sys.version_info >= (3, 12)
        try:
            await server.stop(3 if waits else SECONDS)
        except TimeoutError:
            assert waits
        else:
            assert not waits


# From before 0.22


@pytest.mark.parametrize("flag", ["TESTING", "DEBUG"])
async def test_testing_and_debug_raise_nothing_and_skip_the_handler(flag: str) -> None:
    app = sample_app()
    app.config[flag] = True
    app.errorhandler(500)(lambda error: ("handled", 500))
    errors = keep_errors(app, got_request_exception)
    response = await app.test_client().get("/crash")
    assert response.status_code == 500
    assert "LookupError" in await response.get_data(as_text=True)
    assert [str(error) for error in errors] == ["crashed"]


async def test_what_serves_ends_in_reverse_and_before_after_serving() -> None:
    app = sample_app()
    ends: list[str] = []

    @app.while_serving
    async def first() -> AsyncGenerator[None, None]:
        yield
        ends.append("first")

    @app.while_serving
    async def second() -> AsyncGenerator[None, None]:
        yield
        ends.append("second")

    @app.after_serving
    async def last() -> None:
        ends.append("after_serving")

    async with app.test_app():
        pass
    assert ends == ["second", "first", "after_serving"]
