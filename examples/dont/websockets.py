"""Websocket code that looks right and is not."""

import asyncio
import json

from quart import Quart, abort, request, session, websocket
from quart.ctx import after_this_websocket


def token_in_query(token: str) -> Quart:
    app = Quart(__name__)

    @app.websocket("/ws/chat")
    async def chat() -> None:
        if request.args.get("token") != token:
            abort(401)
        await websocket.send("welcome")

    return app


def close_before_accept(token: str) -> Quart:
    app = Quart(__name__)

    @app.websocket("/ws/chat")
    async def chat() -> None:
        if websocket.headers.get("Authorization") != f"Bearer {token}":
            await websocket.close(1008, "Auth required")
            return
        await websocket.send("welcome")

    return app


def return_before_accept(token: str) -> Quart:
    app = Quart(__name__)

    @app.websocket("/ws/chat")
    async def chat() -> None:
        if websocket.headers.get("Authorization") != f"Bearer {token}":
            return
        await websocket.send("welcome")

    return app


def return_after_accept(token: str) -> Quart:
    app = Quart(__name__)

    @app.websocket("/ws/chat")
    async def chat() -> None:
        await websocket.accept()
        if await websocket.receive() != token:
            return
        await websocket.send("welcome")

    return app


def trust_the_message() -> Quart:
    app = Quart(__name__)

    @app.websocket("/ws/chat")
    async def chat() -> None:
        while True:
            message = json.loads(await websocket.receive())
            await websocket.send_json({"said": message["text"]})

    return app


def swallow_cancellation() -> Quart:
    app = Quart(__name__)

    @app.websocket("/ws/chat")
    async def chat() -> None:
        try:
            while True:
                await websocket.send(await websocket.receive())
        except asyncio.CancelledError:
            pass

    return app


def continue_after_errors() -> Quart:
    app = Quart(__name__)

    @app.websocket("/ws/chat")
    async def chat() -> None:
        async def read() -> None:
            while True:
                try:
                    await websocket.send(await websocket.receive())
                except Exception:
                    app.logger.exception("a message failed")

        await websocket.accept()
        reading = asyncio.create_task(read())
        while not reading.done():
            await websocket.send("tick")
            await asyncio.sleep(1)

    return app


def clean_up_after_websocket() -> Quart:
    app = Quart(__name__)
    online = app.extensions["online"] = set[str]()

    @app.websocket("/ws/chat/<name>")
    async def chat(name: str) -> None:
        @after_this_websocket
        async def leave(response: None) -> None:
            online.discard(name)

        online.add(name)
        while True:
            await websocket.send(await websocket.receive())

    return app


def login_in_websocket(secret_key: str) -> Quart:
    app = Quart(__name__)
    app.secret_key = secret_key

    @app.websocket("/ws/chat")
    async def chat() -> None:
        await websocket.accept()
        while True:
            await websocket.send_json({"before": session.get("member")})
            session["member"] = await websocket.receive()

    return app
