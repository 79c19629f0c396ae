"""The guarded part: nested blueprints behind one guard."""

import jwt
from quart import Blueprint, current_app, g, request, websocket
from werkzeug.datastructures import WWWAuthenticate
from werkzeug.exceptions import Unauthorized

from . import chat, members

blueprint = Blueprint("api", __name__, url_prefix="/api")
blueprint.register_blueprint(members.blueprint)
blueprint.register_blueprint(chat.blueprint)


@blueprint.before_request
@blueprint.before_websocket
async def guard() -> None:
    if request and request.method == "OPTIONS":
        return
    sent = (request or websocket).authorization
    try:
        g.token = jwt.decode(
            (sent and sent.token) or "",
            current_app.secret_key,
            algorithms=["HS256"],
            issuer="auth",
            audience="api",
            options={"require": ["iss", "aud", "sub", "iat", "exp"]},
        )
    except (jwt.InvalidTokenError, RecursionError):
        raise Unauthorized(
            "Send a valid token.", www_authenticate=WWWAuthenticate("bearer")
        ) from None
