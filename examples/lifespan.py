"""Tell the platform whether the process lives, and whether it can serve.

Try:
    curl -s -i http://127.0.0.1:8000/live
    curl -s -i http://127.0.0.1:8000/ready
"""

import asyncio
import logging
from collections.abc import Awaitable, Callable

from quart import Quart
from quart.typing import ResponseReturnValue

from .serving import closing_event

CHECK_SECONDS = 2
log = logging.getLogger(__name__)
Check = Callable[[], Awaitable[None]]  # raises when its part cannot serve


def register_health(app: Quart, **checks: Check) -> None:
    """Add `/live`, and `/ready`, which is 503 while closing or when a check fails."""
    closing = closing_event(app)

    @app.get("/live")
    async def live() -> ResponseReturnValue:
        return {"status": "live"}

    @app.get("/ready")
    async def ready() -> ResponseReturnValue:
        if closing.is_set():
            return {"status": "closing"}, 503
        for name, check in checks.items():
            try:
                async with asyncio.timeout(CHECK_SECONDS):
                    await check()
            except Exception as error:
                log.warning("not ready, %s: %r", name, error)
                return {"status": f"no {name}"}, 503
        return {"status": "ready"}


def create_app() -> Quart:
    app = Quart(__name__)
    register_health(app)
    return app


if __name__ == "__main__":
    from .serving import run

    run(create_app())
