"""Resources are open while the app serves, and probes tell whether it can."""

import asyncio
import gc
import socket
import threading
from collections.abc import AsyncGenerator, AsyncIterator, Awaitable, Callable, Iterator
from contextlib import AsyncExitStack, asynccontextmanager
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from typing import Any

import asyncpg
import pytest
from quart import Quart
from quart.signals import got_request_exception
from quart.testing.app import LifespanError

from examples import lifespan
from examples.dont import lifespan as dont
from examples.lifespan import create_app, register_health
from examples.plain import lifespan as plain
from examples.serving import closing_event
from tests.support.postgres import Postgres

SLOW = "SELECT pg_sleep(60)"


@pytest.fixture
def dsn(postgres_server: Postgres) -> str:
    """What asyncpg itself takes; nothing is written to this database."""
    return postgres_server.url_of("postgres").replace("+asyncpg", "")


async def get(app: Quart, path: str) -> tuple[int, Any]:
    response = await app.test_client().get(path)
    return response.status_code, await response.get_json()


# The pool


async def beside_a_slow_query(app: Quart, slow: Awaitable[object]) -> int:
    """The status of a request that comes while another one's query runs."""
    running = asyncio.ensure_future(slow)
    await asyncio.sleep(0)
    try:
        status, _ = await get(app, "/time")
    finally:
        running.cancel()
        await asyncio.gather(running, return_exceptions=True)
    return status


async def test_requests_share_a_pool(dsn: str) -> None:
    app = plain.create_app(dsn)
    async with app.test_app():
        pool = app.extensions["pool"]
        assert await beside_a_slow_query(app, pool.execute(SLOW)) == 200
        assert not pool.is_closing()
    assert pool.is_closing()


async def test_dont_one_connection_for_all_requests(
    dsn: str, caplog: pytest.LogCaptureFixture
) -> None:
    app = dont.one_connection(dsn)
    async with app.test_app():
        connection = app.extensions["connection"]
        try:
            assert await beside_a_slow_query(app, connection.execute(SLOW)) == 500
            assert "another operation is in progress" in caplog.text
            assert await get(app, "/time") != (500, None)
        finally:
            await connection.close()


async def test_dont_a_pool_in_g_is_gone_in_views(
    dsn: str, caplog: pytest.LogCaptureFixture, monkeypatch: pytest.MonkeyPatch
) -> None:
    opened = []
    create_pool = asyncpg.create_pool

    async def remember(url: str) -> asyncpg.Pool:
        pool = await create_pool(url, min_size=1)
        opened.append(pool)
        return pool

    monkeypatch.setattr(asyncpg, "create_pool", remember)
    app = dont.pool_in_g(dsn)
    with pytest.raises(LifespanError, match="Error during shutdown pool"):
        async with app.test_app():
            assert await get(app, "/time") == (500, None)
    assert caplog.text.count("AttributeError: pool") == 2
    (pool,) = opened
    assert not pool.is_closing()
    await pool.close()


class Prices(BaseHTTPRequestHandler):
    protocol_version = "HTTP/1.1"  # keeps the connection

    def do_GET(self) -> None:
        self.send_response(200)
        self.send_header("Content-Length", "3")
        self.end_headers()
        self.wfile.write(b"1.5")

    def log_message(self, *_: object) -> None:
        pass


@pytest.fixture
def prices_url() -> Iterator[str]:
    with ThreadingHTTPServer(("127.0.0.1", 0), Prices) as server:
        server.daemon_threads = True
        thread = threading.Thread(target=server.serve_forever, args=(0.05,))
        thread.start()
        yield f"http://127.0.0.1:{server.server_port}"
        server.shutdown()
        thread.join()


def price_in_two_tests(create_app: Callable[[], Quart]) -> list[int | str]:
    """Each has a loop and an app of its own, as tests have: statuses and errors."""
    results: list[int | str] = []

    async def remember(sender: Quart, exception: Exception) -> None:
        results.append(repr(exception))

    async def ask() -> None:
        app = create_app()
        got_request_exception.connect(remember, app)
        async with app.test_app():
            status, _ = await get(app, "/price")
        results.append(status)

    asyncio.run(ask())
    asyncio.run(ask())
    return results


@pytest.mark.filterwarnings("ignore:unclosed:ResourceWarning")
def test_dont_a_client_made_at_import_fails_in_the_second_test(
    prices_url: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(Quart, "log_exception", lambda *_: None)  # it would be kept
    results = price_in_two_tests(dont.client_at_import(prices_url))
    assert results == [200, "RuntimeError('Event loop is closed')", 500]
    gc.collect()


# Order


def recorder(app: Quart, log: list[str], name: str, error: str = "") -> None:
    @app.while_serving
    async def resource() -> AsyncGenerator[None, None]:
        log.append(f"open {name}")
        yield
        log.append(f"close {name}")
        if error:
            raise ConnectionError(error)


async def test_resources_close_in_reverse_between_tasks_and_after_serving() -> None:
    log: list[str] = []
    app = Quart("acme")
    app.before_serving(lambda: log.append("before serving"))
    app.after_serving(lambda: log.append("after serving"))
    recorder(app, log, "pool")
    recorder(app, log, "cache")

    async def report() -> None:
        await app.shutdown_event.wait()
        log.append("background task")

    async with app.test_app():
        assert log == ["before serving", "open pool", "open cache"]
        app.add_background_task(report)
    assert log[3:] == ["background task", "close cache", "close pool", "after serving"]


async def test_one_failing_clean_up_skips_all_that_follow() -> None:
    log: list[str] = []
    app = Quart("acme")
    app.after_serving(lambda: log.append("after serving"))
    recorder(app, log, "pool")
    recorder(app, log, "cache", error="cache gone")
    with pytest.raises(LifespanError, match="cache gone"):
        async with app.test_app():
            pass
    assert log == ["open pool", "open cache", "close cache"]


async def test_dont_last_words_in_after_serving_meet_a_closed_resource(
    tmp_path: Path,
) -> None:
    journal = tmp_path / "journal.txt"
    with pytest.raises(LifespanError, match="I/O operation on closed file"):
        async with dont.last_words_in_after_serving(journal).test_app():
            pass
    assert journal.read_text() == ""


def closed_after_failed_start(make_app: Callable[[str], Quart], dsn: str) -> bool:
    """Whether the pool is closed when a second resource cannot start."""
    app = make_app(dsn)

    @app.while_serving
    async def broker() -> AsyncGenerator[None, None]:
        raise ConnectionError("no broker")
        yield

    async def main() -> bool:
        with pytest.raises(LifespanError, match="no broker"):
            async with app.test_app():
                pass
        await asyncio.get_running_loop().shutdown_asyncgens()
        pool = app.extensions["pool"]
        closed: bool = pool.is_closing()
        await pool.close()
        return closed

    return asyncio.run(main())


def test_a_failed_start_closes_what_was_open(dsn: str) -> None:
    assert closed_after_failed_start(plain.create_app, dsn)


def test_dont_bare_yield_leaves_it_open(dsn: str) -> None:
    assert not closed_after_failed_start(dont.bare_yield, dsn)


async def test_every_test_serves_an_app_of_its_own() -> None:
    for _ in range(2):
        app = create_app()
        recorder(app, [], "pool")
        async with app.test_app():
            assert await get(app, "/ready") == (200, {"status": "ready"})


async def test_dont_one_app_for_all_tests_starts_once() -> None:
    async with dont.one_app_for_all_tests().test_app():
        pass
    with pytest.raises(LifespanError, match="Error during startup"):
        async with dont.one_app_for_all_tests().test_app():
            pass


# Probes


def with_health(dsn: str) -> Quart:
    app = plain.create_app(dsn)

    async def check_pool() -> None:
        await app.extensions["pool"].execute("SELECT 1")

    register_health(app, pool=check_pool)
    return app


async def test_a_lost_database_is_not_ready_but_live_and_comes_back(
    dsn: str,
    postgres_server: Postgres,
    caplog: pytest.LogCaptureFixture,
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setattr(lifespan, "CHECK_SECONDS", 20)
    app = with_health(dsn)
    async with app.test_app():
        assert await get(app, "/ready") == (200, {"status": "ready"})
        await asyncio.to_thread(postgres_server.stop)
        try:
            assert await get(app, "/ready") == (503, {"status": "no pool"})
            assert await get(app, "/live") == (200, {"status": "live"})
        finally:
            await asyncio.to_thread(postgres_server.start)
        assert await get(app, "/ready") == (200, {"status": "ready"})
    assert "not ready, pool: " in caplog.text


async def test_dont_liveness_that_asks_the_database_gets_the_process_restarted(
    dsn: str,
) -> None:
    app = plain.create_app(dsn)
    dont.live_asks_the_database(app)
    async with app.test_app():
        await app.extensions["pool"].close()
        assert await get(app, "/live") == (500, None)


@asynccontextmanager
async def exhausted(pool: asyncpg.Pool) -> AsyncIterator[None]:
    async with AsyncExitStack() as held:
        for _ in range(pool.get_max_size()):
            await held.enter_async_context(pool.acquire())
        yield


async def test_a_check_has_a_time_limit(
    dsn: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(lifespan, "CHECK_SECONDS", 0.05)
    app = with_health(dsn)
    async with app.test_app(), exhausted(app.extensions["pool"]):
        assert await get(app, "/ready") == (503, {"status": "no pool"})


async def test_dont_a_check_without_a_timeout_does_not_answer(dsn: str) -> None:
    app = plain.create_app(dsn)
    dont.check_without_a_timeout(app)
    async with app.test_app(), exhausted(app.extensions["pool"]):
        with pytest.raises(TimeoutError):
            async with asyncio.timeout(0.5):
                await get(app, "/ready")


async def test_command_timeout_does_not_bound_the_wait_for_a_connection(
    dsn: str,
) -> None:
    limits = {"min_size": 1, "max_size": 1, "command_timeout": 0.5}
    async with asyncpg.create_pool(dsn, **limits) as pool, exhausted(pool):
        waiting = asyncio.create_task(pool.execute("SELECT 1"))
        done, _ = await asyncio.wait({waiting}, timeout=1.5)
        waiting.cancel()
    assert not done


async def test_the_start_fails_while_the_database_is_away() -> None:
    with socket.socket() as nobody:
        nobody.bind(("127.0.0.1", 0))
        app = plain.create_app(f"postgresql://127.0.0.1:{nobody.getsockname()[1]}/acme")
        with pytest.raises(LifespanError, match="Connect call failed"):
            async with app.test_app():
                pass


async def test_checks_run_in_turn_until_one_fails() -> None:
    ran: list[str] = []
    app = Quart("acme")

    async def database() -> None:
        ran.append("database")

    async def cache() -> None:
        ran.append("cache")
        raise ConnectionError("refused")

    async def broker() -> None:
        ran.append("broker")

    register_health(app, database=database, cache=cache, broker=broker)
    assert await get(app, "/ready") == (503, {"status": "no cache"})
    assert ran == ["database", "cache"]


async def test_an_app_that_closes_is_live_but_not_ready() -> None:
    app = create_app()
    closing_event(app).set()
    assert await get(app, "/ready") == (503, {"status": "closing"})
    assert await get(app, "/live") == (200, {"status": "live"})
