"""Talk, as long as the token lasts: /api/chat."""

import asyncio
import time

from quart import Blueprint, g, websocket

blueprint = Blueprint("chat", __name__)


@blueprint.websocket("/chat")
async def chat() -> None:
    try:
        async with asyncio.timeout(g.token["exp"] - time.time()):
            while text := str(await websocket.receive())[:500]:
                await websocket.send_json({"from": g.token["sub"], "text": text})
    except TimeoutError:
        await websocket.close(1008, "token expired")
