"""One launcher ends every app: it drains, cuts, closes the app and exits."""

import asyncio
import logging
import os
import re
import signal
import socket
import sys
from collections.abc import AsyncGenerator, AsyncIterator
from contextlib import asynccontextmanager, closing
from functools import partial

import pytest
from hypercorn.asyncio import serve
from hypercorn.config import Config
from quart import Quart, Response, request
from websockets.asyncio.client import connect

from examples import serving
from examples.dont import serving as dont
from examples.plain import serving as plain
from examples.serving import closing_event, create_app, run, serve_until_closed
from tests.support.raw_client import raw_client
from tests.support.server import Server, hypercorn, running, start

pytestmark = pytest.mark.usefixtures("signal_handlers")
BUSY = "tests.support.busy_service"
BEAT = b"event: beat\ndata:\n\n"
END = b"event: end\ndata:\n\n"
CUT = re.compile(r"cut \d requests and websockets after \S+ s")
STILL = "something still runs"


async def send(
    address: str, path: str
) -> tuple[asyncio.StreamReader, asyncio.StreamWriter]:
    host, port = address.split(":")
    async with asyncio.timeout(20):
        while True:
            try:
                reader, writer = await asyncio.open_connection(host, int(port))
                break
            except ConnectionRefusedError:
                await asyncio.sleep(0.01)
    writer.write(f"GET {path} HTTP/1.1\r\nHost: {address}\r\n\r\n".encode())
    return reader, writer


async def rest(reader: asyncio.StreamReader) -> bytes:
    async with asyncio.timeout(20):
        try:
            return await reader.read()
        except ConnectionResetError:
            return b""


async def read_beat(reader: asyncio.StreamReader) -> None:
    await asyncio.wait_for(reader.readuntil(BEAT), 20)


async def until_refused(address: str) -> None:
    host, port = address.split(":")
    async with asyncio.timeout(20):
        while True:
            try:
                _, writer = await asyncio.open_connection(host, int(port))
                writer.close()
                await asyncio.sleep(0.01)
            except ConnectionRefusedError:
                return
            except ConnectionResetError:  # it was waiting to be accepted
                continue


def bound() -> tuple[str, str]:
    """A port that is taken already: the bind for it, and its address."""
    listener = socket.socket()
    listener.bind(("127.0.0.1", 0))
    host, port = listener.getsockname()
    return f"fd://{listener.detach()}", f"{host}:{port}"


def journal(app: Quart, log: list[str], error: Exception | None = None) -> None:
    @app.while_serving
    async def open_journal() -> AsyncGenerator[None, None]:
        log.append("open")
        if error is not None:
            raise error
        try:
            yield
        finally:
            log.append("close")


async def until(log: list[str], text: str) -> None:
    async with asyncio.timeout(20):
        while text not in log:  # noqa: ASYNC110
            await asyncio.sleep(0.01)


# The launcher


@asynccontextmanager
async def busy_service(
    exit_seconds: int, drain_seconds: int = 1, **env: str
) -> AsyncIterator[Server]:
    settings = {
        "DRAIN_SECONDS": str(drain_seconds), "EXIT_SECONDS": str(exit_seconds), **env
    }  # fmt: skip
    async with running(BUSY, env=settings) as server:
        yield server


async def end_with_everything_open() -> None:
    async with busy_service(exit_seconds=7, drain_seconds=3) as server:
        address = server.address
        events, events_writer = await send(address, "/events")
        await read_beat(events)
        finish, finish_writer = await send(address, "/finish")
        opened = [
            await send(address, path)
            for path in ("/mail", "/hold/60", "/thread", "/flood")
        ]
        for words in ("finish", "hold", "thread", "flood"):
            await server.logged(f"{words} started")
        await server.logged("mail accepted")
        polite = await raw_client(address, "/ws/polite", {})
        deaf = await raw_client(address, "/ws/deaf", {})
        stalled = await raw_client(address, "/ws/flood", {}, stalled=True)
        with closing(polite), closing(deaf), closing(stalled):
            await server.logged("stream started")
            assert await server.stop(20) == 0
            assert (await rest(events)).endswith(END + b"\r\n0\r\n\r\n")
            assert (await rest(finish)).endswith(b"finished")
            assert (await polite.read()).endswith(b"\x03\xe9going away")
        for writer in (events_writer, finish_writer, *(writer for _, writer in opened)):
            writer.close()
    log = server.log
    assert CUT.search(log)
    assert log.index("hold cancelled") < log.index("mail sent") < log.index("closed\n")
    assert STILL in log  # the thread
    assert "Traceback" not in log


async def end_with_stalled_clients_only() -> None:
    async with busy_service(exit_seconds=60) as server:
        stalled = await raw_client(server.address, "/ws/flood", {}, stalled=True)
        _, writer = await send(server.address, "/flood")
        with closing(stalled):
            for words in ("stream", "flood"):
                await server.logged(f"{words} started")
            assert await server.stop(20) == 0
        writer.close()
    assert CUT.search(server.log)
    assert "closed\n" in server.log
    assert STILL not in server.log
    assert "Traceback" not in server.log


async def test_sigterm_ends_whatever_is_open() -> None:
    """A stalled client does not hold the process, a thread does until EXIT_SECONDS."""
    await asyncio.gather(end_with_everything_open(), end_with_stalled_clients_only())


def test_the_process_is_gone_before_docker_kills_it() -> None:
    tasks = Quart("acme").config["BACKGROUND_TASK_SHUTDOWN_TIMEOUT"]
    assert serving.DRAIN_SECONDS + serving.CUT_SECONDS + tasks < serving.EXIT_SECONDS
    assert serving.EXIT_SECONDS < 10


async def stuck_service(exit_seconds: int) -> Server:
    settings = {"DRAIN_SECONDS": "1", "EXIT_SECONDS": str(exit_seconds)}
    server = await start(BUSY, env={"BIND": "127.0.0.1:0", "STUCK": "1", **settings})
    await server.logged("opened")
    return server


async def test_a_signal_ends_a_start_that_hangs_and_a_second_one_at_once() -> None:
    patient, hasty = await asyncio.gather(stuck_service(1), stuck_service(60))
    try:
        for server in (patient, hasty):
            server.process.send_signal(signal.SIGINT)
        hasty.process.send_signal(signal.SIGTERM)
        codes = [await server.exit_code(20) for server in (patient, hasty)]
        assert codes == [0, 128 + signal.SIGTERM]
        assert STILL in patient.log
        assert "Traceback" not in patient.log + hasty.log
    finally:
        await asyncio.gather(patient.end(), hasty.end())


def test_a_failed_start_exits_with_1(caplog: pytest.LogCaptureFixture) -> None:
    log: list[str] = []
    app = Quart("acme")
    journal(app, log)
    journal(app, log, ConnectionError("no broker"))
    with pytest.raises(SystemExit) as ended:
        run(app, "127.0.0.1:0")
    assert ended.value.code == 1
    assert log == ["open", "open", "close"]
    line = caplog.records[-1]
    assert (line.levelname, line.getMessage()) == (
        "CRITICAL",
        "acme on 127.0.0.1:0 failed: ConnectionError('no broker')",
    )


async def test_a_port_in_use_exits_with_1_and_closes_the_app() -> None:
    with socket.create_server(("127.0.0.1", 0)) as taken:
        host, port = taken.getsockname()
        settings = {"BIND": f"{host}:{port}", "DRAIN_SECONDS": "1", "EXIT_SECONDS": "5"}
        server = await start(BUSY, env=settings)
        assert await server.exit_code(20) == 1
    opened, closed, line = server.log.splitlines()
    assert (opened, closed) == ("opened", "closed")
    assert line.startswith(f"examples.serving on {host}:{port} failed: OSError(")


async def test_a_closed_websocket_does_not_hold_the_end() -> None:
    """Hypercorn keeps its task till the next ping."""
    async with running("examples.websockets") as server:
        async with connect(server.ws_url("/ws/echo")) as socket:
            await socket.send("hello")
            assert await socket.recv() == "Echo: hello"
        assert await server.stop(20) == 0
    assert not CUT.search(server.log)


async def test_nothing_listens_before_the_start_is_done() -> None:
    starting, go = asyncio.Event(), asyncio.Event()
    app = create_app()

    @app.while_serving
    async def warm_up() -> AsyncGenerator[None, None]:
        starting.set()
        await go.wait()
        yield

    bind, address = bound()
    server = asyncio.create_task(serve_until_closed(app, serving.server_config(bind)))
    await asyncio.wait_for(starting.wait(), 20)
    await until_refused(address)
    go.set()
    reader, writer = await send(address, "/slow?seconds=0")
    assert b"200" in await asyncio.wait_for(reader.readline(), 20)
    closing_event(app).set()
    await asyncio.wait_for(server, 20)
    assert b'{"slept":0.0}' in await rest(reader)
    writer.close()


async def test_at_the_end_an_inherited_socket_is_left_to_others(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    """What came before is answered here, what comes now by the next process."""
    monkeypatch.setattr(serving, "READ_SECONDS", 2)
    monkeypatch.setattr(serving, "CUT_SECONDS", 20)
    listener = socket.create_server(("127.0.0.1", 0))
    host, port = listener.getsockname()
    connect = partial(asyncio.open_connection, host, port)

    def start_server(app: Quart) -> asyncio.Task[None]:
        config = serving.server_config(f"fd://{os.dup(listener.fileno())}")
        return asyncio.create_task(serve_until_closed(app, config))

    async def answer(
        reader: asyncio.StreamReader, writer: asyncio.StreamWriter
    ) -> bytes:
        writer.write(b"Connection: close\r\n\r\n")
        line = await asyncio.wait_for(reader.readline(), 20)
        writer.close()
        return line

    first, second = create_app(), create_app()
    with closing(listener):
        server = start_server(first)
        before = await connect()
        before[1].write(b"GET /slow?seconds=0 HTTP/1.1\r\nHost: acme\r\n")
        later = await connect()  # when it is answered, the other is accepted
        later[1].write(b"GET /slow?seconds=0 HTTP/1.1\r\nHost: acme\r\n")
        assert await answer(*later) == b"HTTP/1.1 200 \r\n"
        closing_event(first).set()
        await asyncio.sleep(0.05)  # it accepts no more
        now = await connect()
        now[1].write(b"GET /slow?seconds=0 HTTP/1.1\r\nHost: acme\r\n")
        assert await answer(*before) == b"HTTP/1.1 200 \r\n"
        await asyncio.wait_for(server, 20)
        server = start_server(second)
        assert await answer(*now) == b"HTTP/1.1 200 \r\n"
        closing_event(second).set()
        await asyncio.wait_for(server, 20)


async def test_an_app_starts_and_closes_in_one_task() -> None:
    """A task group or a cancel scope may stay open around the `yield`."""
    tasks: list[object] = []
    app = Quart("acme")

    @app.while_serving
    async def resource() -> AsyncGenerator[None, None]:
        tasks.append(asyncio.current_task())
        yield
        tasks.append(asyncio.current_task())

    closing_event(app).set()
    bind, _ = bound()
    async with asyncio.timeout(20):
        await serve_until_closed(app, serving.server_config(bind))
    assert tasks == [asyncio.current_task()] * 2


async def test_the_app_closes_after_the_last_request() -> None:
    log: list[str] = []
    app = Quart("acme")
    journal(app, log)

    @app.get("/report")
    async def report() -> str:
        log.append("report started")
        await closing_event(app).wait()
        await asyncio.sleep(0.1)
        log.append("report ended")
        return "report"

    bind, address = bound()
    server = asyncio.create_task(serve_until_closed(app, serving.server_config(bind)))
    reader, writer = await send(address, "/report")
    await until(log, "report started")
    closing_event(app).set()
    await asyncio.wait_for(server, 20)
    assert (await rest(reader)).endswith(b"report")
    writer.close()
    assert log == ["open", "report started", "report ended", "close"]


async def test_a_request_that_outlasts_the_drain_is_cut_before_the_app_closes(
    monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture
) -> None:
    async def leave_this_test_alone() -> None:
        """The real one cancels every task of the loop."""

    monkeypatch.setattr(serving, "DRAIN_SECONDS", 0.01)
    monkeypatch.setattr(serving, "CUT_SECONDS", 0.01)
    monkeypatch.setattr(serving, "drop_connections", leave_this_test_alone)
    log: list[str] = []
    app = Quart("acme")
    journal(app, log)

    @app.get("/report")
    async def report() -> str:
        log.append("report started")
        try:
            await asyncio.Event().wait()
        finally:
            log.append("report cut")
        return "never"

    bind, address = bound()
    server = asyncio.create_task(serve_until_closed(app, serving.server_config(bind)))
    _, writer = await send(address, "/report")
    await until(log, "report started")
    closing_event(app).set()
    await asyncio.wait_for(server, 20)
    writer.close()
    assert log == ["open", "report started", "report cut", "close"]
    assert [one for one in caplog.messages if CUT.search(one)]


def test_the_server_logs_like_the_app_where_logging_is_configured(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    config = serving.server_config("127.0.0.1:0")
    assert config.accesslog is logging.getLogger("hypercorn.access")
    assert config.errorlog is logging.getLogger("hypercorn.error")
    monkeypatch.setattr(logging.getLogger(), "handlers", [])
    config = serving.server_config("127.0.0.1:0")
    assert (config.accesslog, config.errorlog) == (None, "-")


async def test_an_app_has_one_closing_event_which_ends_its_streams() -> None:
    app = create_app()
    closing_event(app).set()
    assert closing_event(app) is closing_event(app)
    async with app.test_app():
        response = await app.test_client().get("/events")
        assert await response.get_data() == END


# What the plain form and Hypercorn alone leave open


@asynccontextmanager
async def served_plainly(app: Quart) -> AsyncIterator[tuple[asyncio.Task[None], str]]:
    bind, address = bound()
    server = asyncio.create_task(plain.serve_until_signal(app, bind))
    yield server, address
    await asyncio.wait_for(server, 20)


async def test_the_plain_form_drains_at_sigterm() -> None:
    app = create_app()
    log: list[str] = []
    app.before_request(lambda: log.append(request.path))
    async with served_plainly(app) as (server, address):
        events, events_writer = await send(address, "/events")
        await read_beat(events)
        slow, slow_writer = await send(address, "/slow?seconds=0.5")
        await until(log, "/slow")
        assert app.extensions["closing"] is closing_event(app)
        os.kill(os.getpid(), signal.SIGTERM)
        await asyncio.wait_for(server, 20)
        assert END in await rest(events)
        assert b'{"slept":0.5}' in await rest(slow)
        for writer in (events_writer, slow_writer):
            writer.close()


def test_the_plain_form_fails_when_the_start_fails() -> None:
    app = Quart("acme")
    journal(app, [], ConnectionError("no broker"))
    with pytest.raises(Exception, match="no broker"):
        plain.run(app, "127.0.0.1:0")


@pytest.mark.parametrize(
    "app", [dont.endless_stream(), dont.stream_until_shutdown_event()]
)
async def test_dont_a_stream_that_does_not_watch_closing_holds_the_plain_form(
    app: Quart, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Hypercorn's `graceful_timeout` bounds it on Python 3.11 only."""
    monkeypatch.setattr(Config, "graceful_timeout", 0.1)
    async with served_plainly(app) as (server, address):
        reader, writer = await send(address, "/events")
        await read_beat(reader)
        os.kill(os.getpid(), signal.SIGTERM)
        await until_refused(address)
        await asyncio.wait({server}, timeout=1)
        if sys.version_info >= (3, 12):
            assert not server.done()
            writer.close()
        await asyncio.wait_for(server, 20)
        assert END not in await rest(reader)
        writer.close()


async def test_hypercorn_alone_closes_the_app_under_a_request_on_python_3_11() -> None:
    log: list[str] = []
    go, stop = asyncio.Event(), asyncio.Event()
    app = Quart("acme")
    journal(app, log)

    @app.get("/report")
    async def report() -> str:
        log.append("report started")
        await go.wait()
        log.append("report ended")
        return "report"

    bind, address = bound()
    config = Config.from_mapping(bind=bind, graceful_timeout=0.1)
    server = asyncio.create_task(serve(app, config, shutdown_trigger=stop.wait))
    reader, writer = await send(address, "/report")
    await until(log, "report started")
    stop.set()
    if sys.version_info >= (3, 12):
        await asyncio.wait({server}, timeout=0.5)
    else:
        await until(log, "close")
    go.set()
    await asyncio.wait_for(server, 20)
    await rest(reader)
    writer.close()
    if sys.version_info >= (3, 12):
        assert log == ["open", "report started", "report ended", "close"]
    else:
        assert log == ["open", "report started", "close", "report ended"]


async def test_hypercorn_alone_waits_for_a_client_that_never_reads() -> None:
    started, stop = asyncio.Event(), asyncio.Event()
    app = Quart("acme")

    @app.get("/archive")
    async def archive() -> Response:
        started.set()
        return Response(bytes(50_000_000))

    bind, address = bound()
    config = Config.from_mapping(bind=bind, graceful_timeout=0.1)
    server = asyncio.create_task(serve(app, config, shutdown_trigger=stop.wait))
    _, stalled = await send(address, "/archive")
    await asyncio.wait_for(started.wait(), 20)
    stop.set()
    await asyncio.wait({server}, timeout=0.5)
    assert not server.done()
    stalled.transport.abort()
    await asyncio.wait_for(server, 20)


async def test_the_hypercorn_command_never_sets_closing() -> None:
    async with hypercorn("examples.serving:create_app()") as server:
        reader, writer = await send(server.address, "/events")
        await read_beat(reader)
        server.process.send_signal(signal.SIGTERM)
        await until_refused(server.address)
        if sys.version_info >= (3, 12):
            await read_beat(reader)
            writer.close()
        assert END not in await rest(reader)
        writer.close()
        assert await server.exit_code(20) == 0


async def test_dont_a_signal_handler_in_the_app_keeps_hypercorn_serving() -> None:
    factory = dont.signal_handler_in_the_app
    target = f"{factory.__module__}:{factory.__name__}()"
    async with hypercorn(target) as server:
        server.process.send_signal(signal.SIGTERM)
        reader, writer = await send(server.address, "/")
        assert b"404" in await asyncio.wait_for(reader.readline(), 20)
        assert server.process.returncode is None
        writer.close()
        server.process.send_signal(signal.SIGINT)
        assert await server.exit_code(20) == 0


async def test_dont_a_signal_handler_in_the_app_does_not_start_on_windows(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    def missing(*_: object) -> None:
        raise NotImplementedError

    loop = asyncio.get_running_loop()
    monkeypatch.setattr(loop, "add_signal_handler", missing)
    with pytest.raises(NotImplementedError):
        await dont.signal_handler_in_the_app().startup()


async def test_only_one_process_reports_a_failed_start() -> None:
    """`hypercorn` without `-w 0` exits with 0, and nothing restarts the service."""
    target = ("-b", "127.0.0.1:0", "tests.support.failing_start:create_app()")

    async def exit_code(*options: str) -> int:
        server = await start("hypercorn", *options, *target)
        return await server.exit_code(20)

    codes = await asyncio.gather(exit_code("-w", "0"), exit_code("-w", "1"))
    assert codes == [1, 0]


async def report(workers: int, *, group: bool) -> bytes:
    """What the client of a request gets when SIGTERM comes, by no time-out."""
    options = ("-w", str(workers), "-b", "127.0.0.1:0", "--graceful-timeout", "60")
    server = await start("hypercorn", *options, f"{BUSY}:create_app()")
    try:
        async with asyncio.timeout(30):
            while server.log.count("opened") < workers:  # noqa: ASYNC110
                await asyncio.sleep(0.01)
        await server.wait_until_ready()
        reader, writer = await send(server.address, "/hold/15")
        await server.logged("hold started")
        if group:
            os.killpg(server.process.pid, signal.SIGTERM)
        else:
            server.process.send_signal(signal.SIGTERM)
        await server.exit_code(20)
        answer = await rest(reader)
        writer.close()
    finally:
        server.kill()
    return answer


async def test_hypercorn_with_workers_loses_requests_in_progress() -> None:
    answers = await asyncio.gather(report(2, group=False), report(1, group=True))
    assert answers == [b"", b""]
