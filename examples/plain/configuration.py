"""Read the settings once, and refuse to start when one is missing."""

from pydantic import Field, SecretStr
from pydantic_settings import BaseSettings
from quart import Quart


class Settings(BaseSettings):
    """SECRET_KEY and PAGE_SIZE in the environment."""

    secret_key: SecretStr = Field(min_length=32)
    page_size: int = 20


def create_app(settings: Settings | None = None) -> Quart:
    settings = settings or Settings()
    app = Quart(__name__)
    app.secret_key = settings.secret_key.get_secret_value()

    @app.get("/page-size")
    async def page_size() -> dict[str, int]:
        return {"page_size": settings.page_size}

    return app
