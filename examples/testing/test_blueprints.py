from pathlib import Path

import pytest

from examples.blueprints import create_app


async def test_every_route_under_api_needs_a_token(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("SECRET_KEY", "s" * 32)
    monkeypatch.setenv("TOKEN_KEY", "t" * 32)
    monkeypatch.setenv("DATABASE_URL", f"sqlite+aiosqlite:///{tmp_path}/test.sqlite3")
    app = create_app()
    client = app.test_client()
    urls = app.url_map.bind("localhost")
    asked = []
    async with app.test_app():
        for rule in app.url_map.iter_rules():
            if rule.rule.startswith("/api/"):
                path = urls.build(rule.endpoint, dict.fromkeys(rule.arguments, 1))
                for method in set(rule.methods or ()) - {"OPTIONS"}:
                    answer = await client.open(path, method=method, json={})
                    assert answer.status_code == 401, f"{method} {path} is open"
                    asked.append(f"{method} {path}")
    assert "POST /api/reports/1" in asked
