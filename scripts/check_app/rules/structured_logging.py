"""Loggers, their configuration, and what stands in the log."""

import ast

from ..engine.quart import Module, argument, mentions
from ..engine.rule import Found, Severity, rule

BEFORE_HOOKS = ("before_request", "before_websocket")
BASIC, DICT = "logging.basicConfig", "logging.config.dictConfig"
HANDLER_METHODS = {"addFilter", "setFormatter", "setLevel"}
BROAD = {"builtins.Exception", "builtins.BaseException"}
ENDS = {"builtins.SystemExit", "builtins.exit", "os._exit", "sys.exit"}
WITHOUT_TRACEBACK = {"critical", "error"}
SECRETS = {
    f"quart.{proxy}.{attr}"
    for proxy in ("request", "websocket")
    for attr in ("authorization", "cookies", "headers")
} | {
    f"quart.request.{attr}"
    for attr in ("data", "form", "get_data", "get_json", "json", "values")
}


@rule(
    "QP207",
    "contextvar-in-sync-hook",
    Severity.WARNING,
    "a plain `def` hook runs in a thread, where `{}.set()` is lost with the thread's "
    "copy of the context; make it `async def`",
    on=ast.Call,
    runs='await (await get("/id", headers={"X-Request-Id": "4711"})).get_data() '
    "-> b'-'",
    example="""
          from contextvars import ContextVar
          request_id: ContextVar[str] = ContextVar("request_id", default="-")
          @app.before_request
        - def take_request_id() -> None:
        + async def take_request_id() -> None:
              request_id.set(request.headers["X-Request-Id"])  # here
          @app.get("/id")
          async def show_id() -> str:
              return request_id.get()
    """,
)
def contextvar_in_sync_hook(module: Module, node: ast.Call) -> Found:
    """The view and the log then see the default."""
    match node.func:
        case ast.Attribute(value=owner, attr="set"):
            function = module.function(node)
            if (
                module.kind(owner) == "contextvars.ContextVar"
                and isinstance(function, ast.FunctionDef)
                and any(one is function for one, _ in module.hooks(*BEFORE_HOOKS))
            ):
                yield node, ast.unparse(owner)


@rule(
    "QP512",
    "filter-on-app-logger",
    Severity.WARNING,
    "a filter of a logger misses the records of all others, its children too, so a "
    "format that needs `{}` fails; put it on the handlers",
    on=ast.Call,
    runs='[create_app(), logging.getLogger("mail").error("away"), '
    '"ValueError" in printed()][2] -> True',
    example="""
          def add_path(record: logging.LogRecord) -> bool:
              record.path = request.path if request else "-"
              return True
          def create_app() -> Quart:
              handler = logging.StreamHandler()
              handler.setFormatter(logging.Formatter("%(path)s %(message)s"))
        +     handler.addFilter(add_path)
              logging.basicConfig(handlers=[handler], force=True)
              app = Quart(__name__)
        -     app.logger.addFilter(add_path)
              return app
    """,
)
def filter_on_app_logger(module: Module, node: ast.Call) -> Found:
    """Only a filter that sets attributes is reported: dropping records of one logger is
    what its filters are for."""
    match node:
        case ast.Call(
            func=ast.Attribute(
                value=ast.Attribute(value=app, attr="logger"), attr="addFilter"
            ),
            args=[given],
        ) if module.is_app(app):
            if word := stamped(module, given):
                yield node, word


def stamped(module: Module, given: ast.expr) -> str:
    """The attribute that a filter, a function or an object of a class, sets."""
    stamp: ast.AST | None = module.local_function(given)
    if isinstance(given, ast.Call):
        stamp = module.local_class(given.func)
    for node in ast.walk(stamp) if stamp else ():
        match node:
            case ast.Attribute(value=ast.Name(id=name), ctx=ast.Store()):
                if name != "self":
                    return node.attr
    return ""


@rule(
    "QP513",
    "unused-default-handler",
    Severity.WARNING,
    "`app.logger` uses Flask's handler, so changing Quart's `default_handler` does "
    "nothing; configure the root logger",
    on=ast.Call,
    runs='[app.logger.error("away"), printed()][1] == "away\\n" -> False',
    example="""
        - from quart.logging import default_handler
        + logging.basicConfig(format="%(message)s", force=True)
          app = Quart(__name__)
        - default_handler.setFormatter(logging.Formatter("%(message)s"))
    """,
)
def unused_default_handler(module: Module, node: ast.Call) -> Found:
    """The name is left over from the time when Quart logged by itself."""
    match node.func:
        case ast.Attribute(value=handler, attr=attr) if attr in HANDLER_METHODS:
            if module.name(handler) == "quart.logging.default_handler":
                yield node, ""


@rule(
    "QP514",
    "basic-config-without-force",
    Severity.NOTE,
    "`basicConfig` does nothing where a library, a server or pytest has configured the "
    "root logger; add `force=True`",
    on=ast.Call,
    runs="[create_app(), logging.getLogger().level][1] -> 30",
    example="""
          def create_app() -> Quart:
        -     logging.basicConfig(level=logging.INFO)
        +     logging.basicConfig(level=logging.INFO, force=True)
              return Quart(__name__)
    """,
)
def basic_config_without_force(module: Module, node: ast.Call) -> Found:
    """Then `app.logger.info` prints nothing, or in another format."""
    forced = any(one.arg in {"force", None} for one in node.keywords)
    if module.name(node.func) == BASIC and not forced and in_factory(module, node):
        yield node, ""


def in_factory(module: Module, node: ast.AST) -> bool:
    """In a function that makes the app, or in one that such a function calls."""
    function = module.function(node)
    if module.builds_app(function):
        return True
    return isinstance(function, ast.FunctionDef) and any(
        module.builds_app(module.function(use)) for use in module.reads(function)
    )


@rule(
    "QP515",
    "silenced-loggers",
    Severity.WARNING,
    'without `"disable_existing_loggers": False`, every logger that was made at '
    "import, as `getLogger(__name__)` is, falls silent",
    on=ast.Call,
    runs="[create_app(), log.disabled][1] -> True",
    example="""
          import logging.config
          log = logging.getLogger(__name__)
          def create_app() -> Quart:
              logging.config.dictConfig(  # here
                  {
                      "version": 1,
        +             "disable_existing_loggers": False,
                      "handlers": {"stderr": {"class": "logging.StreamHandler"}},
                      "root": {"level": "INFO", "handlers": ["stderr"]},
                  }
              )
              return Quart("app")
    """,
)
def silenced_loggers(module: Module, node: ast.Call) -> Found:
    """The default is True, which suits nobody."""
    if module.name(node.func) == DICT and silences(module, argument(node, 0, "config")):
        yield node, ""


def silences(module: Module, config: ast.expr | None) -> bool:
    """It is a dict that is wholly known and says True, or nothing."""
    config = module.assigned(config) or config
    if not isinstance(config, ast.Dict):
        return False
    for key, value in zip(config.keys, config.values, strict=True):
        word = module.value(key)
        if word == "disable_existing_loggers":
            return module.value(value) is True
        if word == "incremental" or (key is None and not silences(module, value)):
            return False
    return True


@rule(
    "QP516",
    "lost-traceback",
    Severity.NOTE,
    "the log gets the text of `{}` and no traceback; write `log.exception(...)`",
    on=ast.ExceptHandler,
    runs='[log_in("ada"), logged()[0].exc_info is None][1] -> True',
    example="""
          import quart
          log = logging.getLogger(__name__)
          passwords: dict[str, str] = {}
          def log_in(name: str) -> bool:
              try:
                  return bool(passwords[name])
        -     except Exception as error:
        -         log.error(f"Login failed: {error}")
        +     except Exception:
        +         log.exception("Login failed")
                  return False
    """,
)
def lost_traceback(module: Module, node: ast.ExceptHandler) -> Found:
    """Where an unexpected error came from stands in its traceback alone; the text of a
    KeyError is the key."""
    if module.name(node.type) not in BROAD or not node.name:
        return
    parts = [part for line in node.body for part in ast.walk(line)]
    calls = [part for part in parts if isinstance(part, ast.Call)]
    levels = {call: module.log_level(call) for call in calls}
    told = any(
        level == "exception" or mentions(call, "traceback")
        for call, level in levels.items()
    ) or any(isinstance(part, ast.Raise) or module.name(part) in ENDS for part in parts)
    for call, level in levels.items():
        shown = any(one.arg == "exc_info" for one in call.keywords)
        names = [part.id for part in ast.walk(call) if isinstance(part, ast.Name)]
        text_alone = level in WITHOUT_TRACEBACK and node.name in names
        if text_alone and not told and not shown:
            yield call, node.name


@rule(
    "QP517",
    "secret-in-log",
    Severity.WARNING,
    "`{}` puts passwords, tokens or cookies into the log; log the names you need",
    on=ast.Call,
    runs='[await post("/login", json={"password": "hunter2"}), '
    '"hunter2" in logged()[0].getMessage()][1] -> True',
    example="""
          @app.post("/login")
          async def log_in():
              body = await request.get_json()
        -     app.logger.warning("login: %s", body)
        +     app.logger.warning("login: %s", sorted(body or {}))
              return {}
    """,
)
def secret_in_log(module: Module, node: ast.Call) -> Found:
    """A log is read, kept and copied by others than the database is."""
    if module.log_level(node) not in {"", "debug"}:
        for given in [*node.args, *(one.value for one in node.keywords)]:
            if word := secret_of(module, given):
                yield node, word.removeprefix("quart.")
                return


def secret_of(module: Module, node: ast.expr, depth: int = 3) -> str:
    """The body, headers or cookies that an expression shows as a whole."""
    match node:
        case ast.Name() if depth and (value := module.assigned(node)):
            return secret_of(module, value, depth - 1)
        case ast.Attribute():
            name = module.name(node)
            return name if name in SECRETS else ""
        case ast.Await(value=value) | ast.FormattedValue(value=value):
            return secret_of(module, value, depth)
        case ast.Call(func=ast.Name() as func, args=[value]):
            shows = module.name(func) in {"builtins.dict", "builtins.str"}
            return secret_of(module, value, depth) if shows else ""
        case ast.Call(func=func):
            name = module.name(func)
            return name if name in SECRETS else ""
        case ast.JoinedStr(values=parts):
            return next(
                (word for part in parts if (word := secret_of(module, part, depth))), ""
            )
    return ""


@rule(
    "QP518",
    "configured-late",
    Severity.NOTE,
    "`app.logger`, used above, has a handler of its own by now, so its lines come "
    "twice; configure logging before `{}`",
    on=ast.Call,
    runs='[create_app().logger.error("away"), printed().count("away")][1] -> 2',
    example="""
          def create_app() -> Quart:
        +     logging.basicConfig(level=logging.INFO, force=True)
              app = Quart("notes")
              app.logger.info("starting")
        -     logging.basicConfig(level=logging.INFO, force=True)
              return app
    """,
)
def configured_late(module: Module, node: ast.Call) -> Found:
    """The first use of `app.logger` adds the handler when the root logger has none."""
    if module.name(node.func) not in {BASIC, DICT}:
        return
    function = module.function(node)
    if any(
        part.attr == "logger"
        and part.lineno < node.lineno
        and module.function(part) is function
        and module.is_app(part.value)
        for part in module.nodes(ast.Attribute)
    ):
        yield node, ast.unparse(node.func)
