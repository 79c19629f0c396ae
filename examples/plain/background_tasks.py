"""Send a mail after the answer."""

from collections.abc import Awaitable, Callable

from quart import Quart


def create_app(send_mail: Callable[[str, str], Awaitable[None]]) -> Quart:
    app = Quart(__name__)

    @app.post("/welcome/<address>")
    async def welcome(address: str) -> tuple[dict[str, str], int]:
        app.add_background_task(send_mail, address, "Welcome!")
        return {"mail": "queued"}, 202

    return app
