"""Loggers, their configuration, and what stands in the log."""

import ast
import re
from collections.abc import Iterator

from ..engine.quart import Module
from ..engine.rule import Found, rule
from ..engine.scopes import FUNCTIONS
from ..engine.words import CATCH_ALL

TOLD = re.compile(r"\braise\b|\bexc_info\b|\btraceback\b|\.exception\(|\b_?exit\(")
WITHOUT_TRACEBACK = {"critical", "error"}
SHOWING = {"builtins.dict", "builtins.repr", "builtins.str"}
SECRETS = "authorization cookies data form get_data get_json headers json values"


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
    if module.name(node.func) == "logging.basicConfig" and not forced:
        function = module.function(node)
        reads = module.reads(function) if isinstance(function, FUNCTIONS) else ()
        if any(map(module.builds_app, [function, *map(module.function, reads)])):
            yield node, ""


@rule("QP516 lost-traceback note", on=ast.ExceptHandler)
def lost_traceback(module: Module, node: ast.ExceptHandler) -> Found:
    """the log gets the text of `{}` and no traceback; write `log.exception(...)`

    Where it came from stands in the traceback; a KeyError's text is the key.

    runs: [log_in("ada"), logged()[0].exc_info is None][1] -> True

      def log_in(name: str) -> None:
          try:
              int(name)
    -     except Exception as error:
    -         app.logger.error(f"Login failed: {error}")
    +     except Exception:
    +         app.logger.exception("Login failed")
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
    -     app.logger.warning("login: %s", await request.get_json())
    +     app.logger.warning("login from %s", request.remote_addr)
          return {}
    """
    owner, _, word = module.name(node).rpartition(".")
    if owner in {"quart.request", "quart.websocket"} and word in SECRETS.split():
        for call in logs_of(module, node):
            yield call, ast.unparse(node)


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
