import asyncio
import json
import logging
import re
from collections.abc import AsyncGenerator, Callable, Iterator
from logging.config import dictConfig

import httpx2
import pytest
from quart import Quart, request, websocket
from quart.testing import WebsocketResponseError
from websockets.asyncio.client import connect
from websockets.exceptions import InvalidStatus

from examples.dont import structured_logging as dont
from examples.plain import structured_logging as plain
from examples.structured_logging import (
    ServerLogs,
    configure_logging,
    create_app,
    register_request_id,
)
from tests.support.logs import logging_as_before
from tests.support.server import Server, hypercorn, running
from tests.support.serving import serving

ID = "support-4711"
HEADERS = {"X-Request-Id": ID}
TIME = r"\d{4}-\d\d-\d\d \d\d:\d\d:\d\d,\d{3}"
LINE = re.compile(rf"{TIME} (?P<level>[A-Z]+) (?P<id>\S+) (?P<name>\S+): (?P<text>.*)")
SECRET_REFERER = {"Referer": "http://app.example/?token=hunter2"}


@pytest.fixture(autouse=True)
def _logging() -> Iterator[None]:
    with logging_as_before():
        yield


def busy_app(*, json_lines: bool = False) -> Quart:
    """One that logs in every place where a request can be."""
    app = create_app(json_lines=json_lines)
    log = logging.getLogger("acme.elsewhere")

    async def remind() -> None:
        log.info("reminded")

    @app.post("/reminders")
    async def start() -> dict[str, str]:
        app.add_background_task(remind)
        return {}

    @app.get("/stream")
    async def stream() -> AsyncGenerator[bytes, None]:
        async def parts() -> AsyncGenerator[bytes, None]:
            log.info("streamed")
            yield b"part"

        return parts()

    @app.websocket("/ws")
    async def talk() -> None:
        log.info("connected")
        await websocket.send(await websocket.receive())

    @app.get("/crash/<name>")
    async def crash(name: str) -> None:
        raise RuntimeError("first line\nsecond line")

    @app.get("/search")
    async def search() -> dict[str, str]:
        log.info("asked for %s", request.args["text"])
        return {}

    return app


def printed(capsys: pytest.CaptureFixture[str]) -> list[tuple[str, ...]]:
    """The level, the id, the logger and the message of each line."""
    lines = capsys.readouterr().err.splitlines()
    matches = [LINE.fullmatch(line) for line in lines]
    assert None not in matches, lines
    return [match.groups() for match in matches if match]


async def test_a_line_carries_the_id_that_the_client_sent(
    capsys: pytest.CaptureFixture[str],
) -> None:
    response = await create_app().test_client().get("/hello", headers=HEADERS)

    assert response.headers["X-Request-Id"] == ID
    assert printed(capsys) == [
        ("INFO", ID, "examples.structured_logging", "said hello")
    ]


@pytest.mark.parametrize(
    "given", ["", "short", "x" * 65, "two words", 'quote"quote', "\x1b[31mred-text"]
)
async def test_an_id_of_another_form_is_replaced(
    given: str, capsys: pytest.CaptureFixture[str]
) -> None:
    client = create_app().test_client()
    response = await client.get("/hello", headers={"X-Request-Id": given})

    made = response.headers["X-Request-Id"]
    assert re.fullmatch("[0-9a-f]{32}", made)
    assert [line[1] for line in printed(capsys)] == [made]


async def test_requests_at_the_same_time_keep_their_own_ids(
    capsys: pytest.CaptureFixture[str],
) -> None:
    app = create_app()
    everyone_is_in = asyncio.Barrier(3)

    @app.get("/wait")
    async def wait() -> dict[str, str]:
        await everyone_is_in.wait()
        app.logger.info("waited")
        return {}

    ids = ["request-1", "request-2", "request-3"]
    client = app.test_client()
    async with asyncio.timeout(20):
        answers = await asyncio.gather(
            *(client.get("/wait", headers={"X-Request-Id": name}) for name in ids)
        )

    assert [answer.headers["X-Request-Id"] for answer in answers] == ids
    assert sorted(line[1] for line in printed(capsys)) == ids


async def test_the_id_follows_into_background_tasks_streams_and_websockets(
    capsys: pytest.CaptureFixture[str],
) -> None:
    app = busy_app()
    client = app.test_client()
    async with app.test_app(), asyncio.timeout(20):
        await client.post("/reminders", headers=HEADERS)
        await asyncio.gather(*app.background_tasks)
        await client.get("/stream", headers=HEADERS)
        async with client.websocket("/ws", headers=HEADERS) as connection:
            await connection.send("hi")
            assert await connection.receive() == "hi"

    texts = ["reminded", "streamed", "connected"]
    assert printed(capsys) == [("INFO", ID, "acme.elsewhere", text) for text in texts]


async def test_a_line_outside_of_requests_has_a_dash(
    capsys: pytest.CaptureFixture[str],
) -> None:
    create_app()
    logging.getLogger("sqlalchemy.pool").warning("exhausted")

    assert printed(capsys) == [("WARNING", "-", "sqlalchemy.pool", "exhausted")]


def configure_basically() -> None:
    logging.basicConfig(level=logging.ERROR, format="OLD %(message)s", force=True)


def configure_twice() -> None:
    configure_logging("ERROR", json_lines=True)


def silence_loggers() -> None:
    logging.getLogger("examples.structured_logging").info("made before")
    dictConfig({"version": 1, "root": {"level": "ERROR"}})


@pytest.mark.parametrize(
    "before", [configure_basically, configure_twice, silence_loggers]
)
async def test_what_was_configured_before_is_replaced(
    before: Callable[[], None], capsys: pytest.CaptureFixture[str]
) -> None:
    before()
    await create_app().test_client().get("/hello", headers=HEADERS)

    assert printed(capsys) == [
        ("INFO", ID, "examples.structured_logging", "said hello")
    ]


async def test_the_level_is_that_of_the_settings(
    capsys: pytest.CaptureFixture[str],
) -> None:
    configure_logging("WARNING")
    logging.getLogger("acme").info("not told")
    logging.getLogger("acme").warning("told")

    assert [line[3] for line in printed(capsys)] == ["told"]


async def test_a_json_line_is_one_object_with_its_traceback(
    capsys: pytest.CaptureFixture[str],
) -> None:
    await busy_app(json_lines=True).test_client().get("/crash/x%0ay", headers=HEADERS)

    (line,) = map(json.loads, capsys.readouterr().err.splitlines())
    assert re.fullmatch(TIME, line.pop("asctime"))
    assert line.pop("exc_info").endswith("RuntimeError: first line\nsecond line")
    assert line == {
        "levelname": "ERROR",
        "request_id": ID,
        "name": "examples.structured_logging",
        "message": "Exception on request GET /crash/x\ny",
    }


FORGED = "/search?text=x%0a2026-01-01%20INFO%20-%20root:%20all%20is%20well%1b[2J%c2%9b"


async def test_a_client_cannot_forge_a_line(capsys: pytest.CaptureFixture[str]) -> None:
    await busy_app().test_client().get(FORGED, headers=HEADERS)

    assert [line[3] for line in printed(capsys)] == [
        r"asked for x\x0a2026-01-01 INFO - root: all is well\x1b[2J\x9b"
    ]


async def test_a_client_cannot_forge_a_json_line(
    capsys: pytest.CaptureFixture[str],
) -> None:
    await busy_app(json_lines=True).test_client().get(FORGED, headers=HEADERS)

    (line,) = map(json.loads, capsys.readouterr().err.splitlines())
    assert line["message"].startswith("asked for x\n2026")


async def test_the_access_line_carries_the_id_and_no_secret(
    capsys: pytest.CaptureFixture[str],
) -> None:
    logs = {
        "accesslog": ServerLogs.accesslog,
        "access_log_format": ServerLogs.access_log_format,
    }
    async with (
        serving(busy_app(), **logs) as address,
        asyncio.timeout(20),
        httpx2.AsyncClient(headers=HEADERS | SECRET_REFERER) as client,
    ):
        logging.getLogger("httpx2").setLevel("WARNING")
        await client.get(f"http://{address}/hello?token=hunter2")
        await client.get(f"http://{address}/nothing%0a")
        ws = f"ws://{address}"
        async with connect(f"{ws}/ws?token=hunter2", additional_headers=HEADERS) as one:
            await one.send("hi")
            await one.recv()
        with pytest.raises(InvalidStatus):
            await connect(f"{ws}/nothing", additional_headers=HEADERS)

    lines = [line for line in printed(capsys) if line[2] == "hypercorn.access"]
    assert [line[:2] for line in lines] == [("INFO", ID)] * 4
    requests = {re.sub(r"^\S+ | \S+$", "", line[3]) for line in lines}
    assert requests == {
        '"GET /hello 1.1" 200 18',
        r'"GET /nothing\x0a 1.1" 404 207',
        '"GET /ws 1.1" 101 -',
        '"GET /nothing 1.1" 404 207',
    }


async def test_a_refused_handshake_has_no_id_in_its_answer() -> None:
    with pytest.raises(WebsocketResponseError) as caught:
        async with create_app().test_client().websocket("/nothing") as connection:
            await asyncio.wait_for(connection.receive(), 20)
    assert "X-Request-Id" not in caught.value.response.headers


async def test_an_answer_to_an_unknown_path_has_its_id_too() -> None:
    app = Quart(__name__)
    register_request_id(app)
    response = await app.test_client().get("/nothing", headers=HEADERS)

    assert (response.status_code, response.headers["X-Request-Id"]) == (404, ID)


@pytest.fixture
def made_in_a_fixture() -> Quart:
    return create_app()


async def test_caplog_sees_an_app_that_a_fixture_made(
    made_in_a_fixture: Quart, caplog: pytest.LogCaptureFixture
) -> None:
    await made_in_a_fixture.test_client().get("/hello")
    assert caplog.messages == ["said hello"]


async def test_caplog_loses_its_handler_when_the_test_makes_the_app(
    caplog: pytest.LogCaptureFixture,
) -> None:
    await create_app().test_client().get("/hello")
    assert caplog.messages == []


async def test_plain_logging_is_seen(capsys: pytest.CaptureFixture[str]) -> None:
    configure_basically()
    response = await plain.create_app().test_client().get("/hello")

    assert await response.get_json() == {"hello": "world"}
    assert re.fullmatch(
        rf"{TIME} INFO examples.plain.structured_logging: said hello\n",
        capsys.readouterr().err,
    )


async def lines_of(server: Server) -> list[str]:
    """All that it prints from its start to its end, with one request between."""
    async with httpx2.AsyncClient(headers=HEADERS | SECRET_REFERER) as client:
        response = await client.get(server.url("/hello?token=hunter2"))
    assert response.status_code == 200
    await server.stop(20)
    return [re.sub(TIME, "TIME", line) for line in server.log.splitlines()]


async def test_the_launcher_prints_the_servers_lines_in_the_same_format() -> None:
    async with running("examples.structured_logging") as server:
        started, said, access, *_ = await lines_of(server)

    assert started.startswith("TIME INFO - hypercorn.error: Running on http://")
    assert said == f"TIME INFO {ID} examples.structured_logging: said hello"
    assert access.startswith(f"TIME INFO {ID} hypercorn.access: 127.0.0.1:")
    assert "?" not in access.partition('"GET ')[2].partition('"')[0]


TARGET = "examples.structured_logging:create_app()"


async def test_the_hypercorn_command_takes_the_format_from_server_logs() -> None:
    config = "python:examples.structured_logging.ServerLogs"
    async with hypercorn(TARGET, "-c", config) as server:
        lines = await lines_of(server)

    started, said, access = lines
    assert started.startswith("TIME INFO - hypercorn.error: Running on http://")
    assert said == f"TIME INFO {ID} examples.structured_logging: said hello"
    assert re.fullmatch(
        rf'TIME INFO {ID} hypercorn.access: \S+ "GET /hello 1.1" 200 18 \d+\.\d+',
        access,
    )


async def test_its_own_options_print_another_format_and_the_start_twice() -> None:
    async with hypercorn(TARGET, "--access-logfile", "-") as server:
        lines = await lines_of(server)

    assert sum("Running on" in line for line in lines) == 2
    (access,) = [line for line in lines if "GET /hello" in line]
    assert ID not in access
    assert "token=hunter2" in access  # of the referer


def test_dont_configured_by_nobody_says_nothing(
    capsys: pytest.CaptureFixture[str],
) -> None:
    logging.getLogger().handlers.clear()
    dont.configured_by_nobody()

    assert capsys.readouterr().err == ""


def test_dont_basic_config_without_force_changes_nothing(
    capsys: pytest.CaptureFixture[str],
) -> None:
    configure_basically()
    app = dont.basic_config_without_force()
    app.logger.error("stopping")

    assert capsys.readouterr().err == "OLD stopping\n"


def test_dont_silenced_loggers_lose_errors(capsys: pytest.CaptureFixture[str]) -> None:
    dont.silenced_loggers()

    assert capsys.readouterr().err == ""


def test_dont_configured_after_the_first_line_prints_the_next_ones_twice(
    capsys: pytest.CaptureFixture[str],
) -> None:
    logging.getLogger().handlers.clear()
    dont.configured_after_the_first_line()

    starting, quarts, ours = capsys.readouterr().err.splitlines()
    assert starting.endswith(" WARNING in structured_logging: starting")
    assert quarts.endswith(" INFO in structured_logging: started")
    assert ours == "INFO examples.dont.structured_logging: started"


def test_dont_lost_traceback_logs_a_name_only(
    caplog: pytest.LogCaptureFixture,
) -> None:
    def log_in() -> None:
        raise KeyError("ada")

    dont.lost_traceback(log_in)

    assert caplog.messages == ["Login failed: 'ada'"]
    assert caplog.records[0].exc_info is None


async def test_dont_logged_password_stands_in_the_log(
    caplog: pytest.LogCaptureFixture,
) -> None:
    await (
        dont.logged_password()
        .test_client()
        .post(
            "/login?reset=code-1",
            json={"password": "hunter2"},
            headers={"Authorization": "Bearer token-1", "Cookie": "session=cookie-1"},
        )
    )

    for secret in ("hunter2", "code-1", "token-1", "cookie-1"):
        assert secret in caplog.text


async def test_dont_id_in_a_sync_hook_is_lost() -> None:
    client = dont.id_in_a_sync_hook().test_client()
    response = await client.post("/login", headers=HEADERS)

    assert await response.get_json() == {"request_id": "-"}


def test_dont_filter_on_the_app_logger_misses_its_children(
    caplog: pytest.LogCaptureFixture,
) -> None:
    app = dont.filter_on_the_app_logger()
    app.logger.warning("changed")
    app.logger.getChild("prices").warning("changed")

    assert ["request_id" in vars(record) for record in caplog.records] == [True, False]
