"""The mail of the service, by way of the outbox."""

import logging

from quart import Quart, current_app
from sqlalchemy.ext.asyncio import AsyncSession

from .outbox import add_task
from .status import tasks

log = logging.getLogger(__name__)


async def log_mail_task(key: str, address: str, text: str) -> None:
    """A real one sends the key as its Message-ID, so that a second mail is known."""
    log.info("mail <%s@example.com> of %s characters would be sent", key, len(text))


def register_outbox(app: Quart, on: bool) -> None:
    """After `register_mail`; if `on`, a mail is stored and the worker sends it."""
    if on:
        app.extensions["mailer"] = leave_to_the_worker
        app.register_blueprint(tasks)


async def leave_to_the_worker(address: str, text: str) -> None:
    """What the web process does for a mail that `store_mail` has stored."""


def store_mail(session: AsyncSession, address: str, text: str) -> None:
    """In the transaction of its user; nothing where no worker sends the mail."""
    if current_app.extensions.get("mailer") is leave_to_the_worker:
        add_task(session, "mail", address=address, text=text)
