"""A headless Chromium with a profile of its own, whose page reports to the test."""

import asyncio
import os
import shutil
import signal
import tempfile
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager, suppress

from tests.support.machine import missing

MISSING = "Chromium is not installed (Debian: chromium)"
OPTIONS = (
    "--headless=new",
    "--no-sandbox",  # it does not start as root otherwise
    "--disable-gpu",
    "--disable-dev-shm-usage",
    "--disable-background-networking",
    "--disable-component-update",
    "--no-first-run",
    "--no-proxy-server",
)


def find_chromium() -> str:
    """Its path; without it the test is skipped, and fails where CI is true."""
    names = ("chromium", "chromium-browser", "google-chrome")
    found = next(filter(None, map(shutil.which, names)), None)
    return found or missing(MISSING)


@asynccontextmanager
async def chromium(url: str) -> AsyncIterator[None]:
    """Open `url`. The page tells a route of the test's app what it sees."""
    program = find_chromium()
    profile = tempfile.mkdtemp(prefix="quart-patterns-chromium-")
    process = await asyncio.create_subprocess_exec(
        program,
        *OPTIONS,
        f"--user-data-dir={profile}",
        url,
        stdin=asyncio.subprocess.DEVNULL,
        stdout=asyncio.subprocess.DEVNULL,
        stderr=asyncio.subprocess.DEVNULL,
        start_new_session=True,
    )
    try:
        yield
    finally:
        process.terminate()
        with suppress(TimeoutError):
            await asyncio.wait_for(process.wait(), 10)
        with suppress(ProcessLookupError):  # its helpers are in the same group
            os.killpg(process.pid, signal.SIGKILL)
        await process.wait()
        shutil.rmtree(profile, ignore_errors=True)
