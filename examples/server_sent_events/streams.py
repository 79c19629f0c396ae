"""Events for each page of a user that is open: /events."""

import asyncio
import random
import time
from collections.abc import AsyncGenerator

from quart import Blueprint, Response, current_app, g, request, session
from quart.typing import ResponseReturnValue
from werkzeug.exceptions import TooManyRequests

from ..authentication import (
    Caller,
    login_required,
    require_login,
    require_role,
    tokens,
)
from ..serving import closing_event
from ..streaming import stream_response
from .feed import Feed

HEARTBEAT_SECONDS = 15
READERS = 1_000
READERS_PER_USER = 10
events = Blueprint("events", __name__)


def current_feed() -> Feed:
    feed: Feed = current_app.extensions["feed"]
    return feed


@events.get("/events")
async def show_events() -> Response:
    if "Authorization" in request.headers:
        await require_login()
    else:  # EventSource sends no such header, only cookies
        g.caller = tokens().read(session.get("access_token", ""))
    feed = current_feed()
    streams = feed.readers.count(g.caller.user_id)
    if len(feed.readers) >= READERS or streams >= READERS_PER_USER:
        raise TooManyRequests("Too many open pages.", retry_after=60)
    seen = request.headers.get("Last-Event-ID", feed.last_id, type=int)
    lines = follow(feed, g.caller, seen, closing_event(current_app))
    return stream_response(lines, "text/event-stream")


async def follow(
    feed: Feed, caller: Caller, seen: int, closing: asyncio.Event
) -> AsyncGenerator[str, None]:
    """What comes behind `seen`, until the caller's token expires or the app ends."""
    feed.readers.append(caller.user_id)  # not in the view: this may never start
    try:
        yield f"retry: {random.randint(1_000, 5_000)}\nid: {seen}\n\n"
        while not closing.is_set() and time.time() < caller.expires:
            event = feed.after(seen)
            if event is None:
                if not await any_set(feed.news, closing, seconds=HEARTBEAT_SECONDS):
                    yield f"id: {seen}\n\n"  # shows whether anybody is there
            else:
                seen = event.id
                if event.to in (None, caller.user_id):
                    yield event.text
    finally:
        feed.readers.remove(caller.user_id)


async def any_set(*signals: asyncio.Event, seconds: float) -> bool:
    """Wait until one of them is set; False after `seconds`."""
    waiting = {asyncio.create_task(signal.wait()) for signal in signals}
    try:
        done, _ = await asyncio.wait(
            waiting, timeout=seconds, return_when=asyncio.FIRST_COMPLETED
        )
    finally:
        for task in waiting:
            task.cancel()
    return bool(done)


@events.post("/announcements/<text>")
@login_required
async def announce(text: str) -> ResponseReturnValue:
    require_role("admin")
    current_feed().publish("announcement", {"text": text})
    return "", 204
