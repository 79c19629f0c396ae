"""Databases for the tests, and what tests in one process leave as it was."""

import os
import secrets
import signal
from collections.abc import Iterator
from pathlib import Path

import pytest

from tests.support.logs import logging_as_before
from tests.support.postgres import MISSING, Postgres, find, postgres


@pytest.fixture(autouse=True)
def logging_of_its_own() -> Iterator[None]:
    """An app that a test makes configures the logging of the whole process."""
    with logging_as_before():
        yield


@pytest.fixture(scope="session")
def postgres_server() -> Iterator[Postgres]:
    """One server for all tests of a worker; who stops it starts it again."""
    if find("postgres") is None:
        if os.environ.get("CI") == "true":
            pytest.fail(MISSING)
        pytest.skip(MISSING)
    with postgres() as server:
        yield server


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
