"""A message that outlives its worker, published off the event loop."""

import asyncio
from collections.abc import Callable

from celery import Celery  # type: ignore[import-untyped]

SAFE = {
    "broker_transport_options": {"visibility_timeout": 600, "socket_timeout": 5},
    "task_acks_late": True,  # when it is done; else it comes again after 600 seconds
    "task_publish_retry_policy": {"max_retries": 0},  # Redis is away: fail at once
    "task_reject_on_worker_lost": True,
    "task_time_limit": 300,  # well below visibility_timeout
    "worker_prefetch_multiplier": 1,
}
RETRIES = {"autoretry_for": (OSError,), "retry_backoff": True, "max_retries": 8}


def create_celery(redis_url: str, send_mail: Callable[[str], None]) -> Celery:
    celery = Celery("users", broker=redis_url, config_source=SAFE)
    celery.task(send_mail, name="send_mail", shared=False, **RETRIES)
    return celery


async def publish_mail(celery: Celery, address: str) -> None:
    """OperationalError when Redis is away: answer 503, or use an outbox."""
    await asyncio.to_thread(celery.send_task, "send_mail", [address])
