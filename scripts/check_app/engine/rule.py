"""What a rule is, and the table of them all."""

import ast
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from enum import StrEnum
from functools import cached_property
from inspect import cleandoc
from typing import Any, NamedTuple

from .deployment import Line, TextFile
from .example import HERE, side_of
from .quart import Module

Source = Module | TextFile
Found = Iterator[tuple[ast.AST, str]]
Check = Callable[[Any, Any], Found]  # takes a Source, and a node of it


class Severity(StrEnum):
    ERROR = "error"  # it fails, or says what is not true
    WARNING = "warning"  # it loses data, leaks, hangs or blocks
    NOTE = "note"  # hardening; the exit status does not count it


class Finding(NamedTuple):
    """The fields are those of --json; columns count from 1."""

    severity: Severity
    path: str
    line: int
    column: int
    id: str
    message: str
    page: str
    source: str = "check_app"
    phase: str = ""  # of a migration: when it breaks


@dataclass(frozen=True)
class Rule:
    """`check` yields what is wrong and the word that `message` has a place for.

    Each line of `example` has two columns before the code: `- ` stands in the wrong
    code alone, `+ ` in the right code alone; `completed` adds what goes without saying.
    The finding is in a line that goes, or where `# here` stands. `runs` says how the
    wrong code fails; a test runs it.
    """

    id: str
    name: str
    severity: Severity
    kinds: tuple[type[ast.AST], ...]
    word: str
    check: Check
    message: str
    why: str
    runs: str
    example: str

    @cached_property
    def _marked(self) -> str:
        return side_of(self.example, "-", is_code=self.is_code)

    @property
    def wrong(self) -> str:
        return self._marked.replace(HERE, "")

    @property
    def found_at(self) -> set[int]:
        """The lines of the wrong code in which the finding may be."""
        lines = self._marked.splitlines()
        return {n for n, line in enumerate(lines, 1) if line.endswith(HERE)}

    @cached_property
    def right(self) -> str:
        return side_of(self.example, "+", is_code=self.is_code).replace(HERE, "")

    @property
    def is_code(self) -> bool:
        return Line not in self.kinds

    @property
    def page(self) -> str:
        return self.check.__module__.rpartition(".")[2]

    @property
    def file(self) -> str:
        """A name under which the example is judged as what it is."""
        if not self.is_code:
            return "Procfile"
        return "test_app.py" if "def test_" in self.wrong else "app.py"

    @property
    def of_migration(self) -> bool:
        """Asked only about Flask code; the wrong example is read as Flask's."""
        return self.id.startswith("QM")

    def asks(self, source: Source) -> bool:
        return self.word in source.text and self.of_migration <= source.reads_flask

    def finding(self, source: Source, node: ast.AST, word: str) -> Finding:
        said = self.message.replace("{}", " ".join(word.split()))
        place = source.path, *source.place(node)
        return Finding(self.severity, *place, self.id, said, page_path(self.page))


RULES: dict[str, Rule] = {}


def rule(
    head: str, *, on: type[ast.AST] | tuple[type[ast.AST], ...], word: str = ""
) -> Callable[[Check], Check]:
    """Enter a check for nodes of the kinds `on`; `head` is its id, name and severity.

    A file without the `word` cannot have the mistake, so the check is not asked.
    The check's docstring has four parts, with empty lines between them: the message,
    the reason, `runs:`, and the example.
    """
    id, name, level = head.split()
    kinds = on if isinstance(on, tuple) else (on,)

    def enter(check: Check) -> Check:
        *said, example = cleandoc(check.__doc__ or "").split("\n\n", 3)
        message, why, runs = (" ".join(part.split("\n")) for part in said)
        runs = runs.removeprefix("runs: ")
        RULES[id] = Rule(
            id, name, Severity(level), kinds, word, check, message, why, runs, example
        )
        return check

    return enter


def page_path(page: str) -> str:
    return f"patterns/{page}.md"
