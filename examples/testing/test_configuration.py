import pytest

from examples.configuration import create_app

OLD_KEY = "o" * 32
NEW_KEY = "n" * 32


async def test_a_session_survives_a_new_key(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("SECRET_KEY", OLD_KEY)
    monkeypatch.setenv("TOKEN_KEY", OLD_KEY)
    monkeypatch.setenv("DATABASE_URL", "sqlite+aiosqlite:///unused.sqlite3")
    answer = await create_app().test_client().put("/language/nb")
    cookie = answer.headers["Set-Cookie"].partition(";")[0]

    monkeypatch.setenv("SECRET_KEY", NEW_KEY)
    monkeypatch.setenv("SECRET_KEY_FALLBACKS", OLD_KEY)
    client = create_app().test_client()
    answer = await client.get("/language", headers={"Cookie": cookie})
    assert await answer.get_json() == {"language": "nb"}
