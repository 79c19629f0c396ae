"""A service that is hard to end: each route holds the process in its own way."""

import asyncio
import os
import time
from collections.abc import AsyncGenerator

from quart import Quart, Response, websocket

from examples import serving


def not_implemented(*_: object) -> None:
    raise NotImplementedError  # as on Windows


def say(text: str) -> None:
    print(text, flush=True)


def create_app() -> Quart:
    app = serving.create_app()

    @app.while_serving
    async def journal() -> AsyncGenerator[None, None]:
        say("opened")
        if "STUCK" in os.environ:
            await asyncio.Event().wait()
        yield
        say("closed")

    @app.get("/finish")
    async def finish() -> str:
        say("finish started")
        await serving.closing_event(app).wait()
        await asyncio.sleep(0.2)
        return "finished"

    @app.get("/hold/<int:seconds>")
    async def hold(seconds: int) -> str:
        say("hold started")
        try:
            await asyncio.sleep(seconds)
        except asyncio.CancelledError:
            say("hold cancelled")
            raise
        return "held"

    @app.get("/thread")
    async def thread() -> str:
        say("thread started")
        await asyncio.to_thread(time.sleep, 30)
        return "slept"

    @app.get("/flood")
    async def flood() -> Response:
        async def pages() -> AsyncGenerator[bytes, None]:
            while True:
                yield bytes(65_536)

        say("flood started")
        response = Response(pages())
        response.timeout = None
        return response

    @app.get("/mail")
    async def mail() -> str:
        async def send() -> None:
            await app.shutdown_event.wait()  # type: ignore[attr-defined]
            await asyncio.gather(asyncio.sleep(0.1), asyncio.sleep(0.1))
            say("mail sent")

        app.add_background_task(send)
        say("mail accepted")
        return "accepted"

    @app.websocket("/ws/polite")
    async def polite() -> None:
        await websocket.accept()
        await serving.closing_event(app).wait()
        await websocket.close(1001, "going away")

    @app.websocket("/ws/deaf")
    async def deaf() -> None:
        await websocket.accept()
        say("deaf started")
        while True:
            await websocket.receive()

    @app.websocket("/ws/flood")
    async def flood_websocket() -> None:
        await websocket.accept()
        say("stream started")
        while True:
            await websocket.send(bytes(65_536))

    return app


if __name__ == "__main__":
    asyncio.SelectorEventLoop.add_signal_handler = not_implemented  # type: ignore[assignment, method-assign]
    serving.DRAIN_SECONDS = int(os.environ["DRAIN_SECONDS"])
    serving.EXIT_SECONDS = int(os.environ["EXIT_SECONDS"])
    serving.run(create_app())
