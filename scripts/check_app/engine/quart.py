"""What in a file is Quart's: apps, routes, hooks, fixtures, what runs in the loop."""

import ast
from collections.abc import Iterator
from functools import cached_property
from typing import NamedTuple, cast

from .kinds import Kinds
from .scopes import FUNCTIONS, Function
from .words import ERROR_HOOKS, LOG_LEVELS, LOGGER_NAME, VERBS


class Route(NamedTuple):
    """A view or a websocket handler, and the call that makes it one."""

    function: Function
    call: ast.Call
    verb: str

    @property
    def is_websocket(self) -> bool:
        return self.verb == "websocket"


class ErrorHandler(NamedTuple):
    """What `app.errorhandler` or `app.register_error_handler` is given.

    `kind` is the dotted name of the error, or its status; `place` the function for a
    decorator, else the call.
    """

    function: Function | None
    call: ast.Call
    error: ast.expr
    kind: str
    owner: ast.expr
    app: ast.AST | None
    place: ast.AST

    def may_share_app(self, other: "ErrorHandler") -> bool:
        """Unless the apps of both are known, and are two."""
        return self.app is other.app or None in {self.app, other.app}

    @property
    def arguments(self) -> list[ast.arg]:
        spec = self.function.args if self.function else ast.arguments([], [])
        return [*spec.posonlyargs, *spec.args]


class Module(Kinds):
    # Quart

    def is_quart(self, node: ast.AST) -> bool:
        """A Quart app or blueprint, known to be one."""
        kind = self.kind(node) or self.name(node)
        return kind.endswith(("Quart", "Blueprint", "quart.current_app"))

    @cached_property
    def routes(self) -> list[Route]:
        found = []
        for function in self.functions:
            for decorator in function.decorator_list:
                match decorator:
                    case ast.Call(func=ast.Attribute(value=owner, attr=verb)) if (
                        verb in VERBS
                        and (self.is_app(owner) or self._routes_a_path(decorator))
                    ):
                        found.append(Route(function, decorator, verb))
        for call in self.nodes(ast.Call):
            match call.func:
                case ast.Attribute(
                    value=owner, attr="add_url_rule" | "add_websocket" as attr
                ) if self.is_app(owner):
                    view = argument(call, 2, "view_func")
                    if handler := self.local_function(view):
                        verb = "route" if attr == "add_url_rule" else "websocket"
                        found.append(Route(handler, call, verb))
        return found

    def _routes_a_path(self, call: ast.Call) -> bool:
        owner = cast("ast.Attribute", call.func).value
        if self.kind(owner) or not self.only_quart:
            return False
        match call.args:
            case [ast.Constant(value=str(path)), *_]:
                return path.startswith("/")
        return False

    @cached_property
    def views(self) -> set[Function]:
        found = {route.function for route in self.routes if not route.is_websocket}
        for owner in self.nodes(ast.ClassDef):
            bases = {self.name(base) for base in owner.bases}
            if bases & {"quart.views.View", "quart.views.MethodView"}:
                methods = [line for line in owner.body if isinstance(line, FUNCTIONS)]
                names = {*VERBS, "dispatch_request"}
                found |= {method for method in methods if method.name in names}
        return found

    @cached_property
    def websocket_handlers(self) -> set[Function]:
        return {route.function for route in self.routes if route.is_websocket}

    def hooks(self, *names: str) -> Iterator[tuple[Function, ast.expr]]:
        """Functions decorated with `@app.NAME` or `@app.NAME(...)`."""
        for function in self.functions:
            for decorator in function.decorator_list:
                called = isinstance(decorator, ast.Call)
                func = cast("ast.Call", decorator).func if called else decorator
                match func:
                    case ast.Attribute(value=owner, attr=attr) if attr in names:
                        if self._may_be_app(owner):
                            yield function, decorator

    def _may_be_app(self, owner: ast.expr) -> bool:
        return self.is_app(owner) or (self.only_quart and not self.kind(owner))

    @cached_property
    def error_handlers(self) -> list[ErrorHandler]:
        """By decorator, by a call of the decorator, by `register_error_handler`."""
        found = []
        for function, decorator in self.hooks(*ERROR_HOOKS):
            match decorator:
                case ast.Call(func=ast.Attribute(value=owner), args=[error]):
                    found.append(
                        self._error_handler(owner, error, decorator, function, function)
                    )
        for call in self.nodes(ast.Call):
            match call:
                case ast.Call(
                    func=ast.Call(
                        func=ast.Attribute(value=owner, attr=attr), args=[error]
                    ),
                    args=[given],
                ) if attr in ERROR_HOOKS:
                    pass
                case ast.Call(
                    func=ast.Attribute(value=owner, attr="register_error_handler"),
                    args=[error, given],
                ):
                    pass
                case _:
                    continue
            if self._may_be_app(owner):
                called = self.local_function(given)
                found.append(self._error_handler(owner, error, call, called, call))
        return found

    def _error_handler(
        self,
        owner: ast.expr,
        error: ast.expr,
        call: ast.Call,
        function: Function | None,
        place: ast.AST,
    ) -> ErrorHandler:
        status = self.value(error)
        kind = str(status) if isinstance(status, int) else self.name(error)
        app = None
        if isinstance(owner, ast.Name):
            match self.bindings(owner):
                case [ast.Name() as bound]:
                    app = bound
        return ErrorHandler(function, call, error, kind, owner, app, place)

    def log_level(self, call: ast.Call) -> str:
        """The method of a logger that `call` calls, or an empty string."""
        if isinstance(self.parent(call), ast.Await):
            return ""
        match call.func:
            case ast.Attribute(value=ast.Call(func=made), attr=level):
                is_logger = self.name(made) == "logging.getLogger"
            case ast.Attribute(
                value=ast.Name(id=name) | ast.Attribute(attr=name), attr=level
            ):
                is_logger = bool(LOGGER_NAME.match(name))
            case _:
                return ""
        return level if is_logger and level in LOG_LEVELS else ""

    def builds_app(self, function: ast.AST | None) -> bool:
        """A factory: it makes the app itself."""
        return isinstance(function, FUNCTIONS) and function in self._factories

    @cached_property
    def _factories(self) -> set[ast.AST | None]:
        calls = self.nodes(ast.Call)
        return {
            self.function(call) for call in calls if self.kind(call) == "quart.Quart"
        }

    def runs_in_loop(self, node: ast.AST) -> bool:
        """In an `async def`, or in a plain function that an `async def` calls."""
        match self.function(node):
            case ast.AsyncFunctionDef():
                return True
            case ast.FunctionDef() as function:
                return function in self._called_in_loop
        return False

    @cached_property
    def _called_in_loop(self) -> set[Function]:
        calls = [
            (self.function(call), called)
            for call in self.nodes(ast.Call)
            if (called := self.local_function(call.func))
        ]
        found: set[ast.AST | None] = {
            function
            for function, _ in calls
            if isinstance(function, ast.AsyncFunctionDef)
        }
        reached: set[Function] = set()
        while new := {called for by, called in calls if by in found} - reached:
            reached |= new
            found |= new
        return reached


def argument(call: ast.Call, position: int | None, keyword: str) -> ast.expr | None:
    """The argument of a call by its position or its keyword."""
    for given in call.keywords:
        if given.arg == keyword:
            return given.value
    if position is not None and position < len(call.args):
        found = call.args[position]
        return None if isinstance(found, ast.Starred) else found
    return None


def parameters(function: Function | ast.Lambda) -> set[str]:
    """The names of all parameters, `*args` and `**kwargs` included."""
    spec = function.args
    named = [*spec.posonlyargs, *spec.args, *spec.kwonlyargs]
    return {arg.arg for arg in [*named, spec.vararg, spec.kwarg] if arg}


def mentions(node: ast.AST, *words: str) -> bool:
    """Whether a name or an attribute in `node` is one of these words."""
    return any(
        getattr(part, "id", getattr(part, "attr", None)) in words
        for part in ast.walk(node)
    )
