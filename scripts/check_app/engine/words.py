"""The words of Quart, SQLAlchemy and their kin that the engine knows."""

import re

QUART_SUBMODULE = re.compile(
    r"^quart\.(app|blueprints|ctx|globals|helpers|templating|wrappers(\.\w+)?"
    r"|json(?=\.jsonify))\.(?=\w)"
)
APP_NAME = re.compile(r"^(?!wsgi_)(.*_)?(app|application|bp|blueprints?)$")
FACTORY_NAME = re.compile(r"^(build|create|get|make)_app$")
ASYNCIO_PLUGIN = re.compile(r"pytest\.mark\.asyncio|pytest_asyncio")
FIXTURES = {"pytest.fixture", "pytest.yield_fixture", "pytest_asyncio.fixture"}
TEST_FILE = re.compile(r"^(test_.*|.*_test|tests?|conftest)\.py$")
OTHER_FRAMEWORKS = (
    "aiohttp.web bottle django falcon fastapi flask litestar sanic starlette tornado"
)
VERBS = {"route", "get", "post", "put", "patch", "delete", "websocket"}
VIEW_CLASSES = {"quart.views.View", "quart.views.MethodView"}
VIEW_METHODS = {"dispatch_request", *VERBS}
CLIENT_VERBS = {"get", "post", "put", "patch", "delete", "head", "options", "open"}
SETTINGS = re.compile(  # any file may set or call them
    r"""MAX_CONTENT_LENGTH|SEND_FILE_MAX_AGE_DEFAULT|RESPONSE_TIMEOUT(?=\W{0,4}[=:]|['"],)|SERVER_NAME|aclose|flask_patch|query_property"""
)

BEFORE_REQUEST = ("before_request", "before_app_request")
BEFORE_WEBSOCKET = ("before_websocket", "before_app_websocket")
CATCH_ALL = {"builtins.BaseException", "builtins.Exception"}
ERROR_HOOKS = ("errorhandler", "app_errorhandler")
PYDANTIC_ERRORS = {
    "pydantic.ValidationError",
    "pydantic.error_wrappers.ValidationError",
    "pydantic_core.ValidationError",
}
SCHEMA_ERROR = "quart_schema.RequestSchemaValidationError"
GENERATORS = ("while_app_serving", "while_serving")
STARTING_HOOKS = ("before_app_serving", "before_serving", *GENERATORS)
ENDING_HOOKS = ("after_app_serving", "after_serving")
RUNNERS = {"run", "run_async", "run_until_complete"}  # of a coroutine
TEXT_OF = {"builtins.repr", "builtins.str"}
LOG_CALL = re.compile(  # and the method that is called
    r"(?:(?:^|\.)_*(?:\w*_)?(?i:log(?:ger|ging)?)|logging\.getLogger\(.*\))"
    r"\.(debug|info|warning|error|exception|critical|log)$"
)

SQL_DRIVERS = [
    "MySQLdb",
    "mysql.connector",
    "psycopg",
    "psycopg2",
    "pymysql",
    "sqlite3",
    "sqlite3.dbapi2",
]
HTTP = ("httpx", "httpx2", "requests", "httpx.Client", "httpx2.Client")
AI = ("anthropic.Anthropic", "openai.AzureOpenAI", "openai.OpenAI")
BLOCKING = {  # functions of a module, methods of a kind
    **dict.fromkeys((*HTTP, "requests.Session"), "delete get patch post put request"),
    **dict.fromkeys(SQL_DRIVERS, "connect"),
    **{f"{one}.Connection": "commit execute executemany" for one in SQL_DRIVERS},
    **{f"{one}.Cursor": "execute executemany" for one in SQL_DRIVERS},
    "os": "system",
    "smtplib": "SMTP SMTP_SSL",
    "subprocess": "call check_call check_output getoutput run",
    "time": "sleep",
    "urllib.request": "urlopen urlretrieve",
}
BLOCKING_PARTS = {  # methods of what an object of the kind consists of
    **dict.fromkeys(AI, "create generate parse retrieve"),
    "peewee.Model": "count create execute exists first get get_by_id get_or_none",
    "pymongo.MongoClient": "aggregate command count_documents delete_many delete_one "
    "distinct find_one find_one_and_update insert_many insert_one replace_one "
    "update_many update_one",
}
PART_METHODS = {*" ".join(BLOCKING_PARTS.values()).split()}
COMMANDS = {"boto3.client", "redis.Redis"}  # all methods block but these
WITHOUT_IO = (
    "can_paginate close from_url generate_presigned_post generate_presigned_url "
    "get_paginator get_waiter lock pipeline pubsub register_script"
)
CLIENT = "quart.testing.QuartClient"
TEST_APP = "quart.testing.TestApp"
TEST_CONNECTION = "quart.testing.TestHTTPConnection"
TEST_SESSION = "quart.testing.SessionTransaction"  # has no class of its own
TEST_WEBSOCKET = "quart.testing.TestWebsocketConnection"
ASYNC_SESSION = "sqlalchemy.ext.asyncio.AsyncSession"
ASYNC_ENGINE = "sqlalchemy.ext.asyncio.create_async_engine"
SCOPED_SESSION = "sqlalchemy.orm.scoped_session"
ASYNC_CONNECTION = "sqlalchemy.ext.asyncio.AsyncConnection"
ALIASES = {
    **{f"{driver}.connect": f"{driver}.Connection" for driver in SQL_DRIVERS},
    "pwdlib.PasswordHash.recommended": "pwdlib.PasswordHash",
    "pymongo.mongo_client.MongoClient": "pymongo.MongoClient",
    "redis.Redis.from_url": "redis.Redis",
    "redis.StrictRedis": "redis.Redis",
    "redis.from_url": "redis.Redis",
    "requests.session": "requests.Session",
    "quart.Flask": "quart.Quart",  # in a Flask code base read as Quart
    "quart_trio.QuartTrio": "quart.Quart",
    "quart.typing.TestAppProtocol": TEST_APP,
    "quart.typing.TestClientProtocol": CLIENT,
    "quart.typing.TestHTTPConnectionProtocol": TEST_CONNECTION,
    "quart.typing.TestWebsocketConnectionProtocol": TEST_WEBSOCKET,
    "sqlalchemy.ext.asyncio.AsyncEngine": ASYNC_ENGINE,
    "sqlalchemy.ext.asyncio.session.AsyncSession": ASYNC_SESSION,
    "sqlalchemy.orm.scoping.scoped_session": SCOPED_SESSION,
}
ASYNC_MAKER = "sqlalchemy.ext.asyncio.async_sessionmaker"
SYNC_MAKER = "sqlalchemy.orm.sessionmaker"
MAKER_OF = {None: SYNC_MAKER, ASYNC_SESSION: ASYNC_MAKER}  # by its argument `class_`
CALLED = {
    ASYNC_MAKER: ASYNC_SESSION,
    **dict.fromkeys((SCOPED_SESSION, SYNC_MAKER), "sqlalchemy.orm.Session"),
}
APP_GROUP = "quart.cli.AppGroup"
DECORATED = {"click.group": "click.Group"}  # what a decorator makes of a function
MAKERS = {ASYNC_ENGINE, "boto3.client", *ALIASES, *CALLED}
RESULTS = {
    **{(f"{one}.Connection", "cursor"): f"{one}.Cursor" for one in SQL_DRIVERS},
    (ASYNC_ENGINE, "begin"): ASYNC_CONNECTION,
    (ASYNC_ENGINE, "connect"): ASYNC_CONNECTION,
    **{(maker, "begin"): session for maker, session in CALLED.items()},
    **{(CLIENT, verb): "quart.Response" for verb in CLIENT_VERBS},
    (CLIENT, "request"): TEST_CONNECTION,
    (CLIENT, "session_transaction"): TEST_SESSION,
    (CLIENT, "websocket"): TEST_WEBSOCKET,
}
FROM_APP = {
    "app_context": "quart.AppContext",
    "request_context": "quart.RequestContext",
    "test_app": TEST_APP,
    "test_cli_runner": "quart.testing.QuartCliRunner",
    "test_client": CLIENT,
    "test_request_context": "quart.RequestContext",
    "websocket_context": "quart.WebsocketContext",
}
CREATES_TASK = re.compile(r"(^asyncio|loop(\(\))?)\.(create_task|ensure_future)$")
