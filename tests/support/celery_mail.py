"""Workers of Celery that say what they do, and send when they are let.

    python -m tests.support.celery_mail FOLDER KIND...

Each has a database of its own in the Redis at REDIS_URL, and a folder of its own, where
`mails` and `go` are those of task_worker.
"""

import os
import signal
import sys
import time
from collections.abc import Callable
from pathlib import Path

from celery import Celery  # type: ignore[import-untyped]

from examples.celery_worker import create_celery
from examples.dont import celery_worker as dont
from examples.plain import celery_worker as plain
from tests.support.task_worker import mail_in, write

QUICK = {  # so that a test need not wait for ten seconds
    "unacked_restore_interval": 0.2,
    "unacked_restore_throttle": 1,
}
KINDS = ("defaults", "safe", "outbox")
OPTIONS = ["--concurrency", "1", "--without-mingle", "--without-gossip"]


def send_in(folder: Path) -> Callable[[str], None]:
    def send_mail(address: str) -> None:
        write(folder, f"begun {address}")
        while not (folder / "go").exists():
            time.sleep(0.02)
        write(folder, f"sent {address}")

    return send_mail


def die_in(folder: Path) -> Callable[[str], None]:
    """As a task does for which the memory is too small."""

    def send_mail(address: str) -> None:
        write(folder, f"begun {address}")
        os.kill(os.getpid(), signal.SIGKILL)

    return send_mail


def celery_of(kind: str, folder: Path) -> Celery:
    redis_url = os.environ["REDIS_URL"]
    if kind == "outbox":
        handlers = {"mail": mail_in(folder)}
        return create_celery(redis_url, os.environ["DATABASE_URL"], handlers)
    if kind == "poison":
        return plain.create_celery(redis_url, die_in(folder))
    if kind == "safe":
        celery = plain.create_celery(redis_url, send_in(folder))
        celery.conf.broker_transport_options |= QUICK
        return celery
    return dont.acknowledge_at_once(redis_url, send_in(folder))


def redis_url_of(kind: str, server: str) -> str:
    return f"{server.removesuffix('/0')}/{KINDS.index(kind)}"


def main(folder: Path, kinds: list[str]) -> None:
    """One process for each, forked since Celery takes a second to import."""
    for kind in kinds:
        if os.fork() == 0:
            os.environ["REDIS_URL"] = redis_url_of(kind, os.environ["REDIS_URL"])
            celery_of(kind, folder / kind).worker_main(["worker", *OPTIONS])
    for _ in kinds:
        os.wait()


if __name__ == "__main__":
    main(Path(sys.argv[1]), sys.argv[2:])
