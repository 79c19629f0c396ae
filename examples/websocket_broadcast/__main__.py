import asyncio
import os
from signal import SIGINT, SIGTERM

from hypercorn.asyncio import serve
from hypercorn.config import Config

from . import create_app

GRACE_SECONDS = 3


async def main() -> None:
    app, outside = create_app(), asyncio.all_tasks()
    hub = app.extensions["hub"]
    for sign in (SIGINT, SIGTERM):
        asyncio.get_running_loop().add_signal_handler(sign, hub.close)
    config = Config.from_mapping(bind=os.environ.get("BIND", "127.0.0.1:8000"))
    config.graceful_timeout = 60
    server = asyncio.create_task(serve(app, config, shutdown_trigger=hub.closing.wait))
    closed = asyncio.create_task(hub.closing.wait())
    await asyncio.wait({server, closed}, return_when="FIRST_COMPLETED")
    await asyncio.wait({server}, timeout=GRACE_SECONDS)
    if server.done():
        server.result()
        return
    for _ in range(4):
        for task in asyncio.all_tasks() - outside:
            task.cancel()
        await asyncio.sleep(0.25)
    await app.shutdown()


if __name__ == "__main__":
    asyncio.run(main())
