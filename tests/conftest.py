"""Databases for the tests, and what tests in one process leave as it was."""

import gc
import secrets
import signal
from collections.abc import Iterator
from functools import cache
from pathlib import Path

import httpcore2
import pytest

from tests.support import postgres as postgres_support
from tests.support import redis as redis_support
from tests.support.logs import logging_as_before
from tests.support.machine import missing
from tests.support.postgres import Postgres, postgres
from tests.support.redis import RedisServer, redis


def pytest_collection_finish() -> None:
    """What stays for all tests is no garbage of any of them."""
    gc.freeze()


@pytest.fixture(autouse=True)
def logging_of_its_own() -> Iterator[None]:
    """An app that a test makes configures the logging of the whole process."""
    with logging_as_before():
        yield


@pytest.fixture(scope="session", autouse=True)
def one_ssl_context() -> Iterator[None]:
    """Each client of its own would read all certificates of the machine."""
    with pytest.MonkeyPatch.context() as patch:
        context = cache(httpcore2.default_ssl_context)
        patch.setattr(httpcore2, "default_ssl_context", context)
        yield


@pytest.fixture(scope="session")
def postgres_server() -> Iterator[Postgres]:
    """One server for all tests of a worker; who stops it starts it again."""
    if postgres_support.find("postgres") is None:
        missing(postgres_support.MISSING)
    with postgres() as server:
        yield server


@pytest.fixture(scope="session")
def redis_server() -> Iterator[RedisServer]:
    """One server for all tests of a worker; who stops it starts it again."""
    if redis_support.find() is None:
        missing(redis_support.MISSING)
    with redis() as server:
        yield server


@pytest.fixture
def redis_url(redis_server: RedisServer) -> str:
    """An empty Redis."""
    redis_server.empty()
    return redis_server.url


@pytest.fixture
def postgres_url(postgres_server: Postgres) -> str:
    """An empty schema of the test's own."""
    return postgres_server.create_schema(f"test_{secrets.token_hex(6)}")


@pytest.fixture
def sqlite_url(tmp_path: Path) -> str:
    return f"sqlite+aiosqlite:///{tmp_path}/test.sqlite3"


@pytest.fixture(params=["sqlite", "postgresql"])
def database_url(request: pytest.FixtureRequest) -> str:
    """The test runs twice: on SQLite and on PostgreSQL."""
    fixture = {"sqlite": "sqlite_url", "postgresql": "postgres_url"}[request.param]
    url: str = request.getfixturevalue(fixture)
    return url


@pytest.fixture
def signal_handlers() -> Iterator[None]:
    """Launchers in this process set handlers: put back what was there."""
    numbers = (signal.SIGINT, signal.SIGTERM)
    before = {number: signal.getsignal(number) for number in numbers}
    yield
    for number, handler in before.items():
        signal.signal(number, handler)
