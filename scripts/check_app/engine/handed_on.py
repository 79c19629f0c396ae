"""Functions that run elsewhere, and what of the request they use there."""

import ast

from .quart import Module, argument
from .rule import Found

REQUEST_PROXIES = {"quart.request", "quart.session", "quart.websocket"}
PROXIES = {*REQUEST_PROXIES, "quart.current_app", "quart.g"}
G_METHODS = {f"quart.g.{name}" for name in ("get", "pop", "setdefault")}
TASK = "add_background_task"
THREADS = {  # at which place, and by which name, they take a function
    "run_in_executor": (1, "func"),
    "submit": (0, "fn"),
    "threading.Thread": (1, "target"),
    "threading.Timer": (1, "function"),
}
TAKES_FUNCTION = {**THREADS, TASK: (0, "func")}


def work(module: Module, call: ast.Call, *takers: str) -> ast.AST | None:
    """The undecorated function of this module that one of `takers` is to run."""
    name = module.name(call.func)
    match call.func:
        case ast.Attribute(value=owner, attr="submit"):
            name = "submit" if module.kind(owner).endswith("PoolExecutor") else ""
        case ast.Attribute(value=owner, attr=method) if name not in TAKES_FUNCTION:
            name = method if method != TASK or module.is_app(owner) else ""
    if name not in takers:
        return None
    given = argument(call, *TAKES_FUNCTION[name])
    function = given if isinstance(given, ast.Lambda) else module.local_function(given)
    own = function and "_context(" in ast.unparse(function)
    return None if own or getattr(function, "decorator_list", None) else function


def lost(module: Module, function: ast.AST | None, gone: set[str], *own: str) -> Found:
    """The first use of what is gone, or of what is not set in a `g` of its own."""
    nodes = [*ast.walk(function)] if function else []
    names = [node for node in nodes if isinstance(node, ast.Attribute | ast.Name)]
    stored = {module.name(one) for one in names if isinstance(one.ctx, ast.Store)}
    for node in names:
        name = module.name(node)
        if name in gone or (name.startswith(own) and name not in stored | G_METHODS):
            yield node, name.removeprefix("quart.")
            return
