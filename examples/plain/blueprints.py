"""Routes by resource; the parent's hook guards what is nested in it."""

from quart import Blueprint, Quart, abort, session

users = Blueprint("users", __name__, url_prefix="/users")
api = Blueprint("api", __name__, url_prefix="/api")
api.register_blueprint(users)


@api.before_request
async def need_a_login() -> None:
    if "user_id" not in session:
        abort(401)


@users.get("")  # GET /api/users; url_for("api.users.list_users")
async def list_users() -> dict[str, list[str]]:
    return {"users": ["ada"]}


def create_app(secret_key: str) -> Quart:
    app = Quart(__name__)
    app.secret_key = secret_key
    app.register_blueprint(api)
    return app
