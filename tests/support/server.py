"""A real server: a subprocess on a free loopback port, stopped by its own pid."""

import asyncio
import os
import re
import signal
import sys
from collections.abc import AsyncIterator, Mapping, Sequence
from contextlib import asynccontextmanager, suppress
from pathlib import Path

ROOT = Path(__file__).resolve().parents[2]
RUNNING_ON = re.compile(r"Running on http://(\S+)")
# What CPython's own bug prints when two connections that were cut outlive the loop.
OUTLIVED = re.compile(
    r"Exception ignored in: <function _SelectorTransport\.__del__ .*?"
    r"TypeError: 'NoneType' object is not iterable\n",
    re.DOTALL,
)


class Server:
    """A started process; `log` is what it has printed, `address` is host:port."""

    def __init__(self, process: asyncio.subprocess.Process) -> None:
        self.process = process
        self.address = ""
        self._lines: list[str] = []
        self._ready = asyncio.Event()
        self._reader = asyncio.create_task(self._read())

    @property
    def log(self) -> str:
        return OUTLIVED.sub("", "".join(self._lines))

    def url(self, path: str) -> str:
        return f"http://{self.address}{path}"

    def ws_url(self, path: str) -> str:
        return f"ws://{self.address}{path}"

    async def _read(self) -> None:
        assert self.process.stdout is not None
        async for line in self.process.stdout:
            self._lines.append(line.decode(errors="replace"))
            if match := RUNNING_ON.search(self._lines[-1]):
                self.address = match[1]
                self._ready.set()
        self._ready.set()

    async def wait_until_ready(self, seconds: float = 60) -> None:
        async with asyncio.timeout(seconds):
            await self._ready.wait()
        if not self.address:
            raise RuntimeError(f"the server ended before it listened:\n{self.log}")

    async def logged(self, text: str, seconds: float = 20) -> None:
        """Wait until `text` stands in the log."""
        async with asyncio.timeout(seconds):
            while True:
                if text in self.log:
                    return
                await asyncio.sleep(0.02)

    async def exit_code(self, seconds: float) -> int:
        """Wait for the process to end by itself; TimeoutError when it does not."""
        async with asyncio.timeout(seconds):
            code = await self.process.wait()
            await asyncio.shield(self._reader)
        return code

    async def stop(self, seconds: float = 10) -> int:
        """Send SIGTERM and return the exit code; TimeoutError when it does not end."""
        self.process.send_signal(signal.SIGTERM)
        return await self.exit_code(seconds)

    def kill(self) -> None:
        """Kill it and what it has started, which may hold its output open."""
        with suppress(ProcessLookupError):
            os.killpg(self.process.pid, signal.SIGKILL)

    async def end(self) -> None:
        """Leave no process behind: SIGTERM, and SIGKILL after three seconds."""
        if self.process.returncode is None:
            with suppress(TimeoutError):
                await self.stop(3)
        self.kill()
        await self.process.wait()
        await self._reader


async def spawn(
    *command: str,
    env: Mapping[str, str] | None = None,
    cwd: Path = ROOT,
    pass_fds: Sequence[int] = (),
) -> Server:
    """Start a program in a process group of its own, without waiting for it."""
    process = await asyncio.create_subprocess_exec(
        *command,
        cwd=cwd,
        env={**os.environ, "PYTHONUNBUFFERED": "1", **(env or {})},
        pass_fds=pass_fds,
        stdout=asyncio.subprocess.PIPE,
        stderr=asyncio.subprocess.STDOUT,
        start_new_session=True,
    )
    return Server(process)


async def start(
    *command: str, env: Mapping[str, str] | None = None, cwd: Path = ROOT
) -> Server:
    """Start `python -m COMMAND` in `cwd`, without waiting for it."""
    return await spawn(sys.executable, "-m", *command, env=env, cwd=cwd)


@asynccontextmanager
async def running(
    *command: str, env: Mapping[str, str] | None = None, cwd: Path = ROOT
) -> AsyncIterator[Server]:
    """Run a server that logs `Running on`; BIND tells a program of its own the port."""
    server = await start(*command, env={"BIND": "127.0.0.1:0", **(env or {})}, cwd=cwd)
    try:
        await server.wait_until_ready()
        yield server
    finally:
        await server.end()


@asynccontextmanager
async def hypercorn(
    target: str, *options: str, env: Mapping[str, str] | None = None
) -> AsyncIterator[Server]:
    """Serve `target`, an import path such as `examples.lifespan:create_app()`."""
    command = ("hypercorn", "-w", "0", "-b", "127.0.0.1:0", *options, target)
    async with running(*command, env=env) as server:
        yield server
