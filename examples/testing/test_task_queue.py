from pathlib import Path

from examples.task_queue import Worker, create_app


async def test_a_mail_that_fails_is_sent_by_the_next_attempt(tmp_path: Path) -> None:
    keys: list[str] = []

    async def fail_once(key: str, address: str, text: str) -> None:
        keys.append(key)
        if len(keys) == 1:
            raise OSError("no mail server")

    app = create_app(f"sqlite+aiosqlite:///{tmp_path}/test.sqlite3")
    async with app.test_app():
        client = app.test_client()
        task = (await client.post("/users/ada")).headers["Location"]
        worker = Worker(app.extensions["database"], {"mail": fail_once}, pause=0)
        while await worker.work():
            pass
        state = await (await client.get(task)).get_json()
    assert (state["state"], state["attempts"]) == ("done", 2)
    assert keys == [state["id"]] * 2
