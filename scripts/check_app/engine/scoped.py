"""Queries of `scoped_session`s, wherever the code base makes them."""

import ast
import re

from .quart import Module
from .words import SCOPED_SESSION

OF_QUERY = (  # what sends a query of `Model.query`
    "all|count|delete|first|first_or_404|get|get_or_404|one|one_or_404|one_or_none"
    "|paginate|scalar|update"
)
BY_PROPERTY = re.compile(rf"\.query\.(.*\.)?({OF_QUERY})$")
METHODS = "commit|execute|flush|get|get_one|merge|query|refresh|scalar|scalars"


def sends_query(module: Module, call: ast.Call) -> bool:
    """By a scoped session or its `query_property()`; an asyncio one is awaited."""
    if isinstance(module.parent(call), ast.Await):
        return False
    match call.func:
        case ast.Attribute(value=owner, attr=attr) if attr in METHODS.split("|"):
            if is_scoped_session(module, owner):
                return True
    has_property = "query_property" in module.settings
    return has_property and bool(BY_PROPERTY.search(ast.unparse(call.func)))


def is_scoped_session(module: Module, owner: ast.expr) -> bool:
    if module.kind(owner) == SCOPED_SESSION:
        return True
    *_, place, name = ("", *module.name(owner).split("."))
    return any(
        getattr(target, "id", "") == name and other.kind(value) == SCOPED_SESSION
        for other in module.local_imports
        if place in {other.file.stem, other.file.parent.name}
        for target, value in other.assignments
    )
