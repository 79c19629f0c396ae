"""The plain form of sync_libraries: what blocks runs in a thread."""

import asyncio
from collections.abc import Callable

from quart import Quart, abort, request


def create_app(
    find_user: Callable[[str], dict[str, str] | None],
    add_user: Callable[[str], int],  # both block: a database, HTTP, files
) -> Quart:
    app = Quart(__name__)

    @app.get("/users/<username>")
    def show_user(username: str) -> dict[str, str]:
        return find_user(username) or abort(404)  # Quart runs a `def` in a thread

    @app.post("/users")
    async def create_user() -> tuple[dict[str, int], int]:
        form = await request.form  # only an `async def` can read the body
        user_id = await asyncio.to_thread(add_user, form["username"])
        return {"id": user_id}, 201

    return app
