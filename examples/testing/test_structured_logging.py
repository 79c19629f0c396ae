import asyncio
import logging

import pytest
from quart import Quart

from examples.structured_logging import create_app

log = logging.getLogger(__name__)


@pytest.fixture
def app() -> Quart:
    return create_app()  # takes pytest's handler away; the test gets it back


async def test_a_background_task_logs_the_id_of_its_request(
    app: Quart, caplog: pytest.LogCaptureFixture
) -> None:
    async def remind() -> None:
        log.info("reminded")

    @app.post("/reminders")
    async def start() -> dict[str, str]:
        app.add_background_task(remind)
        return {}

    headers = {"X-Request-Id": "support-4711"}
    response = await app.test_client().post("/reminders", headers=headers)
    await asyncio.gather(*app.background_tasks)

    assert response.headers["X-Request-Id"] == "support-4711"
    (record,) = caplog.records
    assert vars(record)["request_id"] == "support-4711"
