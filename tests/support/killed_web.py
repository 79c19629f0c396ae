"""A web process that is killed between the commit and what comes next.

python -m tests.support.killed_web outbox|publish
"""

import asyncio
import os
import signal
import sys

from quart import Quart, Response

from examples.database_sessions import register_database
from examples.dont import task_queue as dont
from examples.task_queue import create_app


async def killed(_: object) -> None:
    os.kill(os.getpid(), signal.SIGKILL)


def app_of(name: str, database_url: str) -> Quart:
    if name == "publish":
        app = dont.publish_after_the_commit(killed)
        register_database(app, database_url)
        return app
    app = create_app(database_url)

    @app.after_request
    async def after_the_commit(response: Response) -> Response:
        await killed(response)
        return response

    return app


async def main() -> None:
    app = app_of(sys.argv[1], os.environ["DATABASE_URL"])
    async with app.test_app():
        await app.test_client().post("/users/ada")


if __name__ == "__main__":
    asyncio.run(main())
