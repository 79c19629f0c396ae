"""Two apps with one Redis are two processes."""

import asyncio
import shutil
import subprocess
from collections.abc import Iterator
from pathlib import Path

import pytest

from examples.authentication import Tokens
from examples.websocket_scaling import create_app

KEY = "k" * 32


@pytest.fixture
def redis_url(tmp_path: Path) -> Iterator[str]:
    command = ["redis-server", "--port", "0", "--unixsocket", "redis.sock"]
    with subprocess.Popen(command, cwd=tmp_path, stdout=subprocess.DEVNULL) as redis:
        yield f"unix://{tmp_path}/redis.sock"
        redis.terminate()


@pytest.mark.skipif(not shutil.which("redis-server"), reason="no redis-server")
async def test_a_note_reaches_another_process(redis_url: str) -> None:
    first, second = create_app(redis_url, [KEY]), create_app(redis_url, [KEY])
    headers = {"Authorization": f"Bearer {Tokens([KEY]).issue(1, 'ada')}"}
    async with asyncio.timeout(20), first.test_app(), second.test_app():
        for app in (first, second):
            await app.extensions["bus"].linked.wait()
        async with first.test_client().websocket("/ws/chat", headers=headers) as ada:
            await ada.send_json({"text": "I am here"})
            await ada.receive_json()
            await second.test_client().post("/users/1/notes/lunch")
            assert (await ada.receive_json())["text"] == "lunch"
