"""Echo, and say so when the handler fails."""

from quart import Quart, websocket


def create_app() -> Quart:
    app = Quart(__name__)

    @app.websocket("/ws/echo")
    async def echo() -> None:
        # To refuse a client, abort(401) here, before accept().
        await websocket.accept()
        try:
            while True:
                message = await websocket.receive()
                if not isinstance(message, str):
                    await websocket.close(1003, "send text")
                    return
                await websocket.send(f"Echo: {message}")
        except Exception:
            app.logger.exception("the echo failed")
            await websocket.close(1011, "internal error")

    return app
