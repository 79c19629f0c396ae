"""An HTTP request without a server: every turn of the client is the test's own."""

import asyncio
from collections.abc import Mapping
from typing import Any, cast

from quart import Quart

from tests.support.scope import asgi_scope

SECONDS = 20


async def http_call(
    app: Quart,
    path: str,
    *,
    method: str = "GET",
    headers: Mapping[str, str] | None = None,
    body: bytes = b"",
    leave_in_send: int = 0,
) -> list[dict[str, Any]]:
    """What the app sends to the server, an error that it raises included.

    With `leave_in_send` the client leaves while the body's part of that number is being
    sent. On 0.23 a call ends when the client has left.
    """
    client: asyncio.Queue[dict[str, Any]] = asyncio.Queue()
    client.put_nowait({"type": "http.request", "body": body, "more_body": False})
    sent: list[dict[str, Any]] = []

    async def send(event: dict[str, Any]) -> None:
        sent.append(event)
        if event["type"] != "http.response.body":
            return
        if len(sent) - 1 == leave_in_send:
            client.put_nowait({"type": "http.disconnect"})
            await asyncio.Event().wait()  # the network takes no more
        if not event["more_body"]:
            client.put_nowait({"type": "http.disconnect"})

    scope = asgi_scope("http", path, headers, method=method)
    async with asyncio.timeout(SECONDS):
        await cast(Any, app)(scope, client.get, send)
    return sent


def single_error(error: BaseException) -> BaseException:
    """The error inside the groups that 0.23 wraps it in."""
    while isinstance(error, BaseExceptionGroup):
        [error] = error.exceptions
    return error
