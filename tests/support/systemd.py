"""What systemd gives a process: a listening socket, and one to notify it by."""

import asyncio
import re
import socket
import sys
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

from tests.support.server import spawn
from tests.support.shell import run


async def systemd_is_told(markdown: str) -> list[str]:
    """The arguments of each systemctl in its blocks of shell code."""
    blocks = re.findall(r"^```sh\n(.*?)^```", markdown, re.MULTILINE | re.DOTALL)
    code = "".join(block for block in blocks if "systemctl" in block)
    _, output = await run(f'systemctl() {{ echo "$@"; }}\n{code}')
    return output.splitlines()


class Manager:
    """Holds the socket that its units share, as a socket unit does."""

    def __init__(self, folder: Path) -> None:
        self.folder = folder
        self.listener = socket.create_server(("127.0.0.1", 0))
        host, port = self.listener.getsockname()
        self.address = f"{host}:{port}"

    def unit(self, *command: str, **env: str) -> "Unit":
        return Unit(self, command, env)


class Unit:
    """`python -m COMMAND` with Type=notify."""

    def __init__(
        self, manager: Manager, command: tuple[str, ...], env: dict[str, str]
    ) -> None:
        self.manager, self.command, self.env = manager, command, env

    @property
    def pid(self) -> int:
        return self.server.process.pid

    async def start(self) -> None:
        """Return when the process is ready, as `systemctl start` does."""
        loop = asyncio.get_running_loop()
        descriptor = self.manager.listener.fileno()
        path = self.manager.folder / f"notify-{id(self)}"
        path.unlink(missing_ok=True)
        with socket.socket(socket.AF_UNIX, socket.SOCK_DGRAM) as notify:
            notify.bind(str(path))
            notify.setblocking(False)
            told = {"BIND": f"fd://{descriptor}", "NOTIFY_SOCKET": str(path)}
            command = (sys.executable, "-m", *self.command)
            env = {**told, **self.env}
            self.server = await spawn(*command, env=env, pass_fds=[descriptor])
            async with asyncio.timeout(60):
                assert await loop.sock_recv(notify, 100) == b"READY=1"

    async def stop(self) -> None:
        assert await self.server.stop(30) == 0, self.server.log
        assert "Traceback" not in self.server.log

    async def restart(self) -> None:
        await self.stop()
        await self.start()

    async def end(self) -> None:
        self.server.kill()
        await self.server.end()


@contextmanager
def manager(folder: Path) -> Iterator[Manager]:
    made = Manager(folder)
    try:
        yield made
    finally:
        made.listener.close()
