"""One access token opens HTTP routes and websockets.

Try:
    curl -s -i http://127.0.0.1:8000/me
    curl -s -i http://127.0.0.1:8000/me -H "Authorization: Bearer $(python -c "from examples.authentication import Tokens; print(Tokens(['$TOKEN_KEY']).issue(1, 'ada'))")"
"""  # noqa: E501

import os
from collections.abc import Sequence

from quart import Quart, g, websocket
from quart.typing import ResponseReturnValue

from .guards import (
    login_required,
    require_login,
    require_role,
    require_websocket_login,
)
from .tokens import (
    Caller,
    Tokens,
    caller_by_token,
    cookie_caller,
    register_authentication,
    tokens,
    unauthorized,
)

__all__ = [
    "Caller",
    "Tokens",
    "caller_by_token",
    "cookie_caller",
    "login_required",
    "register_authentication",
    "require_login",
    "require_role",
    "require_websocket_login",
    "tokens",
    "unauthorized",
]


def create_app(keys: Sequence[str] | None = None) -> Quart:
    app = Quart(__name__)
    register_authentication(app, keys or [os.environ["TOKEN_KEY"]])

    @app.get("/me")
    @login_required
    async def me() -> ResponseReturnValue:
        return {"id": g.caller.user_id, "username": g.caller.username}

    @app.websocket("/ws/me")
    @login_required
    async def greet() -> None:
        await websocket.send(f"Hello {g.caller.username}")

    @app.delete("/users/<int:user_id>")
    @login_required
    async def delete_user(user_id: int) -> ResponseReturnValue:
        require_role("admin")
        return "", 204

    return app
