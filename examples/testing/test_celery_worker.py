from pathlib import Path

from examples.celery_worker import Relay, create_app, create_celery


async def test_a_row_stays_open_until_its_task_is_done(tmp_path: Path) -> None:
    url = f"sqlite+aiosqlite:///{tmp_path}/test.sqlite3"
    celery = create_celery("memory://", url, {})
    app = create_app(url)
    async with app.test_app():
        client = app.test_client()
        task = (await client.post("/users/ada")).headers["Location"]
        relay = Relay(app.extensions["database"], celery)
        assert await relay.work()
        assert not await relay.work()
        state = await (await client.get(task)).get_json()
    assert (state["state"], state["attempts"]) == ("waiting", 0)
