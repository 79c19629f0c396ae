"""What only a real client sees: the service in a process of its own."""

import asyncio
import os
import re
import subprocess
import sys
import time
from collections.abc import Iterator
from pathlib import Path

import pytest
from websockets.asyncio.client import connect

from examples.configuration import Settings


@pytest.fixture
def server(settings: Settings, tmp_path: Path) -> Iterator[str]:
    """host:port of the service; it inherits the environment of the test."""
    log = tmp_path / "server.log"
    import_path = os.pathsep.join(sys.path)
    with log.open("w") as output:
        process = subprocess.Popen(
            [sys.executable, "-m", "examples"],
            cwd=tmp_path,  # where no .env is
            env=os.environ | {"BIND": "127.0.0.1:0", "PYTHONPATH": import_path},
            stdout=output,
            stderr=subprocess.STDOUT,
        )
    with process:
        try:
            yield address(process, log)
        finally:
            process.terminate()
            try:
                process.wait(20)
            finally:
                process.kill()


def address(process: subprocess.Popen[bytes], log: Path) -> str:
    for _ in range(600):  # 30 seconds
        if running := re.search(r"Running on http://(\S+)", log.read_text()):
            return running[1]
        if process.poll() is not None:
            break
        time.sleep(0.05)
    pytest.fail(f"the server did not start:\n{log.read_text()}")


async def test_bytes_close_the_echo(server: str) -> None:
    async with asyncio.timeout(10), connect(f"ws://{server}/ws/echo") as socket:
        await socket.send(b"hello")
        await socket.wait_closed()
    assert socket.close_code == 1003
