from collections.abc import AsyncIterator
from io import BytesIO
from pathlib import Path

import pytest
from quart import Quart
from quart.datastructures import FileStorage

from examples.authentication import Tokens
from examples.uploads import create_app

KEY = "t" * 32
ADA = {"Authorization": f"Bearer {Tokens([KEY]).issue(1, 'ada')}"}


@pytest.fixture
async def app(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> AsyncIterator[Quart]:
    monkeypatch.setenv("DATABASE_URL", f"sqlite+aiosqlite:///{tmp_path}/test.sqlite3")
    monkeypatch.setenv("TOKEN_KEY", KEY)
    app = create_app(str(tmp_path / "files"))
    async with app.test_app():
        await app.test_client().put("/users/ada")
        yield app


@pytest.mark.parametrize(("content", "status"), [(b"%PDF-1.7", 201), (b"<html>", 415)])
async def test_the_content_decides(
    app: Quart, tmp_path: Path, content: bytes, status: int
) -> None:
    upload = FileStorage(BytesIO(content), filename="../report.pdf")
    client = app.test_client()
    answer = await client.post("/files", files={"file": upload}, headers=ADA)
    assert answer.status_code == status
    stored = [path.read_bytes() for path in (tmp_path / "files").iterdir()]
    assert stored == ([content] if status == 201 else [])
