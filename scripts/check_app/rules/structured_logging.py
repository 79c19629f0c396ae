"""Loggers, their configuration, and what stands in the log."""

import ast
from collections.abc import Iterator

from ..engine.quart import Module
from ..engine.rule import Found, rule

SHOWING = {"builtins.dict", "builtins.repr", "builtins.str"}
SECRETS = "authorization cookies data form get_data get_json headers json values"


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
