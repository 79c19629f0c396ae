"""Readiness follows the checks and the closing event."""

from quart import Quart

from examples.lifespan import register_health
from examples.serving import closing_event


async def test_readiness_follows_the_database_and_the_closing_event() -> None:
    app = Quart("acme")
    database_answers = True

    async def check_database() -> None:
        if not database_answers:
            raise ConnectionError("refused")

    async def status(path: str) -> int:
        response = await app.test_client().get(path)
        return response.status_code

    register_health(app, database=check_database)
    async with app.test_app():
        assert await status("/ready") == 200
        database_answers = False
        assert (await status("/ready"), await status("/live")) == (503, 200)
        database_answers = True
        assert await status("/ready") == 200
        closing_event(app).set()
        assert (await status("/ready"), await status("/live")) == (503, 200)
