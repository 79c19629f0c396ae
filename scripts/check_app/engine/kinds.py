"""What class a value has, as far as the file tells."""

import ast
from collections.abc import Iterable, Mapping
from functools import cached_property

from . import words
from .scopes import FUNCTIONS, Function, Scopes, canonical


class Kinds(Scopes):
    def definition(self, node: ast.AST | None) -> Function | ast.ClassDef | None:
        """The function or class of this module that `node` names."""
        found: list[ast.AST] = []
        match node:
            case ast.Name():
                found = self.bindings(node)
            case ast.Attribute(value=ast.Name(id="self" | "cls"), attr=attr):
                owner = self.within(node, ast.ClassDef)
                lines = owner.body if owner else []
                found = [one for one in lines if getattr(one, "name", "") == attr]
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
        bindings = self.bindings(node) if isinstance(node, ast.Name) else []
        return self._assigned(bindings[0]) if len(bindings) == 1 else None

    def _assigned(self, binding: ast.AST) -> ast.expr | None:
        match self.parent(binding):
            case ast.Assign(targets=targets, value=value) if binding in targets:
                return value
            case (
                ast.AnnAssign(value=value)
                | ast.withitem(context_expr=value)
                | ast.NamedExpr(value=value)
            ):
                return value
        return None

    def value(self, node: ast.AST | None) -> object:
        """The constant that `node` is or names, else None."""
        node = self.assigned(node) or node
        return node.value if isinstance(node, ast.Constant) else None

    def fallback(self, node: ast.expr) -> ast.expr:
        """The default of `os.getenv(KEY, DEFAULT)`, `config.get(KEY, DEFAULT)` or
        `... or DEFAULT`; of anything else its value."""
        match self.assigned(node) or node:
            case (
                ast.Call(func=ast.Attribute(attr="get" | "getenv"), args=[_, default])
                | ast.BoolOp(op=ast.Or(), values=[*_, default])
            ):
                return default
            case value:
                return value

    def kind(self, node: ast.AST | None) -> str:
        """The dotted name of the class of a value, or an empty string."""
        kind = self._kinds.get(node)
        if kind is None:
            self._kinds[node] = ""
            kind = self._kinds[node] = self._kind(node)
        return kind

    def _kind(self, node: ast.AST | None) -> str:
        match node:
            case ast.Await(value=value):
                return self.kind(value)
            case ast.Name():
                return only(map(self._bound_kind, self.bindings(node)))
            case ast.Attribute(value=ast.Name(id="self"), attr=attr):
                return self._attribute_kind(node, attr)
            case ast.Attribute(attr="validation_error") if (
                "quart_schema" in self.imported
            ):
                return "pydantic.ValidationError"
            case ast.Attribute(value=owner, attr="cli") if self.is_app(owner):
                return words.APP_GROUP
            case ast.Call(func=func, keywords=given) if (
                self.name(func) == words.SYNC_MAKER
            ):
                made = (
                    self.class_kind(one.value) for one in given if one.arg == "class_"
                )
                return words.MAKER_OF.get(next(made, None), "")
            case ast.Call(func=ast.Attribute(value=owner, attr=attr) as func):
                if attr in words.FROM_APP and self.is_app(owner):
                    return words.FROM_APP[attr]
                result = words.RESULTS.get((self.kind(owner), attr))
                return result or self._called_kind(func)
            case ast.Call(func=func):
                return self._called_kind(func)
        return ""

    def calls_one_of(self, call: ast.Call, table: Mapping[str, str]) -> bool:
        """Whether a table has it: a function of a module, or a method of a kind."""
        owner, _, name = self.name(call.func).rpartition(".")
        if not owner and isinstance(call.func, ast.Attribute):
            owner, name = self.kind(call.func.value), call.func.attr
        return name in table.get(owner, "").split()

    def first_kind(self, node: ast.expr | None) -> str:
        """The kind that a chain begins with, as in `client.chat.completions`."""
        for _ in range(9):
            if node and (kind := self.kind(node) or self.class_kind(node)):
                return kind
            match node:
                case (
                    ast.Attribute(value=inner)
                    | ast.Subscript(value=inner)
                    | ast.Call(func=inner)
                ):
                    node = inner
                case _:
                    node = self.assigned(node)
        return ""

    def _called_kind(self, func: ast.expr) -> str:
        if function := self.local_function(func):
            return self._annotation_kind(function.returns)
        return self.class_kind(func) or words.CALLED.get(self.kind(func), "")

    def class_kind(self, base: ast.expr) -> str:
        """The library's class that a class is or inherits from."""
        if isinstance(base, ast.Subscript):
            return self.class_kind(base.value)
        if name := self.name(base):
            return class_of(name)
        owner = self.local_class(base)
        if owner and owner not in self._kinds:
            self._kinds[owner] = ""
            known = map(self.class_kind, owner.bases)
            self._kinds[owner] = next(filter(None, known), "")
        return self._kinds[owner] if owner else ""

    def _bound_kind(self, binding: ast.AST) -> str:
        match binding:
            case ast.FunctionDef(decorator_list=[*_, maker]):
                return words.DECORATED.get(self.decorator_name(maker), "")
            case ast.arg(arg=name, annotation=annotation):
                return self._annotation_kind(annotation) or self.fixture_kind(name)
        match self.parent(binding):
            case ast.AnnAssign(annotation=annotation):
                return self._annotation_kind(annotation)
        return self.kind(self._assigned(binding))

    def _annotation_kind(self, annotation: ast.expr | None) -> str:
        match annotation:
            case None:
                return ""
            case ast.BinOp(left=left, right=ast.Constant(value=None)):
                return self._annotation_kind(left)
            case ast.Constant(value=str(text)):
                return self._imported_class(text)
        return self.class_kind(annotation)

    def _imported_class(self, text: str) -> str:
        head, _, rest = text.partition(".")
        for alias in self.nodes(ast.alias):
            if head == alias.asname or head == alias.name.partition(".")[0]:
                name = f"{self._bound_name(alias)}.{rest}"
                return class_of(canonical(name.rstrip(".")))
        return ""

    def fixture_kind(self, name: str) -> str:
        """What the fixture of that name gives, here or in the nearest conftest."""
        modules: list[Kinds] = [self, *self.conftests]
        for module in modules:
            for fixture in module.fixtures:
                if fixture.name == name:
                    gives = (ast.Return, ast.Yield)
                    parts = module.body(fixture)
                    given = (one.value for one in parts if isinstance(one, gives))
                    return module.kind(next(given, None))
        return ""

    def _attribute_kind(self, node: ast.Attribute, attr: str) -> str:
        """Of `self.NAME`, from what the class assigns to it."""
        owner = self.within(node, ast.ClassDef)
        kinds = []
        for target, value in self.assignments:
            match target:
                case ast.Attribute(value=ast.Name(id="self"), attr=name):
                    if name == attr and self.within(target, ast.ClassDef) is owner:
                        kinds.append(self.kind(value))
        return only(kinds)

    # What the two need to know of Quart and pytest

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
                return self.only_quart and bool(words.APP_NAME.match(name))
            case ast.Call(func=ast.Name(id=name) | ast.Attribute(attr=name)):
                return self.only_quart and bool(words.FACTORY_NAME.search(name))
        return False

    @cached_property
    def fixtures(self) -> list[Function]:
        return [
            function
            for function in self.functions
            if words.FIXTURES & {*map(self.decorator_name, function.decorator_list)}
        ]

    def decorator_name(self, decorator: ast.expr) -> str:
        return self.name(getattr(decorator, "func", decorator))


def only(kinds: Iterable[str]) -> str:
    """The kind of a value that is given in several places, if it is always the same."""
    found = {*kinds}
    return found.pop() if len(found) == 1 else ""


def class_of(name: str) -> str:
    """What a call of `name` makes, when that is a class or makes a known kind."""
    if name in words.MAKERS or name.rpartition(".")[2][:1].isupper():
        return words.ALIASES.get(name, name)
    return ""
