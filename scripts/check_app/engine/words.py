"""The words of Quart, SQLAlchemy and their kin that the engine knows."""

import re

QUART_SUBMODULE = re.compile(
    r"^quart\.(app|blueprints|ctx|globals|helpers|templating|wrappers(\.\w+)?"
    r"|json(?=\.jsonify))\.(?=\w)"
)
APP_NAME = re.compile(r"^(?!wsgi_)(.*_)?(app|application|bp|blueprints?)$")
FACTORY_NAME = re.compile(r"^(build|create|get|make)_app$")
TEST_FILE = re.compile(r"^(test_.*|.*_test|tests?|conftest)\.py$")
OTHER_FRAMEWORKS = {
    "bottle",
    "django",
    "falcon",
    "fastapi",
    "flask",
    "litestar",
    "sanic",
    "starlette",
    "tornado",
}
VERBS = {"route", "get", "post", "put", "patch", "delete", "websocket"}
CLIENT_VERBS = {"get", "post", "put", "patch", "delete", "head", "options", "open"}

ERROR_HOOKS = ("errorhandler", "app_errorhandler")
PYDANTIC_ERRORS = {
    "pydantic.ValidationError",
    "pydantic.error_wrappers.ValidationError",
    "pydantic_core.ValidationError",
}
SCHEMA_ERROR = "quart_schema.RequestSchemaValidationError"
LOGGER_NAME = re.compile(r"^_*(.*_)?log(ger|ging)?$", re.IGNORECASE)
LOG_LEVELS = {"debug", "info", "warning", "error", "exception", "critical", "log"}

CLIENT = "quart.testing.QuartClient"
ASYNC_SESSION = "sqlalchemy.ext.asyncio.AsyncSession"
ASYNC_CONNECTION = "sqlalchemy.ext.asyncio.AsyncConnection"
ALIASES = {
    "redis.Redis.from_url": "redis.Redis",
    "redis.StrictRedis": "redis.Redis",
    "redis.from_url": "redis.Redis",
    "quart_trio.QuartTrio": "quart.Quart",
    "quart.typing.TestAppProtocol": "quart.testing.TestApp",
    "quart.typing.TestClientProtocol": CLIENT,
    "sqlalchemy.ext.asyncio.session.AsyncSession": ASYNC_SESSION,
}
ASYNC_ENGINE = "sqlalchemy.ext.asyncio.create_async_engine"
CALLED = {
    "sqlalchemy.ext.asyncio.async_sessionmaker": ASYNC_SESSION,
    "sqlalchemy.orm.sessionmaker": "sqlalchemy.orm.Session",
}
MAKERS = {ASYNC_ENGINE, "redis.Redis.from_url", "redis.from_url", *CALLED}
RESULTS = {
    (ASYNC_ENGINE, "begin"): ASYNC_CONNECTION,
    (ASYNC_ENGINE, "connect"): ASYNC_CONNECTION,
    ("sqlalchemy.ext.asyncio.AsyncEngine", "begin"): ASYNC_CONNECTION,
    ("sqlalchemy.ext.asyncio.AsyncEngine", "connect"): ASYNC_CONNECTION,
    **{(maker, "begin"): session for maker, session in CALLED.items()},
    **{(CLIENT, verb): "quart.Response" for verb in CLIENT_VERBS},
    (CLIENT, "websocket"): "quart.testing.TestWebsocket",
}
FROM_APP = {
    "app_context": "quart.AppContext",
    "request_context": "quart.RequestContext",
    "test_app": "quart.testing.TestApp",
    "test_cli_runner": "quart.testing.QuartCliRunner",
    "test_client": CLIENT,
    "test_request_context": "quart.RequestContext",
    "test_websocket_context": "quart.WebsocketContext",
}
