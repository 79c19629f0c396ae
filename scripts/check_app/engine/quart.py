"""What in a file is Quart's: apps, routes, hooks, fixtures, what runs in the loop."""

import ast
import re
from collections.abc import Iterable, Iterator, Set
from functools import cached_property
from typing import NamedTuple

from . import words
from .kinds import Kinds
from .scopes import CALLABLES, FUNCTIONS, TRIES, Function

WAITS_BY_NAME = re.compile(r"\bgather\b|await \w+$", re.M)


class Route(NamedTuple):
    """A view or a websocket handler, and the call that makes it one."""

    function: Function
    call: ast.Call
    is_websocket: bool


class ErrorHandler(NamedTuple):
    """What `app.errorhandler` or `app.register_error_handler` is given.

    `kind` is the dotted name of the error, or its status; `apps` what binds the name
    of the app; `place` the function for a decorator, else the call.
    """

    function: Function | None
    call: ast.Call
    kind: str
    owner: ast.expr
    apps: list[ast.AST]
    place: ast.AST

    def may_share_app(self, other: "ErrorHandler") -> bool:
        """Unless the apps of both are known, and are two."""
        return self.apps == other.apps or not (self.apps and other.apps)


class Setting(NamedTuple):
    """What a key of the configuration is set to; `target` is set, or called."""

    key: str
    value: ast.expr
    target: ast.expr


class Module(Kinds):
    reads_flask = False
    turned: Set[ast.AST | None] = frozenset()  # what becomes `async def`

    @cached_property
    def routes(self) -> list[Route]:
        found = []
        for function in self.functions:
            for decorator in function.decorator_list:
                match decorator:
                    case ast.Call(func=ast.Attribute(value=owner, attr=verb)) if (
                        verb in words.VERBS and self._may_be_app(owner)
                    ):
                        if self.is_app(owner) or "('/" in ast.unparse(decorator):
                            route = Route(function, decorator, verb == "websocket")
                            found.append(route)
        for call in self.nodes(ast.Call):
            match call.func:
                case ast.Attribute(
                    value=owner, attr="add_url_rule" | "add_websocket" as attr
                ) if self.is_app(owner):
                    view = self.local_function(argument(call, 2, "view_func"))
                    if view:
                        found.append(Route(view, call, attr == "add_websocket"))
        return found

    @cached_property
    def views(self) -> set[Function]:
        found = {route.function for route in self.routes if not route.is_websocket}
        for owner in self.nodes(ast.ClassDef):
            if {self.name(base) for base in owner.bases} & words.VIEW_CLASSES:
                methods = [line for line in owner.body if isinstance(line, FUNCTIONS)]
                found |= {one for one in methods if one.name in words.VIEW_METHODS}
        return found

    @cached_property
    def websocket_handlers(self) -> set[Function]:
        return {route.function for route in self.routes if route.is_websocket}

    def plain_websocket_handler(self, node: ast.AST) -> Function | None:
        """The handler that `node` is or is in, unless it has decorators of its own:
        those may accept, check, catch and close."""
        function = node if isinstance(node, FUNCTIONS) else self.function(node)
        if isinstance(function, FUNCTIONS) and function in self.websocket_handlers:
            calls = [route.call for route in self.routes if route.is_websocket]
            plain = all(one in calls for one in function.decorator_list)
            return function if plain else None
        return None

    def is_before_accept(self, node: ast.expr | ast.stmt) -> bool:
        """In a plain handler, outside loops, before anything is awaited."""
        handler = self.plain_websocket_handler(node)
        if handler is None or self.within(node, ast.While, ast.For, ast.AsyncFor):
            return False
        return not any(
            isinstance(part, ast.Await | ast.AsyncWith) and part.lineno < node.lineno
            for part in self.body(handler)
        )

    def app_of(self, call: ast.expr) -> tuple[str, list[ast.AST]]:
        """What tells one app from another in a decorator or call such as `app.get`.

        Two functions may each have an `app` of their own.
        """
        app = getattr(getattr(call, "func", call), "value", call)
        bindings = self.bindings(app) if isinstance(app, ast.Name) else []
        return ast.unparse(app), bindings

    def hooks(self, *names: str) -> Iterator[tuple[Function, ast.expr]]:
        """Functions decorated with `@app.NAME` or `@app.NAME(...)`."""
        for function in self.functions:
            for decorator in function.decorator_list:
                match getattr(decorator, "func", decorator):
                    case ast.Attribute(value=owner, attr=attr) if attr in names:
                        if self._may_be_app(owner):
                            yield function, decorator

    def _may_be_app(self, owner: ast.expr) -> bool:
        return self.is_app(owner) or (self.only_quart and not self.kind(owner))

    @cached_property
    def error_handlers(self) -> list[ErrorHandler]:
        """By decorator, by a call of the decorator, by `register_error_handler`."""
        found: list[tuple[ast.expr, Function | None, ast.AST]] = [
            (call, function, function)
            for function, call in self.hooks(*words.ERROR_HOOKS)
        ]
        for node in self.nodes(ast.Call):
            match node:
                case ast.Call(
                    func=ast.Call(func=ast.Attribute(attr=attr)) as made, args=[given]
                ) if attr in words.ERROR_HOOKS:
                    found.append((made, self.local_function(given), node))
                case ast.Call(
                    func=ast.Attribute(attr="register_error_handler"), args=[_, given]
                ):
                    found.append((node, self.local_function(given), node))
        handlers = []
        for call, function, place in found:
            match call:
                case ast.Call(func=ast.Attribute(value=owner), args=[error, *_]) if (
                    self._may_be_app(owner)
                ):
                    status = self.value(error)
                    kind = str(status) if isinstance(status, int) else self.name(error)
                    apps = self.bindings(owner) if isinstance(owner, ast.Name) else []
                    apps = [one for one in apps if isinstance(one, ast.Name)]
                    handlers.append(
                        ErrorHandler(function, call, kind, owner, apps, place)
                    )
        return handlers

    def log_level(self, call: ast.Call) -> str:
        """The method of a logger that `call` calls, or an empty string."""
        found = words.LOG_CALL.search(ast.unparse(call.func))
        is_async = isinstance(self.parent(call), ast.Await)
        return found[1] if found and not is_async else ""

    def called(self, nodes: Iterable[ast.AST]) -> set[str]:
        """The dotted names of what these nodes call, empty ones for local things."""
        return {self.name(one.func) for one in nodes if isinstance(one, ast.Call)}

    def caught(self, handler: ast.ExceptHandler) -> set[str]:
        """The dotted names of what is caught, empty ones for classes of this module."""
        kind = self.assigned(handler.type) or handler.type
        if kind is None:
            return {"builtins.BaseException"}
        return {*map(self.name, getattr(kind, "elts", [kind]))}

    def tried_for_ever(self, handler: ast.ExceptHandler) -> set[str]:
        """What its `try` calls, when only that can leave the `while True` around it."""
        loop = self.within(handler, ast.While, ast.For, ast.AsyncFor, *CALLABLES)
        if not isinstance(loop, ast.While) or not self.value(loop.test):
            return set()
        lines = getattr(self.parent(handler), "body", [])
        tried = {part for line in lines for part in ast.walk(line)}
        leaves = (ast.Break, ast.Raise, ast.Return)
        left = any(isinstance(part, leaves) for part in {*ast.walk(loop)} - tried)
        return set() if left else self.called(tried)

    def guards(self, node: ast.AST) -> Iterator[ast.ExceptHandler]:
        """The `except` clauses that see what `node` raises, the nearest first."""
        inner = node
        for outer in self.ancestors(node):
            if isinstance(outer, CALLABLES):
                return
            if isinstance(outer, TRIES) and inner in outer.body:
                yield from outer.handlers
            inner = outer

    def shown(self, node: ast.AST) -> ast.expr | None:
        """What `str(...)`, `repr(...)` or a place in an f-string makes a text of."""
        match node:
            case ast.Call(func=func, args=[value]) if self.name(func) in words.TEXT_OF:
                return value
            case ast.FormattedValue(value=value):
                return value
        return None

    def uses_of_value(self, node: ast.AST) -> list[ast.Name]:
        """Where the name is read that `node` is assigned to, if it is to one."""
        match self.parent(node):
            case (
                ast.Assign(targets=[ast.Name() as name])
                | ast.AnnAssign(target=ast.Name() as name)
            ):
                return [*self.uses(name)]
        return []

    @cached_property
    def configured(self) -> list[Setting]:
        """What `app.config` is given, and names from which it may be given it: those
        of the module and of its classes."""
        found = []
        for target, value in self.assignments:
            match target:
                case (
                    ast.Subscript(
                        value=ast.Attribute(value=app, attr="config"),
                        slice=ast.Constant(value=str(key)),
                    )
                    | ast.Attribute(
                        value=app, attr="debug" | "secret_key" | "testing" as key
                    )
                ) if self.is_app(app):
                    found.append(Setting(key.upper(), value, target))
                case ast.Name(id=key) if self.function(target) is None:
                    found.append(Setting(key, value, target))
        for call in self.nodes(ast.Call):
            match call.func:
                case ast.Attribute(
                    value=ast.Attribute(value=app, attr="config"),
                    attr="from_mapping" | "update",
                ) if self.is_app(app):
                    for given in call.keywords:
                        found.append(Setting(given.arg or "", given.value, call))
        return found

    def builds_app(self, function: ast.AST | None) -> bool:
        """A factory: it makes the app itself."""
        return function is not None and function in self._factories

    @cached_property
    def _factories(self) -> set[ast.AST | None]:
        calls = self.nodes(ast.Call)
        return {self.function(one) for one in calls if self.kind(one) == "quart.Quart"}

    def is_own_task(self, function: ast.AST | None) -> bool:
        """Started as a task by somebody who does not wait for it by its name."""
        if not isinstance(function, FUNCTIONS):
            return False
        starters = [self.function(name) or name for name in self.uses(function)]
        started = re.compile(rf"\b(create_task|ensure_future)\({function.name}\(")
        return any(
            started.search(text) and not WAITS_BY_NAME.search(text)
            for text in map(ast.unparse, starters)
        )

    def blocks(self, call: ast.Call) -> bool:
        """It waits for another machine, a file, a process or a clock, and does not let
        the event loop go on."""
        match call.func:
            case ast.Attribute(value=task, attr="delay" | "apply_async"):
                known = self.name(task) or self.local_function(task)
                awaited = isinstance(self.parent(call), ast.Await)
                return not awaited and bool(known or self.kind(task) == "celery.Task")
            case ast.Attribute(value=owner, attr=method) if not self.name(call.func):
                if self.kind(owner) in words.COMMANDS:
                    return method not in words.WITHOUT_IO.split()
                if method in words.PART_METHODS:
                    parts = words.BLOCKING_PARTS.get(self.first_kind(owner), "")
                    if method in parts.split():
                        return True
        return self.calls_one_of(call, words.BLOCKING)

    def lost_task(self, node: ast.Expr) -> ast.expr | None:
        """What runs as a task that nobody keeps."""
        match node.value:
            case ast.Call(func=func, args=[task, *_]):
                if words.CREATES_TASK.search(self.name(func) or ast.unparse(func)):
                    return task
        return None

    def runs_in_loop(self, node: ast.AST) -> bool:
        """While it runs, nobody is served: in an `async def`, or in a plain function
        that one calls. Not in tests, scripts, commands and serving hooks."""
        return self.function(node) in self._in_loop

    @cached_property
    def _in_loop(self) -> set[ast.AST | None]:
        """Generators are left out: Quart runs plain ones in a thread."""
        if self.is_test or ("__main__" in self.text and not self.routes):
            return set()
        calls = [
            (self.function(call), called)
            for call in self.nodes(ast.Call)
            if isinstance(called := self.local_function(call.func), ast.FunctionDef)
            and not called.decorator_list
            and not self.yields(called)
        ]
        found = {*self.nodes(ast.AsyncFunctionDef), *self.turned}
        found -= self._run_alone
        while new := {called for by, called in calls if by in found} - found:
            found |= new
        return found

    @cached_property
    def _run_alone(self) -> set[ast.AST | None]:
        """The `async def`s that run before or after the app serves, or without it."""
        hooks = self.hooks(*words.STARTING_HOOKS, *words.ENDING_HOOKS)
        alone: set[ast.AST | None] = {function for function, _ in hooks}
        for function in self.functions:
            makers = [getattr(one, "func", one) for one in function.decorator_list]
            if "command" in {getattr(maker, "attr", "") for maker in makers}:
                alone.add(function)
        uses = {one: [*self.uses(one)] for one in self.nodes(ast.AsyncFunctionDef)}
        while (
            new := {
                one
                for one, names in uses.items()
                if names and all(self._runs_alone(name, alone) for name in names)
            }
            - alone
        ):
            alone |= new
        return alone

    def _runs_alone(self, name: ast.Name, alone: set[ast.AST | None]) -> bool:
        """Whether a coroutine is awaited by one of these, or has a loop to itself."""
        outer = self.parent(self.parent(name) or name)
        match outer:
            case ast.Await():
                return self.in_main_block(name) or self.function(name) in alone
            case ast.Call(func=ast.Name(id=word) | ast.Attribute(attr=word)):
                return word in words.RUNNERS
        return False

    def saves_upload(self, node: ast.AST) -> bool:
        match node:
            case ast.Call(func=ast.Attribute(value=ast.Name() as file, attr="save")):
                return "request.files" in ast.unparse(self.assigned(file) or file)
        return False

    def yields(self, function: Function) -> bool:
        body = self.body(function)
        return any(isinstance(node, ast.Yield | ast.YieldFrom) for node in body)


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


def contains(node: ast.AST, *kinds: type[ast.AST]) -> bool:
    return any(isinstance(part, kinds) for part in ast.walk(node))


def mentions(node: ast.AST, *names: str) -> bool:
    """Whether a name or an attribute in `node` is one of these."""
    return any(
        getattr(part, "id", getattr(part, "attr", None)) in names
        for part in ast.walk(node)
    )
