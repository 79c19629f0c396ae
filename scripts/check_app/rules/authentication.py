"""Who may call what."""

import ast
import re

from ..engine.quart import Module
from ..engine.rule import Found, rule
from ..engine.words import BEFORE_WEBSOCKET

REFUSES = re.compile(r"\b40[13]\b|Unauthorized|Forbidden|redirect\(.*login")
FOR_SOME = re.compile(r"\.(blueprint|endpoint|path|url|url_rule)\b")
CHECKS = re.compile("auth|token|sess|login|header|cookie|user|abort|close|raise", re.I)


@rule("QP308 websocket-skips-before-request warning", on=ast.Module, word="websocket")
def websocket_skips_before_request(module: Module, node: ast.Module) -> Found:
    """open to all: `before_request` is not for websockets; use `before_websocket` too

    Each kind of hook has a twin for websockets, and only that one runs.

    runs: visit(client, '/chat') -> 'hello'

      @app.before_request
    + @app.before_websocket
      async def need_login():
          if "member" not in session:
              abort(401)
      @app.websocket("/chat")
      async def chat():  # here
          await websocket.send("hello")
    """
    if any(one.attr in BEFORE_WEBSOCKET for one in module.nodes(ast.Attribute)):
        return
    hooks = [(ast.unparse(hook), at) for hook, at in module.hooks("before_request")]
    refuse = [at for t, at in hooks if REFUSES.search(t) and not FOR_SOME.search(t)]
    guarded = [module.app_of(at) for at in refuse]
    for route in module.routes:
        handler = module.plain_websocket_handler(route.function)
        is_open = handler and not CHECKS.search(ast.unparse(handler))
        if handler and is_open and module.app_of(route.call) in guarded:
            yield handler, ""
