"""Post, and assert what is answered."""

from typing import Any

from quart import Quart, request


def create_app() -> Quart:  # yours: from PACKAGE import create_app
    app = Quart(__name__)

    @app.post("/users")
    async def create_user() -> tuple[dict[str, Any], int]:
        return {"created": await request.get_json()}, 201

    return app


async def test_a_user_is_created() -> None:
    app = create_app()
    async with app.test_app():  # the client alone starts nothing
        response = await app.test_client().post("/users", json={"username": "ada"})
    assert response.status_code == 201
    assert await response.get_json() == {"created": {"username": "ada"}}
