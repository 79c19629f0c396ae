"""Websocket code that looks right and is not."""

import asyncio
import json

import jwt
from quart import Quart, request, session, websocket


def member_of(token, secret_key):
    return jwt.decode(token, secret_key, algorithms=["HS256"], audience="chat")["sub"]


def token_in_query(secret_key: str) -> Quart:
    app = Quart(__name__)

    @app.websocket("/ws/chat")
    async def chat() -> None:
        member = member_of(request.args.get("token", ""), secret_key)
        while True:
            text = await websocket.receive()
            await websocket.send_json({"member": member, "text": text})

    return app


def close_before_accept() -> Quart:
    app = Quart(__name__)

    @app.websocket("/ws/chat")
    async def chat() -> None:
        if "access_token" not in websocket.cookies:
            await websocket.close(1008, "login required")
            return
        await websocket.send("welcome")

    return app


def no_origin_check(secret_key: str) -> Quart:
    app = Quart(__name__)

    @app.websocket("/ws/chat")
    async def chat() -> None:
        member = member_of(websocket.cookies["access_token"], secret_key)
        while True:
            text = await websocket.receive()
            await websocket.send_json({"member": member, "text": text})

    return app


def trust_the_message() -> Quart:
    app = Quart(__name__)

    @app.websocket("/ws/chat")
    async def chat() -> None:
        while True:
            message = json.loads(await websocket.receive())
            await websocket.send_json({"type": "said", "text": message["text"]})

    return app


def limit_in_handler() -> Quart:
    app = Quart(__name__)

    @app.websocket("/ws/chat")
    async def chat() -> None:
        for _ in range(20):
            await websocket.receive()
        await websocket.close(1008, "too many messages")

    return app


def return_before_accept() -> Quart:
    app = Quart(__name__)

    @app.websocket("/ws/chat")
    async def chat() -> None:
        if "access_token" not in websocket.cookies:
            return
        await websocket.send("welcome")

    return app


def swallow_cancellation() -> Quart:
    app = Quart(__name__)
    app.extensions["finished"] = []

    @app.after_websocket
    async def finished(response: None) -> None:
        app.extensions["finished"].append(websocket.path)

    @app.websocket("/ws/chat")
    async def chat() -> None:
        try:
            while True:
                await websocket.send(await websocket.receive())
        except asyncio.CancelledError:
            pass

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
