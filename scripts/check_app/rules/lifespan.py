"""What starts and stops with the app."""

import ast

from ..engine.keeping import is_kept
from ..engine.quart import Module
from ..engine.rule import Found, rule
from ..engine.words import ENDING_HOOKS, GENERATORS, STARTING_HOOKS

PLAIN_HOOKS = ("before_app_serving", "before_serving", *ENDING_HOOKS)
APP_HOOKS = {"after_serving", "before_serving", "while_serving"}
CLIENTS = {  # and what makes it right: it is closed, or not shared by all requests
    "aiohttp.ClientSession": {"close"},
    "asyncpg.connect": {"Lock", "add_listener"},
    "asyncpg.create_pool": {"close", "terminate"},
    "httpx.AsyncClient": {"aclose"},
    "httpx2.AsyncClient": {"aclose"},
}


@rule("QP807 serving-hook-yield error", on=ast.Module)
def serving_hook_yield(module: Module, node: ast.Module) -> Found:
    """`while_serving` takes an `async def` with `yield`, other hooks one without: {}

    What stands before `yield` is the start, what follows the stop.

    runs: start -> LifespanError

      @app.while_serving
      async def members():  # here
          app.extensions["members"] = ["Ada"]
    +     yield
    """
    for function, _ in module.hooks(*GENERATORS):
        if isinstance(function, ast.FunctionDef) or not module.yields(function):
            yield function, "the app does not start"
    for function, _ in module.hooks(*PLAIN_HOOKS):
        if module.yields(function):
            yield function, "not a line of this runs"


@rule("QP809 serving-hook-on-blueprint error", on=ast.Attribute, word="_serving")
def serving_hook_on_blueprint(module: Module, node: ast.Attribute) -> Found:
    """a blueprint has no `{}` (AttributeError); its hooks have `_app_` in the name

    Serving is a matter of the whole app, and the name says so.

    runs: import -> AttributeError

      blueprint = Blueprint("members", __name__)
    - blueprint.before_serving(print)
    + blueprint.before_app_serving(print)
    """
    if node.attr in APP_HOOKS and module.kind(node.value) == "quart.Blueprint":
        yield node, node.attr


@rule("QP818 client-at-import warning", on=ast.Call)
def client_at_import(module: Module, node: ast.Call) -> Found:
    """this {}; open a client or pool in a `while_serving` generator, and close it there

    Connections belong to a loop: a second test gets "Event loop is closed".

    runs: [await app.shutdown(), app.prices.is_closed][1] -> False

      from httpx2 import AsyncClient
    - app.prices = AsyncClient(timeout=30)
    + @app.while_serving
    + async def open_prices():
    +     async with AsyncClient(timeout=30) as app.prices:
    +         yield
    """
    name = module.name(node.func)
    if name in CLIENTS and kept(module, node) and not module.is_test:
        words = {one.attr for one in module.nodes(ast.Attribute)} | module.settings
        if words.isdisjoint(CLIENTS[name]):
            single = name.endswith(".connect")
            yield node, "runs one query at a time" if single else "is never closed"


def kept(module: Module, node: ast.Call) -> bool:
    """At import, in or around a factory, or by a hook that starts the app."""
    function, outer = module.function(node), module.parent(node)
    value = outer if isinstance(outer, ast.Await) else node
    if function in {hook for hook, _ in module.hooks(*STARTING_HOOKS)}:
        return is_kept(module, value, set())
    nodes = ast.walk(function or node)
    shared = module.at_import(node) or any(map(module.builds_app, nodes))
    return shared and isinstance(module.parent(value), ast.Assign)


@rule("QP819 g-in-serving-hook error", on=ast.Attribute, word="_serving")
def g_in_serving_hook(module: Module, node: ast.Attribute) -> Found:
    """`{}` is gone after this hook, which has its own `g`; keep it in `app.extensions`

    The hooks of one start share a `g`, and what only they use is left alone.

    runs: get("/members") -> 500

      @app.before_serving
      async def load_members():
    -     g.members = ["Ada"]
    +     app.extensions["members"] = ["Ada"]
      @app.get("/members")
      async def members():
    -     return {"members": g.members}
    +     return {"members": app.extensions["members"]}
    """
    name = module.name(node)
    if name.startswith("quart.g.") and isinstance(node.ctx, ast.Store):
        hooks = {function for function, _ in module.hooks(*STARTING_HOOKS)}
        same = [one for one in module.nodes(ast.Attribute) if module.name(one) == name]
        reads = [one for one in same if isinstance(one.ctx, ast.Load)]
        is_shared = reads and hooks.issuperset(map(module.function, reads))
        if module.function(node) in hooks and not is_shared:
            yield node, name.removeprefix("quart.")
