"""Those who write at once lose nothing."""

import asyncio
from pathlib import Path

from examples.database_locking import create_app


async def test_forty_visits_at_once_are_forty(tmp_path: Path) -> None:
    app = create_app(f"sqlite+aiosqlite:///{tmp_path}/test.sqlite3")
    async with app.test_app():
        posts = [app.test_client().post("/rooms/lobby/visits") for _ in range(40)]
        answers = await asyncio.gather(*posts)
        counts = [(await answer.get_json())["visits"] for answer in answers]
    assert sorted(counts) == list(range(1, 41))
