"""Check every input at the edge, and answer only what the model of the answer names.

Try:
    curl -s -i -H 'Content-Type: application/json' -d '{"username": "ada", "email": "ada@example.com", "password": "correct-horse"}' http://127.0.0.1:8000/users
    curl -s -X PATCH -H 'Content-Type: application/json' -d '{"email": null}' http://127.0.0.1:8000/users/1
    curl -s -F 'text=Hello' -F 'topics=billing' -F 'files=Some text;filename=notes.txt' http://127.0.0.1:8000/messages
"""  # noqa: E501

from quart import Quart
from quart_schema import QuartSchema

from ..error_handling import register_error_handlers
from .body_limits import BodyLimit, limit_bodies
from .json_request import JSONRequest
from .models import NewUser, PageQuery, UserChanges, UserPage, UserView
from .views import views

__all__ = [
    "BodyLimit",
    "JSONRequest",
    "NewUser",
    "PageQuery",
    "UserChanges",
    "UserPage",
    "UserView",
    "limit_bodies",
]


def create_app() -> Quart:
    app = Quart(__name__)
    app.request_class = JSONRequest
    app.config["MAX_CONTENT_LENGTH"] = 64 * 1024
    limit_bodies(app, {"/messages": 5 * 2**20})
    app.extensions["users"] = {}
    QuartSchema(app, openapi_path=None)
    register_error_handlers(app)
    app.register_blueprint(views)
    return app
