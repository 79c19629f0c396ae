import asyncio
import json
import time

from pydantic import BaseModel, Field, TypeAdapter
from quart import Blueprint, websocket

from .closing import close_codes, first_to_end, going_away
from .messages import receive_message, send_text

clocks = Blueprint("clocks", __name__)


class Pace(BaseModel, extra="forbid"):
    seconds: float = Field(ge=0.1, le=60)


@clocks.websocket("/ws/clock")
async def clock() -> None:
    """Send the time as often as the client's last message says."""
    pace = Pace(seconds=1)

    async def listen() -> None:
        nonlocal pace
        while True:
            pace = await receive_message(TypeAdapter(Pace))

    async def tick() -> None:
        while True:
            await send_text(json.dumps({"time": time.time()}))
            await asyncio.sleep(pace.seconds)

    await websocket.accept()
    async with close_codes():
        await first_to_end(listen(), tick(), going_away())
