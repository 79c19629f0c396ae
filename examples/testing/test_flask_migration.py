from pathlib import Path

import flask
import pytest
import quart

from examples.flask_migration import create_app


def flask_app() -> flask.Flask:  # yours
    app = flask.Flask("before")

    @app.get("/me")
    def show_me() -> str:
        flask.abort(401)

    return app


@pytest.fixture
def quart_app(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> quart.Quart:
    monkeypatch.setenv("SECRET_KEY", "s" * 32)
    return create_app(f"sqlite:///{tmp_path}/test.sqlite3", str(tmp_path))


@pytest.mark.parametrize("path", ["/me", "/me?full=1"])
async def test_the_port_answers_as_before(path: str, quart_app: quart.Quart) -> None:
    before = flask_app().test_client().get(path)
    async with quart_app.test_app():
        after = await quart_app.test_client().get(path)
    assert (after.status_code, after.content_type) == (401, before.content_type)
    assert await after.get_data() == before.get_data()
