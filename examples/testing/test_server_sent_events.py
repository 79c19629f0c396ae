import asyncio

from examples.authentication import Tokens
from examples.server_sent_events import create_app

KEY = "k" * 32


async def test_a_page_gets_what_it_has_missed() -> None:
    app = create_app([KEY])
    feed = app.extensions["feed"]
    headers = {
        "Authorization": f"Bearer {Tokens([KEY]).issue(1, 'ada')}",
        "Last-Event-ID": str(feed.last_id + 1),
    }
    for text in ("lunch", "tea"):
        feed.publish("announcement", text)
    request = app.test_client().request("/events", headers=headers)
    async with asyncio.timeout(10), app.test_app(), request as connection:
        await connection.send_complete()
        assert b"retry: " in await connection.receive()
        assert b'data: "tea"' in await connection.receive()
        await connection.disconnect()
