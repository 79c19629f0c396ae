"""Tell systemd that the app has started, and that its loop still turns."""

import asyncio
import os
import socket
from collections.abc import AsyncGenerator
from contextlib import suppress

from quart import Quart


def register_systemd(app: Quart) -> None:
    """Call it last: then everything else is open when systemd hears READY."""
    if "NOTIFY_SOCKET" not in os.environ:  # only Type=notify sets it
        return

    @app.while_serving
    async def notify_systemd() -> AsyncGenerator[None, None]:
        notify("READY=1")
        watched = asyncio.create_task(feed_watchdog())
        try:
            yield
        finally:
            watched.cancel()


async def feed_watchdog() -> None:
    """WatchdogSec: systemd restarts a process whose loop is blocked."""
    seconds = int(os.environ.get("WATCHDOG_USEC", "0")) / 1_000_000
    while seconds:
        with suppress(OSError):  # systemd is busy: the next one may reach it
            notify("WATCHDOG=1")
        await asyncio.sleep(seconds / 3)


def notify(state: str) -> None:
    address = os.environ["NOTIFY_SOCKET"]
    if address.startswith("@"):  # an abstract one
        address = "\0" + address[1:]
    with socket.socket(socket.AF_UNIX, socket.SOCK_DGRAM) as channel:
        channel.sendto(state.encode(), address)
