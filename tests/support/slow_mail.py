"""Mail that takes a second, sent by the right and by the wrong background task."""

import asyncio

from quart import Quart

from examples.background_tasks import create_app
from examples.dont import background_tasks as dont


async def deliver(member_id: int) -> None:
    print("mail started", flush=True)
    await asyncio.sleep(1)
    print("mail sent", flush=True)


def right() -> Quart:
    return create_app(deliver=deliver)


def wrong() -> Quart:
    return dont.bare_create_task(deliver)
