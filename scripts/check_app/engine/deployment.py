"""Files that start the app: Dockerfile, Procfile, compose files, units, scripts."""

import ast
import re
from functools import cached_property
from pathlib import Path

from .quart import Module

STARTS_APP = re.compile(
    r"^(.*\.)?(Dockerfile|Containerfile)(\..*)?$|^Procfile$|\.service$"
    r"|^(docker-)?compose[\w.-]*\.ya?ml$|^\.env(\..*)?$|\.sh$"
)


class Line(ast.AST):
    """One logical line, continuations joined; `lineno` is where it starts."""

    def __init__(self, text: str, lineno: int) -> None:
        super().__init__()
        self.text = text
        self.lineno = lineno
        self.col_offset = 0


class TextFile:
    """Looks like a module to the rules, but has lines only."""

    reads_flask = False

    def __init__(self, file: Path, path: str, text: str) -> None:
        self.file = file
        self.path = path
        self.text = text
        self.modules: list[Module] = []  # of the project it stands in

    @cached_property
    def lines(self) -> list[Line]:
        found, number = [], 1
        for text in re.split(r"(?<!\\)\n", self.text):
            if not text.lstrip().startswith("#"):
                found.append(Line(text.replace("\\\n", ""), number))
            number += 1 + text.count("\n")
        return found

    def nodes(self, kind: type[ast.AST]) -> list[ast.AST]:
        return [*self.lines] if kind is Line else []

    def place(self, node: ast.AST) -> tuple[int, int]:
        line = getattr(node, "lineno", 1)
        first = self.text.splitlines()[line - 1]
        return line, len(first) - len(first.lstrip()) + 1
