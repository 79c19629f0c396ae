"""Let in who sends a valid token, to HTTP routes and to websockets."""

from collections.abc import Awaitable, Callable
from functools import wraps
from typing import ParamSpec, TypeVar

from quart import (
    abort,
    current_app,
    g,
    has_websocket_context,
    request,
    websocket,
)
from werkzeug.datastructures import Headers

from .tokens import cookie_caller, tokens

P = ParamSpec("P")
R = TypeVar("R")


def bearer_token(headers: Headers) -> str:
    scheme, _, token = headers.get("Authorization", "").partition(" ")
    return token.strip() if scheme.lower() == "bearer" else ""


async def require_login() -> None:
    """For `before_request`: set `g.caller`, or answer 401."""
    if request.method != "OPTIONS":  # a CORS preflight carries no token
        g.caller = tokens().read(bearer_token(request.headers))


async def require_websocket_login() -> None:
    """For `before_websocket`: set `g.caller`, or answer 401 or 403."""
    token = bearer_token(websocket.headers)
    page = websocket.headers.get("Origin")
    own = {f"https://{websocket.host}", f"http://{websocket.host}"}
    if token:
        g.caller = tokens().read(token)
    elif page in own or page in current_app.extensions["origins"]:
        g.caller = await cookie_caller()  # a page can send no header, only cookies
    else:
        abort(403, "Send a token, or connect from a page of ours.")


def login_required(view: Callable[P, Awaitable[R]]) -> Callable[P, Awaitable[R]]:
    """Goes below the decorator of a route or websocket."""

    @wraps(view)
    async def guarded(*args: P.args, **kwargs: P.kwargs) -> R:
        if has_websocket_context():
            await require_websocket_login()
        else:
            g.caller = tokens().read(bearer_token(request.headers))
        return await view(*args, **kwargs)

    return guarded


def require_role(role: str) -> None:
    if g.caller.role != role:
        abort(403, f"Only for the role {role}.")
