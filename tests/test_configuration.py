import logging
import runpy
import sys
from datetime import timedelta
from pathlib import Path
from typing import Any

import pytest
from pydantic import SecretStr, ValidationError, model_validator
from pydantic_settings import BaseSettings, SettingsConfigDict, SettingsError
from quart import Quart
from quart.cli import ScriptInfo

from examples import configuration
from examples.configuration import Settings, create_app, load_settings
from examples.dont import configuration as dont
from examples.plain import configuration as plain
from tests.support.server import start
from tests.support.versions import QUART_0_23

OLD = "o" * 32
NEW = "n" * 32
NEEDED = {"SECRET_KEY": OLD, "TOKEN_KEY": OLD, "DATABASE_URL": "sqlite+aiosqlite:///x"}
NAMES = [name.upper() for name in Settings.model_fields]
APP = "https://app.example.com"
ADMIN = "https://admin.example.com"


@pytest.fixture(autouse=True)
def environment(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    for name in (*NAMES, "FLASK_DEBUG", "QUART_DEBUG", "SIGNING_KEY"):
        monkeypatch.setenv(name, "")  # so that the end of the test undoes load_dotenv
        monkeypatch.delenv(name)
    for name, value in NEEDED.items():
        monkeypatch.setenv(name, value)
    monkeypatch.chdir(tmp_path)


def refusal() -> str:
    with pytest.raises(SystemExit) as refused:
        load_settings()
    assert refused.value.__cause__ is None
    assert refused.value.__suppress_context__
    return str(refused.value.code)


async def put(app: Quart) -> tuple[int, list[str]]:
    """The status of a write to the session, and its cookie part by part."""
    response = await app.test_client().put("/language/nb")
    return response.status_code, response.headers.get("Set-Cookie", "").split("; ")


async def language(app: Quart, cookie: str) -> str:
    response = await app.test_client().get("/language", headers={"Cookie": cookie})
    answer: dict[str, str] = await response.get_json()
    return answer["language"]


# Reading


def test_settings_are_read_when_the_app_is_made(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setenv("CORS_ORIGINS", f"{APP}, {ADMIN}")
    app = create_app()
    assert app.extensions["settings"].cors_origins == (APP, ADMIN)
    monkeypatch.setenv("SESSION_HOURS", "1")
    assert create_app().permanent_session_lifetime == timedelta(hours=1)
    assert app.permanent_session_lifetime == timedelta(hours=12)


def test_a_prefix_is_not_part_of_the_message(monkeypatch: pytest.MonkeyPatch) -> None:
    class Prefixed(Settings):
        model_config = SettingsConfigDict(env_prefix="ACME_")

    monkeypatch.setattr(configuration, "Settings", Prefixed)
    for name, value in NEEDED.items():
        monkeypatch.setenv(f"ACME_{name}", value)
    assert load_settings().secret_key.get_secret_value() == OLD
    monkeypatch.setenv("ACME_SESSION_HOURS", "noon")
    assert refusal().startswith("Cannot start:\n  SESSION_HOURS: Input should be")


def test_a_foreign_line_in_the_file_can_be_allowed() -> None:
    class Tolerant(Settings):
        model_config = SettingsConfigDict(extra="ignore")

    Path(".env").write_text("POSTGRES_PASSWORD=hunter2\nSESSION_HOURS=2\n")
    assert Tolerant(_env_file=".env").session_hours == 2


def test_every_default_is_that_of_production() -> None:
    settings = load_settings()
    defaults = settings.model_dump(exclude={"secret_key", "token_key", "database_url"})
    assert defaults == {
        "secret_key_fallbacks": (),
        "token_key_fallbacks": (),
        "redis_url": None,
        "mail_outbox": False,
        "upload_folder": "stored_files",
        "bind": "127.0.0.1:8000",
        "trusted_hops": 0,
        "cors_origins": (),
        "secure_cookies": True,
        "session_hours": 12,
        "api_docs": False,
        "log_level": "INFO",
        "log_json": False,
    }


def test_every_variable_reaches_its_field(monkeypatch: pytest.MonkeyPatch) -> None:
    texts = {
        "SECRET_KEY": NEW,
        "SECRET_KEY_FALLBACKS": OLD,
        "TOKEN_KEY": NEW,
        "TOKEN_KEY_FALLBACKS": f"{OLD},{OLD[::-1]}",
        "DATABASE_URL": "postgresql+asyncpg://ada:hunter2@db/users",
        "REDIS_URL": "redis://:hunter2@cache/0",
        "MAIL_OUTBOX": "true",
        "UPLOAD_FOLDER": "/srv/files",
        "BIND": "0.0.0.0:80",
        "TRUSTED_HOPS": "2",
        "CORS_ORIGINS": f"{APP} {ADMIN}:8443",
        "SECURE_COOKIES": "false",
        "SESSION_HOURS": "2",
        "API_DOCS": "1",
        "LOG_LEVEL": "DEBUG",
        "LOG_JSON": "true",
    }
    assert list(texts) == NAMES
    for name, text in texts.items():
        monkeypatch.setenv(name, text)
    assert load_settings() == Settings(
        secret_key=NEW,
        secret_key_fallbacks=[OLD],
        token_key=NEW,
        token_key_fallbacks=[OLD, OLD[::-1]],
        database_url="postgresql+asyncpg://ada:hunter2@db/users",
        redis_url="redis://:hunter2@cache/0",
        mail_outbox=True,
        upload_folder="/srv/files",
        bind="0.0.0.0:80",
        trusted_hops=2,
        cors_origins=[APP, f"{ADMIN}:8443"],
        secure_cookies=False,
        session_hours=2,
        api_docs=True,
        log_level="DEBUG",
        log_json=True,
    )
    assert load_settings().token_keys == [NEW, OLD, OLD[::-1]]


def test_an_empty_variable_counts_as_unset(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("CORS_ORIGINS", "")
    monkeypatch.setenv("SESSION_HOURS", "")
    assert load_settings() == Settings()


def test_fields_that_a_test_leaves_out_come_from_the_environment(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setenv("SESSION_HOURS", "1")
    assert Settings(secret_key=NEW).session_hours == 1


def test_settings_are_frozen_and_keep_their_secrets() -> None:
    settings = Settings(database_url="postgresql+asyncpg://ada:hunter2@db/users")
    with pytest.raises(ValidationError, match="Instance is frozen"):
        settings.session_hours = 1
    shown = f"{settings!r} {settings} {settings.model_dump_json()}"
    assert OLD not in shown
    assert "hunter2" not in shown


def test_the_environment_goes_before_the_file(monkeypatch: pytest.MonkeyPatch) -> None:
    Path("development.env").write_text("SESSION_HOURS=3\nAPI_DOCS=true\n")
    monkeypatch.setenv("SESSION_HOURS", "2")
    settings = load_settings("development.env")
    assert (settings.session_hours, settings.api_docs) == (2, True)
    assert load_settings().api_docs is False
    assert load_settings("missing.env").api_docs is False


def test_a_file_may_hold_only_what_has_a_field() -> None:
    Path(".env").write_text("POSTGRES_PASSWORD=hunter2\n")
    with pytest.raises(SystemExit) as refused:
        load_settings(".env")
    assert str(refused.value) == (
        "Cannot start:\n  POSTGRES_PASSWORD: Extra inputs are not permitted"
    )


def test_only_the_launch_reads_the_file(monkeypatch: pytest.MonkeyPatch) -> None:
    Path(".env").write_text("SESSION_HOURS=noon\n")
    assert create_app().permanent_session_lifetime == timedelta(hours=12)
    monkeypatch.setattr(sys, "argv", ["examples"])
    with pytest.raises(SystemExit, match="SESSION_HOURS"):
        runpy.run_module("examples", run_name="__main__")


# Refusing


def test_one_message_names_every_bad_variable(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("SECRET_KEY", "hunter2")
    monkeypatch.setenv("SECRET_KEY_FALLBACKS", f"{OLD},hunter2")
    monkeypatch.delenv("TOKEN_KEY")
    monkeypatch.setenv("DATABASE_URL", "postgres://ada:hunter2@db/users")
    monkeypatch.setenv("CORS_ORIGINS", "*")
    monkeypatch.setenv("SESSION_HOURS", "0")
    monkeypatch.setenv("LOG_LEVEL", "verbose")
    assert refusal().splitlines() == [
        "Cannot start:",
        "  SECRET_KEY: Value should have at least 32 items after validation, not 7",
        "  SECRET_KEY_FALLBACKS.1: Value should have at least 32 items after "
        "validation, not 7",
        "  TOKEN_KEY: Field required",
        "  DATABASE_URL: String should match pattern "
        r"'^(postgresql\+asyncpg|sqlite\+aiosqlite)://'",
        "  CORS_ORIGINS.0: String should match pattern "
        "'^https?://[a-z0-9.-]+(:[0-9]+)?$'",
        "  SESSION_HOURS: Input should be greater than or equal to 1",
        "  LOG_LEVEL: Input should be 'DEBUG', 'INFO', 'WARNING' or 'ERROR'",
    ]


def test_a_nested_field_is_named_in_full(monkeypatch: pytest.MonkeyPatch) -> None:
    class Pool(BaseSettings):
        size: int = 5

    class Nested(Settings):
        model_config = SettingsConfigDict(env_nested_delimiter="__")
        pool: Pool = Pool()

        @model_validator(mode="after")
        def check_pool(self) -> "Nested":
            if self.pool.size > 20 and self.bind.startswith("127."):
                raise ValueError("so many connections are for production")
            return self

    monkeypatch.setattr(configuration, "Settings", Nested)
    monkeypatch.setenv("POOL__SIZE", "many")
    assert "\n  POOL.SIZE: Input should be a valid integer" in refusal()
    monkeypatch.setenv("POOL__SIZE", "50")
    assert refusal() == (
        "Cannot start:\n  SETTINGS: Value error, so many connections are for production"
    )


@pytest.mark.parametrize(
    "origins",
    [
        "*",
        "null",
        f"{APP}/",
        f"x{APP}",
        "app.example.com",
        "https://App.example.com",
        f"{APP}:",
        f"{APP} {ADMIN}/a",
        "https://.*",
        f'["{APP}"]',
    ],
)
def test_only_exact_origins_are_settings(
    monkeypatch: pytest.MonkeyPatch, origins: str
) -> None:
    monkeypatch.setenv("CORS_ORIGINS", origins)
    assert "CORS_ORIGINS" in refusal()


@pytest.mark.parametrize(
    ("hours", "accepted"), [(0, False), (1, True), (720, True), (721, False)]
)
def test_a_session_lasts_from_an_hour_to_a_month(hours: int, accepted: bool) -> None:
    if accepted:
        assert Settings(session_hours=hours).session_hours == hours
    else:
        with pytest.raises(ValidationError, match="session_hours"):
            Settings(session_hours=hours)


@pytest.mark.parametrize("level", ["DEBUG", "INFO", "WARNING", "ERROR"])
def test_every_log_level_is_known_to_python(level: str) -> None:
    assert Settings(log_level=level).log_level in logging.getLevelNamesMapping()


def test_no_message_repeats_a_value(monkeypatch: pytest.MonkeyPatch) -> None:
    for name in NAMES:
        monkeypatch.setenv(name, "Hunter2")
    monkeypatch.delenv("BIND")
    assert "Hunter2" not in refusal()
    with pytest.raises(ValidationError) as error:
        Settings()
    assert "Hunter2" not in str(error.value)


FAULTS = {"SECRET_KEY": "hunter2", "SESSION_HOURS": "half a day"}
MESSAGE = (
    "Cannot start:\n"
    "  SECRET_KEY: Value should have at least 32 items after validation, not 7\n"
    "  SESSION_HOURS: Input should be a valid integer,"
    " unable to parse string as an integer\n"
)


TARGET = "examples.configuration:create_app()"


@pytest.mark.parametrize(
    "command",
    [
        ["examples.configuration"],
        ["hypercorn", "-w", "0", "-b", "127.0.0.1:0", TARGET],
    ],
    ids=["python -m", "hypercorn -w 0"],
)
async def test_a_refused_start_ends_the_process_with_1(command: list[str]) -> None:
    server = await start(*command, env={**NEEDED, **FAULTS})
    assert await server.exit_code(30) == 1
    assert server.log == MESSAGE


async def test_a_refused_worker_hides_behind_exit_code_0() -> None:
    options = ("-w", "1", "-b", "127.0.0.1:0")
    server = await start("hypercorn", *options, TARGET, env={**NEEDED, **FAULTS})
    assert await server.exit_code(30) == 0
    assert MESSAGE in server.log


# Into the app


async def test_the_session_cookie_is_hardened() -> None:
    status, (value, expires, *flags) = await put(create_app(Settings(session_hours=1)))
    assert status == 200
    assert value.startswith("__Host-session=")
    assert expires.startswith("Expires=")
    assert flags == ["Secure", "HttpOnly", "Path=/", "SameSite=Lax"]


async def test_plain_http_needs_a_cookie_that_is_not_secure() -> None:
    app = create_app(Settings(secure_cookies=False))
    status, (value, _expires, *flags) = await put(app)
    assert status == 200
    assert value.startswith("session=")
    assert flags == ["HttpOnly", "Path=/", "SameSite=Lax"]


async def test_a_session_is_read_back_and_a_forged_one_is_not() -> None:
    app = create_app()
    client = app.test_client()
    await client.put("/language/nb")
    response = await client.get("/language")
    assert await response.get_json() == {"language": "nb"}
    assert await language(app, "__Host-session=forged") == "en"


async def test_fallbacks_keep_sessions_when_the_key_is_rotated() -> None:
    _, (cookie, *_) = await put(create_app(Settings(secret_key=OLD)))
    rotated = create_app(Settings(secret_key=NEW, secret_key_fallbacks=[OLD]))
    assert await language(rotated, cookie) == "nb"
    _, (renewed, *_) = await put(rotated)
    finished = create_app(Settings(secret_key=NEW))
    assert await language(finished, renewed) == "nb"
    assert await language(finished, cookie) == "en"


@pytest.mark.parametrize("path", ["/language", "/unknown"])
async def test_what_does_not_write_the_session_lacks_vary_on_0_22(path: str) -> None:
    app = dont.bare_cookie(OLD)
    client = app.test_client()
    assert (await client.put("/language/nb")).headers["Vary"] == "Cookie"
    response = await client.get(path)
    assert response.headers.get("Vary") == ("Cookie" if QUART_0_23 else None)


async def test_a_body_has_a_limit_that_is_not_16_mb() -> None:
    assert create_app().config["MAX_CONTENT_LENGTH"] == 64 * 1024
    assert Quart(__name__).config["MAX_CONTENT_LENGTH"] == 16 * 1024 * 1024


def test_flask_debug_is_ignored(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("FLASK_DEBUG", "1")
    assert Quart(__name__).debug is True
    assert create_app().debug is False
    assert plain.create_app().debug is False


def test_the_quart_command_sets_debug_by_its_own_variable(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    assert ScriptInfo(create_app=create_app).load_app().debug is False
    monkeypatch.setenv("QUART_DEBUG", "1")
    assert create_app().debug is False
    assert ScriptInfo(create_app=create_app).load_app().debug is True


def test_nothing_reads_quart_env(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("QUART_ENV", "development")
    app = Quart(__name__)
    assert ScriptInfo(create_app=lambda: app).load_app().debug is False
    assert app.config["ENV"] is None


# The plain form


async def test_the_plain_form_signs_sessions_with_its_key() -> None:
    app = dont._with_language(plain.create_app())
    assert app.config["PAGE_SIZE"] == 20
    status, (cookie, *flags) = await put(app)
    assert status == 200
    assert flags == ["Secure", "HttpOnly", "Path=/", "SameSite=Lax"]
    assert await language(app, cookie) == "nb"


def test_the_plain_form_refuses_without_telling(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setenv("SECRET_KEY", "hunter2")
    monkeypatch.setenv("PAGE_SIZE", "many")
    with pytest.raises(ValidationError, match="2 validation errors") as error:
        plain.create_app()
    assert "hunter2" not in str(error.value)


def test_the_plain_form_takes_the_settings_of_a_test() -> None:
    app = plain.create_app(plain.Settings(secret_key=NEW, page_size=5))
    assert (app.secret_key, app.config["PAGE_SIZE"]) == (NEW, 5)


# Don't


def test_dont_production_config_keeps_the_value_of_import_time(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setenv("SIGNING_KEY", OLD)
    assert dont.ProductionConfig.SECRET_KEY == "dev-secret-change-me"
    with pytest.raises(ValueError, match="must be set in production"):
        dont.ProductionConfig()


async def test_dont_unchecked_production_signs_with_the_published_secret() -> None:
    app = dont.unchecked_production()
    assert app.secret_key == "dev-secret-change-me"
    assert (await put(app))[0] == 200


async def test_dont_lower_case_names_are_not_taken() -> None:
    assert dont.LowerCaseConfig.max_content_length == 64 * 1024
    app = dont.lower_case_names()
    assert app.config["MAX_CONTENT_LENGTH"] == 16 * 1024 * 1024
    assert app.secret_key is None
    assert (await put(app))[0] == 500


async def test_dont_settings_as_config_lose_every_setting() -> None:
    app = dont.settings_as_config(Settings())
    assert app.secret_key is None
    assert app.config.get("DATABASE_URL") is None
    assert (await put(app))[0] == 500


def test_dont_file_settings_bring_the_developers_file_into_tests() -> None:
    assert dont.FileSettings().session_hours == 12
    Path(".env").write_text("SESSION_HOURS=1\n")
    assert dont.FileSettings().session_hours == 1


def test_dont_dotenv_in_the_factory_leaks_into_the_next_app(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.delenv("SECRET_KEY")
    Path(".env").write_text(f"SECRET_KEY={NEW}\n")
    dont.dotenv_in_the_factory()
    assert create_app().secret_key == NEW


@pytest.mark.parametrize(
    ("text", "value"),
    [("False", "False"), ("false", False), ("0", 0), ("no", "no"), ("1e3", 1000.0)],
)
def test_prefixed_values_are_json(
    monkeypatch: pytest.MonkeyPatch, text: str, value: Any
) -> None:
    monkeypatch.setenv("ACME_SIGNUP_OPEN", text)
    config = dont.json_values().config
    assert config["SIGNUP_OPEN"] == value
    assert type(config["SIGNUP_OPEN"]) is type(value)


async def test_dont_json_values_open_what_false_should_close(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setenv("ACME_SIGNUP_OPEN", "False")
    response = await dont.json_values().test_client().post("/users")
    assert response.status_code == 200
    monkeypatch.setenv("ACME_SIGNUP_OPEN", "false")
    response = await dont.json_values().test_client().post("/users")
    assert response.status_code == 404


async def test_dont_json_values_turn_a_key_of_digits_into_a_number(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setenv("ACME_SIGNUP_OPEN", "true")
    monkeypatch.setenv("ACME_SECRET_KEY", "1" * 32)
    app = dont.json_values()
    assert app.secret_key == int("1" * 32)
    assert (await put(app))[0] == 500


def test_prefixed_values_stay_text_with_loads_str(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setenv("ACME_SECRET_KEY", "123456")
    app = Quart(__name__)
    app.config.from_prefixed_env("ACME", loads=str)
    assert app.secret_key == "123456"


def test_the_default_prefix_collects_quart_debug(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setenv("QUART_DEBUG", "true")
    app = Quart(__name__)
    assert app.debug is False
    app.config.from_prefixed_env()
    assert app.debug is True


def test_dont_talkative_settings_print_the_secret(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setenv("SECRET_KEY", "hunter2")
    with pytest.raises(ValidationError) as error:
        dont.TalkativeSettings()
    assert "input_value='hunter2'" in str(error.value)


def test_dont_cached_settings_outlive_the_test(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("SESSION_HOURS", "1")
    dont.cached_settings.cache_clear()
    assert dont.cached_settings().session_hours == 1
    monkeypatch.setenv("SESSION_HOURS", "2")
    assert dont.cached_settings().session_hours == 1


def test_dont_json_origins_hide_the_other_faults(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.delenv("SECRET_KEY")
    monkeypatch.setenv("CORS_ORIGINS", f"{APP},{ADMIN}")
    with pytest.raises(SettingsError) as error:
        dont.JsonOrigins()
    assert str(error.value) == (
        'error parsing value for field "cors_origins" from source "EnvSettingsSource"'
    )


async def test_dont_url_origins_match_nothing(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("CORS_ORIGINS", f'["{APP}"]')
    assert str(dont.UrlOrigins().cors_origins[0]) == f"{APP}/"
    client = dont.url_origins().test_client()
    response = await client.get("/language", headers={"Origin": APP})
    assert "Access-Control-Allow-Origin" not in response.headers


def test_dont_printed_password_stands_in_every_repr(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setenv("DATABASE_URL", "postgresql+asyncpg://ada:hunter2@db/users")
    assert "hunter2" in repr(dont.PrintedPassword())


async def test_dont_masked_key_cannot_sign() -> None:
    assert (await put(dont.masked_key(SecretStr(OLD))))[0] == 500


async def test_dont_bare_cookie_travels_unprotected() -> None:
    app = dont.bare_cookie(OLD)
    assert app.permanent_session_lifetime == timedelta(days=31)
    status, (value, *flags) = await put(app)
    assert (status, value.partition("=")[0]) == (200, "session")
    assert flags == ["HttpOnly", "Path=/"]


async def test_the_signature_ages_without_permanent_too() -> None:
    _, (cookie, *flags) = await put(dont.bare_cookie(OLD))
    assert flags == ["HttpOnly", "Path=/"]
    later = dont.bare_cookie(OLD)
    later.permanent_session_lifetime = timedelta(seconds=-1)
    assert await language(dont.bare_cookie(OLD), cookie) == "nb"
    assert await language(later, cookie) == "en"
