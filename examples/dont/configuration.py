"""Settings that are read too early, unchecked, or told to everyone."""

import os
from dataclasses import dataclass
from functools import cache

from dotenv import load_dotenv
from pydantic import Field, HttpUrl, PostgresDsn, SecretStr
from pydantic_settings import BaseSettings, SettingsConfigDict
from quart import Blueprint, Quart, session
from quart_cors import cors

signup = Blueprint("signup", __name__)


@signup.post("/users")
async def _create_user() -> dict[str, str]:
    return {"username": "ada"}


def _with_language(app: Quart) -> Quart:
    @app.get("/language")
    async def language() -> dict[str, str]:
        return {"language": session.get("language", "en")}

    @app.put("/language/<code>")
    async def choose_language(code: str) -> dict[str, str]:
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
    return _with_language(app)


class LowerCaseConfig:
    secret_key = os.environ.get("SIGNING_KEY")
    max_content_length = 64 * 1024


def lower_case_names() -> Quart:
    app = Quart(__name__)
    app.config.from_object(LowerCaseConfig)
    return _with_language(app)


def settings_as_config(settings: BaseSettings) -> Quart:
    app = Quart(__name__)
    app.config.from_object(settings)
    return _with_language(app)


class FileSettings(BaseSettings):
    model_config = SettingsConfigDict(env_file=".env")

    session_hours: int = 12


def dotenv_in_the_factory() -> Quart:
    load_dotenv(".env")
    app = Quart(__name__)
    app.secret_key = os.environ["SECRET_KEY"]
    return _with_language(app)


def json_values() -> Quart:
    app = Quart(__name__)
    app.config.from_prefixed_env("ACME")
    if app.config["SIGNUP_OPEN"]:
        app.register_blueprint(signup)
    return _with_language(app)


class TalkativeSettings(BaseSettings):
    secret_key: SecretStr = Field(min_length=32)
    session_hours: int = 12


@cache
def cached_settings() -> TalkativeSettings:
    return TalkativeSettings()


class JsonOrigins(BaseSettings):
    secret_key: SecretStr
    cors_origins: list[str] = []


class UrlOrigins(BaseSettings):
    cors_origins: list[HttpUrl]


def url_origins() -> Quart:
    app = Quart(__name__)
    origins = [str(origin) for origin in UrlOrigins().cors_origins]
    cors(app, allow_origin=origins, allow_credentials=True)
    return _with_language(app)


class PrintedPassword(BaseSettings):
    database_url: PostgresDsn


def masked_key(key: SecretStr) -> Quart:
    app = Quart(__name__)
    app.config["SECRET_KEY"] = key
    return _with_language(app)


def bare_cookie(secret_key: str) -> Quart:
    app = Quart(__name__)
    app.secret_key = secret_key
    return _with_language(app)
