from collections.abc import AsyncIterator
from pathlib import Path

import pytest
from quart import Quart

from examples.sessions import create_app

ADA = {"username": "ada", "password": "correct-horse"}
OWN_PAGE = {"Sec-Fetch-Site": "same-origin"}


@pytest.fixture
async def app(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> AsyncIterator[Quart]:
    monkeypatch.setenv("DATABASE_URL", f"sqlite+aiosqlite:///{tmp_path}/test.sqlite3")
    monkeypatch.setenv("SECRET_KEY", "s" * 32)
    monkeypatch.setenv("TOKEN_KEY", "t" * 32)
    app = create_app()
    async with app.test_app():
        await app.test_client().post("/users", form=ADA)
        yield app


async def test_logging_out_ends_every_copy_of_the_cookie(app: Quart) -> None:
    browser, thief = app.test_client(), app.test_client()
    await browser.post("/login", form=ADA, headers=OWN_PAGE)
    async with browser.session_transaction() as session:
        login_id = session["login_id"]
    async with thief.session_transaction() as session:
        session["login_id"] = login_id
    assert (await thief.get("/account")).status_code == 200
    await browser.post("/account/logout", headers=OWN_PAGE)
    assert (await thief.get("/account")).status_code == 401
