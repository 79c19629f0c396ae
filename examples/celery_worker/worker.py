"""Run Celery: python -m examples.celery_worker.worker."""

import sys

from ..configuration import load_settings
from .tasks import celery_of


def main() -> None:
    """Options of `celery worker` may follow the command, as `--concurrency 4`."""
    settings = load_settings(".env")
    options = ["--loglevel", settings.log_level, *sys.argv[1:]]
    celery_of(settings).worker_main(["worker", *options])


if __name__ == "__main__":
    main()
