"""A request writes all or nothing."""

from pathlib import Path

from quart import abort

from examples.database_sessions import User, create_app, writing


async def test_a_refusal_takes_back_what_was_written(tmp_path: Path) -> None:
    app = create_app(f"sqlite+aiosqlite:///{tmp_path}/test.sqlite3")

    @app.post("/<registration>/users")
    async def register(registration: str) -> str:
        async with writing() as session:
            session.add(User(username="ada", email="ada@example.com", password_hash=""))
            await session.flush()
            if registration == "closed":
                abort(403)
        return "registered"

    async with app.test_app():
        client = app.test_client()
        assert (await client.post("/closed/users")).status_code == 403
        assert (await client.post("/open/users")).status_code == 200  # not 409
