"""The service's tests pass wherever they are copied, and see what the Don'ts miss."""

import asyncio
import gc
import re
import shutil
import subprocess
import sys
import time
from collections.abc import AsyncGenerator, AsyncIterator, Awaitable
from contextlib import suppress
from pathlib import Path
from typing import Any

import click
import pytest
from quart import Quart, Response, websocket
from quart.testing import WebsocketResponseError, connections
from quart.testing.app import LifespanError
from quart.typing import TestClientProtocol as Client
from quart_cors import cors
from sqlalchemy import make_url, text
from sqlalchemy.ext.asyncio import create_async_engine

from examples.configuration import Settings
from examples.dont import testing as dont
from examples.testing import conftest
from examples.testing.test_server import address
from tests.support.server import ROOT
from tests.support.versions import QUART_0_23

pytest_plugins = ["pytester"]
database_url = conftest.database_url
settings = conftest.settings
no_errors = conftest.no_errors
app = conftest.app
client = conftest.client
ada = conftest.ada
event_loop = dont.event_loop

PAGE = (ROOT / "patterns" / "testing.md").read_text()
(TOML,) = re.findall(r"^```toml\n(.*?)^```", PAGE, re.DOTALL | re.MULTILINE)
PLUGINS = ["-p", "pytest_asyncio.plugin", "-p", "pytest_timeout"]
OWN = ["chat", "mail", "plain", "server", "testing", "users"]


@pytest.fixture
def elsewhere(
    pytester: pytest.Pytester, monkeypatch: pytest.MonkeyPatch
) -> pytest.Pytester:
    """An empty folder; pytest has no plugins there but the two that the page needs."""
    monkeypatch.setenv("PYTEST_DISABLE_PLUGIN_AUTOLOAD", "1")
    own_folder = TOML.replace('testpaths = ["tests"]\n', "")
    (pytester.path / "pyproject.toml").write_text(own_folder)
    return pytester


def paste(project: Path, *, package: str) -> None:
    """Copy the service and its own tests under another name."""
    left_out = shutil.ignore_patterns("__pycache__", "dont", "plain", "testing")
    shutil.copytree(ROOT / "examples", project / package, ignore=left_out)
    (project / "pyproject.toml").write_text(TOML)
    folder = project / "tests"
    folder.mkdir()
    for name in ("conftest", *(f"test_{own}" for own in OWN)):
        source = (ROOT / "examples" / "testing" / f"{name}.py").read_text()
        renamed = re.sub(r"\bexamples\b", Path(package).name, source)
        (folder / f"{name}.py").write_text(renamed)


def change(file: Path, old: str, new: str) -> None:
    source = file.read_text()
    assert old in source
    file.write_text(source.replace(old, new))


def passes(elsewhere: pytest.Pytester, passed: int, *options: str) -> None:
    """Run the copied suite in a process of its own, as a person would."""
    result = elsewhere.runpytest_subprocess(*PLUGINS, *options, timeout=50)
    result.assert_outcomes(passed=passed)
    assert result.ret == pytest.ExitCode.OK


# The suite, copied


def test_the_suite_passes_in_a_flat_layout_and_spares_other_databases(
    elsewhere: pytest.Pytester, monkeypatch: pytest.MonkeyPatch
) -> None:
    paste(elsewhere.path, package="acme")
    (elsewhere.path / "tests" / "__init__.py").touch()
    (elsewhere.path / ".env").write_text("BIND=nowhere\nSESSION_HOURS=0\n")
    monkeypatch.setenv("DATABASE_URL", "sqlite+aiosqlite:///development.sqlite3")
    monkeypatch.setenv("LOG_LEVEL", "loud")
    passes(elsewhere, 11)
    assert not list(elsewhere.path.rglob("development.sqlite3"))


def test_the_suite_passes_in_a_src_layout_and_in_strict_mode_with_marks(
    elsewhere: pytest.Pytester,
) -> None:
    paste(elsewhere.path, package="src/acme")
    change(elsewhere.path / "pyproject.toml", '["."]', '["src"]')
    change(elsewhere.path / "pyproject.toml", 'asyncio_mode = "auto"\n', "")
    for file in (elsewhere.path / "tests").glob("*.py"):
        source = file.read_text().replace(
            "@pytest.fixture\nasync def", "@pytest_asyncio.fixture\nasync def"
        )
        marked = re.sub(r"(?m)^(?=async def test_)", "@pytest.mark.asyncio\n", source)
        imports = "import pytest\nimport pytest_asyncio\n"
        file.write_text(marked.replace('."""\n', f'."""\n\n{imports}', 1))
    passes(elsewhere, 4, "-k", "server or plain or chat")


async def databases(url: str) -> set[str]:
    engine = create_async_engine(url)
    async with engine.connect() as connection:
        names = set(await connection.scalars(text("SELECT datname FROM pg_database")))
    await engine.dispose()
    return names


@pytest.fixture
async def on_postgresql(
    monkeypatch: pytest.MonkeyPatch, postgres_url: str
) -> AsyncIterator[set[str]]:
    """The databases there were before the fixtures, and are after them."""
    monkeypatch.setenv("TEST_DATABASE_URL", postgres_url)
    before = await databases(postgres_url)
    yield before
    assert await databases(postgres_url) == before


async def test_the_fixtures_make_and_drop_a_database_on_postgresql(
    on_postgresql: set[str],
    postgres_url: str,
    settings: Settings,
    client: Client,
    ada: dict[str, str],
) -> None:
    url = settings.database_url.get_secret_value()
    new = await databases(postgres_url) - on_postgresql
    assert new == {make_url(url).database}
    me = await client.get("/users/1", headers=ada)
    assert (await me.get_json())["username"] == "ada"


def test_a_database_of_another_driver_is_refused(
    request: pytest.FixtureRequest, monkeypatch: pytest.MonkeyPatch
) -> None:
    """SQLAlchemy would look for psycopg."""
    monkeypatch.setenv("TEST_DATABASE_URL", "postgresql://ada@127.0.0.1/acme")
    with pytest.raises(pytest.fail.Exception, match="postgresql\\+asyncpg://"):
        request.getfixturevalue("database_url")


# Errors that no assertion sees


FAULTS = """
import asyncio
import gc

import pytest
from quart import Quart
from quart.testing.app import LifespanError

from examples.background_tasks import register_timer
from examples.testing.conftest import no_errors

async def fail():
    raise LookupError("lost")

@pytest.fixture
async def app(no_errors):
    app = Quart(__name__)
    app.get("/")(fail)
    async with app.test_app():
        yield app

async def test_view(app):
    await app.test_client().get("/")

async def test_forgiven(app, caplog):
    assert (await app.test_client().get("/")).status_code == 500
    caplog.clear()

async def test_background_task(app):
    app.add_background_task(fail)

async def test_bare_task(app):
    tasks = {asyncio.create_task(fail())}
    await asyncio.wait(tasks)
    tasks.clear()
    gc.collect()

async def test_timer(no_errors):
    app = Quart(__name__)
    ticked = asyncio.Event()

    async def tick():
        ticked.set()
        await fail()

    register_timer(app, 0, tick)
    async with app.test_app():
        await asyncio.wait_for(ticked.wait(), 10)

async def test_start(no_errors):
    app = Quart(__name__)
    app.before_serving(fail)
    with pytest.raises(LifespanError):
        async with app.test_app():
            pass

async def test_blameless(app):
    app.logger.warning("only a warning")
"""


def test_an_error_that_no_assertion_sees_fails_the_test(
    elsewhere: pytest.Pytester,
) -> None:
    elsewhere.makepyfile(FAULTS)
    result = elsewhere.runpytest_inprocess(*PLUGINS, "-rE")
    result.assert_outcomes(passed=7, errors=5)
    names = re.findall(r"^ERROR .*::test_(\w+)", str(result.stdout), re.MULTILINE)
    assert names == ["view", "background_task", "bare_task", "timer", "start"]
    result.stdout.fnmatch_lines(["*Traceback (most recent call last)*"])


async def fail() -> None:
    raise LookupError("lost")


def failing_app(**config: bool) -> Quart:
    app = Quart(__name__)
    app.config.update(config)
    app.add_url_rule("/", view_func=fail)
    return app


@pytest.mark.parametrize("mode", ["TESTING", "DEBUG"])
async def test_a_page_with_the_traceback_is_not_logged(
    mode: str, caplog: pytest.LogCaptureFixture
) -> None:
    app = failing_app(**{mode: True})
    app.register_error_handler(500, lambda error: ("our page", 500))
    answer = await app.test_client().get("/")
    assert "LookupError" in await answer.get_data(as_text=True)
    assert caplog.messages == []
    app.config["PROPAGATE_EXCEPTIONS"] = False
    answer = await app.test_client().get("/")
    assert await answer.get_data(as_text=True) == "our page"
    assert caplog.messages == ["Exception on request GET /"]


async def test_propagated_errors_differ_in_form() -> None:
    expected = ExceptionGroup if QUART_0_23 else LookupError
    app = failing_app(PROPAGATE_EXCEPTIONS=True)
    with pytest.raises(expected) as raised:
        await app.test_client().get("/")
    assert raised.type is expected


async def test_dont_flask_client_raises_nothing_and_starts_nothing() -> None:
    client = dont.flask_client()
    answer = await client.get("/price")
    page = await answer.get_data(as_text=True)
    assert answer.status_code == 500
    assert "KeyError" in page  # the price of while_serving
    assert "<pre" in page  # a traceback
    app = dont._create_app()
    async with app.test_app():
        answer = await app.test_client().get("/price")
        assert await answer.get_json() == {"price": 3}


async def test_dont_one_app_for_two_tests_starts_once() -> None:
    with pytest.raises(LifespanError, match=r"^Error during startup $"):
        await dont.one_app_for_two_tests()


async def test_gather_never_raises_and_leaving_waits_then_cancels() -> None:
    ended: list[str] = []

    async def mail(address: str) -> None:
        try:
            await asyncio.Event().wait()
        finally:
            ended.append(address)

    app = Quart(__name__)
    app.config["BACKGROUND_TASK_SHUTDOWN_TIMEOUT"] = 0.05
    async with app.test_app():
        app.add_background_task(fail)
        assert await asyncio.gather(*app.background_tasks) == [None]
        app.add_background_task(mail, "ada@example.com")
        await asyncio.sleep(0)
    assert ended == ["ada@example.com"]


# Forms, streams, websockets


async def test_dont_form_in_data_sends_nothing() -> None:
    client = dont._create_app().test_client()
    response = await dont.form_in_data(client)
    assert response.status_code == 200
    assert await response.get_json() == {"form": [], "files": []}


async def test_dont_leave_an_endless_stream_hangs() -> None:
    client = dont._create_app().test_client()
    with suppress(ExceptionGroup), pytest.raises(TimeoutError):
        await asyncio.wait_for(dont.leave_an_endless_stream(client), 0.5)


async def test_a_stream_is_left_by_a_disconnect() -> None:
    client = dont._create_app().test_client()
    async with asyncio.timeout(10), client.request("/events") as connection:
        assert await connection.receive() == b"start"
        await connection.disconnect()


async def test_a_whole_answer_has_a_length_that_the_client_made_up() -> None:
    async def parts() -> AsyncGenerator[bytes, None]:
        yield b"one"
        yield b"two"

    app = Quart(__name__)
    app.add_url_rule("/", view_func=lambda: Response(parts()))
    whole = await app.test_client().get("/")
    assert whole.headers["Content-Length"] == "6"
    async with app.test_client().request("/") as connection:
        assert [await connection.receive() for _ in range(2)] == [b"one", b"two"]
    assert connection.headers is not None
    assert "Content-Length" not in connection.headers


async def test_an_asgi_call_ends_at_the_disconnect_on_0_23() -> None:
    sent: list[Any] = []
    answered = asyncio.Event()
    inbox: asyncio.Queue[Any] = asyncio.Queue()

    async def send(event: Any) -> None:
        sent.append(event)
        if event["type"] == "http.response.body" and not event["more_body"]:
            answered.set()

    scope: Any = {
        "type": "http",
        "http_version": "1.1",
        "method": "GET",
        "scheme": "http",
        "path": "/price",
        "raw_path": b"/price",
        "query_string": b"",
        "root_path": "",
        "headers": [],
        "client": None,
        "server": None,
        "extensions": {},
        "asgi": {"spec_version": "2.3", "version": "3.0"},
        "state": {},
    }
    app = dont._create_app()
    async with app.test_app():
        inbox.put_nowait({"type": "http.request", "body": b"", "more_body": False})
        call = asyncio.ensure_future(app(scope, inbox.get, send))
        await asyncio.wait_for(answered.wait(), 10)
        await asyncio.wait({call}, timeout=0.2 if QUART_0_23 else 10)
        assert call.done() is not QUART_0_23
        inbox.put_nowait({"type": "http.disconnect"})
        await asyncio.wait_for(call, 10)
    assert sent[0]["status"] == 200


async def test_dont_wait_for_the_close_hangs_or_raises() -> None:
    client = dont._create_app().test_client()
    expected = getattr(connections, "WebsocketDisconnectError", TimeoutError)
    assert (expected is TimeoutError) == QUART_0_23
    with pytest.raises(expected) as raised:
        await asyncio.wait_for(
            dont.wait_for_the_close(client), 0.5 if QUART_0_23 else 20
        )
    assert raised.value.args == (() if QUART_0_23 else (1001,))


async def test_quart_cors_refuses_a_websocket_without_origin() -> None:
    origin = "https://app.example.com"
    app = cors(Quart(__name__), allow_origin=[origin])

    @app.websocket("/ws/echo")
    async def echo() -> None:
        await websocket.send(await websocket.receive())

    async def echoed(headers: dict[str, str]) -> Any:
        async with app.test_client().websocket("/ws/echo", headers=headers) as socket:
            await socket.send("hello")
            return await asyncio.wait_for(socket.receive(), 10)

    with pytest.raises(WebsocketResponseError) as refusal:
        await echoed({})
    assert refusal.value.response.status_code == 400
    assert await echoed({"Origin": origin}) == "hello"


# A real server


def started(code: str, log: Path) -> subprocess.Popen[bytes]:
    with log.open("w") as output:
        return subprocess.Popen([sys.executable, "-c", code], stdout=output, stderr=2)


async def test_a_websocket_is_sent_the_cookies_of_its_client(
    app: Quart, client: Client, ada: dict[str, str]
) -> None:
    app.extensions["origins"] = ["https://app.example.com"]
    headers = {"Origin": "https://app.example.com"}  # and not those of ada
    async with asyncio.timeout(20), client.websocket("/ws/chat", headers=headers) as ws:
        await ws.send_json({"text": "hello"})
        assert (await ws.receive_json())["user"] == "ada"


def test_a_server_that_does_not_start_says_why(tmp_path: Path) -> None:
    log = tmp_path / "server.log"
    with (
        started("print('TOKEN_KEY: Field required')", log) as process,
        pytest.raises(pytest.fail.Exception, match=r"(?s)not start:.*TOKEN_KEY"),
    ):
        address(process, log)


def test_a_server_that_never_listens_is_given_up(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(time, "sleep", lambda seconds: None)
    log = tmp_path / "server.log"
    with started("import signal; signal.pause()", log) as process:
        with pytest.raises(pytest.fail.Exception, match="did not start"):
            address(process, log)
        process.kill()


DEAF_SERVER = """
import os
import subprocess
from pathlib import Path

import pytest
from examples.configuration import Settings
from examples.testing import test_server
from examples.testing.conftest import database_url, settings
from examples.testing.test_server import server

DEAF = '''
import signal
signal.signal(signal.SIGTERM, signal.SIG_IGN)
print("Running on http://127.0.0.1:1", flush=True)
while True:
    signal.pause()
'''

@pytest.fixture(autouse=True)
def deaf(monkeypatch):
    class Popen(subprocess.Popen):
        def __init__(self, command, **options):
            super().__init__([command[0], "-c", DEAF], **options)
            Path("pid").write_text(str(self.pid))

        def wait(self, timeout=None):
            return super().wait(0.1 if timeout else None)

    monkeypatch.setattr(subprocess, "Popen", Popen)

def test_deaf(server):
    assert server == "127.0.0.1:1"
"""


def test_a_server_that_ignores_sigterm_is_killed_and_told(
    elsewhere: pytest.Pytester,
) -> None:
    elsewhere.makepyfile(DEAF_SERVER)
    result = elsewhere.runpytest_inprocess(*PLUGINS)
    result.assert_outcomes(passed=1, errors=1)
    result.stdout.fnmatch_lines(["*TimeoutExpired*"])
    pid = (elsewhere.path / "pid").read_text()
    assert not Path(f"/proc/{pid}").exists()


# Commands


def outcome(app: Quart) -> tuple[int, str]:
    result = app.test_cli_runner().invoke(args=["greet", "ada"])
    found = (result.exit_code, result.output)
    del result
    gc.collect()
    return found


def greeting_app(greeted: list[str]) -> Quart:
    app = dont._create_app()

    async def greet(username: str) -> None:
        greeted.append(username)

    @app.cli.command("greet")
    @click.argument("username")
    def command(username: str) -> None:
        asyncio.run(greet(username))
        print(f"Hello, {username}!")

    return app


def test_a_command_runs_in_a_plain_test() -> None:
    greeted: list[str] = []
    assert outcome(greeting_app(greeted)) == (0, "Hello, ada!\n")
    assert greeted == ["ada"]


def test_dont_async_command_never_runs() -> None:
    with pytest.warns(RuntimeWarning, match=r"greet' was never awaited"):
        assert outcome(dont.async_command()) == (0, "")


async def test_dont_command_in_an_async_test_fails_unseen() -> None:
    greeted: list[str] = []
    app = greeting_app(greeted)
    with pytest.warns(RuntimeWarning, match="greet' was never awaited"):
        await collected(dont.command_in_an_async_test(app))
    assert greeted == []


async def collected(work: Awaitable[None]) -> None:
    await work
    gc.collect()


# Configuration


async def test_dont_an_event_loop_fixture_has_no_effect(
    request: pytest.FixtureRequest,
) -> None:
    loop = request.getfixturevalue(dont.event_loop.__name__)
    assert asyncio.get_running_loop() is not loop


ONE_APP = """
import asyncio
from examples.dont.testing import app_for_all_tests

async def test_loop(app_for_all_tests):
    assert app_for_all_tests.extensions["loop"] is asyncio.get_running_loop()
"""


def test_dont_app_for_all_tests_has_a_loop_of_its_own(
    elsewhere: pytest.Pytester,
) -> None:
    assert dont.app_for_all_tests
    elsewhere.makepyfile(ONE_APP)
    result = elsewhere.runpytest_inprocess(*PLUGINS)
    result.assert_outcomes(errors=1)
    result.stdout.fnmatch_lines(["*ScopeMismatch*"])
    scope = "asyncio_default_fixture_loop_scope=session"
    result = elsewhere.runpytest_inprocess(*PLUGINS, "-o", scope)
    result.assert_outcomes(failed=1)
    result.stdout.fnmatch_lines(["*assert <*running=False*> is <*running=True*>*"])


STRICT = """
import pytest
from examples.testing.test_plain import create_app

@pytest.fixture
async def client():
    return create_app().test_client()

async def test_unmarked():
    pass

@pytest.mark.asyncio
async def test_fixture(client):
    await client.get("/")
"""


def test_strict_mode_refuses_what_is_not_marked(elsewhere: pytest.Pytester) -> None:
    elsewhere.makepyfile(STRICT)
    result = elsewhere.runpytest_inprocess(*PLUGINS, "-o", "asyncio_mode=strict")
    result.assert_outcomes(failed=1, errors=1)
    result.stdout.fnmatch_lines(
        [
            "*requested an async fixture 'client'*",
            "*async def functions are not natively supported*",
        ]
    )


def test_warnings_as_errors_need_the_loop_scope(elsewhere: pytest.Pytester) -> None:
    line = 'asyncio_default_fixture_loop_scope = "function"\n'
    change(elsewhere.path / "pyproject.toml", line, "")
    result = elsewhere.runpytest_subprocess(*PLUGINS, timeout=50)
    assert result.ret == pytest.ExitCode.INTERNAL_ERROR
    result.stderr.fnmatch_lines(['*"asyncio_default_fixture_loop_scope" is unset.'])


WARNINGS = """
import asyncio
import gc
from quart.typing import TestClientProtocol

async def test_forgotten():
    async def count():
        pass
    count()
    gc.collect()
"""


def test_warnings_as_errors_see_a_forgotten_await_and_a_client_protocol(
    elsewhere: pytest.Pytester,
) -> None:
    elsewhere.makepyfile(WARNINGS)
    result = elsewhere.runpytest_inprocess(*PLUGINS)
    result.assert_outcomes(errors=1)
    result.stdout.fnmatch_lines(["*cannot collect test class 'TestClientProtocol'*"])
    elsewhere.makepyfile(WARNINGS.replace("Protocol", "Protocol as Client"))
    result = elsewhere.runpytest_inprocess(*PLUGINS)
    result.assert_outcomes(failed=1)
    result.stdout.fnmatch_lines(["*count' was never awaited*"])


def test_a_forgotten_await_alone_needs_two_filters(elsewhere: pytest.Pytester) -> None:
    elsewhere.makepyfile(WARNINGS.replace("Protocol", "Protocol as Client"))
    runtime = "error::RuntimeWarning"
    unraisable = "error::pytest.PytestUnraisableExceptionWarning"
    for filters, outcome in (
        ([runtime], {"passed": 1, "warnings": 1}),
        ([unraisable], {"passed": 1, "warnings": 1}),
        ([runtime, unraisable], {"failed": 1}),
    ):
        option = "\n".join(["filterwarnings=default", *filters])
        result = elsewhere.runpytest_inprocess(*PLUGINS, "-o", option)
        result.assert_outcomes(**outcome)


def test_a_test_that_hangs_is_ended(elsewhere: pytest.Pytester) -> None:
    change(elsewhere.path / "pyproject.toml", "timeout = 60", "timeout = 2")
    elsewhere.makepyfile(
        "import asyncio\nasync def test_hang(): await asyncio.Event().wait()"
    )
    result = elsewhere.runpytest_inprocess(*PLUGINS)
    result.assert_outcomes(failed=1)
    result.stdout.fnmatch_lines(["*Timeout (>2*s) from pytest-timeout."])
