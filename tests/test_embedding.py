"""A bot and the app live in one loop and end together; an app lives inside another."""

import asyncio
import os
import shlex
import signal
import socket
import sys
import threading
import urllib.error
import urllib.request
from collections.abc import (
    AsyncGenerator,
    AsyncIterator,
    Callable,
    Coroutine,
    Iterator,
    Mapping,
)
from contextlib import asynccontextmanager
from typing import Any

import pytest
from hypercorn.asyncio import serve
from hypercorn.config import Config
from hypercorn.utils import LifespanTimeoutError  # noqa: TID251
from quart import Quart, Response, request, session, url_for, websocket
from quart.testing.app import LifespanError

from examples import serving
from examples.authentication import Tokens
from examples.dont import embedding as dont
from examples.embedding import (
    Parrot,
    Questions,
    beside,
    create_app,
    in_time,
    mount,
    mounting,
    quart_lifespan,
    questions,
    register_bot,
)
from examples.plain import embedding as plain
from examples.plain import serving as plain_serving
from examples.serving import closing_event, run, serve_until_closed
from tests.support.machine import free_port
from tests.support.server import running, start
from tests.support.serving import serving as served
from tests.support.serving import until
from tests.support.shell import run as shell
from tests.support.websocket_client import connected, hear

pytestmark = pytest.mark.usefixtures("signal_handlers")
KEYS = ["k" * 32]


class Bot(Parrot):
    """Writes down what is done with it; `faults` name the steps that fail or hang."""

    def __init__(self, log: list[str] | None = None, **faults: Exception | str) -> None:
        super().__init__()
        self.log = [] if log is None else log
        self.faults = faults

    async def step(self, name: str) -> None:
        self.log.append(f"bot {name}")
        match self.faults.get(name):
            case Exception() as error:
                raise error
            case "hangs":
                await asyncio.Event().wait()

    async def start(self) -> None:
        await super().start()
        await self.step("start")

    async def run_until_stopped(self) -> None:
        await self.step("run")
        if self.faults.get("run") != "returns":
            await super().run_until_stopped()

    async def close(self) -> None:
        await self.step("close")
        await super().close()


def exit_code(app: Quart, bind: str = "127.0.0.1:0") -> int:
    """What the launcher's process exits with."""
    try:
        run(app, bind)
    except SystemExit as ended:
        return int(ended.code or 0)
    return 0


def beside_a(bot: Bot) -> Quart:
    app = Quart("acme")
    register_bot(app, bot)

    @app.while_serving
    async def journal() -> AsyncGenerator[None, None]:
        bot.log.append("app open")
        yield
        bot.log.append("app closed")

    return app


@pytest.fixture
def short_times(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(beside, "START_SECONDS", 0.05)
    monkeypatch.setattr(beside, "CLOSE_SECONDS", 0.05)
    monkeypatch.setattr(questions, "ANSWER_SECONDS", 0.05)
    monkeypatch.setattr(mounting, "LIFESPAN_SECONDS", 0.05)
    monkeypatch.setattr(mounting, "DRAIN_SECONDS", 0.05)


# The plain form


async def test_the_plain_form_ends_the_bot_with_the_app() -> None:
    log: list[str] = []

    async def run_bot() -> None:
        log.append("online")
        try:
            await asyncio.Event().wait()
        finally:
            await asyncio.sleep(0)
            log.append("logged out")

    app = plain.create_app(run_bot)
    async with app.test_app():
        await until(lambda: log == ["online"])
        assert not closing_event(app).is_set()
    assert log == ["online", "logged out"]


async def kicked() -> None:
    raise ConnectionError("kicked")


async def stopped() -> None:
    """A bot that its users may stop."""


def test_the_plain_form_ends_with_the_bot(caplog: pytest.LogCaptureFixture) -> None:
    codes = [exit_code(plain.create_app(bot)) for bot in (kicked, stopped)]
    assert codes == [1, 0]
    [failed] = [said for said in caplog.messages if "failed: " in said]
    assert "acme" not in failed
    assert "ConnectionError('kicked')" in failed


def test_the_plain_launcher_ends_with_the_bot_too() -> None:
    plain_serving.run(plain.create_app(stopped), "127.0.0.1:0")
    with pytest.raises(Exception, match="kicked"):
        plain_serving.run(plain.create_app(kicked), "127.0.0.1:0")


def test_the_plain_form_does_not_wait_for_a_slow_logout() -> None:
    log: list[str] = []

    async def slow() -> None:
        try:
            await asyncio.Event().wait()
        finally:
            await leave.wait()
            log.append("logged out")

    leave = asyncio.Event()
    app = plain.create_app(slow)

    @app.while_serving
    async def end() -> AsyncGenerator[None, None]:
        closing_event(app).set()
        yield

    @app.after_serving
    async def go_on() -> None:
        log.append("after_serving")

    async def serve_and_leave() -> None:
        await serve_until_closed(app, serving.server_config("127.0.0.1:0"))
        leave.set()
        await until(lambda: log[-1] == "logged out")

    asyncio.run(serve_and_leave())
    assert log == ["after_serving", "logged out"]


# A bot beside the app


async def test_the_bot_is_online_from_before_the_first_to_after_the_last_request() -> (
    None
):
    bot = Bot()
    app = beside_a(bot)

    @app.get("/")
    async def online() -> dict[str, bool]:
        await closing_event(app).wait()
        return {"online": bot.online}

    async with app.test_app():
        answer = asyncio.create_task(app.test_client().get("/"))
        await asyncio.sleep(0)
        closing_event(app).set()
        assert await (await answer).get_json() == {"online": True}
    await asyncio.sleep(0)
    assert bot.log == ["bot start", "app open", "bot run", "app closed", "bot close"]
    assert not bot.online


def ended_by_its_users() -> Quart:
    """Whoever sets the event ends all, with exit code 0."""
    app = beside_a(Bot())

    @app.while_serving
    async def end() -> AsyncGenerator[None, None]:
        closing_event(app).set()
        yield

    return app


@pytest.mark.usefixtures("short_times")
@pytest.mark.parametrize(
    ("faults", "cause", "log"),
    [
        (
            {"start": PermissionError("bad token")},
            "PermissionError('bad token')",
            ["bot start", "bot close"],
        ),
        (
            {
                "start": PermissionError("bad token"),
                "close": RuntimeError("Polling is not started"),
            },
            "PermissionError('bad token')",
            ["bot start", "bot close"],
        ),
        ({"start": "hangs"}, "TimeoutError()", ["bot start", "bot close"]),
        (
            {"run": ConnectionError("kicked")},
            "ConnectionError('kicked')",
            ["bot start", "app open", "bot run", "app closed", "bot close"],
        ),
        (
            {"run": "returns"},
            "RuntimeError('the bot has ended')",
            ["bot start", "app open", "bot run", "app closed", "bot close"],
        ),
    ],
)
def test_no_bot_no_app(
    faults: Mapping[str, Any],
    cause: str,
    log: list[str],
    caplog: pytest.LogCaptureFixture,
) -> None:
    bot = Bot(**faults)
    assert exit_code(beside_a(bot)) == 1
    assert caplog.messages[-1] == f"acme on 127.0.0.1:0 failed: {cause}"
    assert bot.log == log


def test_an_end_that_is_asked_for_is_no_failure() -> None:
    assert exit_code(ended_by_its_users()) == 0


@pytest.mark.usefixtures("short_times")
@pytest.mark.parametrize(
    "faults",
    [{"close": "hangs"}, {"close": ConnectionError("gone")}, {"run": "hangs"}],
)
def test_a_bot_that_does_not_end_is_cut(
    faults: Mapping[str, Any], caplog: pytest.LogCaptureFixture
) -> None:
    bot = Bot(**faults)
    app = beside_a(bot)

    @app.while_serving
    async def end() -> AsyncGenerator[None, None]:
        closing_event(app).set()
        yield

    assert exit_code(app) == 1
    assert caplog.messages[-1].endswith("failed: TimeoutError()")
    assert bot.log[-1] == "bot close"


def test_a_resource_that_does_not_start_closes_the_bot(
    caplog: pytest.LogCaptureFixture,
) -> None:
    bot = Bot()
    app = beside_a(bot)

    @app.while_serving
    async def broker() -> AsyncGenerator[None, None]:
        raise ConnectionError("no broker")
        yield

    assert exit_code(app) == 1
    assert caplog.messages[-1].endswith("failed: ConnectionError('no broker')")
    assert bot.log[-1] == "bot close"


async def test_a_port_in_use_closes_the_bot_and_exits_with_1() -> None:
    with socket.create_server(("127.0.0.1", 0)) as taken:
        host, port = taken.getsockname()
        env = {"BIND": f"{host}:{port}"}
        server = await start("tests.support.bot_service", "parrot", env=env)
        assert await server.exit_code(20) == 1
    online, offline, line = server.log.splitlines()
    assert (online, offline) == ("bot online", "bot offline")
    assert line.startswith(f"acme on {host}:{port} failed: OSError(")
    assert "Address already in use" in line


async def test_the_hypercorn_command_does_not_end_with_the_bot() -> None:
    """It watches no event, but it exits with 1 when it is ended."""
    target = "tests.support.bot_service:kicked()"
    command = ("hypercorn", "-w", "0", "-b", "127.0.0.1:0", target)
    async with running(*command) as server:
        await server.logged("kicked")
        assert await asyncio.to_thread(read, server.url("/")) == b"all is well"
        assert await server.stop(20) == 1
    assert "Lifespan failure in shutdown. 'kicked'" in server.log


async def test_a_bot_that_takes_the_signals_ends_the_app_with_1() -> None:
    async with running("tests.support.bot_service", "greedy") as server:
        assert await server.stop(20) == 1
    assert server.log.endswith("failed: RuntimeError('the bot has ended')\n")


async def test_the_service_answers_and_ends() -> None:
    env = {"TOKEN_KEY": KEYS[0]}
    async with running("examples.embedding", env=env) as server:

        def post(path: str) -> bytes:
            url = server.url(path)
            with urllib.request.urlopen(url, data=b"", timeout=20) as answer:
                return bytes(answer.read())

        answer = await asyncio.to_thread(post, "/questions/awake%20yet")
        assert answer == b'{"answer":"awake yet"}\n'
        answer = await asyncio.to_thread(read, server.url("/guest/hello"))
        assert answer == b'{"hello":"/guest/hello"}\n'
        headers = {"Authorization": f"Bearer {token()}"}
        async with connected(server.address, "/ws/chat", headers) as page:
            await page.send('{"text": "hello"}')
            said = {"type": "said", "user": "ada", "text": "hello"}
            assert await hear(page) == said
            await asyncio.to_thread(post, "/messages/good-morning")
            said = {"type": "said", "user": "parrot", "text": "good-morning"}
            assert await hear(page) == said
            assert await server.stop(20) == 0
            await asyncio.wait_for(page.wait_closed(), 20)
            assert page.close_code == 1001
    assert "Traceback" not in server.log


def token() -> str:
    return Tokens(KEYS).issue(1, "ada")


# From a view to the bot and back


async def test_a_view_gets_the_answer_to_its_own_question() -> None:
    app = create_app(KEYS)
    async with app.test_app():
        client = app.test_client()
        texts = [f"is it {number}" for number in range(20)]
        answers = await asyncio.gather(
            *(client.post(f"/questions/{text}") for text in texts)
        )
        assert [await one.get_json() for one in answers] == [
            {"answer": text} for text in texts
        ]


class MuteBot(Bot):
    async def send(self, text: str) -> None:
        self.log.append(text)


async def test_no_answer_is_a_504_and_a_late_one_is_a_message(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setattr(questions, "ANSWER_SECONDS", 0.05)
    bot = MuteBot()
    asked = Questions(bot.send)
    app = create_app(KEYS, bot)
    async with app.test_app():
        response = await app.test_client().post("/questions/awake")
        assert response.status_code == 504
    with pytest.raises(questions.GatewayTimeout):
        await in_time(asked.ask("awake"))
    assert not asked.answer(bot.log[-1])


async def test_an_offline_bot_is_a_503() -> None:
    bot = Parrot()
    app = create_app(KEYS, bot)
    async with app.test_app():
        bot.online = False
        for path in ("/questions/awake", "/messages/hello"):
            response = await app.test_client().post(path)
            assert response.status_code == 503
            assert response.headers["Retry-After"] == "5"


@pytest.mark.parametrize("error", [ConnectionError("gone"), socket.gaierror(-2)])
async def test_any_error_of_the_network_is_a_503(error: OSError) -> None:
    async def fetch_user() -> None:
        raise error

    with pytest.raises(questions.ServiceUnavailable):
        await in_time(fetch_user())


async def test_a_name_that_is_not_found_is_no_connection_error() -> None:
    loop = asyncio.get_running_loop()
    with pytest.raises(questions.ServiceUnavailable):
        await in_time(loop.getaddrinfo("127.0.0.1", "no-such-service"))


async def test_a_client_that_is_not_started_or_closed_is_a_500() -> None:
    async def fetch_user() -> str:
        raise RuntimeError("Session is closed")  # as discord.py says after close()

    app = Quart("acme")

    @app.get("/")
    async def show_user() -> str:
        return await in_time(fetch_user())

    response = await app.test_client().get("/")
    assert response.status_code == 500


async def test_waiting_questions_are_bounded_and_leave_with_their_client() -> None:
    bot = MuteBot()
    asked = Questions(bot.send)
    waiting = [asyncio.create_task(asked.ask("awake")) for _ in range(100)]
    await until(lambda: len(bot.log) == 100)
    with pytest.raises(questions.ServiceUnavailable):
        await asked.ask("one more")
    waiting[0].cancel()
    await asyncio.wait({waiting[0]})
    last = asyncio.create_task(asked.ask("one more"))
    await until(lambda: len(bot.log) == 101)
    for message in bot.log[1:]:
        assert asked.answer(message)
        assert not asked.answer(message)  # said twice
    assert await last == "one more"
    await asyncio.gather(*waiting[1:])


async def test_a_listener_that_fails_does_not_end_the_bot(
    caplog: pytest.LogCaptureFixture,
) -> None:
    heard: list[str] = []
    bot = Parrot()

    @bot.on_message
    async def hear(author: str, text: str) -> None:
        heard.append(text)
        raise LookupError(text)

    app = Quart("acme")
    register_bot(app, bot)
    async with app.test_app():
        for text in ("one", "two"):
            await bot.send(text)
        await until(lambda: heard == ["one", "two"])
    assert "LookupError: two" in caplog.text


# Another app inside


def guest_app(log: list[str] | None = None) -> Quart:
    guest = Quart("guest")
    guest.secret_key = "only for this test, thirty-two bytes"
    log = [] if log is None else log

    @guest.while_serving
    async def journal() -> AsyncGenerator[None, None]:
        log.append("guest open")
        yield
        log.append("guest closed")

    @guest.get("/")
    async def index() -> str:
        return url_for("index")

    @guest.get("/login")
    async def login() -> dict[str, bool]:
        known = "user" in session
        session["user"] = "bob"
        return {"known": known}

    @guest.websocket("/ws")
    async def talk() -> None:
        await websocket.send(url_for("talk"))

    return guest


def host_of(guest: Any, prefix: str = "/guest") -> Quart:
    app = Quart("host")
    app.secret_key = "only for this test, thirty-two bytes"

    @app.before_request
    async def nobody_may() -> str | None:
        return None if request.path == "/login" else "host"

    @app.get("/login")
    async def login() -> dict[str, bool]:
        known = "user" in session
        session["user"] = "ada"
        return {"known": known}

    mount(app, prefix, guest)
    return app


async def texts(
    app: Any, *paths: str, root_path: str = "", test: Quart | None = None
) -> list[str]:
    client = (test or app).test_client()
    answers = [await client.get(p, scope_base={"root_path": root_path}) for p in paths]
    return [await answer.get_data(as_text=True) for answer in answers]


async def test_a_guest_has_what_is_below_its_prefix() -> None:
    app = host_of(guest_app())
    async with app.test_app():
        paths = ("/", "/guests", "/guest", "/guest/", "/a/guest/")
        assert await texts(app, *paths) == [
            "host",
            "host",
            "/guest/",
            "/guest/",
            "host",
        ]
        connection: Any = app.test_client().websocket("/guest/ws")
        async with connection as socket:
            assert (
                await asyncio.wait_for(socket.receive(), 10)
                == "ws://localhost/guest/ws"
            )


async def test_a_guest_of_a_host_below_a_prefix() -> None:
    app = host_of(guest_app())
    async with app.test_app():
        paths = ("/shop/guest/", "/shop/guests", "/guest/")
        found = await texts(app, *paths, root_path="/shop")
        assert found == ["/shop/guest/", "host", "host"]


@pytest.mark.parametrize(
    ("cookie", "known"), [("session", [False, False]), ("guest", [True, True])]
)
async def test_two_quart_apps_of_one_host_lose_each_others_session(
    cookie: str, known: list[bool]
) -> None:
    guest = guest_app()
    guest.config["SESSION_COOKIE_NAME"] = cookie
    app = host_of(guest)
    app.secret_key = "of the host alone, thirty-two bytes"
    client = app.test_client()
    async with app.test_app():
        for path in ("/login", "/guest/login"):
            await client.get(path)
        again = [await client.get(path) for path in ("/login", "/guest/login")]
        assert [(await one.get_json())["known"] for one in again] == known


async def test_a_guest_starts_and_closes_with_the_app() -> None:
    log: list[str] = []
    guest = guest_app(log)
    app = host_of(guest)

    @guest.get("/open")
    async def still_open() -> list[str]:
        return log

    async with app.test_app():
        response = await app.test_client().get("/guest/open")
        assert await response.get_json() == ["guest open"]
    assert log == ["guest open", "guest closed"]


def test_a_guest_that_does_not_start_stops_the_start(
    caplog: pytest.LogCaptureFixture,
) -> None:
    guest = guest_app()

    @guest.before_serving
    async def connect() -> None:
        raise ConnectionError("no broker")

    assert exit_code(host_of(guest)) == 1
    assert caplog.messages[-1].endswith("failed: RuntimeError('no broker')")


def test_the_start_of_two_guests_fails_with_one_cause(
    caplog: pytest.LogCaptureFixture,
) -> None:
    log: list[str] = []
    app, second = host_of(guest_app(log)), guest_app()

    @second.before_serving
    async def connect() -> None:
        raise ConnectionError("no broker")

    mount(app, "/second", second)
    assert exit_code(app) == 1
    assert log == ["guest open"]
    assert caplog.messages[-1].endswith("failed: RuntimeError('no broker')")
    assert [record.name for record in caplog.records if "asyncio" in record.name] == []


def test_a_guest_that_does_not_close_exits_with_1(
    caplog: pytest.LogCaptureFixture,
) -> None:
    guest = guest_app()

    @guest.after_serving
    async def disconnect() -> None:
        raise ConnectionError("broker gone")

    app = host_of(guest)
    closing_event(app).set()
    assert exit_code(app) == 1
    assert caplog.messages[-1].endswith("failed: RuntimeError('broker gone')")


class PlainGuest:
    """An ASGI app as other frameworks make them."""

    def __init__(self, *, lifespan: str = "right") -> None:
        self.lifespan = lifespan
        self.heard: list[str] = []
        self.started = asyncio.Event()
        self.go = asyncio.Event()

    async def __call__(self, scope: Any, receive: Any, send: Any) -> None:
        if scope["type"] != "lifespan":
            await self.answer(scope, send)
        elif self.lifespan == "missing":
            raise NotImplementedError("lifespan")
        else:
            await self.live(scope, receive, send)

    async def live(self, scope: Any, receive: Any, send: Any) -> None:
        event = await receive()
        self.heard.append(event["type"])
        scope["state"]["pool"] = "open"
        if self.lifespan == "late":
            try:
                await asyncio.Event().wait()
            except asyncio.CancelledError:
                await send({"type": "lifespan.startup.complete"})
                raise
        if self.lifespan == "failed":
            await send({"type": "lifespan.startup.failed"})
            raise RuntimeError("as Starlette does after that event")
        await send({"type": "lifespan.startup.complete"})
        if self.lifespan == "left":
            return
        event = await receive()
        self.heard.append(event["type"])
        await send({"type": "lifespan.shutdown.complete"})

    async def answer(self, scope: Any, send: Any) -> None:
        if scope["path"].endswith("/slow"):
            self.started.set()
            try:
                await self.go.wait()
            finally:
                self.heard.append("request ended")
        body = f"{scope['root_path']} {scope['state']}".encode()
        headers = [(b"content-length", str(len(body)).encode())]
        start = {"type": "http.response.start", "status": 200, "headers": headers}
        await send(start)
        await send({"type": "http.response.body", "body": body, "more_body": False})


async def test_a_guest_of_another_framework_lives_as_its_server_would_have_it() -> None:
    guest = PlainGuest()
    app = Quart("acme")
    mount(app, "/mcp", guest)
    async with app.test_app(), served_without_lifespan(app) as address:
        url = f"http://{address}/mcp"
        answer = await asyncio.to_thread(read, url)
        assert answer == b"/mcp {'pool': 'open'}"
    assert guest.heard == ["lifespan.startup", "lifespan.shutdown"]


def read(url: str) -> bytes:
    try:
        with urllib.request.urlopen(url, timeout=20) as answer:
            return bytes(answer.read())
    except urllib.error.HTTPError as error:
        error.close()
        raise


@asynccontextmanager
async def served_without_lifespan(app: Quart) -> AsyncIterator[str]:
    alone: Any = serving.without_lifespan(app)
    async with served(alone) as address:
        yield address


@pytest.mark.parametrize("lifespan", ["missing", "left"])
async def test_a_guest_may_know_nothing_of_a_lifespan(
    lifespan: str, caplog: pytest.LogCaptureFixture
) -> None:
    guest = PlainGuest(lifespan=lifespan)
    app = Quart("acme")
    mount(app, "/mcp", guest)
    async with app.test_app():
        pass
    assert "lifespan.shutdown" not in guest.heard
    logged = "ended its lifespan: NotImplementedError('lifespan')" in caplog.text
    assert logged == (lifespan == "missing")


async def test_a_failure_without_a_message_is_one_too() -> None:
    app = Quart("acme")
    mount(app, "/mcp", PlainGuest(lifespan="failed"))
    with pytest.raises(LifespanError, match=r"lifespan\.startup\.failed"):
        async with app.test_app():
            pass


@pytest.mark.usefixtures("short_times")
async def test_a_guest_that_hangs_stops_the_start() -> None:
    app = Quart("acme")
    mount(app, "/mcp", PlainGuest(lifespan="late"))
    with pytest.raises(TimeoutError):
        await app.startup()


@pytest.mark.parametrize("obeys", [True, False])
async def test_requests_of_a_guest_end_before_it_closes(
    obeys: bool, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(mounting, "DRAIN_SECONDS", 20 if obeys else 0.05)
    guest = PlainGuest()
    app = Quart("acme")
    mount(app, "/mcp", guest)
    async with served_without_lifespan(app) as address:
        await app.startup()
        request = asyncio.create_task(
            asyncio.to_thread(read, f"http://{address}/mcp/slow")
        )
        await asyncio.wait_for(guest.started.wait(), 20)
        closing = asyncio.create_task(app.shutdown())
        if obeys:
            await until(app.shutdown_event.is_set)  # type: ignore[attr-defined]
            guest.go.set()
        await asyncio.wait_for(closing, 20)
        assert guest.heard == ["lifespan.startup", "request ended", "lifespan.shutdown"]
        results = await asyncio.gather(request, return_exceptions=True)
        assert isinstance(results[0], bytes) == obeys


async def test_sigterm_waits_for_a_request_of_a_guest() -> None:
    async with running("tests.support.bot_service", "host") as server:
        request = asyncio.to_thread(read, server.url("/guest/slow"))
        reading = asyncio.create_task(request)
        await server.logged("slow started")
        assert await server.stop(20) == 0
        assert await reading == b"slow"
    assert server.log.endswith("slow ended\nguest closed\n")


def streaming_guest() -> Quart:
    guest = guest_app()

    @guest.get("/events")
    async def events() -> Response:
        stream = serving.beats(closing_event(guest))
        return Response(stream, content_type="text/event-stream")

    return guest


class Stream:
    """A client of /events, read line by line in threads."""

    def __init__(self, address: str, prefix: str) -> None:
        self.url = f"http://{address}{prefix}/events"

    async def __aenter__(self) -> "Stream":
        opening = asyncio.to_thread(urllib.request.urlopen, self.url, timeout=20)
        self.answer = await opening
        return self

    async def __aexit__(self, *_: object) -> None:
        self.answer.close()

    async def beat(self) -> None:
        line = await asyncio.to_thread(self.answer.readline)
        assert line == b"event: beat\n"
        for _ in range(2):
            await asyncio.to_thread(self.answer.readline)

    async def rest(self) -> bytes:
        rest: bytes = await asyncio.to_thread(self.answer.read)
        return rest


END = b"event: end\ndata:\n\n"
Launch = Callable[[Quart, str], Coroutine[Any, Any, None]]


def launch(app: Quart, bind: str) -> Coroutine[Any, Any, None]:
    return serve_until_closed(app, serving.server_config(bind))


def listener_on_a_free_port() -> tuple[str, str]:
    """What to bind to, and the address."""
    listener = socket.create_server(("127.0.0.1", 0))
    address = f"127.0.0.1:{listener.getsockname()[1]}"
    return f"fd://{listener.detach()}", address


@pytest.mark.parametrize("launcher", [launch, plain_serving.serve_until_signal])
async def test_the_streams_of_a_guest_end_with_the_app(launcher: Launch) -> None:
    guest = streaming_guest()
    app = host_of(guest)
    bind, address = listener_on_a_free_port()
    server = asyncio.create_task(launcher(app, bind))
    async with Stream(address, "/guest") as stream:
        await stream.beat()
        closing_event(app).set()
        assert (await stream.rest()).endswith(END)
    await asyncio.wait_for(server, 20)


async def test_the_streams_of_a_guest_end_with_a_shutdown_too() -> None:
    """The hypercorn command on Python 3.11 sets no event."""
    guest = streaming_guest()
    app = host_of(guest)
    async with served_without_lifespan(app) as address:
        await app.startup()
        async with Stream(address, "/guest") as stream:
            await stream.beat()
            await app.shutdown()
            assert (await stream.rest()).endswith(END)


def test_a_bot_in_a_guest_ends_the_app_too(caplog: pytest.LogCaptureFixture) -> None:
    guest = guest_app()
    register_bot(guest, Bot(run="returns"))
    assert exit_code(host_of(guest)) == 1
    assert caplog.messages[-1].endswith("failed: RuntimeError('the bot has ended')")


async def test_only_what_is_registered_before_mount_outlives_the_guests_requests() -> (
    None
):
    guest = PlainGuest()
    app = Quart("acme")

    def register(name: str) -> None:
        @app.while_serving
        async def resource() -> AsyncGenerator[None, None]:
            yield
            guest.heard.append(f"{name} closed")
            guest.go.set()

    register("first")
    mount(app, "/mcp", guest)
    register("second")
    async with served_without_lifespan(app) as address:
        await app.startup()
        request = asyncio.create_task(
            asyncio.to_thread(read, f"http://{address}/mcp/slow")
        )
        await asyncio.wait_for(guest.started.wait(), 20)
        await app.shutdown()
        await request
    assert guest.heard == [
        "lifespan.startup",
        "second closed",
        "request ended",
        "lifespan.shutdown",
        "first closed",
    ]


class OuterApp:
    """An ASGI app that mounts another one below /dash, as Starlette does."""

    def __init__(self, inner: Quart) -> None:
        self.inner = inner

    async def __call__(self, scope: Any, receive: Any, send: Any) -> None:
        if scope["type"] == "lifespan":
            await receive()
            async with quart_lifespan(self.inner):
                await send({"type": "lifespan.startup.complete"})
                await receive()
            await send({"type": "lifespan.shutdown.complete"})
        else:
            root_path = scope.get("root_path", "") + "/dash"
            await self.inner({**scope, "root_path": root_path}, receive, send)


async def test_quart_lives_in_another_app() -> None:
    log: list[str] = []
    outer: Any = OuterApp(guest_app(log))
    async with served(outer) as address:
        url = f"http://{address}/dash/"
        assert await asyncio.to_thread(read, url) == b"/dash/"
        assert log == ["guest open"]
        ws = f"ws://{address}/dash/ws"
        async with connected(address, "/dash/ws") as socket:
            assert await asyncio.wait_for(socket.recv(), 20) == ws
    assert log == ["guest open", "guest closed"]


async def test_the_outer_app_tells_quart_that_the_process_ends() -> None:
    inner = streaming_guest()
    closing = closing_event(inner)
    bind, address = listener_on_a_free_port()
    config = serving.server_config(bind)
    outer: Any = OuterApp(inner)
    server = asyncio.create_task(serve(outer, config, shutdown_trigger=closing.wait))
    async with Stream(address, "/dash") as stream:
        await stream.beat()
        closing.set()
        assert (await stream.rest()).endswith(END)
    await asyncio.wait_for(server, 20)


async def test_else_nobody_tells_it() -> None:
    inner = streaming_guest()
    ending = asyncio.Event()
    bind, address = listener_on_a_free_port()
    config = serving.server_config(bind)
    outer: Any = OuterApp(inner)
    server = asyncio.create_task(serve(outer, config, shutdown_trigger=ending.wait))
    async with Stream(address, "/dash") as stream:
        await stream.beat()
        ending.set()
        await stream.beat()
        assert not closing_event(inner).is_set()
        closing_event(inner).set()
        assert (await stream.rest()).endswith(END)
    await asyncio.wait_for(server, 20)


async def test_quart_takes_its_root_path_for_a_beginning_of_the_path() -> None:
    paths = ("/dash/", "/dash", "/dashlogin", "/login")
    client = guest_app().test_client()
    answers = [await client.get(p, scope_base={"root_path": "/dash"}) for p in paths]
    assert [answer.status_code for answer in answers] == [200, 404, 200, 404]
    answer = await client.get("/dash/login", scope_base={"root_path": "/dash"})
    assert answer.status_code == 200
    answer = await client.get("/shop/dash", scope_base={"root_path": "/shop/dash"})
    assert answer.status_code == 404


# How they lose each other


async def until_listening(port: int, wanted: bool) -> None:
    def listening() -> bool:
        with socket.socket() as connection:
            return connection.connect_ex(("127.0.0.1", port)) == 0

    await until(lambda: listening() == wanted)


class LibraryBot:
    """What a library calls a bot: it is online until it is told to stop."""

    def __init__(self, error: Exception | None = None) -> None:
        self.error = error
        self.online = threading.Event()
        self.loop: asyncio.AbstractEventLoop | None = None
        self.stop = asyncio.Event()

    def run(self) -> None:
        asyncio.run(self.start())

    async def start(self) -> None:
        if self.error is not None:
            raise self.error
        self.loop = asyncio.get_running_loop()
        self.online.set()
        await self.stop.wait()

    async def ask(self, text: str) -> str:
        assert self.loop is not None
        answer = self.loop.create_future()
        self.loop.call_soon_threadsafe(self.loop.call_later, 0.01, self.put, answer)
        await answer
        return text.upper()

    def put(self, answer: asyncio.Future[None]) -> None:
        if not answer.done():
            answer.set_result(None)

    def end(self) -> None:
        assert self.loop is not None
        self.loop.call_soon_threadsafe(self.stop.set)


async def test_dont_app_as_a_task_of_the_bot_is_all_that_a_signal_ends() -> None:
    bot, port = LibraryBot(), free_port()
    task = asyncio.create_task(dont.app_as_a_task_of_the_bot(Quart("acme"), bot, port))
    await until_listening(port, True)
    os.kill(os.getpid(), signal.SIGTERM)
    await until_listening(port, False)
    assert not task.done()  # the bot goes on
    bot.end()
    await asyncio.wait_for(task, 20)


async def test_dont_app_as_a_task_of_the_bot_leaves_the_bot_without_a_port() -> None:
    with socket.create_server(("127.0.0.1", 0)) as taken:
        port = taken.getsockname()[1]
        module = "tests.support.bot_in_charge"
        server = await start(module, "task", env={"PORT": str(port)})
        assert await server.exit_code(20) == 0
    assert "OSError: [Errno 98] Address already in use" in server.log
    assert "the bot goes on\n" in server.log


async def test_dont_bot_that_nobody_watches_dies_unseen(
    caplog: pytest.LogCaptureFixture,
) -> None:
    app = dont.bot_that_nobody_watches(LibraryBot(ConnectionError("kicked")))
    async with app.test_app():
        await until(lambda: app.extensions["bot"].done())
        assert await texts(app, "/") == ["all is well"]
    assert caplog.messages == []
    assert isinstance(app.extensions["bot"].exception(), ConnectionError)


def test_dont_bot_that_nobody_watches_is_exit_code_0() -> None:
    bot = LibraryBot()
    app = dont.bot_that_nobody_watches(bot)

    @app.while_serving
    async def end() -> AsyncGenerator[None, None]:
        bot.stop.set()
        await app.extensions["bot"]
        closing_event(app).set()
        yield

    assert exit_code(app) == 0


@pytest.fixture
def threaded_bot() -> Iterator[LibraryBot]:
    bot = LibraryBot()
    yield bot
    bot.end()


async def test_dont_bot_in_a_thread_is_of_another_loop(
    threaded_bot: LibraryBot, caplog: pytest.LogCaptureFixture
) -> None:
    app = dont.bot_in_a_thread(threaded_bot)
    async with app.test_app():
        assert await asyncio.to_thread(threaded_bot.online.wait, 20)
        response = await app.test_client().post("/questions/awake")
        assert response.status_code == 500
    assert "attached to a different loop" in caplog.text


async def test_a_bot_in_a_thread_is_asked_in_its_own_loop(
    threaded_bot: LibraryBot,
) -> None:
    app = Quart("acme")

    @app.post("/questions/<text>")
    async def ask(text: str) -> str:
        loop = threaded_bot.loop
        assert loop is not None
        asked = asyncio.run_coroutine_threadsafe(threaded_bot.ask(text), loop)
        async with asyncio.timeout(20):
            return await asyncio.wrap_future(asked)

    threading.Thread(target=threaded_bot.run, daemon=True).start()
    assert await asyncio.to_thread(threaded_bot.online.wait, 20)
    response = await app.test_client().post("/questions/awake")
    assert await response.get_data(as_text=True) == "AWAKE"


async def test_a_bot_whose_thread_has_ended_has_a_closed_loop() -> None:
    bot = LibraryBot()
    thread = threading.Thread(target=bot.run)
    thread.start()
    assert await asyncio.to_thread(bot.online.wait, 20)
    bot.end()
    await asyncio.to_thread(thread.join)
    assert bot.loop is not None
    question = bot.ask("awake")
    with pytest.raises(RuntimeError, match="Event loop is closed"):
        asyncio.run_coroutine_threadsafe(question, bot.loop)
    question.close()


async def test_what_a_thread_puts_arrives_when_the_loop_wakes_up() -> None:
    """A loop with nothing to do sleeps on."""
    queue = asyncio.Queue[str](1)
    heard = asyncio.create_task(queue.get())
    await asyncio.sleep(0)
    put = threading.Event()

    def put_it() -> None:
        queue.put_nowait("hello")
        put.set()

    threading.Thread(target=put_it).start()
    put.wait(20)  # here the loop stands still, so nothing has woken it
    loop = asyncio.get_running_loop()
    assert not heard.done()
    loop.call_soon_threadsafe(lambda: None)  # what put_nowait does not do
    assert await asyncio.wait_for(heard, 20) == "hello"


class Asked:
    """Keeps what it was asked, since nobody awaits it."""

    def __init__(self, bot: LibraryBot) -> None:
        self.bot = bot

    def ask(self, text: str) -> Any:
        self.coroutine = self.bot.ask(text)
        return self.coroutine


async def test_dont_loop_in_a_view_is_a_500(caplog: pytest.LogCaptureFixture) -> None:
    bot = Asked(LibraryBot())
    response = await dont.loop_in_a_view(bot).test_client().post("/questions/awake")
    assert response.status_code == 500
    assert "asyncio.run() cannot be called from a running event loop" in caplog.text
    bot.coroutine.close()  # else: coroutine 'ask' was never awaited


async def test_a_loop_in_a_plain_view_is_another_one(
    threaded_bot: LibraryBot, caplog: pytest.LogCaptureFixture
) -> None:
    app = Quart("acme")

    @app.post("/questions/<text>")
    def ask(text: str) -> str:
        return asyncio.run(threaded_bot.ask(text))

    threading.Thread(target=threaded_bot.run, daemon=True).start()
    assert await asyncio.to_thread(threaded_bot.online.wait, 20)
    response = await app.test_client().post("/questions/awake")
    assert response.status_code == 500
    assert "attached to a different loop" in caplog.text


async def test_dont_app_in_a_thread_does_not_start() -> None:
    server = await start("tests.support.bot_in_charge", dont.app_in_a_thread.__name__)
    assert await server.exit_code(20) == 0
    fault = "set_wakeup_fd only works in main thread of the main interpreter"
    assert f"RuntimeError: {fault}\n" in server.log
    assert "the bot goes on\n" in server.log


async def test_the_launcher_does_not_run_in_a_thread() -> None:
    server = await start("tests.support.bot_in_charge", "launcher_in_a_thread")
    assert await server.exit_code(20) == 0
    fault = "signal only works in main thread of the main interpreter"
    assert f"failed: ValueError('{fault}')\n" in server.log
    assert "the bot goes on\n" in server.log


IN_A_COROUTINE = """
import asyncio
from quart import Quart

async def bot():
    try:
        {call}
    except RuntimeError as error:
        print(error)
        print(error.__context__)
    await asyncio.sleep(0)
    print("the bot goes on")

asyncio.run(bot())
"""


@pytest.mark.parametrize(
    ("call", "said", "goes_on"),
    [
        (
            "Quart('acme').run(use_reloader=False)",
            "Cannot run the event loop while another loop is running",
            True,
        ),
        (
            "Quart('acme').run(use_reloader=False, loop=asyncio.get_running_loop())",
            "Cannot close a running event loop",
            False,
        ),
    ],
)
async def test_an_app_does_not_run_inside_a_loop(
    call: str, said: str, goes_on: bool
) -> None:
    code = shlex.quote(IN_A_COROUTINE.format(call=call))
    exit_status, output = await shell(f"{sys.executable} -W ignore -c {code}")
    assert said in output.splitlines()
    assert ("the bot goes on" in output, exit_status) == (goes_on, 0 if goes_on else 1)
    assert goes_on or "This event loop is already running" in output


async def test_dont_task_group_around_the_yield_leaves_hypercorn_alone() -> None:
    log: list[str] = []

    async def leave() -> None:
        await asyncio.sleep(0)
        raise ConnectionError("kicked")

    app = dont.task_group_around_the_yield(leave)

    @app.get("/")
    async def dashboard() -> str:
        return "all is well"

    @app.after_serving
    async def never() -> None:
        log.append("closed")

    listener = socket.create_server(("127.0.0.1", 0))
    address = f"127.0.0.1:{listener.getsockname()[1]}"
    config = Config.from_mapping(bind=f"fd://{listener.detach()}", loglevel="ERROR")
    stop = asyncio.Event()
    server = asyncio.create_task(serve(app, config, shutdown_trigger=stop.wait))
    assert await asyncio.to_thread(read, f"http://{address}/") == b"all is well"
    stop.set()
    await asyncio.wait({server}, timeout=20)
    assert server.cancelled()
    assert log == []


@pytest.mark.parametrize("error", [None, ConnectionError("kicked")])
async def test_a_task_group_ends_both_where_the_bot_has_the_loop(
    error: Exception | None,
) -> None:
    log: list[str] = []
    closing, leave = asyncio.Event(), asyncio.Event()
    app = Quart("acme")

    @app.while_serving
    async def journal() -> AsyncGenerator[None, None]:
        yield
        log.append("closed")

    async def run_bot() -> None:
        try:
            await leave.wait()
            if error is not None:
                raise error
        finally:
            closing.set()

    async def main(bind: str) -> None:
        config = Config.from_mapping(bind=bind, loglevel="ERROR")
        async with asyncio.TaskGroup() as group:
            group.create_task(serve(app, config, shutdown_trigger=closing.wait))
            group.create_task(run_bot())

    listener = socket.create_server(("127.0.0.1", 0))
    port = listener.getsockname()[1]
    both = asyncio.create_task(main(f"fd://{listener.detach()}"))
    with pytest.raises(urllib.error.HTTPError, match="404"):
        await asyncio.to_thread(read, f"http://127.0.0.1:{port}/")
    leave.set()
    await asyncio.wait({both}, timeout=20)
    failure = both.exception()
    assert (failure is None) == (error is None)
    assert failure is None or "kicked" in str(failure.exceptions)  # type: ignore[attr-defined]
    assert log == ["closed"]


async def test_a_task_group_ends_the_bot_when_the_port_is_in_use() -> None:
    with socket.create_server(("127.0.0.1", 0)) as taken:
        env = {"PORT": str(taken.getsockname()[1])}
        server = await start("tests.support.bot_in_charge", "task_group", env=env)
        assert await server.exit_code(20) == 1
    assert "OSError: [Errno 98] Address already in use" in server.log
    assert "the bot goes on" not in server.log


async def test_dont_dispatcher_of_hypercorn_hangs_when_a_guest_does_not_start() -> None:
    guest = guest_app()

    @guest.before_serving
    async def connect() -> None:
        raise ConnectionError("no broker")

    both = dont.dispatcher_of_hypercorn(Quart("acme"), guest)
    config = Config.from_mapping(bind="127.0.0.1:0", startup_timeout=0.5)
    with pytest.raises(LifespanTimeoutError):
        await serve(both, config, shutdown_trigger=asyncio.Event().wait)


async def test_dont_dispatcher_of_hypercorn_takes_a_prefix_for_a_beginning() -> None:
    both = dont.dispatcher_of_hypercorn(Quart("acme"), guest_app())
    async with served(both) as address:
        url = f"http://{address}/guestlogin"
        assert await asyncio.to_thread(read, url) == b'{"known":false}\n'
