"""A database that is busy is a 503, and the app goes on when it is free."""

import sqlite3
from contextlib import closing
from pathlib import Path

from examples.database_errors import create_app


async def test_a_locked_database_is_503_until_it_is_free(tmp_path: Path) -> None:
    path = tmp_path / "test.sqlite3"
    app = create_app(f"sqlite+aiosqlite:///{path}?timeout=0")
    async with app.test_app():
        client = app.test_client()
        with closing(sqlite3.connect(path)) as other:
            other.execute("BEGIN IMMEDIATE")
            locked = await client.put("/topics/quart")
        free = await client.put("/topics/quart")
        again = await client.put("/topics/quart")
    answers = (locked, free, again)
    assert [answer.status_code for answer in answers] == [503, 201, 409]
    assert locked.headers["Retry-After"] == "5"
