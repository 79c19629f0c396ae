"""Read typed settings once, when the app is made, or refuse to start.

Try:
    curl -s -i -X PUT http://127.0.0.1:8000/language/nb
    curl -s http://127.0.0.1:8000/language
"""

from datetime import timedelta
from typing import Annotated

from pydantic import BeforeValidator, Field, SecretStr, ValidationError
from pydantic_settings import BaseSettings, NoDecode, SettingsConfigDict
from quart import Quart, session


def split_list(value: object) -> object:
    """Turn `a, b` into a list; pydantic-settings would want JSON."""
    return value.replace(",", " ").split() if isinstance(value, str) else value


Origin = Annotated[str, Field(pattern=r"^https?://[a-z0-9.-]+(:[0-9]+)?$")]
Origins = Annotated[tuple[Origin, ...], NoDecode, BeforeValidator(split_list)]
Key = Annotated[SecretStr, Field(min_length=32)]
Keys = Annotated[tuple[Key, ...], NoDecode, BeforeValidator(split_list)]


class Settings(BaseSettings):
    """Each field is an environment variable of the same name in capitals."""

    model_config = SettingsConfigDict(
        env_ignore_empty=True, frozen=True, hide_input_in_errors=True
    )

    secret_key: Key  # signs the session cookie
    secret_key_fallbacks: Keys = ()  # older keys that still verify
    token_key: Key  # signs access tokens
    token_key_fallbacks: Keys = ()
    bind: str = "127.0.0.1:8000"
    database_url: SecretStr = SecretStr("sqlite+aiosqlite:///app.sqlite3")
    cors_origins: Origins = ()
    secure_cookies: bool = True  # false for plain http, except on localhost
    session_hours: int = Field(default=12, ge=1, le=720)
    api_docs: bool = False
    log_level: str = "INFO"
    log_json: bool = False

    @property
    def token_keys(self) -> list[str]:
        """The key that signs first, then those that only verify."""
        keys = (self.token_key, *self.token_key_fallbacks)
        return [key.get_secret_value() for key in keys]


def load_settings(env_file: str | None = None) -> Settings:
    """Read the environment, then `env_file`; exit 1 with what is wrong."""
    try:
        return Settings(_env_file=env_file)  # type: ignore[call-arg]
    except ValidationError as error:
        faults = {
            f"\n  {str(fault['loc'][0]).upper()}: {fault['msg']}"
            for fault in error.errors(include_input=False)
        }
        raise SystemExit(f"Cannot start:{''.join(sorted(faults))}") from None


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
    async def choose(code: str) -> dict[str, str]:
        session.permanent = True
        session["language"] = code
        return {"language": code}

    return app


if __name__ == "__main__":
    from .serving import run

    run(create_app())
