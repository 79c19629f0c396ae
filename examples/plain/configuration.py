"""Read the settings when the app is made, and refuse a start that lacks one."""

from pydantic import Field, SecretStr
from pydantic_settings import BaseSettings, SettingsConfigDict
from quart import Quart


class Settings(BaseSettings):
    """SECRET_KEY and PAGE_SIZE in the environment."""

    model_config = SettingsConfigDict(hide_input_in_errors=True)

    secret_key: SecretStr = Field(min_length=32)
    page_size: int = 20


def create_app(settings: Settings | None = None) -> Quart:
    settings = settings or Settings()  # type: ignore[call-arg]
    app = Quart(__name__)
    app.config.from_mapping(
        DEBUG=False,  # else FLASK_DEBUG decides
        PAGE_SIZE=settings.page_size,
        SECRET_KEY=settings.secret_key.get_secret_value(),
        SESSION_COOKIE_SAMESITE="Lax",
        SESSION_COOKIE_SECURE=True,
    )
    return app
