"""Whether a coroutine is used as though it were the value it gives."""

import ast

from .quart import Module

COROUTINE_METHODS = {"close", "send", "throw"}
READERS = {"json.dumps", "json.loads", "quart.json.dumps", "quart.jsonify"}
LOOPS = (ast.For, ast.AsyncFor, ast.comprehension)
TESTS = (ast.Compare, ast.If, ast.Match, ast.UnaryOp, ast.While)
READ = (ast.BinOp, ast.Expr, ast.FormattedValue, ast.Starred, *LOOPS, *TESTS)


def misused(module: Module, node: ast.AST) -> bool:
    """It is read, tested, returned as an answer or dropped without `await`.

    Handing it on is fine: `gather(request.json, ...)`, `return` in a plain helper.
    """
    parent = module.parent(node)
    match parent:
        case ast.Attribute(attr=attr):
            return attr not in COROUTINE_METHODS
        case ast.Subscript(value=value):
            return value is node
        case ast.Call():
            return parent.func is node or reads(module, parent)
        case ast.keyword(arg=keyword):
            return keyword is None or misused(module, parent)
        case ast.BoolOp(values=[*_, last]):
            return last is not node or misused(module, parent)
        case ast.IfExp(test=test):
            return test is node or misused(module, parent)
        case ast.Return():
            return answers(module, parent)
        case ast.Dict(keys=keys, values=values):
            pairs = zip(keys, values, strict=True)
            spread = any(key is None and value is node for key, value in pairs)
            return spread or contained(module, parent)
        case ast.List() | ast.Tuple():
            return contained(module, parent)
        case (
            ast.Assign(targets=[ast.Name() as name])
            | ast.AnnAssign(target=ast.Name() as name)
        ):
            return name_misused(module, name)
        case ast.NamedExpr(target=name):
            return misused(module, parent) or name_misused(module, name)
    return isinstance(parent, READ)


def reads(module: Module, call: ast.Call) -> bool:
    called = module.name(call.func)
    return called in READERS or called.startswith("builtins.")


def answers(module: Module, node: ast.Return) -> bool:
    function = module.function(node)
    return isinstance(function, ast.AsyncFunctionDef) or function in module.views


def contained(module: Module, container: ast.AST) -> bool:
    """Whether a list, tuple or dict is answered or serialised as it stands."""
    match module.parent(container):
        case ast.Dict() | ast.List() | ast.Tuple() as outer:
            return contained(module, outer)
        case ast.Return() as node:
            return answers(module, node)
        case ast.Call() as call:
            return module.name(call.func) in READERS
    return False


def name_misused(module: Module, name: ast.Name) -> bool:
    """Every use of the name is a misuse, and there is one."""
    uses = [*module.uses(name)] if len(module.bindings(name)) == 1 else []
    return bool(uses) and all(misused(module, use) for use in uses)
