"""Routes by resource, each in a blueprint.

Try:
    curl -s -i http://127.0.0.1:8000/users -H 'Content-Type: application/json' -d '{"username": "ada", "email": "ada@example.com", "password": "correct-horse"}'
    curl -s -i http://127.0.0.1:8000/api/users
    curl -s -i http://127.0.0.1:8000/api/users -H "Authorization: Bearer $(curl -s http://127.0.0.1:8000/auth/login -H 'Content-Type: application/json' -d '{"username": "ada", "password": "correct-horse"}' | python -c 'import json, sys; print(json.load(sys.stdin)["access_token"])')"
"""  # noqa: E501

from quart import Quart
from quart_schema import QuartSchema

from ..authentication import register_authentication
from ..background_tasks import register_jobs, register_mail
from ..configuration import Settings, configure, load_settings
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


def create_app(settings: Settings | None = None) -> Quart:
    settings = settings or load_settings()
    app = Quart(__name__)
    app.request_class = JSONRequest
    configure(app, settings)
    QuartSchema(app, openapi_path=None)
    register_error_handlers(app)
    register_database(app, settings.database_url.get_secret_value())
    register_authentication(app, settings.token_keys, settings.cors_origins)
    register_password_hashing(app)
    register_mail(app)
    register_jobs(app)
    register_blueprints(app)
    return app
