"""Whether a value is kept for others than the function that has it."""

import ast
import re

from .quart import Module, mentions

CLASS = re.compile(r"\b_*[A-Z]\w*$")
COLLECTION = re.compile(r"(\w+)(\[.*\])?(\.(items|keys|values)\(\))?$")
CHANGES = {"add", "append", "clear", "discard", "pop", "remove", "setdefault", "update"}
OF_CONTEXT = {"quart.g", "quart.session", "quart.websocket"}


def is_kept(module: Module, node: ast.AST, methods: set[str]) -> bool:
    """It is put, alone or in an object, where not only this function finds it.

    `methods` are those that put it there. An object that has a queue is trusted.
    """
    parent, user = module.parent(node), module.function(node)
    match parent:
        case ast.Call(func=ast.Attribute(value=owner, attr=attr)) if attr in methods:
            return outlives(module, owner, user)
        case (
            ast.Assign(targets=[ast.Attribute() | ast.Subscript() as owner])
            | ast.Subscript(value=owner, ctx=ast.Store())
        ):
            return outlives(module, owner, user)
        case ast.Assign(targets=[ast.Name() as name]) if user:
            if any(module.function(one) is None for one in module.bindings(name)):
                return True
        case ast.Call(func=func) if CLASS.search(ast.unparse(func)):
            made = module.local_class(func)
            queued = made is not None and mentions(made, "Queue")
            return not queued and is_kept(module, parent, methods)
    return any(is_kept(module, use, methods) for use in module.uses_of_value(node))


def outlives(module: Module, owner: ast.expr, user: ast.AST | None) -> bool:
    """Whether it belongs to something that is there without the function `user`."""
    value = module.assigned(owner)
    match owner:
        case ast.Name() | ast.Attribute() if module.name(owner) in OF_CONTEXT:
            return False
        case ast.Name(id="self"):
            return getattr(user, "name", "") != "__init__"
        case ast.Name() if value and module.function(value) is user:
            return outlives(module, value, user)
        case ast.Name():
            bindings = module.bindings(owner)
            return all(module.function(binding) is not user for binding in bindings)
        case (
            ast.Attribute(value=of)
            | ast.Subscript(value=of)
            | ast.Call(func=ast.Attribute(value=of))
        ):
            return outlives(module, of, user)
    return False


def is_live(module: Module, collection: ast.expr) -> bool:
    """Whether others have a collection, or what it is a view or a part of, and a
    function of this module changes it. A copy is nobody else's."""
    value = module.assigned(collection)
    is_part = isinstance(value, ast.Attribute | ast.Subscript)
    names = {name_of(collection), name_of(value) if value and is_part else ""} - {""}
    methods = [n for n in module.nodes(ast.Attribute) if n.attr in CHANGES]
    items = [n for n in module.nodes(ast.Subscript) if not isinstance(n.ctx, ast.Load)]
    owners = [*(one.value for one in methods), *(one.value for one in items)]
    changed = [one for one in owners if module.function(one)]
    is_changed = not names.isdisjoint(map(name_of, changed))
    return is_changed and outlives(module, collection, module.function(collection))


def name_of(collection: ast.expr) -> str:
    found = COLLECTION.search(ast.unparse(collection))
    return found[1] if found else ""
