"""Mistakes with blueprints and what is put around their views."""

from collections.abc import Callable
from functools import wraps
from typing import Any

from quart import Blueprint, Quart, abort, request
from werkzeug.exceptions import HTTPException

View = Callable[..., Any]


def _login_required(view: View) -> View:
    @wraps(view)
    async def guarded(*args: Any, **kwargs: Any) -> Any:
        if "Authorization" not in request.headers:
            abort(401)
        return await view(*args, **kwargs)

    return guarded


def decorator_above_the_route() -> Quart:
    app = Quart(__name__)
    users = Blueprint("users", __name__, url_prefix="/users")

    @_login_required
    @users.get("")
    async def list_users() -> list[str]:
        return ["ada"]

    app.register_blueprint(users)
    return app


def sync_decorator() -> Quart:
    app = Quart(__name__)

    def need_a_key(view: View) -> View:
        @wraps(view)
        def guarded(*args: Any, **kwargs: Any) -> Any:
            if "X-Api-Key" not in request.headers:
                abort(401)
            return view(*args, **kwargs)

        return guarded

    @app.get("/users")
    @need_a_key
    async def list_users() -> list[str]:
        return ["ada"]

    return app


def handle_404_in_the_blueprint() -> Quart:
    app = Quart(__name__)
    api = Blueprint("api", __name__, url_prefix="/api")

    @api.errorhandler(404)
    async def not_found(error: HTTPException) -> tuple[dict[str, str], int]:
        return {"detail": "There is no such thing."}, 404

    @api.get("/users")
    async def list_users() -> list[str]:
        return ["ada"]

    app.register_blueprint(api)
    return app


def register_twice() -> Quart:
    app = Quart(__name__)
    users = Blueprint("users", __name__)
    app.register_blueprint(users, url_prefix="/v1/users")
    app.register_blueprint(users, url_prefix="/v2/users")
    return app


def decorate_without_wraps() -> Quart:
    app = Quart(__name__)
    users = Blueprint("users", __name__, url_prefix="/users")

    def timed(view: View) -> View:
        async def wrapper(*args: Any, **kwargs: Any) -> Any:
            return await view(*args, **kwargs)

        return wrapper

    @users.get("")
    @timed
    async def list_users() -> list[str]:
        return ["ada"]

    @users.get("/<int:user_id>")
    @timed
    async def show_user(user_id: int) -> str:
        return "ada"

    app.register_blueprint(users)
    return app


nested_api = Blueprint("api", __name__, url_prefix="/api")
nested_users = Blueprint("users", __name__, url_prefix="/users")


def nest_in_the_factory() -> Quart:
    app = Quart(__name__)
    nested_api.register_blueprint(nested_users)
    app.register_blueprint(nested_api)
    return app


def leave_the_body_empty() -> Quart:
    app = Quart(__name__)

    @app.post("/auth/login")
    async def log_in() -> None:
        pass

    @app.websocket("/ws/chat")
    async def chat() -> None:
        pass

    return app
