"""Run the worker: python -m examples.task_queue.worker."""

import asyncio

from ..configuration import load_settings
from ..database_sessions import Database
from ..structured_logging import configure_logging
from .loop import Worker, work_until_closed
from .mail import log_mail_task


def main() -> None:
    settings = load_settings(".env")
    configure_logging(settings.log_level, json_lines=settings.log_json)
    database = Database(settings.database_url.get_secret_value())
    asyncio.run(work_until_closed(Worker(database, {"mail": log_mail_task})))


if __name__ == "__main__":
    main()
