from io import BytesIO
from pathlib import Path

import pytest
from quart.datastructures import FileStorage
from quart.typing import TestClientProtocol as Client


async def test_a_file_comes_back_to_its_owner(
    client: Client,
    ada: dict[str, str],
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.chdir(tmp_path)  # UPLOAD_FOLDER is made in it
    report = FileStorage(BytesIO(b"%PDF-1.7"), filename="report.pdf")
    sent = await client.post("/files", files={"file": report}, headers=ada)
    assert sent.status_code == 201
    [file] = (await sent.get_json())["files"]

    received = await client.get(f"/files/{file['id']}", headers=ada)
    assert await received.get_data() == b"%PDF-1.7"
    assert (await client.get(f"/files/{file['id']}")).status_code == 401
