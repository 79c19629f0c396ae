"""Read typed settings once, when the app is made, or refuse to start.

Try:
    curl -s -i -X PUT http://127.0.0.1:8000/language/nb
    curl -s http://127.0.0.1:8000/language
    curl -s -i -b __Host-session=forged http://127.0.0.1:8000/language
"""

from datetime import timedelta
from typing import Annotated

from pydantic import BeforeValidator, Field, SecretStr, ValidationError
from pydantic_settings import BaseSettings, NoDecode, SettingsConfigDict
from quart import Quart, session
from quart_cors import cors

Origin = Annotated[str, Field(pattern=r"^https?://[a-z0-9.-]+(:[0-9]+)?$")]


def split(value: object) -> object:
    return value.replace(",", " ").split() if isinstance(value, str) else value


class Settings(BaseSettings):
    model_config = SettingsConfigDict(
        env_ignore_empty=True, frozen=True, hide_input_in_errors=True
    )

    secret_key: SecretStr = Field(min_length=32)
    cors_origins: Annotated[tuple[Origin, ...], NoDecode, BeforeValidator(split)] = ()
    session_hours: int = Field(default=12, ge=1, le=720)


def load_settings() -> Settings:
    try:
        return Settings.model_validate({})
    except ValidationError as error:
        problems = {
            f"\n  {str(problem['loc'][0]).upper()}: {problem['msg']}"
            for problem in error.errors(include_input=False)
        }
        raise SystemExit(f"Cannot start:{''.join(sorted(problems))}") from None


def create_app(settings: Settings | None = None) -> Quart:
    settings = settings or load_settings()
    app = Quart(__name__)
    app.config.from_mapping(
        DEBUG=False,
        PERMANENT_SESSION_LIFETIME=timedelta(hours=settings.session_hours),
        SECRET_KEY=settings.secret_key.get_secret_value(),
        SESSION_COOKIE_NAME="__Host-session",
        SESSION_COOKIE_SAMESITE="Lax",
        SESSION_COOKIE_SECURE=True,
    )
    app.extensions["settings"] = settings
    if settings.cors_origins:
        cors(app, allow_origin=settings.cors_origins, allow_credentials=True)

    @app.get("/language")
    async def language() -> dict[str, str]:
        return {"language": session.get("language", "en")}

    @app.put("/language/<any(en, nb, uk):code>")
    async def choose(code: str) -> dict[str, str]:
        session.permanent = True
        session["language"] = code
        return {"language": code}

    return app
