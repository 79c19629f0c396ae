import asyncio
from contextlib import suppress
from typing import Any

CLOSE_SECONDS = 2
LENGTH = 4_096
BURST = 20
PER_SECOND = 10


def limit_inbound(app: Any) -> Any:
    """ASGI: cut off who sends too much, before Quart queues it."""
    readers: set[asyncio.Task[None]] = set()

    async def asgi(scope: Any, receive: Any, send: Any) -> None:
        if scope["type"] != "websocket":
            await app(scope, receive, send)
            return
        loop = asyncio.get_running_loop()
        inbox: asyncio.Queue[Any] = asyncio.Queue()
        left = {"type": "websocket.disconnect"}
        closed = False

        async def send_until_closed(event: Any) -> None:
            nonlocal closed
            if closed:
                return
            if event["type"] == "websocket.close":
                closed = True
                loop.call_later(CLOSE_SECONDS, inbox.put_nowait, left)
            await send(event)

        async def read() -> None:
            due = 0.0
            while (event := await receive())["type"] != "websocket.disconnect":
                due = max(due, loop.time()) + 1 / PER_SECOND
                long = len(event.get("text") or event.get("bytes") or "") > LENGTH
                if long or due > loop.time() + BURST / PER_SECOND:
                    code = 1009 if long else 1008
                    await send_until_closed({"type": "websocket.close", "code": code})
                elif not closed:
                    inbox.put_nowait(event)
            inbox.put_nowait(event)
            rest: Any = {"type": ""}
            with suppress(TimeoutError):  # Hypercorn waits till all is taken.
                while rest["type"] != event["type"]:
                    rest = await asyncio.wait_for(receive(), CLOSE_SECONDS)

        reader = asyncio.create_task(read())
        readers.add(reader)
        reader.add_done_callback(readers.discard)
        await app(scope, inbox.get, send_until_closed)

    return asgi
