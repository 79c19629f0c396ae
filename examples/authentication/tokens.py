"""Access tokens (JWT), signed with keys of their own."""

import time
from collections.abc import Awaitable, Callable, Sequence
from dataclasses import dataclass

import jwt
from quart import Quart, current_app, session
from werkzeug.datastructures import WWWAuthenticate
from werkzeug.exceptions import Unauthorized

ISSUER = "auth"
AUDIENCE = "api"
REQUIRED_CLAIMS = ["aud", "exp", "iat", "iss", "name", "role", "sub"]
LEEWAY_SECONDS = 10  # for hosts whose clocks differ


@dataclass(frozen=True)
class Caller:
    """Who sent the token; `expires` is in seconds since the epoch."""

    user_id: int
    username: str
    role: str
    expires: float


class Tokens:
    """The first key signs, all of them verify; `lifetime` is in seconds."""

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
                    leeway=LEEWAY_SECONDS,
                    options={"require": REQUIRED_CLAIMS},
                )
                user_id = int(claims["sub"])
            except (jwt.InvalidTokenError, RecursionError, ValueError):
                continue  # another key may have signed it
            return Caller(user_id, claims["name"], claims["role"], claims["exp"])
        raise unauthorized("Send a valid token.")


def unauthorized(detail: str) -> Unauthorized:
    return Unauthorized(detail, www_authenticate=WWWAuthenticate("bearer"))


def register_authentication(
    app: Quart, keys: Sequence[str], origins: Sequence[str] = ()
) -> None:
    """`origins` are those of other pages that may open websockets with the cookie."""
    app.extensions["tokens"] = Tokens(keys)
    app.extensions["origins"] = origins
    app.extensions.setdefault("cookie_caller", caller_by_token)


def tokens() -> Tokens:
    made: Tokens = current_app.extensions["tokens"]
    return made


async def cookie_caller() -> Caller:
    """Who has logged in by a cookie; else raise Unauthorized."""
    find: Callable[[], Awaitable[Caller]] = current_app.extensions["cookie_caller"]
    return await find()


async def caller_by_token() -> Caller:
    """The default; an app that keeps logins elsewhere looks there."""
    return tokens().read(session.get("access_token", ""))
