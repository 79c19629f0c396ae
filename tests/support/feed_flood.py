"""The events of the example, and a view that publishes 100 MB of them to ten pages."""

import asyncio

from quart import Quart

from examples.server_sent_events import create_app, current_feed
from examples.serving import run


def app_with_flood() -> Quart:
    app = create_app()

    @app.post("/flood")
    async def flood() -> tuple[str, int]:
        feed = current_feed()
        while len(feed.readers) < 10:  # noqa: ASYNC110
            await asyncio.sleep(0.01)
        for number in range(5_000):
            feed.publish("note", {"number": number, "text": "x" * 20_000})
            await asyncio.sleep(0)
        return "", 204

    return app


if __name__ == "__main__":
    run(app_with_flood())
