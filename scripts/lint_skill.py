"""Check that every snippet is tested code and that every link and figure is true.

    python scripts/lint_skill.py          report what is wrong
    python scripts/lint_skill.py --fix    copy snippets, needs, rules and counts; format

Exit codes: 0 clean, 1 findings, 2 usage or unreadable input.
"""

import argparse
import ast
import re
import shutil
import sys
import tempfile
import tomllib
from collections.abc import Callable, Iterable, Iterator
from dataclasses import dataclass
from functools import cache, cached_property
from graphlib import CycleError, TopologicalSorter
from importlib.metadata import packages_distributions
from pathlib import Path
from typing import Any, TypeGuard

import check_app
import mdformat
import skills_ref
import yaml
from check_app_rules import RULES as APP_RULES
from check_app_rules.project import Project
from markdown_it import MarkdownIt
from markdown_it.token import Token
from packaging.requirements import InvalidRequirement, Requirement
from packaging.utils import canonicalize_name
from serve import commands

NAME = "quart-patterns"
SECTIONS = ["When", "Do", "Don't", "Why", "Test", "See also"]
SKILL_SECTIONS = ["Working loop", "Gotchas", "Patterns", "When not to use it"]
DESCRIPTION_LIMITS = (300, 700)
BODY_LIMIT = 10_000
PAGE_LIMIT = 8_000
FENCE_LINES = 60
DO_LINES = 130
PLAIN_LINES = 25
TRY_COMMANDS = range(1, 4)
TESTING = "testing"
FIX = "run scripts/lint_skill.py --fix"
TOOL = re.compile(r"[A-Z][A-Za-z]*(\([^()\s]+\))?")
ANY_COMMAND = {"Bash", "Bash(*)", "Bash(:*)"}
PRIVATE_NAMES = re.compile(
    r"(^|\.)_|^quart\.(ctx|globals|asgi)\b|^hypercorn\.(protocol|utils|events|asyncio\.)"
)
DOCUMENTED = {"__future__", "_exit"}
NOT_PATTERNS = {"__init__.py", "__main__.py", "__pycache__", "dont", "plain"}
MAIN = "__name__ == '__main__'"
GUARDS = {MAIN, "TYPE_CHECKING", "typing.TYPE_CHECKING"}
Definition = ast.FunctionDef | ast.AsyncFunctionDef | ast.ClassDef


@dataclass(frozen=True)
class Fence:
    """A code block; `start` and `end` are the 0-based lines of its content."""

    section: str
    info: str
    content: str
    start: int
    end: int

    @property
    def is_python(self) -> bool:
        return self.info.lower().startswith("py")

    @property
    def source(self) -> str:
        return self.info.partition(" ")[2].strip()

    @property
    def lines(self) -> int:
        return self.content.count("\n")


@dataclass(frozen=True)
class Document:
    """A Markdown file; `place` is its path as findings show it."""

    path: Path
    place: str
    text: str

    @property
    def name(self) -> str:
        return self.path.stem

    @cached_property
    def tokens(self) -> list[tuple[str, Token]]:
        """What Markdown sees, each part with the `## section` that it stands in."""
        found = []
        section = ""
        tokens = iter(MarkdownIt().enable("table").parse(self.text))
        for token in tokens:
            if token.type == "heading_open" and token.markup == "##":
                section = next(tokens).content
            else:
                found.append((section, token))
        return found

    @property
    def sections(self) -> list[str]:
        return [
            section
            for section, token in self.tokens
            if token.type == "heading_close" and token.markup == "##"
        ]

    @cached_property
    def fences(self) -> list[Fence]:
        return [
            Fence(section, token.info.strip(), token.content, start + 1, end - 1)
            for section, token in self.tokens
            if token.type == "fence" and token.map is not None
            for start, end in [token.map]
        ]

    @property
    def when(self) -> str:
        texts = [
            token.content
            for section, token in self.tokens
            if section == "When" and token.type == "inline"
        ]
        return "\n".join(texts)

    @cached_property
    def python(self) -> list[Fence]:
        return [fence for fence in self.fences if fence.is_python]

    def python_under(self, section: str) -> list[Fence]:
        return [fence for fence in self.python if fence.section == section]

    def at(self, fence: Fence) -> str:
        return f"{self.place}:{fence.start}"

    def inline(self, kind: str) -> Iterator[tuple[str, Token]]:
        for section, token in self.tokens:
            for part in token.children or ():
                if part.type == kind:
                    yield section, part

    @cached_property
    def links(self) -> list[tuple[str, str]]:
        """The section and the target of each link."""
        return [
            (section, str(part.attrs["href"]))
            for section, part in self.inline("link_open")
        ]

    @cached_property
    def named_under_do(self) -> set[str]:
        """What stands in backticks under Do."""
        return {
            part.content
            for section, part in self.inline("code_inline")
            if section == "Do"
        }


class Skill:
    """The tree under `root`, each file read once."""

    def __init__(self, root: Path) -> None:
        self.root = root
        self.read = cache(self._read)
        self.tree = cache(self._tree)

    def _read(self, path: Path) -> str:
        return path.read_text(encoding="utf-8")

    def _tree(self, path: Path) -> ast.Module:
        """An empty module where there is no file: check_files reports that."""
        return ast.parse(self.read(path) if path.is_file() else "", str(path))

    def place(self, path: Path) -> str:
        return path.relative_to(self.root).as_posix()

    def document(self, path: Path) -> Document:
        return Document(path, self.place(path), self.read(path))

    @cached_property
    def pages(self) -> list[Document]:
        return [*map(self.document, sorted((self.root / "patterns").glob("*.md")))]

    @cached_property
    def names(self) -> set[str]:
        return {page.name for page in self.pages}

    @cached_property
    def documents(self) -> list[Document]:
        return [*map(self.document, sorted(self.root.glob("*.md"))), *self.pages]

    @cached_property
    def skill_file(self) -> Document:
        return self.document(self.root / "SKILL.md")

    @cached_property
    def frontmatter(self) -> dict[str, object]:
        parts = self.skill_file.text.split("---\n", 2)
        loaded = yaml.safe_load(parts[1]) if len(parts) == 3 else None
        return loaded if isinstance(loaded, dict) else {}

    @cached_property
    def metadata(self) -> dict[str, object]:
        metadata = self.frontmatter.get("metadata")
        return metadata if isinstance(metadata, dict) else {}

    @cached_property
    def body(self) -> str:
        return self.skill_file.text.split("---\n", 2)[-1]

    @cached_property
    def project(self) -> dict[str, Any]:
        loaded = tomllib.loads(self.read(self.root / "pyproject.toml"))
        project: dict[str, Any] = loaded["project"]
        return project

    @cached_property
    def dependencies(self) -> list[Requirement]:
        return [Requirement(text) for text in self.project["dependencies"]]

    @cached_property
    def names_taken(self) -> dict[str, str]:
        """The modules of Python and of the dependencies, and whose they are."""
        dependencies = {canonicalize_name(one.name) for one in self.dependencies}
        taken = dict.fromkeys(sys.stdlib_module_names, "Python")
        for module, packages in modules_installed().items():
            for package in packages:
                if canonicalize_name(package) in dependencies:
                    taken[module] = package
        return taken

    @cached_property
    def locked(self) -> dict[str, list[str]]:
        """Every version of each package in the lock file; some have one per Python."""
        versions: dict[str, list[str]] = {}
        lock = self.read(self.root / "requirements.lock")
        for name, version in re.findall(
            r"^([a-z0-9-]+)(?:\[.*\])?==([^\s;]+)", lock, re.MULTILINE
        ):
            versions.setdefault(name, []).append(version)
        return versions

    @cached_property
    def examples(self) -> list[Path]:
        """Every module of the service, the tests that pages print too."""
        folder = self.root / "examples"
        return [
            path
            for path in sorted(folder.rglob("*.py"))
            if folder / "dont" not in path.parents
        ]

    def modules(self, name: str) -> list[Path]:
        """The modules of one pattern: X.py or the package X, and plain/X.py.

        The package `testing` also holds the tests of the other pages.
        """
        folder = self.root / "examples"
        single = {folder / f"{name}.py", folder / "plain" / f"{name}.py"}
        foreign = {self.printed_test(other) for other in self.names - {TESTING}}
        return [
            path
            for path in self.examples
            if path in single or (folder / name in path.parents and path not in foreign)
        ]

    def entry(self, name: str) -> Path:
        package = self.root / "examples" / name / "__init__.py"
        return package if package.is_file() else package.parent.with_suffix(".py")

    def dont(self, name: str) -> Path:
        return self.root / "examples" / "dont" / f"{name}.py"

    def test(self, name: str) -> Path:
        return self.root / "tests" / f"test_{name}.py"

    def printed_test(self, name: str) -> Path:
        return self.root / "examples" / "testing" / f"test_{name}.py"

    @cached_property
    def found_in_donts(self) -> list[check_app.Finding]:
        project = Project([self.root / "examples" / "dont"])
        return check_app.report_on(project, ["QP"], []).findings

    @cached_property
    def needs(self) -> dict[str, list[str]]:
        """The other patterns that the modules of each pattern import."""
        needs = {}
        for name in sorted(self.names):
            imported = {
                pattern
                for path in self.modules(name)
                if path.name != "__main__.py"
                for pattern in self.imported_patterns(path)
            }
            needs[name] = sorted(imported - {name})
        return needs

    def imported_patterns(self, path: Path) -> Iterator[str]:
        """Those that a module names, in relative and in absolute imports."""
        package = path.relative_to(self.root).parent.parts
        for node in imports(self.tree(path).body):
            above: tuple[str, ...] = ()
            module = ""
            if isinstance(node, ast.ImportFrom):
                module = node.module or ""
                if node.level:
                    above = package[: len(package) - node.level + 1]
            for alias in node.names:
                target = ".".join(filter(None, [*above, module, alias.name]))
                top, _, rest = target.partition(".")
                name = rest.partition(".")[0]
                if top == "examples" and name in self.names:
                    yield name


modules_installed = cache(packages_distributions)


def imports(nodes: Iterable[ast.AST]) -> Iterator[ast.Import | ast.ImportFrom]:
    """Those that a user of the module needs: not under TYPE_CHECKING or `__main__`."""
    for node in nodes:
        if isinstance(node, ast.Import | ast.ImportFrom):
            yield node
        elif is_guard(node, GUARDS):
            yield from imports(node.orelse)
        else:
            yield from imports(ast.iter_child_nodes(node))


def is_guard(node: ast.AST, conditions: set[str]) -> TypeGuard[ast.If]:
    return isinstance(node, ast.If) and ast.unparse(node.test) in conditions


def snippet(source: str, name: str) -> str | None:
    """One top-level definition, decorators too; without `name`, all but the docstring.

    None when `source` has no top-level class or function `name`.
    """
    tree = ast.parse(source)
    lines = source.splitlines(keepends=True)
    if not name:
        start = 0
        if ast.get_docstring(tree) is not None:
            start = tree.body[0].end_lineno or 0
        return "".join(lines[start:]).lstrip("\n")
    for node in tree.body:
        if isinstance(node, Definition) and node.name == name:
            first = min([node.lineno, *(d.lineno for d in node.decorator_list)])
            return "".join(lines[first - 1 : node.end_lineno])
    return None


def expected(skill: Skill, source: str) -> str | None:
    """What the fence that names `source` must hold; None when there is no such code."""
    file, _, name = source.partition("::")
    path = skill.root / file
    return snippet(skill.read(path), name) if path.is_file() else None


def check_frontmatter(skill: Skill) -> Iterator[str]:
    with tempfile.TemporaryDirectory() as folder:
        copy = Path(folder, NAME)
        copy.mkdir()
        shutil.copy(skill.skill_file.path, copy)
        for error in skills_ref.validate(copy):
            yield f"SKILL.md: {error}; follow the Agent Skills specification"

    description = str(skill.frontmatter.get("description", ""))
    low, high = DESCRIPTION_LIMITS
    if not low <= len(description) <= high:
        yield (
            f"SKILL.md: the description has {len(description)} characters; "
            f"write one line of {low} to {high}"
        )
    if not re.search(r"^description: *[^\s|>].*\n\S", skill.skill_file.text, re.M):
        yield "SKILL.md: the description is not on one line; put it behind its key"
    if "Use when" not in description:
        yield 'SKILL.md: the description lacks "Use when"; say when to activate'
    for mark in ("<", ">", "---"):
        if mark in description:
            yield f"SKILL.md: the description holds {mark!r}; use words instead"

    tools = str(skill.frontmatter.get("allowed-tools", "")).split(" ")
    if not all(TOOL.fullmatch(tool) for tool in tools):
        yield (
            f"SKILL.md: allowed-tools is {' '.join(tools)!r}; "
            'write tool names with spaces between them, as in "Read Write"'
        )
    for tool in sorted(ANY_COMMAND & {*tools}):
        yield (
            f"SKILL.md: allowed-tools has {tool}, which allows every command; "
            "name the program, as in Bash(python:*)"
        )
    for key in ("license", "compatibility", "metadata"):
        if not skill.frontmatter.get(key):
            yield f"SKILL.md: the frontmatter lacks {key}; add it"
    for key, value in skill.metadata.items():
        if not isinstance(value, str):
            yield f"SKILL.md: metadata {key} is no string; put it in quotes"


def check_body(skill: Skill) -> Iterator[str]:
    size, sections = len(skill.body), skill.skill_file.sections
    if size > BODY_LIMIT:
        yield (
            f"SKILL.md: the body has {size} characters, {BODY_LIMIT} are allowed; "
            "move detail to a page"
        )
    if sections != SKILL_SECTIONS:
        yield (
            f"SKILL.md: its sections are {sections}; "
            f"write {SKILL_SECTIONS} in this order"
        )


def check_strays(skill: Skill) -> Iterator[str]:
    examples = skill.root / "examples"
    for folder in (examples, examples / "plain", examples / "dont"):
        for path in sorted(folder.glob("*")):
            if path.name not in NOT_PATTERNS and path.stem not in skill.names:
                place = skill.place(path)
                yield f"{place}: no page shows it; add patterns/{path.stem}.md"


def check_circles(skill: Skill) -> Iterator[str]:
    try:
        TopologicalSorter(skill.needs).prepare()
    except CycleError as error:
        circle = [*reversed(error.args[1])]
        yield (
            f"patterns/{circle[0]}.md: it needs itself: {' -> '.join(circle)}; "
            "break the circle of imports"
        )


def check_snippets(skill: Skill) -> Iterator[str]:
    for document in skill.documents:
        for fence in document.fences:
            place = document.at(fence)
            if not fence.is_python:
                if fence.source:
                    yield f"{place}: only Python has a source; drop {fence.source}"
            elif not fence.source:
                yield (
                    f"{place}: the Python fence names no source; "
                    "write ```python examples/NAME.py, or ::name behind it"
                )
            elif (code := expected(skill, fence.source)) is None:
                yield (
                    f"{place}: {fence.source} does not exist; "
                    "name a file, or a top-level definition of one"
                )
            elif code != fence.content:
                yield f"{place}: differs from {fence.source}; {FIX}"


def check_links(skill: Skill) -> Iterator[str]:
    for document in skill.documents:
        folder = document.path.parent
        for _, target in document.links:
            file = target.partition("#")[0]
            if not file or re.match(r"https?://", target):
                continue
            resolved = (folder / file).resolve()
            if not resolved.is_file():
                yield f"{document.place}: {target} leads nowhere; mend the link"
            elif document.name in skill.names and resolved.parent != folder:
                yield f"{document.place}: {target} leaves patterns/; link to a page"


def check_imports(skill: Skill) -> Iterator[str]:
    for path in skill.examples:
        body = [] if path.name == "__main__.py" else skill.tree(path).body
        blueprints = {
            ast.unparse(node.targets[0])
            for node in body
            if isinstance(node, ast.Assign) and called(node) == "Blueprint"
        }
        for node in body:
            if acts(node, blueprints):
                yield (
                    f"{skill.place(path)}:{node.lineno}: importing it does something; "
                    "move this into create_app or another function"
                )


def acts(node: ast.stmt, blueprints: set[str]) -> bool:
    """True for a loop, a block, a new app, and a call that fills no own blueprint."""
    if isinstance(node, ast.Assign):
        return called(node) in {"Quart", "create_app"}
    if isinstance(node, ast.Expr) and not isinstance(node.value, ast.Constant):
        return called(node).partition(".")[0] not in blueprints
    return isinstance(node, ast.For | ast.While | ast.With)


def called(node: ast.Assign | ast.Expr) -> str:
    """The function that a statement calls, as it is written."""
    return ast.unparse(node.value.func) if isinstance(node.value, ast.Call) else ""


def check_private_names(skill: Skill) -> Iterator[str]:
    for path in skill.examples:
        for line, name in private_names(skill.tree(path)):
            place = f"{skill.place(path)}:{line}"
            yield f"{place}: {name} is not public API; use what is documented"


def private_names(tree: ast.Module) -> Iterator[tuple[int, str]]:
    for node in ast.walk(tree):
        if isinstance(node, ast.ImportFrom) and node.level == 0:
            names = [node.module or "", *(alias.name for alias in node.names)]
        elif isinstance(node, ast.Import):
            names = [alias.name for alias in node.names]
        elif isinstance(node, ast.Attribute) and not (
            isinstance(node.value, ast.Name) and node.value.id in {"self", "cls"}
        ):
            names = [node.attr] if re.fullmatch(r"_[^_].*", node.attr) else []
        else:
            continue
        for name in names:
            if PRIVATE_NAMES.search(name) and name not in DOCUMENTED:
                yield node.lineno, name


def check_table_of_rules(skill: Skill) -> Iterator[str]:
    table = skill.root / "RULES.md"
    if not table.is_file() or skill.read(table) != check_app.table():
        yield f"RULES.md: it is not what the rules say; {FIX}"


def check_versions(skill: Skill) -> Iterator[str]:
    for dependency in skill.dependencies:
        for version in skill.locked.get(dependency.name, ["nothing"]):
            if version == "nothing" or version not in dependency.specifier:
                fact = f"the lock has {version} for {dependency}"
                yield f"pyproject.toml: {fact}; run make lock"
    python = str(skill.project["requires-python"]).removeprefix(">=")
    named = [f"Python {python}", *(f"Quart {v}" for v in skill.locked.get("quart", []))]
    texts = {
        "SKILL.md": str(skill.frontmatter.get("compatibility", "")),
        "README.md": skill.read(skill.root / "README.md"),
    }
    for place, text in texts.items():
        for name in named:
            if name not in text:
                yield f"{place}: it does not name {name}; say which versions are tested"
        for name, versions in skill.locked.items():
            for version in re.findall(
                rf"\b{name} (\d+(?:\.\d+)+)", text, re.IGNORECASE
            ):
                if not any(f"{v}.".startswith(f"{version}.") for v in versions):
                    yield (
                        f"{place}: {name} {version} is not locked; "
                        f"the lock has {', '.join(versions)}"
                    )
    version = str(skill.project["version"])
    if skill.metadata.get("version") != version:
        yield f"SKILL.md: its version is not {version}; say what pyproject.toml says"
    if f"## {version}" not in skill.read(skill.root / "CHANGELOG.md"):
        yield f"CHANGELOG.md: it has no section {version}; say what changed"


def counts(skill: Skill) -> dict[str, int]:
    folders = [skill.root / "tests", skill.root / "examples" / "testing"]
    tests = [
        node
        for folder in folders
        for path in folder.glob("test_*.py")
        for node in skill.tree(path).body
        if isinstance(node, Definition) and node.name.startswith("test_")
    ]
    return {
        "patterns": len(skill.pages),
        "snippets": sum(bool(fence.source) for p in skill.pages for fence in p.fences),
        "Don'ts": sum(len([*mistakes(skill, page)]) for page in skill.pages),
        "test functions": len(tests),
        "rules": len(APP_RULES),
    }


def check_counts(skill: Skill) -> Iterator[str]:
    readme = skill.read(skill.root / "README.md")
    for noun, count in counts(skill).items():
        if set(re.findall(rf"\b(\d+) {noun}\b", readme)) != {str(count)}:
            yield f"README.md: it does not say {count} {noun}; {FIX}"


def check_todo(skill: Skill) -> Iterator[str]:
    code = [
        path
        for folder in ("examples", "scripts", "tests")
        for path in sorted((skill.root / folder).rglob("*.py"))
    ]
    for path in [*(document.path for document in skill.documents), *code]:
        for number, line in enumerate(skill.read(path).splitlines(), 1):
            if re.search(r"\b(TO" r"DO|FIX" r"ME|XX" r"X)\b", line):
                yield f"{skill.place(path)}:{number}: something is left to do; do it"


def formatted(text: str) -> str:
    return mdformat.text(
        text,
        options={"number": True, "compact_tables": True},
        extensions={"frontmatter", "gfm", "tables"},
    )


def check_format(skill: Skill) -> Iterator[str]:
    for document in skill.documents:
        if formatted(document.text) != document.text:
            yield f"{document.place}: mdformat would change it; {FIX}"


ROW = re.compile(
    r"^\| (?P<when>.+?) +\| \[[^\]]+\]\(patterns/(?P<page>\w+)\.md\) +\|$", re.MULTILINE
)


def check_routing(skill: Skill, page: Document) -> Iterator[str]:
    rows = [row["when"] for row in ROW.finditer(skill.body) if row["page"] == page.name]
    if len(rows) != 1:
        yield (
            f"SKILL.md: the table lists {page.place} {len(rows)} times; "
            f"keep one row: | {page.when} | [{page.name}]({page.place}) |"
        )
    elif rows != [page.when]:
        yield f"SKILL.md: the row of {page.place} is not its When line; {FIX}"


def check_name(skill: Skill, page: Document) -> Iterator[str]:
    if owner := skill.names_taken.get(page.name):
        yield (
            f"{page.place}: {owner} has a module {page.name}; "
            "choose a name that hides no other module"
        )


def check_files(skill: Skill, page: Document) -> Iterator[str]:
    needed = [skill.entry(page.name), skill.dont(page.name), skill.test(page.name)]
    if page.name != TESTING:
        needed.append(skill.printed_test(page.name))
    for path in needed:
        if not path.is_file():
            place = skill.place(path)
            yield f"{page.place}: {place} is missing; add it or drop the page"


def check_sections(skill: Skill, page: Document) -> Iterator[str]:
    if page.sections != SECTIONS:
        yield (
            f"{page.place}: its sections are {page.sections}; "
            f"write {SECTIONS} in this order"
        )
    if not page.text.startswith("# "):
        yield f"{page.place}: it has no title; start with a # heading"
    if not page.when or "\n" in page.when or "|" in page.when:
        yield f"{page.place}: When is not one line; write one sentence without |"


def check_needs(skill: Skill, page: Document) -> Iterator[str]:
    if with_needs(skill, page.name, page.text) != page.text:
        line = needs_line(skill, page.name)
        yield f"{page.place}: Do does not begin with {line}; {FIX}"


def needs_line(skill: Skill, name: str) -> str:
    links = [f"[{other}]({other}.md)" for other in skill.needs[name]]
    return f"**Needs**: {', '.join(links) or 'nothing else'}."


def check_limits(skill: Skill, page: Document) -> Iterator[str]:
    size = len(page.text)
    if size > PAGE_LIMIT:
        yield (
            f"{page.place}: it has {size} characters, {PAGE_LIMIT} are allowed; "
            "cut it or split the pattern"
        )
    for fence in page.python:
        if fence.lines > FENCE_LINES:
            yield (
                f"{page.at(fence)}: it has {fence.lines} lines, {FENCE_LINES} are "
                "allowed; print less or split the pattern"
            )
    lines = sum(fence.lines for fence in page.python_under("Do"))
    if lines > DO_LINES:
        yield (
            f"{page.place}: Do prints {lines} lines, {DO_LINES} are allowed; "
            "print less or split the pattern"
        )


def check_plain(skill: Skill, page: Document) -> Iterator[str]:
    """The first fence under Do can be copied by itself."""
    for fence in page.python_under("Do")[:1]:
        file, _, part = fence.source.partition("::")
        imported = {*skill.imported_patterns(skill.root / file)} - {page.name}
        needed = ", ".join(sorted(imported))
        if fence.lines > PLAIN_LINES:
            yield (
                f"{page.at(fence)}: the plain form has {fence.lines} lines, "
                f"{PLAIN_LINES} are allowed; begin with the smallest correct code"
            )
        if part:
            yield (
                f"{page.at(fence)}: the plain form is a part of {file}; "
                "begin with a whole module"
            )
        if needed:
            yield (
                f"{page.at(fence)}: the plain form needs {needed}; "
                "begin with code that needs no other page"
            )


PRINTED = {
    "Do": "examples/{0}.py, or a part of it as examples/{0}.py::name",
    "Don't": "a part of examples/dont/{0}.py, as examples/dont/{0}.py::name",
    "Test": "the whole of examples/testing/test_{0}.py",
}


def check_placement(skill: Skill, page: Document) -> Iterator[str]:
    files = printable(skill, page.name)
    for fence in page.python:
        file, _, part = fence.source.partition("::")
        belongs = skill.root / file in files.get(fence.section, [])
        if fence.source and (not belongs or (fence.section == "Test" and part)):
            remedy = PRINTED.get(fence.section, "no Python").format(page.name)
            fact = f"{fence.source} stands under {fence.section}"
            yield f"{page.at(fence)}: {fact}; print {remedy}"
    for section, remedy in PRINTED.items():
        if not page.python_under(section):
            remedy = remedy.format(page.name)
            yield f"{page.place}: {section} shows no code; print {remedy}"


def printable(skill: Skill, name: str) -> dict[str, list[Path]]:
    """The files that may be printed in each section of a page."""
    modules = skill.modules(name)
    own_tests = [path for path in modules if path.name.startswith("test_")]
    tests = own_tests if name == TESTING else [skill.printed_test(name)]
    return {"Do": modules, "Don't": [skill.dont(name)], "Test": tests}


def check_complete(skill: Skill, page: Document) -> Iterator[str]:
    """A page prints each module of its pattern, or says where it is."""
    shown = {fence.source for fence in page.python} | page.named_under_do
    for path in skill.modules(page.name):
        holds_code = path.name != "__main__.py" and snippet(skill.read(path), "")
        if holds_code and skill.place(path) not in shown:
            yield (
                f"{page.place}: Do neither prints nor names {skill.place(path)}; "
                "print it whole, or name it in backticks"
            )


def check_example(skill: Skill, page: Document) -> Iterator[str]:
    """Every pattern but `testing` is an app that can be made, run and tried."""
    if page.name == TESTING:
        return
    entry = skill.entry(page.name)
    place, tree = skill.place(entry), skill.tree(entry)
    if "create_app" not in top_level_names(tree):
        yield f"{place}: it has no create_app; give it that one door"
    tries = len(commands(ast.get_docstring(tree) or ""))
    if tries not in TRY_COMMANDS:
        yield (
            f"{place}: its docstring has {tries} commands under Try:; "
            f"write {TRY_COMMANDS[0]} to {TRY_COMMANDS[-1]}"
        )
    if not is_runnable(entry, tree):
        yield (
            f"{place}: python -m examples.{page.name} does not run it; "
            'add `if __name__ == "__main__":`, or __main__.py to a package'
        )


def top_level_names(tree: ast.Module) -> Iterator[str]:
    for node in tree.body:
        if isinstance(node, Definition):
            yield node.name
        elif isinstance(node, ast.ImportFrom):
            yield from (alias.asname or alias.name for alias in node.names)


def is_runnable(entry: Path, tree: ast.Module) -> bool:
    if entry.name == "__init__.py":
        return entry.with_name("__main__.py").is_file()
    return any(is_guard(node, {MAIN}) for node in tree.body)


def check_dont(skill: Skill, page: Document) -> Iterator[str]:
    """Each mistake has a test that shows it, and Why names the rules that find it."""
    path = skill.dont(page.name)
    tested = tested_mistakes(skill, page.name)
    printed = printed_mistakes(page)
    named = set(re.findall(r"\bQP\d+\b", page.text))
    for node in mistakes(skill, page):
        if node.name not in tested:
            yield (
                f"{skill.place(path)}:{node.lineno}: no test_dont_ uses {node.name}; "
                f"prove that it fails in tests/test_{page.name}.py"
            )
        lines = range(node.lineno, (node.end_lineno or node.lineno) + 1)
        found = {
            one.id
            for one in skill.found_in_donts
            if one.path == str(path) and one.line in lines
        }
        for missing in sorted(found - named if node.name in printed else ()):
            yield f"{page.place}: {missing} finds {node.name}; name it under Why"
    for unknown in sorted(named - APP_RULES.keys()):
        yield f"{page.place}: no rule is called {unknown}; see RULES.md"


def mistakes(skill: Skill, page: Document) -> Iterator[Definition]:
    """The public definitions of a Don't, without what only its others use."""
    shown = printed_mistakes(page) | tested_mistakes(skill, page.name)
    body = skill.tree(skill.dont(page.name)).body
    definitions = [node for node in body if isinstance(node, Definition)]
    for node in definitions:
        others = [names_used(other) for other in definitions if other is not node]
        helps = any(node.name in used for used in others)
        if not node.name.startswith("_") and (node.name in shown or not helps):
            yield node


def printed_mistakes(page: Document) -> set[str]:
    sources = [fence.source.partition("::") for fence in page.python]
    file = f"examples/dont/{page.name}.py"
    return {name for source, _, name in sources if source == file}


def tested_mistakes(skill: Skill, name: str) -> set[str]:
    """The names that the test_dont_ functions of a pattern use."""
    return {
        used
        for node in skill.tree(skill.test(name)).body
        if isinstance(node, Definition) and node.name.startswith("test_dont_")
        for used in names_used(node)
    }


@cache
def names_used(tree: ast.AST) -> set[str]:
    """Names, attributes, and the targets of servers, as in "examples.dont.x:name()"."""
    names: set[str] = set()
    for node in ast.walk(tree):
        if isinstance(node, ast.Name):
            names.add(node.id)
        elif isinstance(node, ast.Attribute):
            names.add(node.attr)
        elif isinstance(node, ast.Constant) and isinstance(node.value, str):
            names.update(re.findall(r"^examples\.dont\.\w+:(\w+)", node.value))
    return names


RULES: list[Callable[[Skill], Iterable[str]]] = [
    check_frontmatter,
    check_body,
    check_strays,
    check_circles,
    check_snippets,
    check_links,
    check_imports,
    check_private_names,
    check_table_of_rules,
    check_versions,
    check_counts,
    check_todo,
    check_format,
]
PAGE_RULES: list[Callable[[Skill, Document], Iterable[str]]] = [
    check_routing,
    check_name,
    check_files,
    check_sections,
    check_needs,
    check_limits,
    check_plain,
    check_placement,
    check_complete,
    check_example,
    check_dont,
]


def with_snippets(skill: Skill, document: Document) -> str:
    lines = document.text.splitlines(keepends=True)
    for fence in reversed(document.fences):
        code = expected(skill, fence.source) if fence.source else None
        if code is not None:
            lines[fence.start : fence.end] = [code]
    return "".join(lines)


def with_needs(skill: Skill, name: str, text: str) -> str:
    head = f"## Do\n\n{needs_line(skill, name)}\n\n"
    begins = r"^## Do\n+(\*\*Needs\*\*:.*\n+)?"
    return re.sub(begins, lambda _: head, text, count=1, flags=re.MULTILINE)


def with_routing(skill: Skill, text: str) -> str:
    whens = {page.name: page.when for page in skill.pages}

    def row(match: re.Match[str]) -> str:
        page = match["page"]
        return f"| {whens.get(page, match['when'])} | [{page}](patterns/{page}.md) |"

    return ROW.sub(row, text)


def with_counts(skill: Skill, text: str) -> str:
    for noun, count in counts(skill).items():
        text = re.sub(rf"\b\d+ {noun}\b", f"{count} {noun}", text)
    return text


def fixed(skill: Skill, document: Document) -> str:
    """The document with all that can be derived written anew."""
    if document.place == "RULES.md":
        return check_app.table()
    text = with_snippets(skill, document)
    if document.name in skill.names:
        text = with_needs(skill, document.name, text)
    elif document.place == "SKILL.md":
        text = with_routing(skill, text)
    elif document.place == "README.md":
        text = with_counts(skill, text)
    return formatted(text)


def fix(skill: Skill) -> Iterator[str]:
    """Rewrite what differs from what it is made of, and name each file."""
    (skill.root / "RULES.md").touch()
    for document in skill.documents:
        text = fixed(skill, document)
        if text != document.text:
            document.path.write_text(text, encoding="utf-8")
            yield document.place


def main(arguments: list[str] | None = None) -> int:
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("root", nargs="?", type=Path, default=Path(__file__).parents[1])
    parser.add_argument(
        "--fix", action="store_true", help="rewrite what can be derived"
    )
    options = parser.parse_args(arguments)
    root = options.root.resolve()
    try:
        if options.fix:
            for place in fix(Skill(root)):
                print(f"fixed {place}")
        skill = Skill(root)
        findings = [finding for rule in RULES for finding in rule(skill)]
        for page in skill.pages:
            findings += [
                finding for rule in PAGE_RULES for finding in rule(skill, page)
            ]
    except (
        OSError,
        UnicodeDecodeError,
        SyntaxError,
        yaml.YAMLError,
        tomllib.TOMLDecodeError,
        InvalidRequirement,
    ) as error:
        print(f"{root}: {error}; mend the file and run again", file=sys.stderr)
        return 2
    for finding in findings:
        print(finding)
    return 1 if findings else 0


if __name__ == "__main__":
    sys.exit(main())
