"""Fixtures to copy: a database and an app per test, unseen errors, a real server."""

import socket
import subprocess
import sys
from collections.abc import AsyncIterator, Iterator
from pathlib import Path

import pytest
from quart import Quart, signals
from quart.testing import QuartClient

from . import create_app


@pytest.fixture(autouse=True)
def database_url(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    monkeypatch.setenv("DATABASE_URL", f"sqlite+aiosqlite:///{tmp_path}/test.sqlite3")


@pytest.fixture
def errors() -> Iterator[list[Exception]]:
    found: list[Exception] = []

    async def record(sender: Quart, exception: Exception) -> None:
        found.append(exception)

    signals.got_background_exception.connect(record)
    signals.got_request_exception.connect(record)
    signals.got_websocket_exception.connect(record)
    yield found
    if found:
        raise ExceptionGroup("the app raised", found)


@pytest.fixture
async def app(errors: list[Exception]) -> AsyncIterator[Quart]:
    app = create_app()
    async with app.test_app():
        yield app


@pytest.fixture
def client(app: Quart) -> QuartClient:
    return QuartClient(app)


@pytest.fixture
def server() -> Iterator[str]:
    with socket.create_server(("127.0.0.1", 0)) as listener:
        fd, port = listener.fileno(), listener.getsockname()[1]
        options = f"-m hypercorn -w 0 -b fd://{fd} {create_app.__module__}:create_app()"
        process = subprocess.Popen([sys.executable, *options.split()], pass_fds=[fd])
    with process:
        yield f"127.0.0.1:{port}"
        process.terminate()
        try:
            process.wait(5)
        finally:
            process.kill()
