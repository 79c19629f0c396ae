from collections.abc import AsyncIterator
from pathlib import Path

import pytest
from quart import Quart

from examples.authentication import Tokens
from examples.downloads import create_app

KEY = "t" * 32


def bearer(user_id: int, username: str) -> dict[str, str]:
    return {"Authorization": f"Bearer {Tokens([KEY]).issue(user_id, username)}"}


@pytest.fixture
async def app(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> AsyncIterator[Quart]:
    monkeypatch.setenv("DATABASE_URL", f"sqlite+aiosqlite:///{tmp_path}/test.sqlite3")
    monkeypatch.setenv("TOKEN_KEY", KEY)
    app = create_app(str(tmp_path / "files"))
    async with app.test_app():
        await app.test_client().put("/users/ada")
        yield app


async def test_only_the_owner_gets_a_part_of_the_file(app: Quart) -> None:
    client, ada, bob = app.test_client(), bearer(1, "ada"), bearer(2, "bob")
    answer = await client.post("/files", data=b"%PDF-1.7", headers=ada)
    [file] = (await answer.get_json())["files"]

    last = {"Range": "bytes=-3"}
    part = await client.get(f"/files/{file['id']}", headers=ada | last)
    assert (part.status_code, await part.get_data()) == (206, b"1.7")
    assert part.headers["Content-Disposition"].startswith("attachment")

    assert (await client.get(f"/files/{file['id']}", headers=bob)).status_code == 404
