"""Routes by resource, each in a blueprint.

Try:
    curl -s -i http://127.0.0.1:8000/users -H 'Content-Type: application/json' -d '{"username": "ada", "email": "ada@example.com", "password": "correct-horse"}'
    curl -s -i http://127.0.0.1:8000/auth/login -H 'Content-Type: application/json' -d '{"username": "ada", "password": "correct-horse"}'
    curl -s -i http://127.0.0.1:8000/api/users
"""  # noqa: E501

import os
from collections.abc import Sequence

from quart import Quart
from quart_schema import QuartSchema

from ..authentication import register_authentication
from ..background_tasks import register_jobs, register_mail
from ..database_sessions import register_database
from ..error_handling import register_error_handlers
from ..password_hashing import register_password_hashing
from ..request_validation import JSONRequest
from .api import api
from .auth import auth
from .users import users


def register_blueprints(app: Quart) -> None:
    for blueprint in (auth, users, api):
        app.register_blueprint(blueprint)


def create_app(
    database_url: str | None = None, keys: Sequence[str] | None = None
) -> Quart:
    app = Quart(__name__)
    app.request_class = JSONRequest
    app.secret_key = os.environ.get("SECRET_KEY", "")
    QuartSchema(app, openapi_path=None)
    register_error_handlers(app)
    default = os.environ.get("DATABASE_URL", "sqlite+aiosqlite:///app.sqlite3")
    register_database(app, database_url or default)
    register_authentication(app, keys or [os.environ["TOKEN_KEY"]])
    register_password_hashing(app)
    register_mail(app)
    register_jobs(app)
    register_blueprints(app)
    return app
