from collections.abc import AsyncIterator
from pathlib import Path

import pytest
from quart import Quart

from examples.sync_libraries import add_user, create_app, sync_database


@pytest.fixture
async def app(tmp_path: Path) -> AsyncIterator[Quart]:
    app = create_app(f"sqlite:///{tmp_path}/test.sqlite3")
    async with app.test_app():
        yield app


async def test_a_user_is_stored_and_shown(app: Quart) -> None:
    async with app.app_context():
        await sync_database().run(add_user, "ada")
    response = await app.test_client().get("/users/ada")
    assert await response.get_json() == {"username": "ada", "bio": None}
