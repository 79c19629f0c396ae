import pytest

from examples.error_handling import create_app


async def test_a_crash_is_logged_once_and_leaks_nothing(
    caplog: pytest.LogCaptureFixture,
) -> None:
    app = create_app()
    app.testing = True

    @app.get("/crash")
    async def crash() -> str:
        raise RuntimeError("postgresql://app:hunter2@db is down")

    response = await app.test_client().get("/crash")
    assert response.status_code == 500
    assert response.content_type == "application/problem+json"
    assert "hunter2" not in await response.get_data(as_text=True)
    errors = [record for record in caplog.records if record.levelname == "ERROR"]
    assert [error.getMessage() for error in errors] == [
        "Exception on request GET /crash"
    ]
    assert "hunter2" in caplog.text
