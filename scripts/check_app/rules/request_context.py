"""Contexts, and what of the request is read where there is none."""

import ast

from ..engine import words
from ..engine.awaiting import misused
from ..engine.handed_on import PROXIES, THREADS, lost, work
from ..engine.quart import Module
from ..engine.rule import Found, rule

OPENED_BY_CLIENT = {words.TEST_CONNECTION, words.TEST_SESSION, words.TEST_WEBSOCKET}
ASYNC_CONTEXTS = {*words.FROM_APP.values(), *OPENED_BY_CLIENT}


@rule("QP201 sync-with error", on=(ast.withitem, ast.Call))
def sync_with(module: Module, node: ast.withitem | ast.Call) -> Found:
    """`{}` needs `async with`: `with` raises TypeError, and `push()` does nothing

    They are synchronous in Flask; here a context belongs to the task that entered it.

    runs: await name() -> TypeError

      async def name():
    -     with app.app_context():
    +     async with app.app_context():
              return current_app.name
    """
    match node:
        case ast.withitem(context_expr=opened):
            wrong = isinstance(module.parent(node), ast.With)
        case ast.Call(func=ast.Attribute(value=opened, attr="push" | "pop")):
            wrong = misused(module, node)
        case _:
            return
    if wrong and module.kind(opened) in ASYNC_CONTEXTS:
        yield opened, ast.unparse(opened)


@rule("QP205 proxy-at-import error", on=(ast.Attribute, ast.Subscript))
def proxy_at_import(module: Module, node: ast.Attribute | ast.Subscript) -> Found:
    """`{}` has no value while the module is imported (RuntimeError); read it in a view

    Class bodies, decorators and default values run at import as well.

    runs: import -> RuntimeError

    - PAGE_SIZE = current_app.config["PAGE_SIZE"]
    + def page_size():
    +     return current_app.config["PAGE_SIZE"]
    """
    name = module.name(node.value)
    is_late = module.function(node) or module.within(node, ast.AsyncWith, ast.AnnAssign)
    if name in PROXIES and not is_late:
        yield node, name.removeprefix("quart.")


@rule("QP206 proxy-in-thread error", on=ast.Call)
def proxy_in_thread(module: Module, node: ast.Call) -> Found:
    """`{}` has no value in this thread (RuntimeError); pass it, or use `to_thread`

    `to_thread` and `run_sync` copy the context variables; threads start without.

    runs: get("/report") -> 500

      @app.get("/report")
      async def report():
    -     loop = asyncio.get_running_loop()
    -     return await loop.run_in_executor(None, lambda: request.path)
    +     return await asyncio.to_thread(lambda: request.path)
    """
    yield from lost(module, work(module, node, *THREADS), PROXIES)
