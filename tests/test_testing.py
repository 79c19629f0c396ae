"""The example's suite runs in place, pasted in an empty folder and on broken apps."""

import asyncio
import errno
import gc
import importlib
import re
import shutil
import socket
from collections.abc import Awaitable
from contextlib import closing, suppress
from pathlib import Path

import pytest
from quart import Quart, signals, websocket
from quart.testing import QuartClient, WebsocketResponseError, connections
from quart.testing.app import LifespanError
from quart_cors import cors

from examples.dont import testing as dont
from examples.testing import ORIGIN, conftest, create_app
from examples.testing.test_views import (  # noqa: F401
    HEADERS,
    test_a_foreign_origin_is_refused,
    test_a_long_name_closes_with_1008,
    test_a_view_is_counted,
    test_the_command_prints_the_views,
)
from tests.support.server import ROOT
from tests.support.versions import QUART_0_23

pytest_plugins = ["pytester"]

app = conftest.app
client = conftest.client
database_url = conftest.database_url
errors = conftest.errors
server = conftest.server
event_loop = dont.event_loop

PAGE = (ROOT / "patterns" / "testing.md").read_text()
(TOML,) = re.findall(r"^```toml\n(.*?)^```", PAGE, re.DOTALL | re.MULTILINE)
PLUGINS = ["-p", "pytest_asyncio.plugin", "-p", "pytest_timeout"]


def paste(folder: Path) -> Path:
    """Put the package and the page's configuration into an empty folder."""
    (folder / "pyproject.toml").write_text(TOML)
    source = ROOT / "examples" / "testing"
    ignored = shutil.ignore_patterns("__pycache__")
    return Path(shutil.copytree(source, folder / "reports", ignore=ignored))


def change(file: Path, old: str, new: str) -> None:
    source = file.read_text()
    assert source.count(old) == 1
    file.write_text(source.replace(old, new))


@pytest.fixture
def elsewhere(
    pytester: pytest.Pytester, monkeypatch: pytest.MonkeyPatch
) -> pytest.Pytester:
    """An empty folder; pytest has no plugins there but the two that the page needs."""
    monkeypatch.setenv("PYTEST_DISABLE_PLUGIN_AUTOLOAD", "1")
    return pytester


# The suite as a reader pastes it


def test_the_pasted_suite_passes_and_spares_the_development_database(
    elsewhere: pytest.Pytester, monkeypatch: pytest.MonkeyPatch
) -> None:
    paste(elsewhere.path)
    monkeypatch.setenv("DATABASE_URL", "sqlite+aiosqlite:///development.sqlite3")
    result = elsewhere.runpytest_subprocess(*PLUGINS)
    result.assert_outcomes(passed=4)
    assert result.ret == pytest.ExitCode.OK
    assert not (elsewhere.path / "development.sqlite3").exists()


RECORDED = 'await connection.execute(INSERT, {"report": report})'
COMMIT = "await connection.commit()"
SENT = "await websocket.send(str(await count(name)))"
FAULTS = {
    "view": ('return {"report": report}', 'raise LookupError("lost")'),
    "background task": (RECORDED, f'{RECORDED}; {COMMIT}; raise LookupError("lost")'),
    "websocket": (SENT, f'{SENT}; raise LookupError("lost")'),
}


@pytest.mark.parametrize("fault", FAULTS)
def test_an_error_that_no_assertion_sees_fails_the_suite(
    fault: str, elsewhere: pytest.Pytester
) -> None:
    package = paste(elsewhere.path)
    change(package / "__init__.py", *FAULTS[fault])
    result = elsewhere.runpytest_inprocess(*PLUGINS, "-k", "counted")
    result.assert_outcomes(passed=1, errors=1)
    result.stdout.fnmatch_lines(["*ExceptionGroup: the app raised*", "*: lost"])


def test_without_the_errors_fixture_all_these_errors_pass(
    elsewhere: pytest.Pytester,
) -> None:
    package = paste(elsewhere.path)
    for fault in FAULTS.values():
        change(package / "__init__.py", *fault)
    change(package / "conftest.py", "raise ExceptionGroup", "print")
    result = elsewhere.runpytest_inprocess(*PLUGINS, "-k", "counted")
    result.assert_outcomes(passed=1)


def test_an_error_that_is_not_cleared_is_raised(elsewhere: pytest.Pytester) -> None:
    elsewhere.makeconftest("from examples.testing.conftest import errors")
    elsewhere.makepyfile("def test_found(errors): errors.append(LookupError('lost'))")
    result = elsewhere.runpytest_inprocess()
    result.assert_outcomes(passed=1, errors=1)
    result.stdout.fnmatch_lines(["*ExceptionGroup: the app raised*", "*: lost"])


def test_an_error_after_the_last_line_fails_the_test(
    elsewhere: pytest.Pytester,
) -> None:
    package = paste(elsewhere.path)
    change(package / "__init__.py", *FAULTS["background task"])
    (package / "test_views.py").write_text(
        "async def test_a_view(client):\n    await client.get('/reports/july')\n"
    )
    result = elsewhere.runpytest_inprocess(*PLUGINS)
    result.assert_outcomes(passed=1, errors=1)


def test_a_forgotten_await_fails_the_suite(elsewhere: pytest.Pytester) -> None:
    package = paste(elsewhere.path)
    change(package / "__init__.py", SENT, f"count(name); {SENT}")
    result = elsewhere.runpytest_inprocess(*PLUGINS, "-k", "counted")
    result.assert_outcomes(failed=1)
    result.stdout.fnmatch_lines(["*'create_app.<locals>.count' was never awaited*"])

    change(elsewhere.path / "pyproject.toml", '["error"]', '["default"]')
    unguarded = elsewhere.runpytest_inprocess(*PLUGINS, "-k", "counted")
    unguarded.assert_outcomes(passed=1, warnings=1)


def test_a_startup_that_fails_fails_the_suite(elsewhere: pytest.Pytester) -> None:
    package = paste(elsewhere.path)
    change(
        package / "__init__.py",
        "            yield\n",
        "            raise OSError('full')\n            yield\n",
    )
    result = elsewhere.runpytest_inprocess(*PLUGINS, "-k", "refused")
    result.assert_outcomes(errors=1)
    result.stdout.fnmatch_lines(
        ["*LifespanError: Error during startup full", "*OSError: full"]
    )


def test_a_test_that_hangs_is_ended(elsewhere: pytest.Pytester) -> None:
    paste(elsewhere.path)
    change(elsewhere.path / "pyproject.toml", "timeout = 30", "timeout = 0.2")
    elsewhere.makepyfile(
        "import asyncio\nasync def test_hang(): await asyncio.Event().wait()"
    )
    result = elsewhere.runpytest_inprocess(*PLUGINS, "-k", "hang")
    result.assert_outcomes(failed=1)
    result.stdout.fnmatch_lines(["*Timeout (>0.2s) from pytest-timeout."])


def test_warnings_as_errors_need_the_fixture_loop_scope(
    elsewhere: pytest.Pytester,
) -> None:
    paste(elsewhere.path)
    line = 'asyncio_default_fixture_loop_scope = "function"\n'
    change(elsewhere.path / "pyproject.toml", line, "")
    result = elsewhere.runpytest_subprocess(*PLUGINS)
    assert result.ret == pytest.ExitCode.INTERNAL_ERROR
    result.stderr.fnmatch_lines(['*"asyncio_default_fixture_loop_scope" is unset.'])


def test_an_imported_client_protocol_is_taken_for_a_test_class(
    elsewhere: pytest.Pytester,
) -> None:
    package = paste(elsewhere.path)
    change(
        package / "test_views.py",
        "import pytest\n",
        "import pytest\nfrom quart.typing import TestClientProtocol\n",
    )
    result = elsewhere.runpytest_inprocess(*PLUGINS)
    result.assert_outcomes(errors=1)
    result.stdout.fnmatch_lines(["*cannot collect test class 'TestClientProtocol'*"])


# One app and one database per test


async def views_of(client: QuartClient, report: str) -> str:
    async with client.websocket("/views", headers=HEADERS) as ws:
        await ws.send(report)
        return await asyncio.wait_for(ws.receive(), 5)


@pytest.mark.parametrize("report", ["july", "august"])
async def test_each_test_has_its_own_database(
    report: str, app: Quart, client: QuartClient
) -> None:
    await client.get(f"/reports/{report}")
    await asyncio.gather(*app.background_tasks)
    assert [await views_of(client, name) for name in ("july", "august")] == [
        str(int(report == name)) for name in ("july", "august")
    ]


async def test_dont_a_flask_client_passes_while_the_view_is_lost(
    errors: list[Exception],
) -> None:
    client = dont.flask_client()
    answer = await client.get("/reports/july")
    assert answer.status_code == 200
    await asyncio.gather(*client.app.background_tasks)
    assert [repr(error) for error in errors] == ["KeyError('engine')"]
    errors.clear()


async def test_dont_a_flask_client_gets_the_traceback(errors: list[Exception]) -> None:
    client = dont.flask_client()
    client.app.register_error_handler(500, lambda error: ("our page", 500))
    client.app.add_url_rule("/secret", view_func=secret)
    answer = await client.get("/secret")
    page = await answer.get_data(as_text=True)
    assert (answer.status_code, "our page" in page) == (500, False)
    assert "<h1>LookupError <span>secret</span></h1>" in page
    assert "<div>hunter2</div>" in page

    client.app.config["TESTING"] = False
    answer = await client.get("/secret")
    assert await answer.get_data(as_text=True) == "our page"
    errors.clear()


async def test_debug_skips_the_handler_of_500_too(errors: list[Exception]) -> None:
    app = create_app()
    app.register_error_handler(500, lambda error: ("our page", 500))
    app.add_url_rule("/secret", view_func=secret)
    app.config["DEBUG"] = True
    answer = await app.test_client().get("/secret")
    assert "<div>hunter2</div>" in await answer.get_data(as_text=True)
    errors.clear()


async def secret() -> None:
    password = "hunter2"  # noqa: F841
    raise LookupError("secret")


async def test_dont_one_app_for_two_tests_starts_once() -> None:
    with pytest.raises(LifespanError, match=r"^Error during startup $"):
        await dont.one_app_for_two_tests()


def test_dont_a_config_read_at_import_keeps_the_development_database(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.delenv("DATABASE_URL")
    importlib.reload(dont)
    monkeypatch.setenv("DATABASE_URL", "sqlite+aiosqlite:///test.sqlite3")
    url = dont.ConfigReadAtImport.DATABASE_URL
    assert url == "sqlite+aiosqlite:///dev.sqlite3"


async def test_dont_an_event_loop_fixture_has_no_effect(
    request: pytest.FixtureRequest,
) -> None:
    loop = request.getfixturevalue(dont.event_loop.__name__)
    assert asyncio.get_running_loop() is not loop


# Errors that surface


async def fail(place: str) -> None:
    raise LookupError(place)


def failing_app() -> Quart:
    app = Quart(__name__)

    @app.get("/view")
    async def view() -> None:
        await fail("view")

    @app.get("/task")
    async def task() -> str:
        app.extensions["tasks"] = [asyncio.create_task(fail("task"))]
        return ""

    @app.websocket("/websocket")
    async def accepted() -> None:
        await websocket.accept()
        await fail("websocket")

    return app


CONFIGS = [
    {},
    {"TESTING": True},
    {"DEBUG": True},
    {"PROPAGATE_EXCEPTIONS": True},
    {"TESTING": True, "PROPAGATE_EXCEPTIONS": True},
    {"TESTING": True, "PROPAGATE_EXCEPTIONS": False},
]


@pytest.mark.parametrize("config", CONFIGS, ids=str)
async def test_every_unhandled_error_reaches_the_fixture(
    config: dict[str, bool], errors: list[Exception]
) -> None:
    app = failing_app()
    app.config.update(config)
    sent = asyncio.Event()

    async def notice(sender: Quart, exception: Exception) -> None:
        sent.set()

    signals.got_websocket_exception.connect(notice)
    async with app.test_app():
        client = app.test_client()
        with suppress(LookupError, ExceptionGroup):
            await client.get("/view")
        app.add_background_task(fail, "background")
        assert await asyncio.gather(*app.background_tasks) == [None]
        with suppress(LookupError, ExceptionGroup):
            async with client.websocket("/websocket"):
                await asyncio.wait_for(sent.wait(), 5)
    assert [str(error) for error in errors] == ["view", "background", "websocket"]
    errors.clear()


async def test_propagated_errors_differ_in_form(errors: list[Exception]) -> None:
    app = failing_app()
    app.config["PROPAGATE_EXCEPTIONS"] = True
    expected = ExceptionGroup if QUART_0_23 else LookupError
    with pytest.raises(expected) as raised:
        await app.test_client().get("/view")
    assert raised.type is expected
    app.config["TESTING"] = True
    answer = await app.test_client().get("/view")
    assert answer.status_code == 500
    errors.clear()


async def test_dont_an_errorhandler_for_everything_hides_the_error(
    errors: list[Exception],
) -> None:
    app = failing_app()
    dont.errorhandler_for_everything(app)
    answer = await app.test_client().get("/view")
    assert (answer.status_code, await answer.get_json()) == (500, {"error": "failed"})
    assert errors == []


async def test_the_error_of_a_bare_task_reaches_no_signal(
    errors: list[Exception],
) -> None:
    app = failing_app()
    await app.test_client().get("/task")
    await asyncio.wait(app.extensions["tasks"])
    assert repr(app.extensions["tasks"][0].exception()) == "LookupError('task')"
    assert errors == []


async def test_a_signal_forgets_a_receiver_without_a_name(
    errors: list[Exception],
) -> None:
    found: list[Exception] = []
    signals.got_request_exception.connect(lambda _, exception: found.append(exception))
    gc.collect()
    await failing_app().test_client().get("/view")
    assert (found, [str(error) for error in errors]) == ([], ["view"])
    errors.clear()


async def test_a_lost_view_is_an_error(
    app: Quart, client: QuartClient, errors: list[Exception]
) -> None:
    del app.extensions["engine"]
    answer = await client.get("/reports/july")
    await asyncio.gather(*app.background_tasks)
    assert (answer.status_code, [type(e) for e in errors]) == (200, [KeyError])
    errors.clear()


# Background tasks


async def test_leaving_test_app_waits_then_cancels() -> None:
    ended: list[str] = []
    go = asyncio.Event()

    async def mail(address: str) -> None:
        try:
            await go.wait()
        finally:
            ended.append(address)

    app = Quart(__name__)
    assert app.config["BACKGROUND_TASK_SHUTDOWN_TIMEOUT"] == 5
    app.config["BACKGROUND_TASK_SHUTDOWN_TIMEOUT"] = 0.05
    async with app.test_app():
        app.add_background_task(mail, "ada@example.com")
        await asyncio.sleep(0)
    assert (ended, go.is_set()) == (["ada@example.com"], False)


# Websockets


async def test_dont_wait_for_the_close_hangs_or_raises(client: QuartClient) -> None:
    expected = getattr(connections, "WebsocketDisconnectError", TimeoutError)
    assert (expected is TimeoutError) == QUART_0_23
    with pytest.raises(expected) as raised:
        await asyncio.wait_for(dont.wait_for_the_close(client), 0.5)
    assert raised.value.args == (() if QUART_0_23 else (1008,))


async def test_dont_a_websocket_without_origin_is_refused(client: QuartClient) -> None:
    with pytest.raises(WebsocketResponseError) as refusal:
        await dont.websocket_without_origin(client)
    assert refusal.value.response.status_code == 403


async def echoed(client: QuartClient, headers: dict[str, str]) -> str:
    async with client.websocket("/echo", headers=headers) as ws, asyncio.timeout(5):
        await ws.send("july")
        return await ws.receive()


async def test_quart_cors_refuses_a_websocket_without_origin() -> None:
    app = cors(Quart(__name__), allow_origin=[ORIGIN])

    @app.websocket("/echo")
    async def echo() -> None:
        await websocket.send(await websocket.receive())

    client = QuartClient(app)
    with pytest.raises(WebsocketResponseError) as refusal:
        await echoed(client, {})
    assert refusal.value.response.status_code == 400
    assert await echoed(client, HEADERS) == "july"


# A real server


def test_a_server_that_cannot_start_shows_its_log(elsewhere: pytest.Pytester) -> None:
    package = paste(elsewhere.path)
    change(package / "__init__.py", '["DATABASE_URL"]', '["DATABASE"]')
    result = elsewhere.runpytest_inprocess(*PLUGINS, "-k", "closes")
    result.assert_outcomes(failed=1)
    result.stdout.fnmatch_lines(["*Captured stderr*", "KeyError: 'DATABASE'"])


SERVER_TEST = """
from pathlib import Path

def test_server(server):
    Path("address").write_text(server)
"""


@pytest.mark.parametrize("deaf", [False, True])
def test_the_server_is_gone_after_the_test(
    deaf: bool, elsewhere: pytest.Pytester
) -> None:
    package = paste(elsewhere.path)
    (package / "test_views.py").write_text(SERVER_TEST)
    if deaf:
        change(package / "conftest.py", "process.terminate()", "pass")
        change(package / "conftest.py", "process.wait(5)", "process.wait(0)")
    result = elsewhere.runpytest_inprocess(*PLUGINS)
    result.assert_outcomes(passed=1, errors=int(deaf))
    host, port = (elsewhere.path / "address").read_text().split(":")
    with closing(socket.socket()) as client:
        assert client.connect_ex((host, int(port))) == errno.ECONNREFUSED


# Commands


def printed(app: Quart) -> tuple[int, str]:
    result = app.test_cli_runner().invoke(args=["views", "july"])
    outcome = (result.exit_code, result.output)
    del result
    gc.collect()
    return outcome


def test_dont_an_async_command_never_runs() -> None:
    with pytest.warns(RuntimeWarning, match=r"print_views' was never awaited"):
        outcome = printed(dont.async_command())
    assert (outcome, printed(create_app())) == ((0, ""), (0, "0\n"))


async def collected(coroutine: Awaitable[int]) -> int:
    outcome = await coroutine
    gc.collect()
    return outcome


async def test_dont_a_command_in_an_async_test_fails_unseen() -> None:
    with pytest.warns(RuntimeWarning, match="counted' was never awaited"):
        exit_code = await collected(dont.command_in_an_async_test())
    assert exit_code == 1
