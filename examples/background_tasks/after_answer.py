"""Work after the answer, and a bound for each kind of it."""

import logging
from collections.abc import Awaitable, Callable

from quart import Quart, current_app
from werkzeug.exceptions import ServiceUnavailable

Mailer = Callable[[str, str], Awaitable[None]]  # takes an address and a text
log = logging.getLogger(__name__)


async def log_mail(address: str, text: str) -> None:
    log.info("a mail of %s characters would be sent", len(text))


class TaskLimit:
    """At most `limit` background tasks of one kind, waiting or at work."""

    def __init__(self, app: Quart, limit: int) -> None:
        self._app = app
        self._limit = limit
        self._unfinished = 0

    @property
    def full(self) -> bool:
        return self._unfinished >= self._limit

    def add(self, work: Callable[..., Awaitable[None]], *arguments: object) -> None:
        """`arguments` are plain values: no `request`, no session, no row."""
        if self.full:
            raise ServiceUnavailable("Too much is waiting.", retry_after=5)
        self._unfinished += 1
        self._app.add_background_task(self._run, work, *arguments)

    async def _run(
        self, work: Callable[..., Awaitable[None]], *arguments: object
    ) -> None:
        try:
            await work(*arguments)
        finally:
            self._unfinished -= 1


def register_mail(app: Quart, mailer: Mailer = log_mail, limit: int = 100) -> None:
    app.extensions["mailer"] = mailer
    app.extensions["mails"] = TaskLimit(app, limit)


def send_mail(address: str, text: str) -> None:
    """Send it after the answer, or log that too many wait: its user exists by now."""
    mails: TaskLimit = current_app.extensions["mails"]
    if mails.full:
        log.error("too many mails wait, one was not sent")
        return
    mails.add(current_app.extensions["mailer"], address, text)
