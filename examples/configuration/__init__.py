"""Read typed settings once, when the app is made, or refuse to start.

Try:
    curl -s -i -X PUT http://127.0.0.1:8000/language/nb
    SECRET_KEY=hunter2 SESSION_HOURS=noon python -m examples.configuration 2>&1 || test $? -eq 1
"""  # noqa: E501

from datetime import timedelta

from pydantic import ValidationError
from quart import Quart, session

from .settings import Settings

__all__ = ["Settings", "configure", "load_settings"]


def load_settings(env_file: str | None = None) -> Settings:
    """Read the environment, then `env_file`; exit 1 and name every fault."""
    try:
        return Settings(_env_file=env_file)  # type: ignore[call-arg]
    except ValidationError as error:
        message = "Cannot start:"
        for fault in error.errors(include_input=False):
            name = ".".join(str(part) for part in fault["loc"]) or "settings"
            message += f"\n  {name.upper()}: {fault['msg']}"
        raise SystemExit(message) from None


def configure(app: Quart, settings: Settings) -> None:
    app.extensions["settings"] = settings
    app.config.from_mapping(
        DEBUG=False,  # else FLASK_DEBUG decides
        MAX_CONTENT_LENGTH=64 * 1024,
        PERMANENT_SESSION_LIFETIME=timedelta(hours=settings.session_hours),
        SECRET_KEY=settings.secret_key.get_secret_value(),
        SECRET_KEY_FALLBACKS=[
            key.get_secret_value() for key in settings.secret_key_fallbacks
        ],
        SESSION_COOKIE_NAME="__Host-session" if settings.secure_cookies else "session",
        SESSION_COOKIE_SAMESITE="Lax",
        SESSION_COOKIE_SECURE=settings.secure_cookies,
    )


def create_app(settings: Settings | None = None) -> Quart:
    app = Quart(__name__)
    configure(app, settings or load_settings())

    @app.get("/language")
    async def language() -> dict[str, str]:
        return {"language": session.get("language", "en")}

    @app.put("/language/<any(en, nb, uk):code>")
    async def choose_language(code: str) -> dict[str, str]:
        session.permanent = True  # stay for SESSION_HOURS, not until the browser ends
        session["language"] = code
        return {"language": code}

    return app
