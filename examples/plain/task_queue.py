"""Store the mail with its user; a worker takes one row at a time."""

from collections.abc import Awaitable, Callable

from sqlalchemy import String, select
from sqlalchemy.ext.asyncio import AsyncSession
from sqlalchemy.orm import DeclarativeBase, Mapped, mapped_column

Send = Callable[[int, str], Awaitable[None]]  # takes a key and an address


class Base(DeclarativeBase):
    pass


class Mail(Base):
    __tablename__ = "mails"
    id: Mapped[int] = mapped_column(primary_key=True)
    address: Mapped[str] = mapped_column(String(254))


async def send_next(session: AsyncSession, send: Send) -> None:
    query = select(Mail).order_by(Mail.id).limit(1)
    mail = await session.scalar(query.with_for_update(skip_locked=True))
    if mail is not None:
        await send(mail.id, mail.address)
        await session.delete(mail)
