"""What a rule is, and the table of them all."""

import ast
import sys
from collections.abc import Callable, Iterator
from inspect import cleandoc
from typing import NamedTuple

from .module import Module

Found = Iterator[tuple[ast.AST, str]]
Check = Callable[[Module], Found]


class Rule(NamedTuple):
    """`check` yields what is wrong and the word that `message` has a place for."""

    id: str
    name: str
    message: str
    page: str
    wrong: str
    right: str
    check: Check

    @property
    def why(self) -> str:
        return " ".join((self.check.__doc__ or "").split())

    @property
    def subject(self) -> str:
        return (sys.modules[self.check.__module__].__doc__ or "").rstrip(".")

    @property
    def file(self) -> str:
        """A name under which the examples are judged as what they are."""
        return "test_app.py" if "pytest" in self.wrong else "app.py"

    def say(self, word: str) -> str:
        return self.message.replace("{}", " ".join(word.split()))


RULES: dict[str, Rule] = {}


def rule(
    id: str, name: str, message: str, *, page: str, wrong: str, right: str
) -> Callable[[Check], Check]:
    """Enter a check into the table; its docstring says why the code is wrong."""

    def enter(check: Check) -> Check:
        RULES[id] = Rule(
            id, name, message, page, cleandoc(wrong), cleandoc(right), check
        )
        return check

    return enter
