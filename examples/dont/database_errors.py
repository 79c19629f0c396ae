"""Database errors that reach the client as what they are not."""

from quart import Quart
from quart.typing import ResponseReturnValue
from sqlalchemy.exc import IntegrityError, OperationalError
from sqlalchemy.ext.asyncio import AsyncSession
from werkzeug.exceptions import Conflict

from examples.database_locking.rooms import Room


def only_operational_error(app: Quart) -> None:
    @app.errorhandler(OperationalError)
    async def unavailable(error: OperationalError) -> ResponseReturnValue:
        return {"error": "database unavailable"}, 503


def every_integrity_error(app: Quart) -> None:
    @app.errorhandler(IntegrityError)
    async def conflict(error: IntegrityError) -> ResponseReturnValue:
        return {"error": "exists already"}, 409


async def caught_inside(session: AsyncSession, name: str) -> None:
    async with session.begin():
        try:
            session.add(Room(name=name))
        except IntegrityError:
            raise Conflict("This exists already.") from None


async def checked_first(session: AsyncSession, name: str) -> None:
    async with session.begin():
        if await session.get(Room, name):
            raise Conflict("This exists already.")
        session.add(Room(name=name))
