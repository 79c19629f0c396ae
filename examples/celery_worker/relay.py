"""Run the relay: python -m examples.celery_worker.relay."""

import asyncio

from ..configuration import load_settings
from ..database_sessions import Database
from ..structured_logging import configure_logging
from ..task_queue.loop import work_until_closed
from .publishing import Relay
from .tasks import celery_of


def main() -> None:
    settings = load_settings(".env")
    configure_logging(settings.log_level, json_lines=settings.log_json)
    database = Database(settings.database_url.get_secret_value())
    asyncio.run(work_until_closed(Relay(database, celery_of(settings))))


if __name__ == "__main__":
    main()
