"""Feed each socket from a bounded queue of its own, so that nobody waits for anybody.

Try:
    python -c "import json; from quart import Quart; from websockets.sync.client import connect; app = Quart('app'); app.secret_key = '$SECRET_KEY'; cookie = app.session_interface.get_signing_serializer(app).dumps({'member': 'ada', 'topics': ['lobby']}); ws = connect('ws://127.0.0.1:8000/ws/feed', origin='http://localhost:8000', additional_headers={'Cookie': 'session=' + cookie}).__enter__(); [ws.send(json.dumps({'type': kind, 'topic': 'lobby', 'text': 'hello'})) for kind in ('subscribe', 'publish')]; print(ws.recv(5), ws.recv(5), ws.recv(5)); ws.close()"
    python -c "import json; from quart import Quart; from websockets.sync.client import connect; app = Quart('app'); app.secret_key = '$SECRET_KEY'; cookie = app.session_interface.get_signing_serializer(app).dumps({'member': 'ada', 'topics': ['lobby']}); ws = connect('ws://127.0.0.1:8000/ws/feed', origin='http://localhost:8000', additional_headers={'Cookie': 'session=' + cookie}).__enter__(); ws.send(json.dumps({'type': 'subscribe', 'topic': 'staff'})); print(ws.recv(5)); ws.close()"
    curl -s -i -m 5 -H 'Connection: Upgrade' -H 'Upgrade: websocket' -H 'Sec-WebSocket-Version: 13' -H 'Sec-WebSocket-Key: cXVhcnQtcGF0dGVybnMhIQ==' http://127.0.0.1:8000/ws/feed
"""  # noqa: E501

import asyncio
import os
from contextlib import suppress
from typing import Literal

from pydantic import BaseModel, Field, ValidationError
from quart import Quart, abort, session, websocket

from .hub import BACKLOG, Client, Hub

CLIENTS = 1_000
PER_MEMBER = 5
CLOSE_SECONDS = 2


class Command(BaseModel, extra="forbid"):
    type: Literal["subscribe", "unsubscribe", "publish"]
    topic: str
    text: str = Field(default="", max_length=4_000)


def obey(hub: Hub, client: Client, raw: str | bytes) -> None:
    try:
        command = Command.model_validate_json(raw)
    except ValidationError:
        client.tell(type="error", detail="invalid")
        return
    topic = command.topic
    if command.type == "subscribe" and topic in session.get("topics", ()):
        hub.subscribe(client, topic)
    elif topic not in client.topics:
        client.tell(type="error", detail="not allowed")
    elif command.type == "unsubscribe":
        hub.unsubscribe(client, {topic})
    elif len(hub.app.background_tasks) < BACKLOG:
        hub.publish(topic, type="said", member=client.member, text=command.text)
    else:
        client.tell(type="error", detail="busy")


async def write(client: Client) -> None:
    send = websocket.send
    with suppress(Exception):
        while True:
            await send(await client.queue.get())


def create_app(secret_key: str | None = None, origins: str = "") -> Quart:
    app = Quart(__name__)
    app.secret_key = secret_key or os.environ["SECRET_KEY"]
    allowed = (origins or os.environ.get("CORS_ORIGINS", "")).replace(",", " ").split()
    hub = app.extensions["hub"] = Hub(app)

    @app.websocket("/ws/feed")
    async def feed() -> None:
        if websocket.headers.get("Origin") not in allowed:
            abort(403)
        client = Client(session.get("member") or abort(401))
        own = [c for c in hub.clients if c.member == client.member]
        if len(own) >= PER_MEMBER or len(hub.clients) >= CLIENTS:
            abort(429)
        try:
            async with client.open, asyncio.TaskGroup() as tasks:
                hub.clients.add(client)
                await websocket.accept()
                tasks.create_task(write(client))
                while not client.ending:
                    obey(hub, client, await websocket.receive())
        except Exception:
            if not client.ending:
                app.logger.exception("feed failed")
        finally:
            hub.clients.discard(client)
            hub.unsubscribe(client, client.topics)
        with suppress(TimeoutError):
            async with asyncio.timeout(CLOSE_SECONDS):
                await websocket.close(*client.ending or (1011, "internal error"))
                while True:
                    await websocket.receive()

    return app
