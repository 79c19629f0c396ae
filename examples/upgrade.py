"""Run on Quart 0.22 and 0.23 alike: what overrides did, a layer around the app does.

Try:
    curl -s -i http://127.0.0.1:8000/size -d "a=1"
    head -c 2000 /dev/zero | curl -s -i http://127.0.0.1:8000/size -H "Transfer-Encoding: chunked" --data-binary @-
    (sleep 1) | websockets ws://127.0.0.1:8000/ws/greeting
"""  # noqa: E501

from quart import Quart, request, websocket

from .request_validation import limit_bodies


def create_app(limit: int = 1_000) -> Quart:
    app = Quart(__name__)
    app.config["MAX_CONTENT_LENGTH"] = limit
    limit_bodies(app, {})

    @app.post("/size")
    async def size() -> dict[str, int]:
        return {"size": len(await request.get_data())}

    @app.websocket("/ws/greeting")
    async def greet() -> None:
        await websocket.send("hello")
        await websocket.close(4000, "That was all.")

    return app


if __name__ == "__main__":
    from .serving import run

    run(create_app())
