"""Let the database add: nothing is lost, on PostgreSQL and on SQLite."""

from quart import Quart, abort
from sqlalchemy import String, update
from sqlalchemy.orm import DeclarativeBase, Mapped, mapped_column


class Base(DeclarativeBase):
    pass


class Room(Base):
    __tablename__ = "rooms"
    name: Mapped[str] = mapped_column(String(30), primary_key=True)
    visits: Mapped[int] = mapped_column(default=0)


def register_visits(app: Quart) -> None:
    @app.post("/rooms/<name>/visits")
    async def visit(name: str) -> dict[str, int]:
        counted = update(Room).where(Room.name == name).values(visits=Room.visits + 1)
        async with app.extensions["sessions"].begin() as session:
            visits = await session.scalar(counted.returning(Room.visits))
        if visits is None:
            abort(404)
        return {"visits": visits}
