"""Sessions of SQLAlchemy on PostgreSQL or SQLite; DATABASE_URL decides.

Try:
    curl -s -i -X PUT http://127.0.0.1:8000/users/ada
    curl -s -i -X PUT http://127.0.0.1:8000/users/ada
    curl -s -i http://127.0.0.1:8000/users/ada
"""

import os

from quart import Quart

from .database import Database, check_database, reading, register_database, writing
from .models import Base, User
from .users import users

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
    app.register_blueprint(users)
    return app
