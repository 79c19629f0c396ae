"""Connect the socket of a logged-in user to the hub."""

import asyncio
import time
from collections.abc import Awaitable, Callable
from typing import TypeVar

from pydantic import TypeAdapter
from quart import current_app, g, websocket

from ..authentication import require_websocket_login
from ..websocket_limits import SocketLimit
from ..websockets import (
    CloseWebsocket,
    close_codes,
    first_to_end,
    going_away,
    receive_message,
)
from .hub import Client, Hub

Message = TypeVar("Message")


def current_hub() -> Hub:
    made: Hub = current_app.extensions["hub"]
    return made


async def converse(
    kind: TypeAdapter[Message],
    handle: Callable[[Client, Message], Awaitable[None]],
    topics: set[str],
) -> None:
    """Run a websocket handler: log in, join `topics`, `handle` each message."""
    await require_websocket_login()
    sockets: SocketLimit = current_app.extensions["sockets"]
    with sockets.place(g.caller.user_id):
        await websocket.accept()
        client = Client(g.caller.user_id)
        client.topics |= topics
        current_hub().clients.add(client)
        try:
            async with close_codes():
                await first_to_end(
                    read(client, kind, handle),
                    write(client),
                    client.fall_behind(),
                    expire(g.caller.expires),
                    going_away(),
                )
        finally:
            current_hub().clients.discard(client)


async def read(
    client: Client,
    kind: TypeAdapter[Message],
    handle: Callable[[Client, Message], Awaitable[None]],
) -> None:
    while True:
        await handle(client, await receive_message(kind))


async def write(client: Client) -> None:
    while True:
        await websocket.send(await client.outbox.get())


async def expire(expires: float) -> None:
    await asyncio.sleep(expires - time.time())
    raise CloseWebsocket(4401, "token expired")
