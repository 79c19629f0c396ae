"""What the app asks its database, as the Flask app had it: sync, and unchanged."""

from sqlalchemy import select
from sqlalchemy.orm import Session

from ..database_sessions import Base, User


def create_tables(session: Session) -> None:
    """For commands: the serving hooks, which do it too, are not run for them."""
    Base.metadata.create_all(session.connection())


def add_user(session: Session, username: str, password_hash: str) -> User:
    email = f"{username}@example.com"
    user = User(username=username, email=email, password_hash=password_hash)
    session.add(user)
    session.flush()
    return user


def find_user(session: Session, user_id: int) -> User | None:
    return session.get(User, user_id)


def user_named(session: Session, username: str) -> User | None:
    return session.scalar(select(User).where(User.username == username))


def usernames(session: Session) -> list[str]:
    return [*session.scalars(select(User.username).order_by(User.id))]


def set_bio(session: Session, user_id: int, bio: str) -> None:
    session.get_one(User, user_id).bio = bio
