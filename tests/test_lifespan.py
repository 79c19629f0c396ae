"""Resources open before serving, close after it, and shutdown ends within a limit."""

import asyncio
import os
import signal
import socket
import sys
from collections.abc import AsyncGenerator, AsyncIterator
from contextlib import AsyncExitStack, asynccontextmanager, suppress
from pathlib import Path

import pytest
from hypercorn.asyncio import serve
from hypercorn.config import Config
from quart import Quart, Response
from quart.testing.app import LifespanError
from sqlalchemy import event
from sqlalchemy.ext.asyncio import AsyncEngine

from examples import lifespan
from examples.dont import lifespan as dont
from examples.lifespan import create_app, run
from tests.support.server import ROOT, Server, hypercorn, running, start

MEMORY = "sqlite+aiosqlite://"
MISSING = "sqlite+aiosqlite:////missing/members.db"
BEAT = b"event: beat\ndata:\n\n"
END = b"event: end\ndata:\n\n"


@pytest.fixture
def database_url(tmp_path: Path) -> str:
    return f"sqlite+aiosqlite:///{tmp_path / 'members.db'}"


def bound() -> tuple[Config, str]:
    """A config that serves on a port already taken for it, and its address."""
    listener = socket.socket()
    listener.bind(("127.0.0.1", 0))
    host, port = listener.getsockname()
    return Config.from_mapping(bind=f"fd://{listener.detach()}"), f"{host}:{port}"


async def send(
    address: str, path: str
) -> tuple[asyncio.StreamReader, asyncio.StreamWriter]:
    host, port = address.split(":")
    async with asyncio.timeout(10):
        while True:
            try:
                reader, writer = await asyncio.open_connection(host, int(port))
                break
            except ConnectionRefusedError:
                await asyncio.sleep(0.01)
    writer.write(f"GET {path} HTTP/1.1\r\nHost: {address}\r\n\r\n".encode())
    return reader, writer


async def rest(reader: asyncio.StreamReader) -> bytes:
    async with asyncio.timeout(10):
        return await reader.read()


async def until_refused(address: str) -> None:
    host, port = address.split(":")
    async with asyncio.timeout(10):
        with suppress(ConnectionRefusedError):
            while True:
                _, writer = await asyncio.open_connection(host, int(port))
                writer.close()


async def until_logged(server: Server, words: str, times: int = 1) -> None:
    async with asyncio.timeout(10):
        while server.log.count(words) < times:  # noqa: ASYNC110
            await asyncio.sleep(0.01)


def recorder(app: Quart, log: list[str], name: str, error: str = "") -> None:
    @app.while_serving
    async def resource() -> AsyncGenerator[None, None]:
        log.append(f"open {name}")
        yield
        log.append(f"close {name}")
        if error:
            raise ConnectionError(error)


async def test_probes_answer_while_serving() -> None:
    app = create_app(MEMORY)
    async with app.test_app() as served:
        client = served.test_client()
        live, ready = await client.get("/live"), await client.get("/ready")
    assert (live.status_code, await live.get_json()) == (200, {"status": "live"})
    assert (ready.status_code, await ready.get_json()) == (200, {"status": "ready"})


async def test_the_database_url_comes_from_the_environment(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.delenv("DATABASE_URL", raising=False)
    with pytest.raises(KeyError, match="DATABASE_URL"):
        create_app()
    monkeypatch.setenv("DATABASE_URL", MEMORY)
    async with create_app().test_app() as served:
        assert (await served.test_client().get("/ready")).status_code == 200


async def lose_database(app: Quart) -> None:
    engine = app.extensions["engine"]
    await engine.dispose()

    @event.listens_for(engine.sync_engine, "do_connect")
    def refuse(*_: object) -> None:
        raise ConnectionRefusedError("nobody listens")


async def test_a_lost_database_is_not_ready_but_live(
    database_url: str, caplog: pytest.LogCaptureFixture
) -> None:
    app = create_app(database_url)
    async with app.test_app() as served:
        client = served.test_client()
        await lose_database(app)
        live, ready = await client.get("/live"), await client.get("/ready")
    assert live.status_code == 200
    assert (ready.status_code, await ready.get_json()) == (
        503,
        {"status": "no database"},
    )
    assert "nobody listens" in caplog.text


async def test_dont_liveness_that_asks_the_database_gets_the_process_restarted(
    database_url: str,
) -> None:
    app = dont.live_asks_the_database(database_url)
    async with app.test_app() as served:
        await lose_database(app)
        response = await served.test_client().get("/live")
    assert response.status_code == 500


@asynccontextmanager
async def exhausted(engine: AsyncEngine) -> AsyncIterator[None]:
    async with AsyncExitStack() as held:
        for _ in range(15):
            await held.enter_async_context(engine.connect())
        yield


async def test_readiness_waits_for_a_second_only(
    database_url: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    app = create_app(database_url)
    monkeypatch.setattr(lifespan, "CHECK_SECONDS", 0.05)
    async with app.test_app() as served, exhausted(app.extensions["engine"]):
        response = await served.test_client().get("/ready")
    assert response.status_code == 503


async def test_dont_readiness_without_a_timeout_does_not_answer(
    database_url: str,
) -> None:
    app = dont.check_without_a_timeout(database_url)
    async with app.test_app() as served, exhausted(app.extensions["engine"]):
        with pytest.raises(TimeoutError):
            async with asyncio.timeout(0.5):
                await served.test_client().get("/ready")


async def test_closing_ends_readiness_and_streams() -> None:
    app = create_app("sqlite+aiosqlite://")
    async with app.test_app() as served:
        client = served.test_client()
        before = await client.get("/ready")
        app.extensions["closing"].set()
        after = await client.get("/ready")
        events = await client.get("/events")
    assert (before.status_code, after.status_code) == (200, 503)
    assert await events.get_data() == b"event: end\ndata:\n\n"


async def test_resources_close_in_reverse_between_tasks_and_after_serving() -> None:
    log: list[str] = []
    app = create_app(MEMORY)
    app.before_serving(lambda: log.append("before serving"))
    app.after_serving(lambda: log.append("after serving"))
    recorder(app, log, "cache")
    recorder(app, log, "queue")

    async def report() -> None:
        await app.shutdown_event.wait()
        log.append("background task")

    async with app.test_app():
        assert log == ["before serving", "open cache", "open queue"]
        app.add_background_task(report)
    assert log[3:] == [
        "background task",
        "close queue",
        "close cache",
        "after serving",
    ]


async def test_one_failing_clean_up_skips_all_that_follow() -> None:
    log: list[str] = []
    app = Quart(__name__)
    app.after_serving(lambda: log.append("after serving"))
    recorder(app, log, "cache")
    recorder(app, log, "queue", error="broker gone")
    with pytest.raises(LifespanError, match="broker gone"):
        async with app.test_app():
            pass
    assert log == ["open cache", "open queue", "close queue"]


async def test_dont_last_words_in_after_serving_meet_a_closed_resource(
    tmp_path: Path,
) -> None:
    journal = tmp_path / "journal.txt"
    with pytest.raises(LifespanError, match="I/O operation on closed file"):
        async with dont.last_words_in_after_serving(journal).test_app():
            pass
    assert journal.read_text() == ""


def start_and_fail(app: Quart) -> list[str]:
    """Serve `app` with a second resource that cannot start; what was disposed of."""
    disposed: list[str] = []

    @app.while_serving
    async def broker() -> AsyncGenerator[None, None]:
        engine = app.extensions["engine"].sync_engine
        event.listen(engine, "engine_disposed", lambda _: disposed.append("database"))
        raise ConnectionError("no broker")
        yield

    async def main() -> None:
        with pytest.raises(LifespanError, match="no broker"):
            async with app.test_app():
                pass

    asyncio.run(main())
    return disposed


def test_a_failed_start_closes_what_was_open(database_url: str) -> None:
    assert start_and_fail(create_app(database_url)) == ["database"]


def test_dont_bare_yield_leaves_it_open(database_url: str) -> None:
    assert start_and_fail(dont.bare_yield(database_url)) == []


async def test_every_test_serves_an_app_of_its_own() -> None:
    for _ in range(2):
        async with create_app(MEMORY).test_app() as served:
            assert (await served.test_client().get("/ready")).status_code == 200


async def test_dont_one_app_for_all_tests_starts_once() -> None:
    async with dont.one_app_for_all_tests().test_app():
        pass
    with pytest.raises(LifespanError, match="Error during startup"):
        async with dont.one_app_for_all_tests().test_app():
            pass


async def test_nothing_listens_before_the_start_is_done() -> None:
    starting, go = asyncio.Event(), asyncio.Event()
    app = create_app(MEMORY)

    @app.while_serving
    async def warm_up() -> AsyncGenerator[None, None]:
        starting.set()
        await go.wait()
        yield

    config, address = bound()
    server = asyncio.create_task(run(app, config))
    await asyncio.wait_for(starting.wait(), 10)
    await until_refused(address)
    go.set()
    reader, writer = await send(address, "/ready")
    app.extensions["closing"].set()
    assert b'{"status":' in await rest(reader)
    writer.close()
    await asyncio.wait_for(server, 10)


async def test_only_a_single_process_reports_a_failed_start() -> None:
    target = ("-b", "127.0.0.1:0", "examples.lifespan:create_app()")

    async def exit_code(*command: str) -> int:
        env = {"DATABASE_URL": MISSING, "BIND": "127.0.0.1:0"}
        server = await start(*command, env=env)
        return await server.exit_code(20)

    assert await asyncio.gather(
        exit_code("examples.lifespan"),
        exit_code("hypercorn", "-w", "0", *target),
        exit_code("hypercorn", *target),
    ) == [1, 1, 0]


async def test_sigterm_ends_an_open_stream() -> None:
    async with running("examples.lifespan", env={"DATABASE_URL": MEMORY}) as server:
        reader, writer = await send(server.address, "/events")
        await asyncio.wait_for(reader.readuntil(BEAT), 10)
        assert await server.stop() == 0
        assert END in await rest(reader)
        writer.close()


async def test_a_client_that_never_reads_is_cut() -> None:
    async with running("tests.support.slow_requests") as server:
        _, stalled = await send(server.address, "/flood")
        _, waiting = await send(server.address, "/report/60")
        reader, writer = await send(server.address, "/report/0")
        await until_logged(server, "flood started")
        server.process.send_signal(signal.SIGTERM)
        assert b"200" in await rest(reader)
        await until_refused(server.address)
        assert server.process.returncode is None
        assert await server.exit_code(10) == 0
        for client in (stalled, waiting, writer):
            client.close()
    assert "cut the connections still open after 0.5 seconds" in server.log
    assert server.log.index("report cancelled") < server.log.index("closed\n")


async def stream_over_sigterm(app: Quart, seconds: float) -> bytes:
    """What a client of /events has read when SIGTERM comes after the first beat."""
    config, address = bound()
    server = asyncio.create_task(run(app, config, seconds))
    reader, writer = await send(address, "/events")
    await asyncio.wait_for(reader.readuntil(BEAT), 10)
    os.kill(os.getpid(), signal.SIGTERM)
    await asyncio.wait_for(server, 10)
    body = await rest(reader)
    writer.close()
    return body


async def test_a_stream_that_watches_closing_ends_itself(
    caplog: pytest.LogCaptureFixture,
) -> None:
    assert END in await stream_over_sigterm(create_app(MEMORY), seconds=5)
    assert "cut" not in caplog.text


async def test_dont_a_stream_that_waits_for_shutdown_event_is_cut(
    caplog: pytest.LogCaptureFixture,
) -> None:
    app = dont.stream_until_shutdown_event()
    app.extensions["closing"] = asyncio.Event()
    assert END not in await stream_over_sigterm(app, seconds=0.1)
    assert "cut the connections still open after 0.1 seconds" in caplog.text


@pytest.mark.parametrize("stuck", ["start", "clean-up"])
async def test_a_stuck_resource_does_not_hold_the_process(stuck: str) -> None:
    log: list[str] = []
    reached = asyncio.Event()
    app = create_app(MEMORY)
    recorder(app, log, "cache")

    @app.while_serving
    async def broker() -> AsyncGenerator[None, None]:
        if stuck == "start":
            reached.set()
            await asyncio.Event().wait()
        reached.set()
        yield
        await asyncio.Event().wait()

    config, _ = bound()
    server = asyncio.create_task(run(app, config, seconds=0.1))
    await asyncio.wait_for(reached.wait(), 10)
    app.extensions["closing"].set()
    await asyncio.wait_for(server, 10)
    assert log == ["open cache", "close cache"]


async def test_dont_hypercorn_alone_waits_for_that_stream_without_limit() -> None:
    stop = asyncio.Event()
    config, address = bound()
    config.graceful_timeout = 0.1
    app = dont.stream_until_shutdown_event()
    server = asyncio.create_task(serve(app, config, shutdown_trigger=stop.wait))
    reader, writer = await send(address, "/events")
    await asyncio.wait_for(reader.readuntil(BEAT), 10)
    stop.set()
    await asyncio.wait({server}, timeout=0.5)
    if sys.version_info >= (3, 12):
        assert not server.done()
        writer.close()
    await asyncio.wait_for(server, 10)
    assert END not in await rest(reader)
    writer.close()


async def test_dont_a_signal_handler_in_the_app_keeps_hypercorn_serving() -> None:
    factory = dont.signal_handler_in_the_app
    target = f"{factory.__module__}:{factory.__name__}()"
    async with hypercorn(target) as server:
        reader, writer = await send(server.address, "/events")
        await asyncio.wait_for(reader.readuntil(BEAT), 10)
        server.process.send_signal(signal.SIGTERM)
        await asyncio.wait_for(reader.readuntil(END), 10)
        writer.close()
        reader, writer = await send(server.address, "/events")
        await asyncio.wait_for(reader.readuntil(BEAT), 10)
        assert server.process.returncode is None
        writer.close()
        server.process.send_signal(signal.SIGINT)
        assert await server.exit_code(10) == 0


async def test_hypercorn_alone_waits_for_a_client_that_never_reads() -> None:
    started, stop = asyncio.Event(), asyncio.Event()
    app = Quart(__name__)

    @app.get("/archive")
    async def archive() -> Response:
        started.set()
        return Response(bytes(50_000_000))

    config, address = bound()
    config.graceful_timeout = 0.1
    server = asyncio.create_task(serve(app, config, shutdown_trigger=stop.wait))
    _, stalled = await send(address, "/archive")
    await asyncio.wait_for(started.wait(), 10)
    stop.set()
    await asyncio.wait({server}, timeout=0.5)
    assert not server.done()
    stalled.transport.abort()
    await asyncio.wait_for(server, 10)


async def test_hypercorn_alone_closes_resources_under_a_request_on_python_3_11() -> (
    None
):
    log: list[str] = []
    started, go, stop = asyncio.Event(), asyncio.Event(), asyncio.Event()
    app = Quart(__name__)
    recorder(app, log, "cache")

    @app.get("/report")
    async def report() -> str:
        started.set()
        await go.wait()
        log.append("report")
        return "ready"

    config, address = bound()
    config.graceful_timeout = 0.1
    server = asyncio.create_task(serve(app, config, shutdown_trigger=stop.wait))
    reader, writer = await send(address, "/report")
    await asyncio.wait_for(started.wait(), 10)
    stop.set()
    await asyncio.wait({server}, timeout=0.5)
    go.set()
    await asyncio.wait_for(server, 10)
    await rest(reader)
    writer.close()
    if sys.version_info >= (3, 12):
        assert log == ["open cache", "report", "close cache"]
    else:
        assert log == ["open cache", "close cache", "report"]


async def test_hypercorn_with_workers_loses_requests_in_progress() -> None:
    async def report(workers: int, group: bool) -> bytes:
        process = await asyncio.create_subprocess_exec(
            *(sys.executable, "-m", "hypercorn", "-w", str(workers)),
            *("-b", "127.0.0.1:0", "tests.support.slow_requests:create_app()"),
            cwd=ROOT,
            stdout=asyncio.subprocess.PIPE,
            stderr=asyncio.subprocess.STDOUT,
            start_new_session=True,
        )
        server = Server(process)
        try:
            await until_logged(server, "opened", times=workers)
            await server.wait_until_ready()
            reader, writer = await send(server.address, "/report/2")
            await until_logged(server, "report started")
            if group:
                os.killpg(process.pid, signal.SIGTERM)
            else:
                process.send_signal(signal.SIGTERM)
            await server.exit_code(10)
            answer = await rest(reader)
            writer.close()
        finally:
            with suppress(ProcessLookupError):
                os.killpg(process.pid, signal.SIGKILL)
        return answer

    assert await asyncio.gather(report(2, False), report(1, True)) == [b"", b""]
