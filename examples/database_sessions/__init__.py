"""Sessions of SQLAlchemy on PostgreSQL or SQLite; DATABASE_URL decides.

Try:
    curl -s -i -X PUT http://127.0.0.1:8000/users/ada
    curl -s -i http://127.0.0.1:8000/users/ada
    curl -s -i http://127.0.0.1:8000/users/nobody
"""

import os

from quart import Quart, abort
from sqlalchemy import select, update

from .database import Database, check_database, reading, register_database, writing
from .models import Base, User

__all__ = [
    "Base",
    "Database",
    "User",
    "check_database",
    "reading",
    "register_database",
    "writing",
]


def create_app(database_url: str | None = None) -> Quart:
    app = Quart(__name__)
    default = os.environ.get("DATABASE_URL", "sqlite+aiosqlite:///app.sqlite3")
    register_database(app, database_url or default)

    @app.put("/users/<username>")
    async def create_user(username: str) -> tuple[dict[str, int], int]:
        email = f"{username}@example.com"
        user = User(username=username, email=email, password_hash="-")
        async with writing() as session:
            session.add(user)
        return {"id": user.id}, 201

    @app.get("/users/<username>")
    async def show_user(username: str) -> dict[str, str]:
        async with reading() as session:
            user = await session.scalar(select(User).where(User.username == username))
        if user is None:
            abort(404)
        return {"username": user.username, "email": user.email}

    @app.post("/users/<username>/logins")
    async def count_login(username: str) -> dict[str, int]:
        counted = update(User).where(User.username == username)
        counted = counted.values(logins=User.logins + 1).returning(User.logins)
        async with writing() as session:
            logins = await session.scalar(counted)
        return {"logins": logins or 0}

    return app
