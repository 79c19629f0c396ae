"""Browsers log in with a form and stay logged in by a cookie.

Try:
    curl -s -i http://127.0.0.1:8000/users -d username=ada -d password=correct-horse
    curl -s -i -L -b '' 'http://127.0.0.1:8000/login?next=/account' -d username=ada -d password=correct-horse -H 'Origin: http://127.0.0.1:8000'
    curl -s -i http://127.0.0.1:8000/account -H 'Accept: text/html'
"""  # noqa: E501

from collections.abc import Sequence

from quart import Quart, request
from quart.typing import ResponseReturnValue

from ..authentication import register_authentication
from ..configuration import Settings, configure, load_settings
from ..csrf import register_csrf
from ..database_sessions import User, register_database, writing
from ..password_hashing import password_hashing, register_password_hashing
from .account import caller_by_login, pages

__all__ = ["register_pages"]


def register_pages(app: Quart, origins: Sequence[str] = ()) -> None:
    """Pages of `origins` may use the routes, too."""
    app.extensions["cookie_caller"] = caller_by_login
    register_csrf(app, origins)
    app.register_blueprint(pages)


def create_app(settings: Settings | None = None) -> Quart:
    settings = settings or load_settings()
    app = Quart(__name__)
    configure(app, settings)
    register_database(app, settings.database_url.get_secret_value())
    register_authentication(app, settings.token_keys, settings.cors_origins)
    register_password_hashing(app)
    register_pages(app, settings.cors_origins)

    @app.post("/users")
    async def create_user() -> ResponseReturnValue:
        form = await request.form
        password_hash = await password_hashing().hash(
            form["password"], client=request.remote_addr or ""
        )
        user = User(
            username=form["username"],
            email=f"{form['username']}@example.com",
            password_hash=password_hash,
        )
        async with writing() as database:
            database.add(user)
        return {"id": user.id}, 201

    return app
