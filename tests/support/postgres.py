"""A PostgreSQL of the tests' own: a free port, a folder of its own, no password."""

import os
import shutil
import signal
import subprocess
import tempfile
import time
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

from tests.support.machine import free_port

DEBIAN = sorted(Path("/usr/lib/postgresql").glob("*/bin"))
SEARCH = os.pathsep.join([os.environ.get("PATH", ""), *map(str, DEBIAN)])
MISSING = "PostgreSQL is not installed (Debian: postgresql)"


def find(name: str) -> str | None:
    return shutil.which(name, path=SEARCH)


class Postgres:
    """A server that a test may stop and start again, on the same port."""

    def __init__(self, folder: Path) -> None:
        self.folder = folder
        self.user = "nobody" if os.getuid() == 0 else None
        self.port = free_port()
        self.process: subprocess.Popen[bytes] | None = None

    def url_of(self, database: str, user: str = "tests") -> str:
        return f"postgresql+asyncpg://{user}@127.0.0.1:{self.port}/{database}"

    @property
    def _address(self) -> list[str]:
        return ["-h", "127.0.0.1", "-p", str(self.port)]

    def _run(self, name: str, *options: str) -> subprocess.CompletedProcess[str]:
        program = find(name)
        assert program is not None, MISSING
        return subprocess.run(
            [program, *options],
            check=False,
            capture_output=True,
            text=True,
            cwd=self.folder,
            user=self.user,
        )

    def create(self) -> None:
        options = ["-D", "data", "-U", "tests", "-A", "trust", "--no-sync"]
        created = self._run("initdb", *options)
        if created.returncode:
            raise RuntimeError(created.stderr)

    def start(self) -> None:
        program = find("postgres")
        assert program is not None, MISSING
        settings = {
            "listen_addresses": "127.0.0.1",
            "port": str(self.port),
            "unix_socket_directories": "",
            "fsync": "off",
            "max_connections": "60",
        }
        options = [f"--{name}={value}" for name, value in settings.items()]
        with (self.folder / "log").open("ab") as log:
            self.process = subprocess.Popen(
                [program, "-D", "data", *options],
                cwd=self.folder,
                user=self.user,
                stdout=log,
                stderr=log,
            )
        self.wait_until_ready()

    def wait_until_ready(self) -> None:
        assert self.process is not None
        for _ in range(600):
            if self._run("pg_isready", "-q", *self._address).returncode == 0:
                return
            if self.process.poll() is not None:
                break
            time.sleep(0.05)
        raise RuntimeError((self.folder / "log").read_text())

    def create_schema(self, name: str) -> str:
        """The URL of an empty schema and its own role; a database takes longer."""
        role = f"CREATE ROLE {name} SUPERUSER LOGIN"
        script = f"{role}; CREATE SCHEMA AUTHORIZATION {name}"
        options = ["-q", "-U", "tests", *self._address, "-c", script, "postgres"]
        self._run("psql", *options).check_returncode()
        return self.url_of("postgres", name)

    def stop(self) -> None:
        """Stop fast: open connections are ended at once."""
        if self.process is None or self.process.poll() is not None:
            return
        self.process.send_signal(signal.SIGINT)
        try:
            self.process.wait(20)
        except subprocess.TimeoutExpired:
            self.process.send_signal(signal.SIGQUIT)
            self.process.wait(20)


@contextmanager
def postgres() -> Iterator[Postgres]:
    with tempfile.TemporaryDirectory(prefix="quart-patterns-pg-") as name:
        folder = Path(name)
        if os.getuid() == 0:
            shutil.chown(folder, "nobody")
        server = Postgres(folder)
        server.create()
        server.start()
        try:
            yield server
        finally:
            server.stop()
