"""Fixtures to copy: an app and a database for each test, and no error unseen."""

import logging
import os
import secrets
from collections.abc import AsyncIterator, Iterator
from pathlib import Path

import pytest
from quart import Quart
from quart.typing import TestClientProtocol as Client  # pytest collects Test...
from sqlalchemy import make_url, text
from sqlalchemy.ext.asyncio import create_async_engine

from examples.app_factory import create_app
from examples.configuration import Settings, load_settings


@pytest.fixture
async def database_url(tmp_path: Path) -> AsyncIterator[str]:
    """A SQLite file, or a new database on the server of TEST_DATABASE_URL."""
    server = os.environ.get("TEST_DATABASE_URL")
    if server is None:
        yield f"sqlite+aiosqlite:///{tmp_path}/test.sqlite3"
        return
    if not server.startswith("postgresql+asyncpg://"):
        pytest.fail("TEST_DATABASE_URL has to begin with postgresql+asyncpg://")
    name = f"test_{secrets.token_hex(8)}"
    engine = create_async_engine(server, isolation_level="AUTOCOMMIT")
    async with engine.connect() as connection:
        await connection.execute(text(f"CREATE DATABASE {name}"))
        yield make_url(server).set(database=name).render_as_string(hide_password=False)
        await connection.execute(text(f"DROP DATABASE {name} WITH (FORCE)"))
    await engine.dispose()


@pytest.fixture
def settings(database_url: str, monkeypatch: pytest.MonkeyPatch) -> Settings:
    """From the environment, which a server that a test starts inherits."""
    for name in Settings.model_fields:
        monkeypatch.delenv(name.upper(), raising=False)
    monkeypatch.setenv("DATABASE_URL", database_url)
    monkeypatch.setenv("REDIS_URL", os.environ.get("TEST_REDIS_URL", ""))
    monkeypatch.setenv("SECRET_KEY", secrets.token_hex(32))
    monkeypatch.setenv("TOKEN_KEY", secrets.token_hex(32))
    return load_settings()


@pytest.fixture
def no_errors(caplog: pytest.LogCaptureFixture) -> Iterator[None]:
    """Fail a test whose app logged an error; `caplog.clear()` after an expected one."""
    yield
    records = [
        *caplog.get_records("setup"),
        *caplog.get_records("call"),
        *caplog.get_records("teardown"),
    ]
    assert [record for record in records if record.levelno >= logging.ERROR] == []


@pytest.fixture
async def app(settings: Settings, no_errors: None) -> AsyncIterator[Quart]:
    app = create_app(settings)
    async with app.test_app():
        yield app


@pytest.fixture
def client(app: Quart) -> Client:
    return app.test_client()


@pytest.fixture
async def ada(client: Client) -> dict[str, str]:
    """The headers of a user who has logged in."""
    user = {"username": "ada", "password": "correct-horse"}
    await client.post("/users", json=user | {"email": "ada@example.com"})
    answer = await client.post("/auth/login", json=user)
    token = (await answer.get_json())["access_token"]
    return {"Authorization": f"Bearer {token}"}
