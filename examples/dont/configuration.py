"""Settings that are read too early, unchecked, or told to everyone."""

import os
from dataclasses import dataclass
from functools import cache
from typing import Any

from dotenv import load_dotenv
from pydantic import Field, HttpUrl, PostgresDsn, SecretStr
from pydantic_settings import BaseSettings, SettingsConfigDict
from quart import Quart, session
from quart_cors import cors


def with_language(app: Quart) -> Quart:
    @app.get("/language")
    async def language() -> dict[str, str]:
        return {"language": session.get("language", "en")}

    @app.put("/language/<code>")
    async def choose(code: str) -> dict[str, str]:
        session["language"] = code
        return {"language": code}

    return app


@dataclass
class ProductionConfig:
    SECRET_KEY: str = os.getenv("SIGNING_KEY", "dev-secret-change-me")

    def __post_init__(self) -> None:
        if self.SECRET_KEY == "dev-secret-change-me":
            raise ValueError("SIGNING_KEY must be set in production")


def unchecked_production() -> Quart:
    app = Quart(__name__)
    app.config.from_object(ProductionConfig)
    return with_language(app)


class TalkativeSettings(BaseSettings):
    secret_key: SecretStr = Field(min_length=32)
    session_hours: int = 12


def talkative_start() -> Quart:
    settings = TalkativeSettings()
    app = Quart(__name__)
    app.secret_key = settings.secret_key.get_secret_value()
    return with_language(app)


class JsonOrigins(BaseSettings):
    secret_key: SecretStr
    cors_origins: list[str] = []


class UrlOrigins(BaseSettings):
    cors_origins: list[HttpUrl]


def url_origins() -> Quart:
    app = Quart(__name__)
    origins = [str(origin) for origin in UrlOrigins().cors_origins]
    cors(app, allow_origin=origins, allow_credentials=True)
    return with_language(app)


class PrintedPassword(BaseSettings):
    database_url: PostgresDsn


class FileSettings(BaseSettings):
    model_config = SettingsConfigDict(env_file=".env")

    session_hours: int = 12


@cache
def cached_settings() -> TalkativeSettings:
    return TalkativeSettings()


def dotenv_for_everyone(path: str) -> Quart:
    load_dotenv(path)
    app = Quart(__name__)
    app.secret_key = os.environ["SECRET_KEY"]
    return with_language(app)


def settings_as_config(settings: BaseSettings) -> Quart:
    app = Quart(__name__)
    app.config.from_object(settings)
    return with_language(app)


def masked_key(key: SecretStr) -> Quart:
    app = Quart(__name__)
    app.config["SECRET_KEY"] = key
    return with_language(app)


def json_values() -> Quart:
    app = Quart(__name__)
    app.config.from_prefixed_env("PARCELS")

    @app.get("/admin")
    async def admin() -> tuple[dict[str, Any], int]:
        if app.config["ADMIN_ENABLED"]:
            return {"admin": True}, 200
        return {}, 404

    return with_language(app)


def bare_cookie(secret_key: str) -> Quart:
    app = Quart(__name__)
    app.secret_key = secret_key
    return with_language(app)


def debug_by_config() -> Quart:
    app = Quart(__name__)
    app.config["DEBUG"] = True
    return app
