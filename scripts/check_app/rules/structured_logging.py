"""Loggers, their configuration, and what stands in the log."""

import ast
import re
from collections.abc import Iterator

from ..engine.quart import Module, argument
from ..engine.rule import Found, rule
from ..engine.scopes import FUNCTIONS
from ..engine.words import CATCH_ALL

BEFORE_HOOKS = ("before_request", "before_websocket")
BASIC, DICT = "logging.basicConfig", "logging.config.dictConfig"
SAYS_SO = {"disable_existing_loggers", "incremental"}
HANDLER_METHODS = {"addFilter", "setFormatter", "setLevel"}
TOLD = re.compile(r"\braise\b|\bexc_info\b|\btraceback\b|\.exception\(|\b_?exit\(")
WITHOUT_TRACEBACK = {"critical", "error"}
SHOWING = {"builtins.dict", "builtins.repr", "builtins.str"}
SECRETS = (
    "request.authorization request.cookies request.data request.form request.get_data "
    "request.get_json request.headers request.json request.values "
    "websocket.authorization websocket.cookies websocket.headers"
)


@rule("QP207 contextvar-in-sync-hook warning", on=ast.Call)
def contextvar_in_sync_hook(module: Module, node: ast.Call) -> Found:
    """a plain `def` hook runs in a thread, where `{}.set()` is lost; make it async

    The view and the log then see the default.

    runs: await (await get("/id")).get_data() -> b'-'

      request_id = contextvars.ContextVar("request_id", default="-")
      @app.before_request
    - def take_request_id():
    + async def take_request_id():
          request_id.set("4711")  # here
      @app.get("/id")
      async def show_id():
          return request_id.get()
    """
    match node.func:
        case ast.Attribute(value=owner, attr="set"):
            hook = module.function(node)
            hooks = {one for one, _ in module.hooks(*BEFORE_HOOKS)}
            in_thread = isinstance(hook, ast.FunctionDef) and hook in hooks
            if in_thread and module.kind(owner) == "contextvars.ContextVar":
                yield node, ast.unparse(owner)


@rule("QP513 unused-default-handler warning", on=ast.Call)
def unused_default_handler(module: Module, node: ast.Call) -> Found:
    r"""`app.logger` does not use Quart's `default_handler`; configure the root logger

    The name is left over from the time when Quart logged by itself.

    runs: printed() == "away\n" -> False

    - from quart.logging import default_handler
    - default_handler.setFormatter(logging.Formatter("%(message)s"))
    + logging.basicConfig(format="%(message)s", force=True)
      app.logger.error("away")
    """
    match node.func:
        case ast.Attribute(value=handler, attr=attr) if attr in HANDLER_METHODS:
            if module.name(handler) == "quart.logging.default_handler":
                yield node, ""


@rule("QP514 basic-config-without-force note", on=ast.Call)
def basic_config_without_force(module: Module, node: ast.Call) -> Found:
    """this does nothing where pytest or a library configured logging; add `force=True`

    Then `app.logger.info` prints nothing, or in another format.

    runs: [create_app(), logging.getLogger().level][1] -> 30

      def create_app() -> Quart:
    -     logging.basicConfig(level=logging.INFO)
    +     logging.basicConfig(level=logging.INFO, force=True)
          return Quart(__name__)
    """
    forced = any(one.arg in {"force", None} for one in node.keywords)
    if module.name(node.func) == BASIC and not forced:
        function = module.function(node)
        reads = module.reads(function) if isinstance(function, FUNCTIONS) else ()
        if any(map(module.builds_app, [function, *map(module.function, reads)])):
            yield node, ""


@rule("QP515 silenced-loggers warning", on=ast.Call)
def silenced_loggers(module: Module, node: ast.Call) -> Found:
    """loggers made at import fall silent; add `"disable_existing_loggers": False`

    The default is True, which suits nobody.

    runs: [create_app(), log.disabled][1] -> True

      from logging.config import dictConfig
      log = logging.getLogger("notes")
      def create_app() -> Quart:
    -     dictConfig({"version": 1})
    +     dictConfig({"version": 1, "disable_existing_loggers": False})
          return Quart("app")
    """
    if module.name(node.func) == DICT and silences(module, argument(node, 0, "config")):
        yield node, ""


def silences(module: Module, config: ast.expr | None) -> bool:
    """It is a dict that is wholly known and does not say what to do with them."""
    config = module.assigned(config) or config
    return isinstance(config, ast.Dict) and all(
        silences(module, value) if key is None else module.value(key) not in SAYS_SO
        for key, value in zip(config.keys, config.values, strict=True)
    )


@rule("QP516 lost-traceback note", on=ast.ExceptHandler)
def lost_traceback(module: Module, node: ast.ExceptHandler) -> Found:
    """the log gets the text of `{}` and no traceback; write `log.exception(...)`

    Where it came from stands in the traceback; a KeyError's text is the key.

    runs: [log_in("ada"), logged()[0].exc_info is None][1] -> True

      log = logging.getLogger(__name__)
      def log_in(name: str) -> None:
          try:
              int(name)
    -     except Exception as error:
    -         log.error(f"Login failed: {error}")
    +     except Exception:
    +         log.exception("Login failed")
    """
    told = TOLD.search(ast.unparse(node))
    for call in ast.walk(node) if CATCH_ALL & module.caught(node) and not told else ():
        if isinstance(call, ast.Call) and module.log_level(call) in WITHOUT_TRACEBACK:
            shown = [*call.args, *map(module.shown, ast.walk(call))]
            if any(getattr(text, "id", "") == node.name for text in shown):
                yield call, str(node.name)


@rule("QP517 secret-in-log warning", on=ast.Attribute)
def secret_in_log(module: Module, node: ast.Attribute) -> Found:
    """`{}` puts passwords, tokens or cookies into the log; log the names you need

    A log is read, kept and copied by others than the database is.

    runs: [await post("/", json={"pin": 7}), logged()[0].args][1] -> {'pin': 7}

      @app.post("/")
      async def log_in():
          body = await request.get_json()
    -     app.logger.warning("login: %s", body)
    +     app.logger.warning("login: %s", sorted(body or {}))
          return {}
    """
    word = module.name(node).removeprefix("quart.")
    if word in SECRETS.split():
        for call in logs_of(module, node):
            yield call, word


def logs_of(module: Module, node: ast.AST, depth: int = 3) -> Iterator[ast.Call]:
    """The calls of a logger that show a value as a whole."""
    outer = module.parent(node)
    match outer:
        case ast.Await() | ast.FormattedValue() | ast.JoinedStr() | ast.keyword():
            yield from logs_of(module, outer, depth)
        case ast.Call(func=func) if func is node or module.name(func) in SHOWING:
            yield from logs_of(module, outer, depth)
        case ast.Call() if module.log_level(outer) not in {"", "debug"}:
            yield outer
    for use in module.uses_of_value(node) if depth else ():
        yield from logs_of(module, use, depth - 1)
