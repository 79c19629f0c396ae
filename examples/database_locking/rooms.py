"""Change what others change too."""

from sqlalchemy import String, func, select, update
from sqlalchemy.ext.asyncio import AsyncSession
from sqlalchemy.orm import DeclarativeBase, Mapped, mapped_column
from werkzeug.exceptions import Conflict, NotFound


class Base(DeclarativeBase):
    pass


class Room(Base):
    __tablename__ = "rooms"

    name: Mapped[str] = mapped_column(String(30), primary_key=True)
    topic: Mapped[str] = mapped_column(String(100), default="")
    version: Mapped[int] = mapped_column(default=1)
    visits: Mapped[int] = mapped_column(default=0)


async def count_visit(session: AsyncSession, name: str) -> int | None:
    """The database adds, so nothing is lost; None when there is no such room."""
    counted = update(Room).where(Room.name == name).values(visits=Room.visits + 1)
    return await session.scalar(counted.returning(Room.visits))


async def change_topic(
    session: AsyncSession, name: str, topic: str, version: int
) -> Room:
    """`version` is what the client has seen: it does not undo what it has not seen."""
    room = await session.get(Room, name, with_for_update=True)
    if room is None:
        raise NotFound
    if room.version != version:
        raise Conflict("Somebody else changed it first.")
    room.topic = topic
    room.version += 1
    return room


async def visits_and_total(session: AsyncSession) -> tuple[list[int], int]:
    """Two statements that agree, in a session of the engine that reads."""
    visits = list(await session.scalars(select(Room.visits)))
    total = await session.scalar(select(func.sum(Room.visits)))
    return visits, total or 0
