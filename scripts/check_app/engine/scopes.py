"""One parsed file: what encloses what, and what a name stands for."""

import ast
import builtins
import warnings
from bisect import bisect
from collections import defaultdict
from collections.abc import Iterator
from functools import cached_property
from pathlib import Path, PurePath
from typing import Self, TypeVar, cast

from . import words

Function = ast.FunctionDef | ast.AsyncFunctionDef
Node = TypeVar("Node", bound=ast.AST)

FUNCTIONS = (ast.FunctionDef, ast.AsyncFunctionDef)
CALLABLES = (*FUNCTIONS, ast.Lambda)
TRIES = (ast.Try, ast.TryStar)
COMPREHENSIONS = (ast.ListComp, ast.SetComp, ast.DictComp, ast.GeneratorExp)
SCOPES = {ast.ClassDef, *CALLABLES, *COMPREHENSIONS}
PATTERNS = (ast.MatchAs, ast.MatchMapping, ast.MatchStar)
NAMED = (*FUNCTIONS, ast.ClassDef, ast.ExceptHandler, *PATTERNS)
BINDERS = {ast.Name, ast.arg, ast.alias, ast.Global, ast.Nonlocal, *NAMED}
WITHOUT_NODES = {"arg", "attr", "ctx", "id", "module", "op", "ops", "type_comment"}
CHILDREN = {  # the fields that hold nodes, the last one first
    kind: [field for field in reversed(kind._fields) if field not in WITHOUT_NODES]
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
        self.function: Function | ast.Lambda | None = outer.function if outer else None
        if isinstance(node, CALLABLES):
            self.function = node

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
        self.text = text
        self.inner = path  # below the top folder of the project
        self.in_app = False
        self.settings = {*words.SETTINGS.findall(text)}  # of the whole project
        self.asyncio_mode = "strict" if words.ASYNCIO_PLUGIN.search(text) else ""
        self.conftests: list[Self] = []  # the nearest first
        self.local_imports: set[Self] = set()
        self.neighbours: set[Self] = set()  # with those that import it, without tests
        self._parents: dict[ast.AST, ast.AST] = {}
        self._scopes: dict[ast.AST, Scope] = {}
        self._nodes: dict[type[ast.AST], list[ast.AST]] = defaultdict(list)
        self._names: dict[ast.AST | None, str] = {}
        self._kinds: dict[ast.AST | None, str] = {}
        tree = self.parse()
        self.imports = outer_imports(tree)
        if "quart" in text:
            self.index(tree)

    def parse(self) -> ast.Module:
        with warnings.catch_warnings():
            warnings.simplefilter("ignore")
            return ast.parse(self.text)

    def index(self, tree: ast.Module | None = None) -> None:
        """Record the parent and the scope of every node, without recursion.

        Most files have nothing to do with Quart; theirs is not even kept.
        """
        if self._scopes:
            return
        tree = tree or self.parse()
        nodes, scopes, parents = self._nodes, self._scopes, self._parents
        stack: list[tuple[ast.AST, Scope]] = [(tree, Scope(tree))]
        while stack:
            node, scope = stack.pop()
            kind = type(node)
            nodes[kind].append(node)
            scopes[node] = scope
            if kind in BINDERS:
                self._bind(node, scope)
            inner = Scope(node, scope) if kind in SCOPES else scope
            for field in CHILDREN[kind]:
                where = inner
                if inner is not scope and field in OUTSIDE:
                    where = scope
                elif field in DEFAULTS and scope.outer:
                    where = scope.outer
                value = getattr(node, field)
                for child in reversed(value) if type(value) is list else [value]:
                    if isinstance(child, ast.AST):
                        parents[child] = node
                        stack.append((child, where))
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
                self._names[node] = self._imported_name(node)
            case ast.Global(names=names) | ast.Nonlocal(names=names):
                *outer, outermost = scope.outward()
                for name in names:
                    found = (one for one in outer[1:] if name in one.bindings)
                    scope.redirected[name] = next(found, outermost)
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
        plain = [(to, n.value) for n in self.nodes(ast.Assign) for to in n.targets]
        annotated = [(n.target, n.value) for n in self.nodes(ast.AnnAssign) if n.value]
        return [*plain, *annotated]

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
        return self._scopes[node].function

    def body(self, function: Function) -> list[ast.AST]:
        """What runs when `function` runs, without the functions defined in it."""
        return self._bodies[function]

    @cached_property
    def _bodies(self) -> dict[ast.AST | None, list[ast.AST]]:
        found: dict[ast.AST | None, list[ast.AST]] = defaultdict(list)
        for node, scope in self._scopes.items():
            found[scope.function].append(node)
        return found

    def at_import(self, node: ast.AST) -> bool:
        """Whether importing the module runs `node`, outside any `__main__` guard."""
        return self.function(node) is None and not self.in_main_block(node)

    def in_main_block(self, node: ast.AST) -> bool:
        tests = (getattr(one, "test", None) for one in self.ancestors(node))
        return any("__main__" in ast.unparse(test) for test in tests if test)

    def place(self, node: ast.AST) -> tuple[int, int]:
        """Line and column, both from 1, columns in characters."""
        line, offset = getattr(node, "lineno", 1), getattr(node, "col_offset", 0)
        return line, offset - bisect(self._continued[line - 1], offset) + 1

    @cached_property
    def _continued(self) -> list[list[int]]:
        """For each line the places of bytes with which no character begins."""
        return [
            [] if line.isascii() else [n for n, b in enumerate(line) if 127 < b < 192]
            for line in self.text.encode().split(b"\n")
        ]

    @cached_property
    def is_test(self) -> bool:
        """Judged by the path below the project's top folder."""
        *folders, name = PurePath(self.inner).parts
        return bool({"test", "tests"} & {*folders} or words.TEST_FILE.match(name))

    # Imports

    @cached_property
    def imported(self) -> set[str]:
        """The dotted names that are imported, each with its prefixes."""
        found = set()
        for node in self.imports:
            base = ""
            if isinstance(node, ast.ImportFrom):
                base = f"{'.' * node.level}{node.module or ''}."
            for alias in node.names:
                parts = f"{base}{alias.name}".split(".")
                found |= {".".join(parts[: end + 1]) for end in range(len(parts))}
        return found

    @cached_property
    def imports_quart(self) -> bool:
        return any(name.partition("_")[0] == "quart" for name in self.imported)

    @cached_property
    def imports_other_framework(self) -> bool:
        return self.imports_any(*words.OTHER_FRAMEWORKS.split())

    def imports_any(self, *names: str) -> bool:
        return not self.imported.isdisjoint(names)

    # Meaning

    def bindings(self, node: ast.Name | Function) -> list[ast.AST]:
        """What binds a name, or that of a function, where it stands."""
        name = node.id if isinstance(node, ast.Name) else node.name
        own = self._scopes[node]
        for scope in own.outward():
            if scope is own or not isinstance(scope.node, ast.ClassDef):
                target = scope.redirected.get(name, scope)
                if found := target.bindings.get(name):
                    return found if len(found) == 1 else self._caught(node) or found
        return []

    def _caught(self, node: ast.AST) -> list[ast.AST]:
        """The `except ... as NAME` around a name that is bound more than once."""
        for ancestor in self.ancestors(node):
            name = getattr(node, "id", None)
            if isinstance(ancestor, ast.ExceptHandler) and ancestor.name == name:
                return [ancestor]
            if isinstance(ancestor, CALLABLES):
                break
        return []

    def name(self, node: ast.AST | None) -> str:
        """The dotted name of an import or builtin, or an empty string."""
        name = self._names.get(node)
        if name is None:
            name = self._names[node] = ""
            if isinstance(node, ast.Name):
                name = self._name(node)
            elif isinstance(node, ast.Attribute) and (owner := self.name(node.value)):
                name = canonical(f"{owner}.{node.attr}")
            self._names[node] = name
        return name

    def _name(self, node: ast.Name) -> str:
        if bindings := self.bindings(node):
            names = {self._bound_name(binding) for binding in bindings}
            return names.pop() if len(names) == 1 else ""
        if hasattr(builtins, node.id):
            return f"builtins.{node.id}"
        return f"quart.{node.id}" if "quart.*" in self.imported else ""

    def _bound_name(self, binding: ast.AST) -> str:
        match self.parent(binding):
            case ast.Import() | ast.ImportFrom():
                return self._names[binding]
            case ast.Assign(targets=[target], value=value) if target is binding:
                return self.name(value)
        return ""

    def _imported_name(self, alias: ast.alias) -> str:
        match self.parent(alias):
            case ast.ImportFrom(module=module, level=level):
                return canonical(f"{'.' * level}{module or ''}.{alias.name}")
        return alias.name if alias.asname else alias.name.partition(".")[0]

    def uses(self, bound: ast.Name | Function) -> Iterator[ast.Name]:
        """Where a name that is bound, or that of a function, is read."""
        bindings = self.bindings(bound)
        name = bound.id if isinstance(bound, ast.Name) else bound.name
        for use in self._reads.get(name, ()):
            if self.bindings(use) is bindings:
                yield use

    @cached_property
    def _reads(self) -> dict[str, list[ast.Name]]:
        found: dict[str, list[ast.Name]] = defaultdict(list)
        for node in self.nodes(ast.Name):
            if isinstance(node.ctx, ast.Load):
                found[node.id].append(node)
        return found


def outer_imports(tree: ast.Module) -> list[ast.Import | ast.ImportFrom]:
    """The imports outside functions and classes."""
    found: list[ast.Import | ast.ImportFrom] = []
    stack: list[ast.AST] = [tree]
    while stack:
        node = stack.pop()
        if isinstance(node, ast.Import | ast.ImportFrom):
            found.append(node)
        elif isinstance(node, ast.Module | ast.If | ast.ExceptHandler | ast.Try):
            stack += ast.iter_child_nodes(node)
    return found


def canonical(name: str) -> str:
    """`quart.globals.request` and the like as `quart.request`."""
    return words.QUART_SUBMODULE.sub("quart.", name) if name[:6] == "quart." else name
