"""Connect the socket of a logged-in user to the hub."""

import asyncio
import time
from collections.abc import Awaitable, Callable
from typing import TypeVar

from pydantic import TypeAdapter
from quart import current_app, g, websocket

from ..websocket_limits import SocketLimit
from ..websockets import (
    CloseWebsocket,
    close_codes,
    first_to_end,
    going_away,
    receive_message,
)
from .hub import Client, Hub

Command = TypeVar("Command")
Moved = Callable[[Client, str], Awaitable[None]]


def current_hub() -> Hub:
    hub: Hub = current_app.extensions["hub"]
    return hub


async def tell_nobody(client: Client, how: str) -> None:
    """For a socket that comes and goes unseen."""


async def converse(
    kind: TypeAdapter[Command],
    obey: Callable[[Client, Command], Awaitable[None]],
    topics: set[str],
    moved: Moved = tell_nobody,
) -> None:
    """Accept who is logged in, join `topics`, and `obey` each command.

    `moved` is told `joined` when the client hears its topics, `left` when no more.
    """
    hub = current_hub()
    sockets: SocketLimit = current_app.extensions["sockets"]
    with sockets.place(g.caller.user_id):
        await websocket.accept()
        client = Client(g.caller.user_id)
        client.topics |= topics

        async def read() -> None:
            await hub.show()
            await moved(client, "joined")
            while True:
                await obey(client, await receive_message(kind))

        async def write() -> None:
            send = websocket.send  # the proxy is asked once, not for each message
            while True:
                await send(await client.outbox.get())

        async def expire() -> None:
            await asyncio.sleep(g.caller.expires - time.time())
            raise CloseWebsocket(4401, "token expired")

        hub.clients.add(client)
        try:
            async with close_codes():
                await first_to_end(
                    read(), write(), expire(), client.fall_behind(), going_away()
                )
        finally:
            hub.clients.discard(client)
            await hub.show()
            await moved(client, "left")
