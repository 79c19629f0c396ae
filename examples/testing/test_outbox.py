"""With an outbox the welcome mail is stored with its user, and a worker sends it."""

from examples.app_factory import create_app
from examples.configuration import Settings
from examples.task_queue import Worker


async def test_a_worker_sends_the_mail(settings: Settings, no_errors: None) -> None:
    outbox: list[str] = []

    async def keep(key: str, address: str, text: str) -> None:
        outbox.append(address)

    app = create_app(settings.model_copy(update={"mail_outbox": True}))
    async with app.test_app():
        ada = {"username": "ada", "email": "ada@example.com", "password": "password123"}
        response = await app.test_client().post("/users", json=ada)
        assert response.status_code == 201
        worker = Worker(app.extensions["database"], {"mail": keep})
        assert await worker.work()
        assert outbox == ["ada@example.com"]
