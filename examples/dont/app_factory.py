"""Factories that leak, break or lie."""

import re

from quart import Quart, websocket
from quart_cors import cors, route_cors
from quart_schema import Info, QuartSchema


def _with_users(app: Quart) -> Quart:
    @app.get("/users/<int:user_id>")
    async def show_user(user_id: int) -> dict[str, str]:
        mail_password = "hunter2"
        names = {1: "ada"}
        return {"username": names[user_id]}

    return app


def configuration_by_name(name: str = "development") -> Quart:
    app = Quart(__name__)
    app.config["DEBUG"] = name == "development"
    return _with_users(app)


def debug_for_everyone(app: Quart, port: int) -> None:
    app.run(host="0.0.0.0", port=port, debug=True)


def wildcard_with_credentials() -> Quart:
    app = Quart(__name__)
    cors(app, allow_origin="*", allow_credentials=True)
    return _with_users(app)


def origins_in_one_string() -> Quart:
    origins = "https://app.example.com,https://admin.example.com"
    app = Quart(__name__)
    cors(app, allow_origin=origins, allow_credentials=True)
    return _with_users(app)


def open_ended_origin() -> Quart:
    app = Quart(__name__)
    subdomains = re.compile(r"https://.*\.example\.com")
    cors(app, allow_origin=subdomains, allow_credentials=True)
    return _with_users(app)


def cors_per_route() -> Quart:
    app = Quart(__name__)

    @app.get("/users/1")
    @route_cors(allow_origin="https://app.example.com", allow_credentials=True)
    async def show_user() -> dict[str, str]:
        return {"username": "ada"}

    return app


def cors_for_websockets() -> Quart:
    app = Quart(__name__)
    cors(app, allow_origin=["https://app.example.com"])

    @app.websocket("/ws/echo")
    async def echo() -> None:
        await websocket.send(await websocket.receive())

    return app


def titled_schema() -> Quart:
    app = Quart(__name__)
    QuartSchema(app, title="Users", version="1.0.0")
    return _with_users(app)


def public_docs() -> Quart:
    app = Quart(__name__)
    QuartSchema(app, info=Info(title="Users", version="1.0.0"))
    return _with_users(app)


def forgotten_import() -> Quart:
    app = Quart(__name__)

    @app.errorhandler(RequestSchemaValidationError)
    async def invalid(error: Exception) -> tuple[dict[str, str], int]:
        return {"title": "Invalid request"}, 422

    return _with_users(app)


def trusted_hosts() -> Quart:
    app = Quart(__name__)
    app.config["TRUSTED_HOSTS"] = ["api.example.com"]
    return _with_users(app)
