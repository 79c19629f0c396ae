"""Check the handshake, each message and every limit of a websocket yourself.

Try:
    python -c "import jwt, json, time; from websockets.sync.client import connect; token = jwt.encode({'sub': 'ada', 'aud': 'chat', 'iat': time.time(), 'exp': time.time() + 60}, '$SECRET_KEY'); ws = connect('ws://127.0.0.1:8000/ws/chat', additional_headers={'Authorization': 'Bearer ' + token}).__enter__(); ws.send(json.dumps({'type': 'say', 'text': 'hello'})); print(ws.recv(5)); ws.close()"
    python -c "import jwt, json, time; from websockets.sync.client import connect; token = jwt.encode({'sub': 'ada', 'aud': 'chat', 'iat': time.time(), 'exp': time.time() + 60}, '$SECRET_KEY'); ws = connect('ws://127.0.0.1:8000/ws/chat', additional_headers={'Authorization': 'Bearer ' + token}).__enter__(); ws.send('[NaN'); print(ws.recv(5)); ws.close()"
    curl -s -i -m 5 -H 'Connection: Upgrade' -H 'Upgrade: websocket' -H 'Sec-WebSocket-Version: 13' -H 'Sec-WebSocket-Key: cXVhcnQtcGF0dGVybnMhIQ==' http://127.0.0.1:8000/ws/chat
"""  # noqa: E501

import asyncio
import os
import time

import jwt
from quart import Quart, abort, websocket

from .limit import limit_inbound
from .messages import answer

IDLE_SECONDS = 60
PER_MEMBER = 5


def authenticate(secret_key: str, origins: list[str]) -> tuple[str, float]:
    scheme, _, token = websocket.headers.get("Authorization", "").partition(" ")
    bearer = scheme.lower() == "bearer"
    origin = websocket.headers.get("Origin")
    if origin not in origins and not (bearer and origin is None):
        abort(403)
    try:
        claims = jwt.decode(
            token if bearer else websocket.cookies.get("access_token", ""),
            secret_key,
            algorithms=["HS256"],
            audience="chat",
            options={"require": ["exp", "iat", "sub"]},
        )
    except (jwt.PyJWTError, RecursionError):
        abort(401)
    return claims["sub"], claims["exp"] - time.time()


def create_app(secret_key: str | None = None, origins: str = "") -> Quart:
    key = secret_key or os.environ["SECRET_KEY"]
    if len(key.encode()) < 32:
        raise ValueError("SECRET_KEY needs at least 32 bytes")
    allowed = (origins or os.environ.get("CORS_ORIGINS", "")).replace(",", " ").split()
    app = Quart(__name__)
    app.asgi_app = limit_inbound(app.asgi_app)  # type: ignore[method-assign]
    online = app.extensions["online"] = list[str]()

    @app.websocket("/ws/chat")
    async def chat() -> None:
        member, seconds = authenticate(key, allowed)
        if online.count(member) >= PER_MEMBER:
            abort(429)
        online.append(member)
        loop = asyncio.get_running_loop()
        end = loop.time() + seconds
        try:
            async with asyncio.timeout_at(end) as limit:
                await websocket.accept()
                while True:
                    limit.reschedule(min(end, loop.time() + IDLE_SECONDS))
                    raw = await websocket.receive()
                    await websocket.send_json(await answer(member, raw))
        except Exception:
            if limit.expired():
                await websocket.close(1008, "idle or session over")
            else:
                app.logger.exception("the chat failed")
                await websocket.close(1011, "internal error")
        finally:
            online.remove(member)

    return app
