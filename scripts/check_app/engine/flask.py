"""A Flask code base, read as though it imported Quart."""

import ast
from collections.abc import Collection, Iterator, Set
from functools import cached_property

from .quart import Module
from .scopes import Function

RENAMED = {
    "Flask": "Quart",
    "FlaskClient": "QuartClient",
    "FlaskCliRunner": "QuartCliRunner",
    "FlaskGroup": "QuartGroup",
}
AWAITED = {  # coroutines of Quart that Flask has as plain values and functions
    "quart": "flash make_response render_template render_template_string send_file "
    "send_from_directory stream_template stream_template_string",
    "quart.current_app": "open_instance_resource open_resource send_static_file",
    "quart.request": "get_data get_json",
}
OF_ANSWER = "add_etag data freeze get_data get_json json make_conditional"
MAKES_ANSWER = "Response jsonify make_response redirect send_file send_from_directory"
BODY = {f"quart.request.{name}" for name in ("data", "files", "form", "json", "values")}
PHASES = {
    "1 import": "Fails at import, or finds nothing of the Quart app",
    "2 start": "Fails before the first request: at the start, in commands",
    "3 request": "Fails in a request",
    "4 unseen": "Fails nowhere, but answers otherwise, blocks or loses",
    "5 tests": "Fails in the tests",
}
PHASE_OF = {  # of QM rules the first digit tells it
    **dict.fromkeys(["QP901", "QP903"], "1 import"),
    **dict.fromkeys(["QP201", "QP810", "QP823", "QP902"], "2 start"),
    **dict.fromkeys(["QP103", "QP106", "QP107"], "3 request"),
    **dict.fromkeys(["QP406", "QP410", "QP701", "QP702"], "4 unseen"),
    "QP820": "5 tests",
}


class FlaskModule(Module):
    """`turned` are its functions that become `async def`, since they await then."""

    reads_flask = True
    all_turned: Set[ast.AST | None] = frozenset()  # of the whole code base

    def parse(self) -> ast.Module:
        tree = super().parse()
        self.of_flask: set[ast.AST] = set()
        for node in ast.walk(tree) if "flask" in self.text else ():
            match node:
                case ast.ImportFrom(module=str(name), level=0) if is_flask(name):
                    node.module = f"quart{name[5:]}"
                    for alias in node.names:
                        alias.asname = alias.asname or alias.name
                        alias.name = RENAMED.get(alias.name, alias.name)
                    self.of_flask.add(node)
                case ast.Import(names=aliases):
                    for alias in aliases:
                        if is_flask(alias.name):
                            inner = alias.name[5:] if alias.asname else ""
                            alias.asname = alias.asname or "flask"
                            alias.name = f"quart{inner}"
                            self.of_flask.add(node)
        return tree

    @cached_property
    def to_await(self) -> list[tuple[ast.expr, ast.expr]]:
        """What has to be awaited and is not yet, and what it calls or reads."""
        bodies = [n for n in self.nodes(ast.Attribute) if self.name(n) in BODY]
        calls = [n for n in self.nodes(ast.Call) if self.calls_one_of(n, AWAITED)]
        saves = [n for n in self.nodes(ast.Call) if self.saves_upload(n)]
        found: list[tuple[ast.expr, ast.expr]] = [(one, one) for one in bodies]
        found += [(one, one.func) for one in (*calls, *saves)]
        found += self._read_of_answers()
        return [one for one in found if not self.is_awaited(one[0])]

    def _read_of_answers(self) -> Iterator[tuple[ast.expr, ast.expr]]:
        """What hooks and views read of the responses that they have."""
        for node in self.nodes(ast.Attribute):
            is_read = node.attr in OF_ANSWER.split() and isinstance(node.ctx, ast.Load)
            if is_read and self.is_answer(node.value):
                match self.parent(node):
                    case ast.Call(func=func) as call if func is node:
                        yield call, node
                    case _:
                        yield node, node

    def is_answer(self, node: ast.expr) -> bool:
        """A response of the app: what a hook is given, or a view has made."""
        bindings = self.bindings(node) if isinstance(node, ast.Name) else []
        return any(
            one in self._given_answers or self._makes_answer(self._assigned(one))
            for one in bindings
        )

    @cached_property
    def _given_answers(self) -> set[ast.arg]:
        hooks = self.hooks("after_request", "after_app_request")
        return {one for hook, _ in hooks for one in hook.args.args[:1]}

    def _makes_answer(self, value: ast.expr | None) -> bool:
        made = value.value if isinstance(value, ast.Await) else value
        return isinstance(made, ast.Call) and self.calls_one_of(
            made, {"quart": MAKES_ANSWER}
        )

    def is_awaited(self, node: ast.AST) -> bool:
        return isinstance(self.parent(node), ast.Await)

    @cached_property
    def calls_of_own(self) -> list[tuple[ast.Call, Function]]:
        """The calls of functions of this code base, each with that function."""
        calls = [(one, self.own_function(one.func)) for one in self.nodes(ast.Call)]
        return [(call, function) for call, function in calls if function]

    def own_function(self, node: ast.expr) -> Function | None:
        """The function of this code base that is meant."""
        return self.local_function(node) or self._imported(node)

    def _imported(self, node: ast.expr) -> Function | None:
        *_, place, name = ("", *self.name(node).split("."))
        for other in self.local_imports:
            near = {other.file.stem, other.file.parent.name, ""}
            for function in other.functions if place in near else ():
                if function.name == name and other.function(function) is None:
                    return function
        return None


def is_flask(name: str) -> bool:
    return name.partition(".")[0] == "flask"


def turn(modules: Collection[FlaskModule]) -> None:
    """Mark what awaits, who calls it, who calls those, through all modules."""
    turned: set[ast.AST | None] = set()
    for module in modules:
        turned |= {module.function(node) for node, _ in module.to_await}
    new = turned
    while new:
        callers: set[ast.AST | None] = {
            module.function(call)
            for module in modules
            for call, function in module.calls_of_own
            if function in new and not module.is_awaited(call)
        }
        new = callers - turned
        turned = turned | new
    for module in modules:
        module.all_turned, module.turned = turned, turned & {*module.functions}


def phase_of(code: str, *, in_tests: bool) -> str:
    """When that which a rule finds breaks; nothing for rules that are not asked."""
    phases = [*PHASES]
    phase = phases[int(code[2]) - 1] if code[:2] == "QM" else PHASE_OF.get(code, "")
    return phases[-1] if phase and in_tests and phase != phases[0] else phase


def as_flask(code: str) -> str:
    """A migration rule's wrong example, which is written with the names of Quart."""
    return code.replace("quart", "flask").replace("Quart", "Flask")
