"""What a rule is, the table of them all, and the one walk that asks them."""

import ast
from collections import defaultdict
from collections.abc import Callable, Iterable, Iterator
from dataclasses import dataclass
from enum import StrEnum
from functools import cached_property
from inspect import cleandoc
from typing import Any, Protocol

from .deployment import Line
from .example import made_of

Found = Iterator[tuple[ast.AST, str]]
Check = Callable[[Any, Any], Found]  # takes a Module or TextFile, and a node of it


class Source(Protocol):
    """What can be judged: a Module or a TextFile."""

    path: str
    text: str

    def nodes(self, kind: type[Any]) -> list[Any]: ...

    def place(self, node: ast.AST) -> tuple[int, int]: ...


class Severity(StrEnum):
    ERROR = "error"  # it fails, or says what is not true
    WARNING = "warning"  # it loses data, leaks, hangs or blocks
    NOTE = "note"  # hardening; the exit status does not count it

    @property
    def rank(self) -> int:
        return [*Severity].index(self)


@dataclass(frozen=True)
class Rule:
    """`check` yields what is wrong and the word that `message` has a place for.

    Each line of `example` has two columns before the code: `- ` stands in the wrong
    code alone, `+ ` in the right code alone; `made_of` adds what goes without saying.
    The finding is in a line that goes, or where `# here` stands. `runs` says how the
    wrong code fails; a test runs it.
    """

    id: str
    name: str
    severity: Severity
    message: str
    runs: str
    page: str
    example: str
    why: str
    kinds: tuple[type[ast.AST], ...]
    check: Check

    @cached_property
    def _wrong(self) -> tuple[str, set[int]]:
        return made_of(self.example, "-", is_code=Line not in self.kinds)

    @property
    def wrong(self) -> str:
        return self._wrong[0]

    @property
    def found_at(self) -> set[int]:
        """The lines of the wrong code in which the finding may be."""
        return self._wrong[1]

    @cached_property
    def right(self) -> str:
        return made_of(self.example, "+", is_code=Line not in self.kinds)[0]

    @property
    def file(self) -> str:
        """A name under which the example is judged as what it is."""
        if Line in self.kinds:
            return "Procfile"
        return "test_app.py" if "pytest" in self.wrong else "app.py"

    def say(self, word: str) -> str:
        return self.message.replace("{}", " ".join(word.split()))


RULES: dict[str, Rule] = {}


def rule(
    head: str, *, on: type[ast.AST] | tuple[type[ast.AST], ...]
) -> Callable[[Check], Check]:
    """Enter a check for nodes of the kinds `on`; `head` is its id, name and severity.

    The check's docstring has four parts, with empty lines between them: the message,
    the reason, `runs:`, and the example.
    """
    id, name, severity = head.split()
    kinds = on if isinstance(on, tuple) else (on,)

    def enter(check: Check) -> Check:
        parts = cleandoc(check.__doc__ or "").split("\n\n", 3)
        message, why, runs = (" ".join(part.split("\n")) for part in parts[:3])
        RULES[id] = Rule(
            id,
            name,
            Severity(severity),
            message,
            runs.removeprefix("runs: "),
            check.__module__.rpartition(".")[2],
            parts[3],
            why,
            kinds,
            check,
        )
        return check

    return enter


def walk(source: Source, rules: Iterable[Rule]) -> Iterator[tuple[Rule, ast.AST, str]]:
    """Ask the rules about each node of the kinds they look at."""
    by_kind: dict[type[ast.AST], list[Rule]] = defaultdict(list)
    for one in rules:
        for kind in one.kinds:
            by_kind[kind].append(one)
    for kind, askers in by_kind.items():
        for node in source.nodes(kind):
            for asker in askers:
                for found, word in asker.check(source, node):
                    yield asker, found, word
