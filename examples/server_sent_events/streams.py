"""Events for each page of a user that is open: /events."""

import asyncio
import random
import time
from collections.abc import AsyncGenerator

from quart import Blueprint, Response, current_app, g, request
from quart.typing import ResponseReturnValue
from werkzeug.exceptions import TooManyRequests

from ..authentication import (
    Caller,
    cookie_caller,
    login_required,
    require_login,
    require_role,
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
    await require_page_login()
    return event_stream()


def event_stream(*topics: str) -> Response:
    """What is for all, for the caller and for `topics`, which you let it hear."""
    feed = current_feed()
    refuse_too_many(feed.readers, g.caller.user_id)
    seen = request.headers.get("Last-Event-ID", -1, type=int)  # -1 leads to `reset`
    lines = follow(feed, g.caller, seen, closing_event(current_app), *topics)
    return stream_response(lines, "text/event-stream")


async def require_page_login() -> None:
    """By the token, or by the cookie: EventSource sends nothing else."""
    if "Authorization" in request.headers:
        await require_login()
    else:
        g.caller = await cookie_caller()


def refuse_too_many(readers: list[int], user_id: int) -> None:
    """Answer 429 when the user, or all together, have enough streams."""
    if len(readers) >= READERS or readers.count(user_id) >= READERS_PER_USER:
        raise TooManyRequests("Too many open pages.", retry_after=60)


async def follow(
    feed: Feed, caller: Caller, seen: int, closing: asyncio.Event, *topics: str
) -> AsyncGenerator[str, None]:
    """What comes behind `seen`, until the caller's token expires or the app ends."""
    feed.readers.append(caller.user_id)  # not in the view: this may never start
    try:
        yield f"retry: {random.randint(1_000, 5_000)}\n\n"
        beat = time.monotonic() + HEARTBEAT_SECONDS
        while not closing.is_set() and time.time() < caller.expires:
            event = feed.after(seen)
            if event is None:
                await any_set(feed.news, closing, seconds=beat - time.monotonic())
            else:
                seen = event.id
                await asyncio.sleep(0)  # there may be many: let others have a turn
            if event is not None and event.to in (None, caller.user_id, *topics):
                yield event.text
            elif time.monotonic() >= beat:
                yield f"id: {seen}\n\n"  # shows whether anybody is there
            else:
                continue
            beat = time.monotonic() + HEARTBEAT_SECONDS
    finally:
        feed.readers.remove(caller.user_id)


async def any_set(*signals: asyncio.Event, seconds: float) -> None:
    """Wait until one of them is set, but no longer than `seconds`."""
    waiting = {asyncio.create_task(signal.wait()) for signal in signals}
    try:
        await asyncio.wait(
            waiting, timeout=seconds, return_when=asyncio.FIRST_COMPLETED
        )
    finally:
        for task in waiting:
            task.cancel()


@events.post("/announcements/<text>")
@login_required
async def announce(text: str) -> ResponseReturnValue:
    require_role("admin")
    current_feed().publish("announcement", {"text": text})
    return "", 204
