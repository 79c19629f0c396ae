"""Send a mail after the answer."""

from collections.abc import Awaitable, Callable

from quart import Quart

Mailer = Callable[[str, str], Awaitable[None]]  # takes an address and a text


def create_app(send_mail: Mailer) -> Quart:
    app = Quart(__name__)

    @app.post("/users/<username>")
    async def create_user(username: str) -> tuple[dict[str, str], int]:
        address = f"{username}@example.com"
        app.add_background_task(send_mail, address, f"Welcome, {username}!")
        return {"username": username}, 201

    return app
