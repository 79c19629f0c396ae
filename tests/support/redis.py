"""A Redis of the tests' own: a free port, nothing on disk, stopped by its pid."""

import shutil
import socket
import subprocess
import tempfile
import time
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

from tests.support.machine import free_port

MISSING = "Redis is not installed (Debian: redis-server)"


def find() -> str | None:
    return shutil.which("redis-server")


class RedisServer:
    """A server that a test may stop and start again, on the same port."""

    def __init__(self, folder: Path, *options: str) -> None:
        self.folder = folder
        self.options = options
        self.port = free_port()
        self.process: subprocess.Popen[bytes] | None = None

    @property
    def url(self) -> str:
        return f"redis://127.0.0.1:{self.port}/0"

    def start(self) -> None:
        program = find()
        assert program is not None, MISSING
        address = ["--bind", "127.0.0.1", "--port", str(self.port)]
        with (self.folder / "log").open("ab") as log:
            self.process = subprocess.Popen(
                [program, *address, "--save", "", "--appendonly", "no", *self.options],
                cwd=self.folder,
                stdout=log,
                stderr=log,
            )
        self.wait_until_ready()

    def wait_until_ready(self) -> None:
        assert self.process is not None
        for _ in range(600):
            if self.process.poll() is not None:
                break
            try:
                self.empty()
            except OSError:
                time.sleep(0.02)
            else:
                return
        raise RuntimeError((self.folder / "log").read_text())

    def empty(self) -> None:
        with socket.create_connection(("127.0.0.1", self.port), 30) as connection:
            connection.sendall(b"FLUSHALL\r\n")
            assert connection.recv(16) == b"+OK\r\n"

    def send(self, number: int) -> None:
        """SIGSTOP makes it hang, SIGCONT go on."""
        assert self.process is not None
        self.process.send_signal(number)

    def stop(self) -> None:
        """End at once: what it held is gone, and so are all connections."""
        if self.process is not None and self.process.poll() is None:
            self.process.kill()
            self.process.wait(20)


@contextmanager
def redis(*options: str) -> Iterator[RedisServer]:
    with tempfile.TemporaryDirectory(prefix="quart-patterns-redis-") as name:
        server = RedisServer(Path(name), *options)
        server.start()
        try:
            yield server
        finally:
            server.stop()
