"""A worker of the outbox that says what it does, and sends when it is let.

    python -m tests.support.task_worker FOLDER

A test may kill it while it waits for FOLDER/go.
"""

import asyncio
import logging
import os
import sys
from pathlib import Path

from examples.database_sessions import Database
from examples.task_queue import Handler, Worker, work_until_closed


def mail_in(folder: Path) -> Handler:
    """`begun` before the mail and `sent` with it, in FOLDER/mails."""

    async def mail(key: str, address: str, text: str) -> None:
        write(folder, f"begun {address} {key}")
        while not (folder / "go").exists():  # noqa: ASYNC110
            await asyncio.sleep(0.02)
        write(folder, f"sent {address} {key}")

    return mail


def write(folder: Path, line: str) -> None:
    with (folder / "mails").open("a") as mails:
        mails.write(line + "\n")


def read(folder: Path) -> list[list[str]]:
    """The words of each line."""
    mails = folder / "mails"
    text = mails.read_text() if mails.exists() else ""
    return [line.split() for line in text.splitlines()]


def main() -> None:
    logging.basicConfig(level="INFO")
    folder = Path(sys.argv[1])
    database = Database(os.environ["DATABASE_URL"])
    worker = Worker(database, {"mail": mail_in(folder)}, pause=0.1)
    asyncio.run(work_until_closed(worker))


if __name__ == "__main__":
    main()
