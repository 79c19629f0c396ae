"""Logins of browsers: the cookie holds only an id, the rest is in the database."""

import secrets
from datetime import UTC, datetime, timedelta

from quart import current_app, session
from sqlalchemy import ForeignKey, String, delete, or_, select, update
from sqlalchemy.orm import Mapped, joinedload, mapped_column, relationship

from ..database_sessions import Base, User, reading, writing
from ..database_sessions.models import UtcDateTime

RENEWED_EVERY = timedelta(minutes=1)


class Login(Base):
    """One browser. Without its row no copy of its cookie opens anything more."""

    __tablename__ = "logins"

    id: Mapped[str] = mapped_column(String(43), primary_key=True)
    user_id: Mapped[int] = mapped_column(
        ForeignKey("users.id", ondelete="CASCADE"), index=True
    )
    expires_at: Mapped[datetime] = mapped_column(UtcDateTime, index=True)

    user: Mapped[User] = relationship(lazy="raise")


def expiry() -> datetime:
    return datetime.now(UTC) + current_app.permanent_session_lifetime


def cookie_id() -> str:
    login_id: str = session.get("login_id", "")
    return login_id


async def start_login(user_id: int) -> None:
    """Log this browser in; what it was before, and what has expired, is gone."""
    login = Login(id=secrets.token_urlsafe(32), user_id=user_id, expires_at=expiry())
    gone = or_(Login.id == cookie_id(), Login.expires_at <= datetime.now(UTC))
    async with writing() as database:
        await database.execute(delete(Login).where(gone))
        database.add(login)
    session.clear()
    session.permanent = True
    session["login_id"] = login.id


async def current_login() -> Login | None:
    query = select(Login).options(joinedload(Login.user))
    query = query.where(Login.id == cookie_id(), Login.expires_at > datetime.now(UTC))
    async with reading() as database:
        return await database.scalar(query)


async def renew_login(login: Login) -> None:
    """It ends so long after its last request; written at most once a minute."""
    later = expiry()
    if later - login.expires_at > RENEWED_EVERY:
        same = update(Login).where(Login.id == login.id)
        async with writing() as database:
            await database.execute(same.values(expires_at=later))


async def end_login() -> None:
    """Log this browser out, and whoever has a copy of its cookie."""
    async with writing() as database:
        await database.execute(delete(Login).where(Login.id == cookie_id()))
    session.clear()


async def end_all_logins(user_id: int) -> None:
    """Log the user out everywhere, as after a new password or role."""
    async with writing() as database:
        await database.execute(delete(Login).where(Login.user_id == user_id))
