"""What the environment says, typed and checked."""

from typing import Annotated, Literal

from pydantic import Field, Secret, SecretStr, field_validator
from pydantic_settings import BaseSettings, SettingsConfigDict

Key = Annotated[SecretStr, Field(min_length=32)]
Origin = Annotated[str, Field(pattern=r"^https?://[a-z0-9.-]+(:[0-9]+)?$")]
Url = Annotated[str, Field(pattern=r"^(postgresql\+asyncpg|sqlite\+aiosqlite)://")]


class Settings(BaseSettings):
    """Each field is an environment variable of the same name in capitals."""

    model_config = SettingsConfigDict(
        enable_decoding=False,  # a list is written `a, b`, not as JSON
        env_ignore_empty=True,
        frozen=True,
        hide_input_in_errors=True,
    )

    secret_key: Key  # signs the session cookie
    secret_key_fallbacks: tuple[Key, ...] = ()  # older keys, which only verify
    token_key: Key  # signs access tokens
    token_key_fallbacks: tuple[Key, ...] = ()
    database_url: Secret[Url] = Secret("sqlite+aiosqlite:///app.sqlite3")
    redis_url: SecretStr | None = None
    mail_outbox: bool = False  # a worker sends the mail
    upload_folder: str = "stored_files"
    bind: str = "127.0.0.1:8000"
    trusted_hops: int = Field(default=0, ge=0)  # proxies before the app
    cors_origins: tuple[Origin, ...] = ()
    secure_cookies: bool = True
    session_hours: int = Field(default=12, ge=1, le=720)
    api_docs: bool = False
    log_level: Literal["DEBUG", "INFO", "WARNING", "ERROR"] = "INFO"
    log_json: bool = False

    @field_validator(
        "cors_origins", "secret_key_fallbacks", "token_key_fallbacks", mode="before"
    )
    @classmethod
    def split_list(cls, value: object) -> object:
        if isinstance(value, str):
            return value.replace(",", " ").split()
        return value

    @property
    def token_keys(self) -> list[str]:
        """The key that signs first, then those that only verify."""
        keys = (self.token_key, *self.token_key_fallbacks)
        return [key.get_secret_value() for key in keys]
