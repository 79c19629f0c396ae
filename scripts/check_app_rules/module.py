"""One parsed file: what a name stands for, what a value is, what encloses what."""

import ast
import builtins
import re
from collections import defaultdict
from collections.abc import Iterator
from functools import cached_property
from pathlib import Path, PurePath
from typing import NamedTuple, TypeVar, cast

Function = ast.FunctionDef | ast.AsyncFunctionDef
Node = TypeVar("Node", bound=ast.AST)

FUNCTIONS = (ast.FunctionDef, ast.AsyncFunctionDef)
CALLABLES = (*FUNCTIONS, ast.Lambda)
TRIES = (ast.Try, ast.TryStar)
COMPREHENSIONS = (ast.ListComp, ast.SetComp, ast.DictComp, ast.GeneratorExp)
SCOPES = {ast.ClassDef, *CALLABLES, *COMPREHENSIONS}
BINDERS = {
    ast.Name,
    ast.arg,
    ast.alias,
    ast.Global,
    ast.Nonlocal,
    ast.FunctionDef,
    ast.AsyncFunctionDef,
    ast.ClassDef,
    ast.ExceptHandler,
    ast.MatchAs,
    ast.MatchStar,
    ast.MatchMapping,
}
PLAIN = {"arg", "attr", "ctx", "id", "module", "op", "ops", "type_comment"}
LEAVES = {ast.Constant, ast.alias, ast.Global, ast.Nonlocal}
CHILDREN = {
    kind: tuple(field for field in reversed(kind._fields) if field not in PLAIN)
    if kind not in LEAVES
    else ()
    for kind in vars(ast).values()
    if isinstance(kind, type) and issubclass(kind, ast.AST)
}
OUTSIDE = {"decorator_list", "bases", "keywords", "returns"}
DEFAULTS = {"defaults", "kw_defaults"}

QUART_SUBMODULE = re.compile(
    r"^quart\.(app|blueprints|ctx|globals|helpers|templating|wrappers(\.\w+)?"
    r"|json(?=\.jsonify))\.(?=\w)"
)
APP_NAME = re.compile(r"^(?!wsgi_)(.*_)?(app|application|bp|blueprints?)$")
FACTORY_NAME = re.compile(r"^(build|create|get|make)_app$")
TEST_FILE = re.compile(r"^(test_.*|.*_test|tests?|conftest)\.py$")
OTHER_FRAMEWORKS = {
    "bottle",
    "django",
    "falcon",
    "fastapi",
    "flask",
    "litestar",
    "sanic",
    "starlette",
    "tornado",
}
VERBS = {"route", "get", "post", "put", "patch", "delete", "websocket"}
CLIENT_VERBS = {"get", "post", "put", "patch", "delete", "head", "options", "open"}

CLIENT = "quart.testing.QuartClient"
ASYNC_SESSION = "sqlalchemy.ext.asyncio.AsyncSession"
ASYNC_CONNECTION = "sqlalchemy.ext.asyncio.AsyncConnection"
ALIASES = {
    "redis.Redis.from_url": "redis.Redis",
    "redis.StrictRedis": "redis.Redis",
    "redis.from_url": "redis.Redis",
    "quart_trio.QuartTrio": "quart.Quart",
    "quart.typing.TestAppProtocol": "quart.testing.TestApp",
    "quart.typing.TestClientProtocol": CLIENT,
    "sqlalchemy.ext.asyncio.session.AsyncSession": ASYNC_SESSION,
}
ASYNC_ENGINE = "sqlalchemy.ext.asyncio.create_async_engine"
CALLED = {
    "sqlalchemy.ext.asyncio.async_sessionmaker": ASYNC_SESSION,
    "sqlalchemy.orm.sessionmaker": "sqlalchemy.orm.Session",
}
MAKERS = {ASYNC_ENGINE, "redis.Redis.from_url", "redis.from_url", *CALLED}
RESULTS = {
    (ASYNC_ENGINE, "begin"): ASYNC_CONNECTION,
    (ASYNC_ENGINE, "connect"): ASYNC_CONNECTION,
    ("sqlalchemy.ext.asyncio.AsyncEngine", "begin"): ASYNC_CONNECTION,
    ("sqlalchemy.ext.asyncio.AsyncEngine", "connect"): ASYNC_CONNECTION,
    **{(maker, "begin"): session for maker, session in CALLED.items()},
    **{(CLIENT, verb): "quart.Response" for verb in CLIENT_VERBS},
    (CLIENT, "websocket"): "quart.testing.TestWebsocket",
}
FROM_APP = {
    "app_context": "quart.AppContext",
    "request_context": "quart.RequestContext",
    "test_app": "quart.testing.TestApp",
    "test_cli_runner": "quart.testing.QuartCliRunner",
    "test_client": CLIENT,
    "test_request_context": "quart.RequestContext",
    "test_websocket_context": "quart.WebsocketContext",
}


class Scope:
    """The names that a module, class, function or comprehension binds."""

    def __init__(self, node: ast.AST, outer: "Scope | None" = None) -> None:
        self.node = node
        self.outer = outer
        self.bindings: dict[str, list[ast.AST]] = defaultdict(list)
        self.redirected: dict[str, Scope] = {}

    def bind(self, name: str, node: ast.AST) -> None:
        self.redirected.get(name, self).bindings[name].append(node)

    def outward(self) -> "Iterator[Scope]":
        scope: Scope | None = self
        while scope:
            yield scope
            scope = scope.outer


class Route(NamedTuple):
    """A view or a websocket handler, and the call that makes it one."""

    function: Function
    call: ast.Call
    verb: str

    @property
    def is_websocket(self) -> bool:
        return self.verb == "websocket"


class Module:
    """`path` is what people read, `file` is where the text came from."""

    def __init__(self, file: Path, path: str, text: str) -> None:
        self.file = file
        self.path = path
        self.text = text
        tree = ast.parse(text)
        self.in_app = False
        self.asyncio_mode: str | None = None
        self.skips_lifespan = False
        self.serves_generators = "while_serving" in text
        self._parents: dict[ast.AST, ast.AST] = {}
        self._scopes: dict[ast.AST, Scope] = {}
        self._nodes: dict[type[ast.AST], list[ast.AST]] = defaultdict(list)
        self._names: dict[ast.AST | None, str] = {}
        self._kinds: dict[ast.AST, str] = {}
        self.imports = outer_imports(tree)
        if "quart" in text:
            self.index(tree)

    def index(self, tree: ast.Module | None = None) -> None:
        """Record the parent and the scope of every node, without recursion.

        Most files have nothing to do with Quart; theirs is not even kept.
        """
        if self._scopes:
            return
        self.tree = tree or ast.parse(self.text)
        nodes, scopes, parents = self._nodes, self._scopes, self._parents
        stack: list[tuple[ast.AST, Scope]] = [(self.tree, Scope(self.tree))]
        while stack:
            node, scope = stack.pop()
            kind = type(node)
            nodes[kind].append(node)
            scopes[node] = scope
            if kind in BINDERS:
                self._bind(node, scope)
            inner = Scope(node, scope) if kind in SCOPES else scope
            for field in CHILDREN[kind]:
                value = getattr(node, field)
                where = inner
                if inner is not scope and field in OUTSIDE:
                    where = scope
                elif field in DEFAULTS and scope.outer:
                    where = scope.outer
                if type(value) is list:
                    for child in reversed(value):
                        if isinstance(child, ast.AST):
                            parents[child] = node
                            stack.append((child, where))
                elif isinstance(value, ast.AST):
                    parents[value] = node
                    stack.append((value, where))
        self.imports = [*self.nodes(ast.Import), *self.nodes(ast.ImportFrom)]

    def _bind(self, node: ast.AST, scope: Scope) -> None:
        match node:
            case ast.Name(ctx=ast.Load()):
                pass
            case ast.Name(id=name):
                if isinstance(self._parents[node], ast.NamedExpr):
                    while isinstance(scope.node, COMPREHENSIONS) and scope.outer:
                        scope = scope.outer
                scope.bind(name, node)
            case ast.arg(arg=name):
                scope.bind(name, node)
            case ast.alias(name=name, asname=asname):
                scope.bind(asname or name.partition(".")[0], node)
            case ast.Global(names=names):
                *_, outermost = scope.outward()
                scope.redirected |= dict.fromkeys(names, outermost)
            case ast.Nonlocal(names=names):
                for outer in reversed([*scope.outward()][1:]):
                    found = [name for name in names if name in outer.bindings]
                    scope.redirected |= dict.fromkeys(found, outer)
            case ast.MatchMapping(rest=str(name)):
                scope.bind(name, node)
            case _ if isinstance(own := getattr(node, "name", None), str):
                scope.bind(own, node)

    # Structure

    def nodes(self, kind: type[Node]) -> list[Node]:
        return cast("list[Node]", self._nodes[kind])

    @cached_property
    def functions(self) -> list[Function]:
        return [*self.nodes(ast.FunctionDef), *self.nodes(ast.AsyncFunctionDef)]

    @cached_property
    def assignments(self) -> list[tuple[ast.expr, ast.expr]]:
        """Each target and what it is given, of plain and of annotated assignments."""
        return [
            *(
                (target, n.value)
                for n in self.nodes(ast.Assign)
                for target in n.targets
            ),
            *((n.target, n.value) for n in self.nodes(ast.AnnAssign) if n.value),
        ]

    def parent(self, node: ast.AST) -> ast.AST | None:
        return self._parents.get(node)

    def ancestors(self, node: ast.AST) -> Iterator[ast.AST]:
        while parent := self._parents.get(node):
            yield parent
            node = parent

    def within(self, node: ast.AST, *kinds: type[Node]) -> Node | None:
        """The nearest node of one of these kinds around `node`."""
        for ancestor in self.ancestors(node):
            if isinstance(ancestor, kinds):
                return ancestor
        return None

    def function(self, node: ast.AST) -> Function | ast.Lambda | None:
        """The function that runs `node`; for a function, the one that defines it."""
        for scope in self._scopes[node].outward():
            if isinstance(scope.node, CALLABLES):
                return scope.node
        return None

    def body(self, function: Function) -> list[ast.AST]:
        """What runs when `function` runs, without the functions defined in it."""
        return self._bodies[function]

    @cached_property
    def _bodies(self) -> dict[ast.AST | None, list[ast.AST]]:
        found: dict[ast.AST | None, list[ast.AST]] = defaultdict(list)
        for node in self._scopes:
            found[self.function(node)].append(node)
        return found

    def at_import(self, node: ast.AST) -> bool:
        """Whether importing the module runs `node`, outside any `__main__` guard."""
        return self.function(node) is None and not self.in_main_block(node)

    def in_main_block(self, node: ast.AST) -> bool:
        return any(
            isinstance(ancestor, ast.If)
            and any(
                isinstance(part, ast.Constant) and part.value == "__main__"
                for part in ast.walk(ancestor.test)
            )
            for ancestor in self.ancestors(node)
        )

    def place(self, node: ast.AST) -> tuple[int, int]:
        """Line and column, both from 1, columns in characters."""
        line, offset = getattr(node, "lineno", 1), getattr(node, "col_offset", 0)
        before = self._lines[line - 1].encode()[:offset]
        return line, len(before.decode(errors="ignore")) + 1

    @cached_property
    def _lines(self) -> list[str]:
        return self.text.split("\n")

    @cached_property
    def is_test(self) -> bool:
        *folders, name = PurePath(self.path).parts
        return bool(TEST_FILE.match(name)) or not {"test", "tests"}.isdisjoint(folders)

    # Imports

    @cached_property
    def imported(self) -> set[str]:
        """Absolute dotted names that are imported, each with its prefixes."""
        found = set()
        for node in self.imports:
            match node:
                case ast.Import(names=names):
                    dotted = [alias.name for alias in names]
                case ast.ImportFrom(module=str(module), names=names, level=0):
                    dotted = [f"{module}.{alias.name}" for alias in names]
                case _:
                    dotted = []
            for name in dotted:
                while name:
                    found.add(name)
                    name = name.rpartition(".")[0]
        return found

    @cached_property
    def imports_quart(self) -> bool:
        return any(name.partition("_")[0] == "quart" for name in self.imported)

    @cached_property
    def imports_other_framework(self) -> bool:
        return not self.imported.isdisjoint({*OTHER_FRAMEWORKS, "aiohttp.web"})

    def imports_any(self, *names: str) -> bool:
        return not self.imported.isdisjoint(names)

    # Meaning

    def bindings(self, node: ast.Name) -> list[ast.AST]:
        own = self._scopes[node]
        for scope in own.outward():
            if scope is not own and isinstance(scope.node, ast.ClassDef):
                continue
            target = scope.redirected.get(node.id, scope)
            if node.id in target.bindings:
                found = target.bindings[node.id]
                return found if len(found) == 1 else self._caught(node) or found
        return []

    def _caught(self, node: ast.Name) -> list[ast.AST]:
        """The `except ... as NAME` around a name that is bound more than once."""
        for ancestor in self.ancestors(node):
            if isinstance(ancestor, ast.ExceptHandler) and ancestor.name == node.id:
                return [ancestor]
            if isinstance(ancestor, CALLABLES):
                break
        return []

    def name(self, node: ast.AST | None) -> str:
        """The dotted name of an import or builtin, or an empty string."""
        if node not in self._names:
            self._names[node] = ""
            if isinstance(node, ast.Name):
                self._names[node] = self._name(node)
            elif isinstance(node, ast.Attribute) and (owner := self.name(node.value)):
                self._names[node] = canonical(f"{owner}.{node.attr}")
        return self._names[node]

    def _name(self, node: ast.Name) -> str:
        bindings = self.bindings(node)
        if bindings:
            names = {self._bound_name(binding) for binding in bindings}
            return names.pop() if len(names) == 1 else ""
        if hasattr(builtins, node.id):
            return f"builtins.{node.id}"
        return f"quart.{node.id}" if "quart.*" in self.imported else ""

    def _bound_name(self, binding: ast.AST) -> str:
        match binding, self.parent(binding):
            case ast.alias(name=name, asname=asname), ast.Import():
                return name if asname else name.partition(".")[0]
            case ast.alias(name=name), ast.ImportFrom(module=module, level=level):
                return canonical(f"{'.' * level}{module or ''}.{name}")
            case ast.Name(), ast.Assign(targets=[target], value=value):
                return self.name(value) if target is binding else ""
        return ""

    def uses(self, name: ast.Name) -> Iterator[ast.Name]:
        """Where a name that is bound is read."""
        return self._reads(name.id, self.bindings(name))

    def reads(self, function: Function) -> Iterator[ast.Name]:
        """Where the name of a function is read."""
        bindings = self._scopes[function].bindings
        return self._reads(function.name, bindings[function.name])

    def _reads(self, name: str, bindings: list[ast.AST]) -> Iterator[ast.Name]:
        for use in self.nodes(ast.Name):
            if (
                use.id == name
                and isinstance(use.ctx, ast.Load)
                and self.bindings(use) is bindings
            ):
                yield use

    def definition(self, node: ast.AST | None) -> Function | ast.ClassDef | None:
        """The function or class of this module that `node` names."""
        found: list[ast.AST] = []
        match node:
            case ast.Name():
                found = self.bindings(node)
            case ast.Attribute(value=ast.Name(id="self" | "cls"), attr=attr):
                owner = self.within(node, ast.ClassDef)
                found = [
                    line
                    for line in (owner.body if owner else [])
                    if isinstance(line, FUNCTIONS) and line.name == attr
                ]
        match found:
            case [ast.FunctionDef() | ast.AsyncFunctionDef() | ast.ClassDef() as one]:
                return one
        return None

    def local_function(self, node: ast.AST | None) -> Function | None:
        definition = self.definition(node)
        return definition if isinstance(definition, FUNCTIONS) else None

    def local_class(self, node: ast.AST | None) -> ast.ClassDef | None:
        definition = self.definition(node)
        return definition if isinstance(definition, ast.ClassDef) else None

    def assigned(self, node: ast.AST | None) -> ast.expr | None:
        """The value that `node` names, when one plain assignment gives it."""
        if isinstance(node, ast.Name):
            match self.bindings(node):
                case [binding]:
                    return self._assigned(binding)
        return None

    def _assigned(self, binding: ast.AST) -> ast.expr | None:
        match self.parent(binding):
            case ast.Assign(targets=targets, value=value) if binding in targets:
                return value
            case ast.AnnAssign(value=value):
                return value
            case ast.withitem(context_expr=value) | ast.NamedExpr(value=value):
                return value
        return None

    def value(self, node: ast.AST | None) -> object:
        """The constant that `node` is or names, else None."""
        node = self.assigned(node) or node
        return node.value if isinstance(node, ast.Constant) else None

    def kind(self, node: ast.AST | None) -> str:
        """The dotted name of the class of a value, or an empty string."""
        if node is None:
            return ""
        if node not in self._kinds:
            self._kinds[node] = ""
            self._kinds[node] = self._kind(node)
        return self._kinds[node]

    def _kind(self, node: ast.AST) -> str:
        match node:
            case ast.Await(value=value):
                return self.kind(value)
            case ast.Name():
                kinds = {self._bound_kind(binding) for binding in self.bindings(node)}
                return kinds.pop() if len(kinds) == 1 else ""
            case ast.Attribute(value=ast.Name(id="self"), attr=attr):
                return self._attribute_kind(node, attr)
            case ast.Call(func=ast.Attribute(value=owner, attr=attr) as func):
                if attr in FROM_APP and self.is_app(owner):
                    return FROM_APP[attr]
                if result := RESULTS.get((self.kind(owner), attr)):
                    return result
                return self._called_kind(func)
            case ast.Call(func=func):
                return self._called_kind(func)
        return ""

    def _called_kind(self, func: ast.expr) -> str:
        match self.definition(func):
            case (
                ast.FunctionDef(returns=returns) | ast.AsyncFunctionDef(returns=returns)
            ):
                return self._annotation_kind(returns)
        return self.class_kind(func) or CALLED.get(self.kind(func), "")

    def class_kind(self, base: ast.expr) -> str:
        """The library's class that a class is or inherits from."""
        if name := self.name(base):
            return class_of(name)
        owner = self.definition(base)
        if not isinstance(owner, ast.ClassDef):
            return ""
        if owner not in self._kinds:
            self._kinds[owner] = ""
            known = map(self.class_kind, owner.bases)
            self._kinds[owner] = next(filter(None, known), "")
        return self._kinds[owner]

    def _bound_kind(self, binding: ast.AST) -> str:
        match binding:
            case ast.arg(arg=name, annotation=annotation):
                return self._annotation_kind(annotation) or self._fixture_kind(name)
        match self.parent(binding):
            case ast.AnnAssign(annotation=annotation):
                return self._annotation_kind(annotation)
        return self.kind(self._assigned(binding))

    def _annotation_kind(self, annotation: ast.expr | None) -> str:
        match annotation:
            case ast.BinOp(left=left, right=ast.Constant(value=None)):
                return self._annotation_kind(left)
            case ast.Subscript(value=value):
                return class_of(self.name(value))
            case ast.Constant(value=str(text)):
                return self._imported_class(text)
        return self.class_kind(annotation) if annotation else ""

    def _imported_class(self, text: str) -> str:
        head, _, rest = text.partition(".")
        for alias in self.nodes(ast.alias):
            if head == alias.asname or head == alias.name.partition(".")[0]:
                name = f"{self._bound_name(alias)}.{rest}"
                return class_of(canonical(name.rstrip(".")))
        return ""

    def _fixture_kind(self, name: str) -> str:
        for fixture in self.fixtures:
            if fixture.name == name:
                for node in self.body(fixture):
                    if isinstance(node, ast.Return | ast.Yield) and node.value:
                        return self.kind(node.value)
        return ""

    def _attribute_kind(self, node: ast.Attribute, attr: str) -> str:
        owner = self.within(node, ast.ClassDef)
        kinds = set()
        for target, value in self.assignments:
            match target:
                case ast.Attribute(value=ast.Name(id="self"), attr=name):
                    if name == attr and self.within(target, ast.ClassDef) is owner:
                        kinds.add(self.kind(value))
        return kinds.pop() if len(kinds) == 1 else ""

    # Quart

    @property
    def only_quart(self) -> bool:
        """Whether a name that looks like an app can be taken for a Quart app."""
        return self.in_app and not self.imports_other_framework

    def is_app(self, node: ast.AST) -> bool:
        """A Quart app or blueprint, known or named like one."""
        if kind := self.kind(node):
            return kind.endswith(("Quart", "Blueprint", "quart.testing.TestApp"))
        if self.name(node) == "quart.current_app":
            return True
        match node:
            case ast.Name(id=name) | ast.Attribute(attr=name):
                return self.only_quart and bool(APP_NAME.match(name))
            case ast.Call(func=ast.Name(id=name) | ast.Attribute(attr=name)):
                return self.only_quart and bool(FACTORY_NAME.search(name))
        return False

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
                        unknown = self.only_quart and not self.kind(owner)
                        if unknown or self.is_app(owner):
                            yield function, decorator

    @cached_property
    def fixtures(self) -> list[Function]:
        return [
            function
            for function in self.functions
            if {self.decorator_name(node) for node in function.decorator_list}
            & {"pytest.fixture", "pytest_asyncio.fixture"}
        ]

    def decorator_name(self, decorator: ast.expr) -> str:
        match decorator:
            case ast.Call(func=func):
                return self.name(func)
        return self.name(decorator)

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


def outer_imports(tree: ast.Module) -> list[ast.Import | ast.ImportFrom]:
    """The imports outside functions and classes."""
    found: list[ast.Import | ast.ImportFrom] = []
    stack: list[ast.stmt] = [*tree.body]
    while stack:
        match stack.pop():
            case ast.Import() | ast.ImportFrom() as node:
                found.append(node)
            case ast.If(body=body, orelse=orelse):
                stack += body + orelse
            case ast.Try(body=body, handlers=handlers, orelse=orelse):
                stack += body + orelse
                stack += [line for handler in handlers for line in handler.body]
    return found


def canonical(name: str) -> str:
    """`quart.globals.request` and the like as `quart.request`."""
    return QUART_SUBMODULE.sub("quart.", name) if name[:6] == "quart." else name


def class_of(name: str) -> str:
    """What a call of `name` makes, when that is a class or makes a known kind."""
    if name in MAKERS or name.rpartition(".")[2][:1].isupper():
        return ALIASES.get(name, name)
    return ""


def argument(call: ast.Call, position: int | None, keyword: str) -> ast.expr | None:
    """The argument of a call by its position or its keyword."""
    for given in call.keywords:
        if given.arg == keyword:
            return given.value
    if position is not None and position < len(call.args):
        found = call.args[position]
        return None if isinstance(found, ast.Starred) else found
    return None
