import asyncio
from typing import Any

from examples.upgrade import create_app

Event = dict[str, Any]


async def sent_by(app: Any, kind: str, path: str, *received: Event) -> list[Event]:
    """All that the app sends; the client leaves when it has the last of it."""
    events: asyncio.Queue[Event] = asyncio.Queue()
    for event in received:
        events.put_nowait(event)
    sent: list[Event] = []

    async def send(event: Event) -> None:
        sent.append(event)
        if event["type"] == "websocket.close" or event.get("more_body") is False:
            events.put_nowait({"type": f"{kind}.disconnect"})  # 0.23 waits for it

    scope = {
        "type": kind,
        "http_version": "1.1",
        "method": "POST",
        "scheme": {"http": "http", "websocket": "ws"}[kind],
        "path": path,
        "query_string": b"",
        "headers": [],
        "extensions": {"websocket.http.response": {}},
    }
    async with asyncio.timeout(10):
        await app(scope, events.get, send)
    return sent


async def test_the_code_of_a_close_is_seen() -> None:
    sent = await sent_by(create_app(), "websocket", "/ws/greeting")
    assert sent[-1] == {"type": "websocket.close", "code": 4000}


async def test_a_chunked_body_is_limited() -> None:
    chunk = {"type": "http.request", "body": b"x" * 600, "more_body": True}
    start, _ = await sent_by(create_app(), "http", "/size", chunk, chunk)
    assert start["status"] == 413
