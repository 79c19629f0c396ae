"""One parsed file: what encloses what, and what a name stands for."""

import ast
import builtins
from collections import defaultdict
from collections.abc import Iterator
from functools import cached_property
from pathlib import Path, PurePath
from typing import TypeVar, cast

from .words import (
    ASYNCIO_PLUGIN,
    DISPOSES,
    OTHER_FRAMEWORKS,
    QUART_SUBMODULE,
    SETTINGS,
    TEST_FILE,
)

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


class Scopes:
    """`path` is what people read, `file` is where the text came from."""

    def __init__(self, file: Path, path: str, text: str) -> None:
        self.file = file
        self.path = path
        self.inner = path  # below the top folder of the project
        self.text = text
        tree = ast.parse(text)
        self.in_app = False
        self.asyncio_mode = "strict" if ASYNCIO_PLUGIN.search(text) else ""
        self.skips_lifespan = False
        self.settings = {*SETTINGS.findall(text)}
        self.is_disposed = DISPOSES in text  # an engine, here or in a neighbour
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
        if self._ascii:
            return line, offset + 1
        before = self._lines[line - 1].encode()[:offset]
        return line, len(before.decode(errors="ignore")) + 1

    @cached_property
    def _ascii(self) -> bool:
        return self.text.isascii()

    @cached_property
    def _lines(self) -> list[str]:
        return self.text.split("\n")

    @cached_property
    def is_test(self) -> bool:
        """Judged by the path below the project's top folder."""
        *folders, name = PurePath(self.inner).parts
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
