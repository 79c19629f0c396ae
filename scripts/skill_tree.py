"""The skill as a tree: its documents, its modules, and what a page is made of."""

import ast
import tomllib
from collections.abc import Iterable, Iterator
from functools import cache, cached_property
from importlib.util import resolve_name
from pathlib import Path
from typing import Any

from check_app.engine.quart import Module
from check_app.engine.report import judge
from check_app.engine.rule import RULES, Finding
from markdown_it import MarkdownIt
from markdown_it.token import Token
from packaging.requirements import Requirement
from packaging.utils import canonicalize_name

DOCUMENTS = "CHANGELOG.md", "README.md", "RULES.md", "SKILL.md"
GUARDS = {"__name__ == '__main__'", "TYPE_CHECKING", "typing.TYPE_CHECKING"}
Definition = ast.FunctionDef | ast.AsyncFunctionDef | ast.ClassDef


class Fence:
    """A code block; its content is `lines` from line `start`, counted from 0."""

    def __init__(self, token: Token, document: str, line: int, section: str) -> None:
        language, _, self.source = token.info.strip().partition(" ")
        self.is_python = language.lower().startswith("py")
        self.file, _, self.part = self.source.partition("::")
        self.place, self.section = f"{document}:{line + 1}", section
        self.content, self.start = token.content, line + 1
        self.lines = token.content.count("\n")


class Document:
    """A Markdown file as markdown-it sees it; lines count from 0."""

    def __init__(self, path: Path, place: str) -> None:
        self.path, self.place, self.name = path, place, path.stem
        self.text = read(path)
        self.headings: list[tuple[int, str]] = []
        self.paragraphs: list[tuple[int, str, str]] = []  # line, section, text
        self.fences: list[Fence] = []
        self.links: list[tuple[int, str]] = []
        self.rows: set[int] = set()  # of tables
        self.named_under_do: set[str] = set()  # in backticks
        line, section = 0, ""
        tokens = iter(MarkdownIt().enable("table").parse(self.text))
        for token in tokens:
            line = token.map[0] if token.map else line
            if token.type == "heading_open" and token.markup == "##":
                section = next(tokens).content
                self.headings.append((line, section))
            elif token.type == "fence":
                self.fences.append(Fence(token, place, line, section))
            elif token.type == "tr_open":
                self.rows.add(line)
            elif token.type == "inline":
                self.paragraphs.append((line, section, token.content))
            for part in token.children or ():
                if part.type == "link_open":
                    self.links.append((line, str(part.attrs["href"])))
                elif part.type == "code_inline" and section == "Do":
                    self.named_under_do.add(part.content)
        self.sections = [name for _, name in self.headings]
        self.python = [fence for fence in self.fences if fence.is_python]

    def python_under(self, section: str) -> list[Fence]:
        return [fence for fence in self.python if fence.section == section]

    def text_under(self, section: str) -> str:
        return "\n".join(text for _, place, text in self.paragraphs if place == section)

    @property
    def when(self) -> str:
        """The line under When; empty where it is none that fits into a table."""
        text = self.text_under("When")
        return "" if "\n" in text or "|" in text else text


class Skill:
    """The tree under `root`, each module parsed once."""

    def __init__(self, root: Path) -> None:
        self.root = root
        self.tree = cache(parsed)

    def place(self, path: Path) -> str:
        return path.relative_to(self.root).as_posix()

    @cached_property
    def documents(self) -> dict[str, Document]:
        paths = {*self.root.glob("*.md"), *self.root.glob("patterns/*.md")}
        paths |= {self.root / name for name in DOCUMENTS}
        places = {self.place(path): path for path in sorted(paths)}
        return {place: Document(path, place) for place, path in places.items()}

    @cached_property
    def pages(self) -> list[Document]:
        return [one for one in self.documents.values() if "/" in one.place]

    @cached_property
    def names(self) -> set[str]:
        return {page.name for page in self.pages}

    @cached_property
    def project(self) -> dict[str, Any]:
        text = (self.root / "pyproject.toml").read_text(encoding="utf-8")
        return dict(tomllib.loads(text)["project"])

    @cached_property
    def dependencies(self) -> dict[str, Requirement]:
        wanted = map(Requirement, self.project["dependencies"])
        return {canonicalize_name(one.name): one for one in wanted}

    def modules(self, name: str) -> list[Path]:
        """X.py or the package X without the tests that pages print, and plain/X.py."""
        folder = self.root / "examples"
        single = {folder / f"{name}.py", folder / "plain" / f"{name}.py"}
        tests = {self.printed_test(other) for other in self.names}
        package = {*(folder / name).rglob("*.py")} - tests
        return sorted({*filter(Path.is_file, single), *package})

    def entry(self, name: str) -> Path:
        package = self.root / "examples" / name / "__init__.py"
        return package if package.is_file() else package.parent.with_suffix(".py")

    def printed_test(self, name: str) -> Path:
        return self.root / "examples" / "testing" / f"test_{name}.py"

    def code(self, source: str) -> str | None:
        """The module without its docstring, or the definition, that a fence names."""
        file, _, name = source.partition("::")
        path = self.root / file
        if not path.is_file():
            return None
        tree, lines = self.tree(path), read(path).splitlines(keepends=True)
        if name:
            node = definitions(tree).get(name)
            return "".join(lines[n - 1] for n in span(node)) if node else None
        documented = ast.get_docstring(tree) is not None
        start = tree.body[0].end_lineno if documented else 0
        return "".join(lines[start:]).lstrip("\n")

    @cached_property
    def needs(self) -> dict[str, list[str]]:
        """The other patterns that the modules of each pattern import."""
        needs = {}
        for name in sorted(self.names):
            modules = [p for p in self.modules(name) if p.name != "__main__.py"]
            found = {other for path in modules for other in self.imported(path)}
            needs[name] = sorted(found - {name})
        return needs

    def imported(self, path: Path) -> Iterator[str]:
        """The patterns that a module imports."""
        package = ".".join(path.relative_to(self.root).parent.parts)
        for node in imports(self.tree(path).body):
            module = ""
            if isinstance(node, ast.ImportFrom):
                module = resolve_name("." * node.level + (node.module or ""), package)
            for alias in node.names:
                parts = f"{module}.{alias.name}.".removeprefix(".").split(".")
                if parts[0] == "examples" and parts[1] in self.names:
                    yield parts[1]

    @cached_property
    def figures(self) -> dict[str, int]:
        """What README.md counts."""
        files = [*self.root.glob("tests/**/test_*.py")]
        files += self.root.glob("examples/testing/test_*.py")
        defined = [name for file in files for name in definitions(self.tree(file))]
        fences = [fence for page in self.pages for fence in page.fences]
        donts = map(mistakes, self.root.glob("examples/dont/*.py"))
        return {
            "patterns": len(self.pages),
            "snippets": sum(bool(fence.source) for fence in fences),
            "Don'ts": sum(map(len, donts)),
            "test functions": sum(name.startswith("test_") for name in defined),
            "rules": len(RULES),
        }


def read(path: Path) -> str:
    """Nothing where there is no file: a check says which ones are missing."""
    return path.read_text(encoding="utf-8") if path.is_file() else ""


def parsed(path: Path) -> ast.Module:
    return ast.parse(read(path), str(path))


def definitions(tree: ast.Module) -> dict[str, Definition]:
    return {node.name: node for node in tree.body if isinstance(node, Definition)}


def span(node: Definition) -> range:
    first = min([node.lineno, *(one.lineno for one in node.decorator_list)])
    return range(first, (node.end_lineno or node.lineno) + 1)


def mistakes(path: Path) -> dict[str, range]:
    """The Don'ts of a module and their lines: all that it defines without a `_`."""
    defined = definitions(parsed(path))
    return {name: span(node) for name, node in defined.items() if name[0] != "_"}


def found_in(path: Path) -> list[Finding]:
    """What check_app finds in a module by itself, as a part of an app."""
    module = Module(path, str(path), read(path))
    module.in_app = True
    module.index()
    return [*judge(module, RULES.values())]


def imports(nodes: Iterable[ast.AST]) -> Iterator[ast.Import | ast.ImportFrom]:
    """Those that a user of the module needs: not under TYPE_CHECKING or `__main__`."""
    for node in nodes:
        if isinstance(node, ast.Import | ast.ImportFrom):
            yield node
        elif isinstance(node, ast.If) and ast.unparse(node.test) in GUARDS:
            yield from imports(node.orelse)
        else:
            yield from imports(ast.iter_child_nodes(node))
