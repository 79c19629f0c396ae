"""One access token opens HTTP routes and websockets.

Try:
    curl -s -i http://127.0.0.1:8000/me
    curl -s -i http://127.0.0.1:8000/me -H "Authorization: Bearer $(python -c "from examples.authentication import Tokens; print(Tokens(['$TOKEN_KEY']).issue(1, 'ada'))")"
"""  # noqa: E501

import os
import time
from collections.abc import Awaitable, Callable, Sequence
from dataclasses import dataclass
from functools import wraps
from typing import ParamSpec, TypeVar

import jwt
from quart import Quart, abort, current_app, g, request, session, websocket
from werkzeug.datastructures import Headers, WWWAuthenticate
from werkzeug.exceptions import Unauthorized

P = ParamSpec("P")
R = TypeVar("R")
ISSUER = "auth"
AUDIENCE = "api"


@dataclass(frozen=True)
class Caller:
    """Who sent the token; `expires` is in seconds since the epoch."""

    user_id: int
    username: str
    role: str
    expires: float


class Tokens:
    """The first key signs, all of them verify: rotate by putting a new one in front."""

    def __init__(self, keys: Sequence[str], lifetime: int = 900) -> None:
        if not keys or any(len(key.encode()) < 32 for key in keys):
            raise ValueError("each token key needs 32 bytes or more")
        self.keys = keys
        self.lifetime = lifetime

    def issue(self, user_id: int, username: str, role: str = "user") -> str:
        now = int(time.time())
        claims = {
            "iss": ISSUER,
            "aud": AUDIENCE,
            "sub": str(user_id),
            "name": username,
            "role": role,
            "iat": now,
            "exp": now + self.lifetime,
        }
        return jwt.encode(claims, self.keys[0], "HS256")

    def read(self, token: str) -> Caller:
        """Raise Unauthorized unless `token` is ours, for this API and not expired."""
        for key in self.keys:
            try:
                claims = jwt.decode(
                    token,
                    key,
                    algorithms=["HS256"],
                    issuer=ISSUER,
                    audience=AUDIENCE,
                    options={"require": ["aud", "exp", "iat", "iss", "name", "role"]},
                )
            except jwt.InvalidSignatureError:
                continue
            except (jwt.InvalidTokenError, RecursionError):
                break
            subject, name = int(claims["sub"]), claims["name"]
            return Caller(subject, name, claims["role"], claims["exp"])
        raise Unauthorized(
            "Send a valid token.", www_authenticate=WWWAuthenticate("bearer")
        )


def register_authentication(
    app: Quart, keys: Sequence[str], origins: Sequence[str] = ()
) -> None:
    """`origins` are those of the pages that may open websockets with the cookie."""
    app.extensions["tokens"] = Tokens(keys)
    app.extensions["origins"] = origins


def tokens() -> Tokens:
    made: Tokens = current_app.extensions["tokens"]
    return made


def bearer_token(headers: Headers) -> str:
    scheme, _, token = headers.get("Authorization", "").partition(" ")
    return token.strip() if scheme.lower() == "bearer" else ""


async def require_login() -> None:
    """For `before_request`: set `g.caller`, or answer 401."""
    if request.method != "OPTIONS":  # a CORS preflight carries no token
        g.caller = tokens().read(bearer_token(request.headers))


async def require_websocket_login() -> None:
    """For a websocket, before `accept()`: set `g.caller`, or answer 401 or 403."""
    token = bearer_token(websocket.headers)
    if not token:  # a page cannot set that header: it comes with the session cookie
        if websocket.headers.get("Origin") not in current_app.extensions["origins"]:
            abort(403, "This origin may not connect.")
        token = session.get("access_token", "")
    g.caller = tokens().read(token)


def login_required(view: Callable[P, Awaitable[R]]) -> Callable[P, Awaitable[R]]:
    @wraps(view)
    async def guarded(*args: P.args, **kwargs: P.kwargs) -> R:
        await require_login()
        return await view(*args, **kwargs)

    return guarded


def require_role(role: str) -> None:
    if g.caller.role != role:
        abort(403, f"Only for the role {role}.")


def create_app(keys: Sequence[str] | None = None) -> Quart:
    app = Quart(__name__)
    register_authentication(app, keys or [os.environ["TOKEN_KEY"]])

    @app.get("/me")
    @login_required
    async def me() -> dict[str, str]:
        return {"username": g.caller.username}

    @app.delete("/users/<int:user_id>")
    @login_required
    async def delete_user(user_id: int) -> tuple[str, int]:
        require_role("admin")
        return "", 204

    return app


if __name__ == "__main__":
    from .serving import run

    run(create_app())
