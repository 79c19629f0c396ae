import os
import subprocess
import sys
from datetime import timedelta
from pathlib import Path
from typing import Any

import pytest
from pydantic import SecretStr, ValidationError
from pydantic_settings import SettingsError
from quart import Quart
from quart.cli import ScriptInfo

from examples.configuration import Settings, create_app, load_settings
from examples.dont import configuration as dont
from tests.support.server import start
from tests.support.versions import QUART_0_23

SECRET = "0123456789abcdef0123456789abcdef"
APP = "https://app.example.com"
ADMIN = "https://admin.example.com"
NAMES = ("CORS_ORIGINS", "SECRET_KEY", "SESSION_HOURS")


@pytest.fixture(autouse=True)
def plain_environment(monkeypatch: pytest.MonkeyPatch) -> None:
    for name in (*NAMES, "DATABASE_URL", "FLASK_DEBUG", "QUART_DEBUG"):
        monkeypatch.setenv(name, "")  # so that the end of the test undoes load_dotenv
        monkeypatch.delenv(name)


async def put(app: Quart) -> tuple[int, list[str]]:
    """The status of a write to the session, and its cookie part by part."""
    response = await app.test_client().put("/language/nb")
    return response.status_code, response.headers.get("Set-Cookie", "").split("; ")


# Reading


def test_settings_are_read_when_the_app_is_made(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setenv("SECRET_KEY", SECRET)
    monkeypatch.setenv("CORS_ORIGINS", f"{APP}, {ADMIN}")
    app = create_app()
    assert app.extensions["settings"] == Settings(
        secret_key=SECRET, cors_origins=(APP, ADMIN), session_hours=12
    )
    monkeypatch.setenv("SESSION_HOURS", "1")
    assert create_app().permanent_session_lifetime.total_seconds() == 3600
    assert app.permanent_session_lifetime.total_seconds() == 12 * 3600


async def test_an_instance_needs_no_environment() -> None:
    app = create_app(Settings(secret_key=SECRET, cors_origins=(APP,)))
    response = await app.test_client().get("/language", headers={"Origin": APP})
    assert await response.get_json() == {"language": "en"}
    assert response.headers["Access-Control-Allow-Origin"] == APP
    assert response.headers["Access-Control-Allow-Credentials"] == "true"


def test_an_empty_variable_counts_as_unset(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("SECRET_KEY", SECRET)
    monkeypatch.setenv("CORS_ORIGINS", "")
    monkeypatch.setenv("SESSION_HOURS", "")
    assert load_settings() == Settings(secret_key=SECRET)


def test_fields_that_a_test_leaves_out_come_from_the_environment(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setenv("SESSION_HOURS", "1")
    assert Settings(secret_key=SECRET).session_hours == 1


def test_settings_are_frozen_and_keep_their_secret() -> None:
    settings = Settings(secret_key=SECRET)
    with pytest.raises(ValidationError, match="Instance is frozen"):
        settings.session_hours = 1
    assert SECRET not in f"{settings!r} {settings} {settings.model_dump_json()}"


def test_dont_production_config_keeps_the_value_of_import_time(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setenv("SIGNING_KEY", SECRET)
    assert dont.ProductionConfig.SECRET_KEY == "dev-secret-change-me"
    with pytest.raises(ValueError, match="must be set in production"):
        dont.ProductionConfig()


async def test_dont_unchecked_production_signs_with_the_published_secret() -> None:
    app = dont.unchecked_production()
    assert app.secret_key == "dev-secret-change-me"
    assert (await put(app))[0] == 200


def test_dont_cached_settings_outlive_the_test(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("SECRET_KEY", SECRET)
    monkeypatch.setenv("SESSION_HOURS", "1")
    dont.cached_settings.cache_clear()
    assert dont.cached_settings().session_hours == 1
    monkeypatch.setenv("SESSION_HOURS", "2")
    assert dont.cached_settings().session_hours == 1


def test_dont_dotenv_for_everyone_leaks_into_the_next_app(
    tmp_path: Path,
) -> None:
    file = tmp_path / ".env"
    file.write_text("SECRET_KEY=the-developers-own-secret-0123456\n")
    dont.dotenv_for_everyone(str(file))
    assert create_app().secret_key == "the-developers-own-secret-0123456"


def test_dotenv_gives_one_process_its_variables(tmp_path: Path) -> None:
    file = tmp_path / ".env"
    file.write_text("PARCELS_HOURS=3\n")
    code = "import os; print(os.environ['PARCELS_HOURS'])"
    command = ("dotenv", "-f", str(file), "run", "--", sys.executable, "-c", code)
    run = subprocess.run(
        [sys.executable, "-m", *command], capture_output=True, text=True, check=True
    )
    assert run.stdout == "3\n"
    assert "PARCELS_HOURS" not in os.environ


def test_dont_file_settings_refuse_a_foreign_line(
    monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    monkeypatch.chdir(tmp_path)
    monkeypatch.setenv("POSTGRES_PASSWORD", "hunter2")
    assert dont.FileSettings().session_hours == 12
    (tmp_path / ".env").write_text("POSTGRES_PASSWORD=hunter2\n")
    with pytest.raises(ValidationError, match="Extra inputs are not permitted") as bad:
        dont.FileSettings()
    assert "hunter2" in str(bad.value)


# Refusing


def test_one_message_names_every_bad_variable(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.delenv("SECRET_KEY", raising=False)
    monkeypatch.setenv("CORS_ORIGINS", "*")
    monkeypatch.setenv("SESSION_HOURS", "0")
    with pytest.raises(SystemExit) as refusal:
        create_app()
    assert str(refusal.value).splitlines() == [
        "Cannot start:",
        "  CORS_ORIGINS: String should match pattern"
        " '^https?://[a-z0-9.-]+(:[0-9]+)?$'",
        "  SECRET_KEY: Field required",
        "  SESSION_HOURS: Input should be greater than or equal to 1",
    ]


@pytest.mark.parametrize(
    "origins",
    ["*", "null", f"{APP}/", f"x{APP}", "app.example.com", f"{APP} {ADMIN}/a", "[]"],
)
def test_only_exact_origins_are_settings(
    monkeypatch: pytest.MonkeyPatch, origins: str
) -> None:
    monkeypatch.setenv("SECRET_KEY", SECRET)
    monkeypatch.setenv("CORS_ORIGINS", origins)
    with pytest.raises(SystemExit, match="CORS_ORIGINS"):
        load_settings()


@pytest.mark.parametrize(
    ("hours", "accepted"), [(0, False), (1, True), (720, True), (721, False)]
)
def test_a_session_lasts_from_an_hour_to_a_month(hours: int, accepted: bool) -> None:
    if accepted:
        assert Settings(secret_key=SECRET, session_hours=hours).session_hours == hours
    else:
        with pytest.raises(ValidationError, match="session_hours"):
            Settings(secret_key=SECRET, session_hours=hours)


def test_no_message_repeats_a_value(monkeypatch: pytest.MonkeyPatch) -> None:
    for name in NAMES:
        monkeypatch.setenv(name, "Hunter2")
    with pytest.raises(SystemExit) as refusal:
        load_settings()
    assert "Hunter2" not in str(refusal.value)
    assert (refusal.value.__cause__, refusal.value.__suppress_context__) == (None, True)
    with pytest.raises(ValidationError) as error:
        Settings(secret_key="Hunter2")
    assert "Hunter2" not in str(error.value)


async def test_a_refused_start_ends_the_process_with_1() -> None:
    env = {"SECRET_KEY": "hunter2", "CORS_ORIGINS": "", "SESSION_HOURS": "half a day"}
    target = "examples.configuration:create_app()"
    server = await start("hypercorn", "-w", "0", target, env=env)
    assert await server.exit_code(20) == 1
    assert server.log == (
        "Cannot start:\n"
        "  SECRET_KEY: Value should have at least 32 items after validation, not 7\n"
        "  SESSION_HOURS: Input should be a valid integer,"
        " unable to parse string as an integer\n"
    )


async def test_a_refused_worker_hides_behind_exit_code_0() -> None:
    bind = ("-w", "1", "-b", "127.0.0.1:0")
    target = "examples.configuration:create_app()"
    server = await start("hypercorn", *bind, target, env={"SECRET_KEY": ""})
    assert await server.exit_code(20) == 0
    assert "Cannot start:\n  SECRET_KEY: Field required\n" in server.log


def test_dont_talkative_start_prints_the_secret(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setenv("SECRET_KEY", "hunter2")
    with pytest.raises(ValidationError) as error:
        dont.talkative_start()
    assert "input_value='hunter2'" in str(error.value)


def test_dont_json_origins_hide_the_other_faults(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setenv("CORS_ORIGINS", f"{APP},{ADMIN}")
    with pytest.raises(SettingsError) as error:
        dont.JsonOrigins()
    assert str(error.value) == (
        'error parsing value for field "cors_origins" from source "EnvSettingsSource"'
    )


async def test_dont_url_origins_match_nothing(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("CORS_ORIGINS", f'["{APP}"]')
    client = dont.url_origins().test_client()
    response = await client.get("/language", headers={"Origin": APP})
    assert "Access-Control-Allow-Origin" not in response.headers
    assert str(dont.UrlOrigins().cors_origins[0]) == f"{APP}/"


def test_dont_printed_password_stands_in_every_repr(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setenv(
        "DATABASE_URL", "postgresql+asyncpg://parcels:hunter2@db/parcels"
    )
    assert "hunter2" in repr(dont.PrintedPassword())


# Into the app


async def test_the_session_cookie_is_hardened() -> None:
    app = create_app(Settings(secret_key=SECRET, session_hours=1))
    status, (value, expires, *flags) = await put(app)
    assert status == 200
    assert value.startswith("__Host-session=")
    assert expires.startswith("Expires=")
    assert flags == ["Secure", "HttpOnly", "Path=/", "SameSite=Lax"]


async def test_a_session_is_read_back_and_a_forged_one_is_not() -> None:
    client = create_app(Settings(secret_key=SECRET)).test_client()
    await client.put("/language/nb")
    response = await client.get("/language")
    assert await response.get_json() == {"language": "nb"}
    client = create_app(Settings(secret_key=SECRET[::-1])).test_client()
    client.set_cookie("localhost", "__Host-session", "forged")
    response = await client.get("/language")
    assert await response.get_json() == {"language": "en"}


async def test_dont_bare_cookie_travels_unprotected() -> None:
    app = dont.bare_cookie(SECRET)
    assert app.permanent_session_lifetime == timedelta(days=31)
    status, (value, *flags) = await put(app)
    assert (status, value.partition("=")[0]) == (200, "session")
    assert flags == ["HttpOnly", "Path=/"]


async def test_the_signature_ages_without_permanent_too() -> None:
    _, (cookie, *flags) = await put(dont.bare_cookie(SECRET))
    assert flags == ["HttpOnly", "Path=/"]
    later = dont.bare_cookie(SECRET)
    later.permanent_session_lifetime = timedelta(seconds=-1)
    for app, language in ((dont.bare_cookie(SECRET), "nb"), (later, "en")):
        response = await app.test_client().get("/language", headers={"Cookie": cookie})
        assert await response.get_json() == {"language": language}


async def test_a_session_that_was_read_lacks_vary_on_0_22() -> None:
    app = create_app(Settings(secret_key=SECRET))
    response = await app.test_client().get("/language")
    assert response.headers.get("Vary") == ("Cookie" if QUART_0_23 else None)


async def test_fallbacks_keep_old_sessions() -> None:
    old = create_app(Settings(secret_key=SECRET))
    new = create_app(Settings(secret_key=SECRET[::-1]))
    new.config["SECRET_KEY_FALLBACKS"] = [SECRET]
    _, (cookie, *_) = await put(old)
    response = await new.test_client().get("/language", headers={"Cookie": cookie})
    assert await response.get_json() == {"language": "nb"}


async def test_dont_settings_as_config_lose_lower_case_names() -> None:
    app = dont.settings_as_config(Settings(secret_key=SECRET))
    assert app.config["SECRET_KEY"] is None
    assert (await put(app))[0] == 500


async def test_dont_masked_key_cannot_sign() -> None:
    assert (await put(dont.masked_key(SecretStr(SECRET))))[0] == 500


# from_prefixed_env


@pytest.mark.parametrize(
    ("text", "value"),
    [("False", "False"), ("false", False), ("0", 0), ("no", "no"), ("1e3", 1000.0)],
)
def test_prefixed_values_are_json(
    monkeypatch: pytest.MonkeyPatch, text: str, value: Any
) -> None:
    monkeypatch.setenv("PARCELS_ADMIN_ENABLED", text)
    app = dont.json_values()
    assert app.config["ADMIN_ENABLED"] == value
    assert type(app.config["ADMIN_ENABLED"]) is type(value)


async def test_dont_json_values_open_what_false_should_close(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setenv("PARCELS_ADMIN_ENABLED", "False")
    response = await dont.json_values().test_client().get("/admin")
    assert response.status_code == 200


async def test_dont_json_values_turn_a_key_of_digits_into_a_number(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setenv("PARCELS_SECRET_KEY", "12345678901234567890123456789012")
    app = dont.json_values()
    assert app.config["SECRET_KEY"] == 12345678901234567890123456789012
    assert (await put(app))[0] == 500


def test_prefixed_values_stay_text_with_loads_str(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setenv("PARCELS_SECRET_KEY", "123456")
    app = Quart(__name__)
    app.config.from_prefixed_env("PARCELS", loads=str)
    assert app.config["SECRET_KEY"] == "123456"


def test_the_default_prefix_collects_quart_debug(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setenv("QUART_DEBUG", "true")
    app = Quart(__name__)
    assert app.debug is False
    app.config.from_prefixed_env()
    assert app.debug is True


def test_dont_debug_by_config_is_overwritten_by_the_quart_command(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    assert dont.debug_by_config().debug is True
    assert ScriptInfo(create_app=dont.debug_by_config).load_app().debug is False
    monkeypatch.setenv("QUART_DEBUG", "1")
    app = create_app(Settings(secret_key=SECRET))
    assert app.debug is False
    assert ScriptInfo(create_app=lambda: app).load_app().debug is True


def test_flask_debug_is_ignored(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("FLASK_DEBUG", "1")
    assert Quart(__name__).debug is True
    assert create_app(Settings(secret_key=SECRET)).debug is False


def test_nothing_reads_quart_env(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("QUART_ENV", "development")
    app = Quart(__name__)
    assert ScriptInfo(create_app=lambda: app).load_app().debug is False
    assert app.config["ENV"] is None
