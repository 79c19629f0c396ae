"""Check that every snippet is tested code and that every link and figure is true.

    python scripts/lint_skill.py          report what is wrong
    python scripts/lint_skill.py --fix    copy snippets, rules and counts; format

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
from pathlib import Path

import check_app
import mdformat
import skills_ref
import yaml
from check_app_rules import RULES as APP_RULES
from check_app_rules.project import Project
from markdown_it import MarkdownIt
from packaging.specifiers import SpecifierSet
from serve import commands

NAME = "quart-patterns"
SECTIONS = ["When", "Do", "Don't", "Why", "Test", "See also"]
SKILL_SECTIONS = ["Working loop", "Gotchas", "Patterns", "When not to use it"]
BODY_LIMIT = 8_000
PAGE_LIMIT = 8_000
EXAMPLE_LIMIT = 120
DESCRIPTION_LIMITS = (300, 500)
TRY_COMMANDS = 3
FIX = "run scripts/lint_skill.py --fix"
PRIVATE_MODULES = re.compile(
    r"(^|\.)_|^quart\.(ctx|globals|asgi)\b|^hypercorn\.(protocol|utils|events|asyncio\.)"
)
TOOL = re.compile(r"[A-Z][A-Za-z]*(\([^()\s]+\))?")


@dataclass(frozen=True)
class Finding:
    place: str
    fact: str
    remedy: str

    def __str__(self) -> str:
        return f"{self.place}: {self.fact}; {self.remedy}"


@dataclass(frozen=True)
class Fence:
    """A code block; `start` and `end` are the 0-based lines of its content."""

    section: str
    info: str
    content: str
    start: int
    end: int

    @property
    def language(self) -> str:
        return self.info.split()[0].lower() if self.info else ""

    @property
    def source(self) -> str:
        return self.info.partition(" ")[2].strip()


@dataclass(frozen=True)
class Page:
    path: Path
    text: str

    @property
    def name(self) -> str:
        return self.path.stem

    @property
    def place(self) -> str:
        return f"{self.path.parent.name}/{self.path.name}"

    @cached_property
    def sections(self) -> list[str]:
        return re.findall(r"^## (.+)$", _without_fences(self.text), re.MULTILINE)

    @cached_property
    def when(self) -> str:
        match = re.search(
            r"^## When\n+(.+?)\n+## ", self.text, re.MULTILINE | re.DOTALL
        )
        return match[1].strip() if match else ""

    @cached_property
    def fences(self) -> list[Fence]:
        return list(fences(self.text))


class Skill:
    """The tree under `root`, each file read once."""

    def __init__(self, root: Path) -> None:
        self.root = root
        self.read = cache(self._read)
        self.tree = cache(self._tree)

    def _read(self, path: Path) -> str:
        return path.read_text(encoding="utf-8")

    def _tree(self, path: Path) -> ast.Module:
        return ast.parse(self.read(path), filename=str(path))

    @cached_property
    def pages(self) -> list[Page]:
        paths = sorted((self.root / "patterns").glob("*.md"))
        return [Page(path, self.read(path)) for path in paths]

    @cached_property
    def documents(self) -> list[Path]:
        return [*sorted(self.root.glob("*.md")), *(page.path for page in self.pages)]

    @cached_property
    def frontmatter(self) -> dict[str, object]:
        parts = self.read(self.root / "SKILL.md").split("---\n", 2)
        loaded = yaml.safe_load(parts[1]) if len(parts) == 3 else None
        return loaded if isinstance(loaded, dict) else {}

    @cached_property
    def body(self) -> str:
        return self.read(self.root / "SKILL.md").split("---\n", 2)[-1]

    @cached_property
    def project(self) -> dict[str, object]:
        project = tomllib.loads(self.read(self.root / "pyproject.toml"))["project"]
        assert isinstance(project, dict)
        return project

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

    def modules(self, folder: str, name: str) -> list[Path]:
        """The files of `folder`/`name`: one module, or every module of a package."""
        module = self.root / folder / f"{name}.py"
        package = self.root / folder / name
        return [module] if module.is_file() else sorted(package.rglob("*.py"))

    def place(self, path: Path) -> str:
        return path.relative_to(self.root).as_posix()


def _without_fences(text: str) -> str:
    return re.sub(r"^(`{3,})[^\n]*\n.*?^\1$", "", text, flags=re.MULTILINE | re.DOTALL)


def fences(text: str) -> Iterator[Fence]:
    section = ""
    tokens = MarkdownIt().parse(text)
    for token, following in zip(tokens, [*tokens[1:], None], strict=True):
        if token.type == "heading_open" and token.tag == "h2" and following is not None:
            section = following.content
        elif token.type == "fence" and token.map is not None:
            start, end = token.map
            yield Fence(section, token.info.strip(), token.content, start + 1, end - 1)


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
        if isinstance(node, DEFINITIONS) and node.name == name:
            first = min([node.lineno, *(d.lineno for d in node.decorator_list)])
            return "".join(lines[first - 1 : node.end_lineno])
    return None


Definition = ast.FunctionDef | ast.AsyncFunctionDef | ast.ClassDef
DEFINITIONS = (ast.FunctionDef, ast.AsyncFunctionDef, ast.ClassDef)


def sources(page: str) -> dict[str, str]:
    return {
        "Do": f"examples/{page}",
        "Don't": f"examples/dont/{page}",
        "Test": f"tests/test_{page}",
    }


def belongs(source: str, stem: str) -> bool:
    return source.partition("::")[0] == f"{stem}.py" or source.startswith(f"{stem}/")


def expected(skill: Skill, source: str) -> str | None:
    """What the fence that names `source` must hold; None when there is no such code."""
    file, _, name = source.partition("::")
    path = skill.root / file
    if not path.is_file():
        return None
    return snippet(skill.read(path), name)


def check_frontmatter(skill: Skill) -> Iterator[Finding]:
    with tempfile.TemporaryDirectory() as folder:
        copy = Path(folder, NAME)
        copy.mkdir()
        shutil.copy(skill.root / "SKILL.md", copy)
        for error in skills_ref.validate(copy):
            yield Finding("SKILL.md", error, "follow the Agent Skills specification")

    description = skill.frontmatter.get("description")
    low, high = DESCRIPTION_LIMITS
    if not isinstance(description, str) or not low <= len(description) <= high:
        length = len(description) if isinstance(description, str) else 0
        yield Finding(
            "SKILL.md",
            f"the description has {length} characters",
            f"write one line of {low} to {high}",
        )
    raw = re.search(
        r"^description:(.*)$", skill.read(skill.root / "SKILL.md"), re.MULTILINE
    )
    line = raw[1].strip() if raw else ""
    if line in {"", "|", ">", "|-", ">-"}:
        yield Finding(
            "SKILL.md", "the description is not on one line", "put it behind its key"
        )
    if "Use when" not in line:
        yield Finding(
            "SKILL.md", 'the description lacks "Use when"', "say when to activate"
        )
    for mark in ("<", ">", "---"):
        if mark in line:
            yield Finding(
                "SKILL.md", f"the description holds {mark!r}", "use words instead"
            )

    tools = skill.frontmatter.get("allowed-tools")
    if not isinstance(tools, str) or not all(
        TOOL.fullmatch(tool) for tool in tools.split(" ")
    ):
        yield Finding(
            "SKILL.md",
            f"allowed-tools is {tools!r}",
            'write tool names with spaces between them, as in "Read Write"',
        )
    for key in ("license", "compatibility", "metadata"):
        if not skill.frontmatter.get(key):
            yield Finding("SKILL.md", f"the frontmatter lacks {key}", "add it")
    metadata = skill.frontmatter.get("metadata")
    for key, value in metadata.items() if isinstance(metadata, dict) else ():
        if not isinstance(value, str):
            yield Finding(
                "SKILL.md", f"metadata {key} is no string", "put it in quotes"
            )


def check_body(skill: Skill) -> Iterator[Finding]:
    if len(skill.body) > BODY_LIMIT:
        yield Finding(
            "SKILL.md",
            f"the body has {len(skill.body)} characters, {BODY_LIMIT} are allowed",
            "move detail to a page",
        )
    found = re.findall(r"^## (.+)$", skill.body, re.MULTILINE)
    if found != SKILL_SECTIONS:
        yield Finding(
            "SKILL.md",
            f"its sections are {found}",
            f"write {SKILL_SECTIONS} in this order",
        )


ROW = re.compile(
    r"^\| (?P<when>.+?) +\| \[[^\]]+\]\(patterns/(?P<page>\w+)\.md\) +\|$", re.MULTILINE
)


def check_routing(skill: Skill) -> Iterator[Finding]:
    rows = [(row["page"], row["when"].strip()) for row in ROW.finditer(skill.body)]
    listed = [page for page, _ in rows]
    for page in skill.pages:
        count = listed.count(page.name)
        if count != 1:
            yield Finding(
                "SKILL.md",
                f"the table lists {page.place} {count} times",
                f"keep one row: | {page.when} | [{page.name}]({page.place}) |",
            )
        elif dict(rows)[page.name] != page.when:
            yield Finding(
                "SKILL.md", f"the row of {page.place} is not its When line", FIX
            )


def check_files(skill: Skill) -> Iterator[Finding]:
    names = {page.name for page in skill.pages}
    for name in sorted(names):
        for folder, stem in (
            ("examples", name),
            ("examples/dont", name),
            ("tests", f"test_{name}"),
        ):
            if not skill.modules(folder, stem):
                yield Finding(
                    f"patterns/{name}.md",
                    f"{folder}/{stem}.py is missing",
                    "add it or drop the page",
                )
    for folder in ("examples", "examples/dont"):
        for path in sorted((skill.root / folder).iterdir()):
            if (
                path.name in {"__init__.py", "__pycache__", "dont"}
                or path.stem in names
            ):
                continue
            yield Finding(
                skill.place(path), "no page shows it", f"add patterns/{path.stem}.md"
            )
    scripts = {path.stem for path in (skill.root / "scripts").iterdir()}
    for path in sorted((skill.root / "tests").glob("test_*.py")):
        subject = path.stem.removeprefix("test_")
        if not any(
            subject == name or subject.startswith(f"{name}_on_")
            for name in names | scripts
        ):
            yield Finding(
                skill.place(path),
                "tests neither a pattern nor a script",
                "name it for its subject",
            )


def check_sections(skill: Skill) -> Iterator[Finding]:
    for page in skill.pages:
        if page.sections != SECTIONS:
            yield Finding(
                page.place,
                f"its sections are {page.sections}",
                f"write {SECTIONS} in this order",
            )
        if not page.text.startswith("# "):
            yield Finding(page.place, "it has no title", "start with a # heading")
        if not page.when or "\n" in page.when or "|" in page.when:
            yield Finding(
                page.place, "When is not one line", "write one sentence without |"
            )


def check_budgets(skill: Skill) -> Iterator[Finding]:
    for page in skill.pages:
        if len(page.text) > PAGE_LIMIT:
            yield Finding(
                page.place,
                f"it has {len(page.text)} characters, {PAGE_LIMIT} are allowed",
                "cut it or split the pattern",
            )
        for path in skill.modules("examples", page.name):
            lines = skill.read(path).count("\n")
            if lines > EXAMPLE_LIMIT:
                yield Finding(
                    skill.place(path),
                    f"it has {lines} lines, {EXAMPLE_LIMIT} are allowed",
                    "shorten it or split the pattern",
                )


def check_snippets(skill: Skill) -> Iterator[Finding]:
    for path in skill.documents:
        for fence in fences(skill.read(path)):
            place = f"{skill.place(path)}:{fence.start}"
            if not fence.language.startswith("py"):
                if fence.source:
                    yield Finding(
                        place, f"only Python has a source, not {fence.info}", "drop it"
                    )
            elif not fence.source:
                yield Finding(
                    place,
                    "the Python fence names no source",
                    "write ```python examples/NAME.py, or ::name behind it",
                )
            elif (code := expected(skill, fence.source)) is None:
                yield Finding(
                    place,
                    f"{fence.source} does not exist",
                    "name a file, or a top-level definition of one",
                )
            elif code != fence.content:
                yield Finding(place, f"differs from {fence.source}", FIX)


def check_placement(skill: Skill) -> Iterator[Finding]:
    for page in skill.pages:
        stems = sources(page.name)
        shown: dict[str, set[str]] = {section: set() for section in stems}
        for fence in page.fences:
            stem = stems.get(fence.section)
            if not fence.language.startswith("py"):
                continue
            if stem is not None and belongs(fence.source, stem):
                shown[fence.section].add(fence.source)
            else:
                yield Finding(
                    f"{page.place}:{fence.start}",
                    f"{fence.source} stands under {fence.section}",
                    f"show {f'only {stem}' if stem else 'no Python'} there",
                )
        for path in skill.modules("examples", page.name):
            source = skill.place(path)
            if source not in shown["Do"] and snippet(skill.read(path), ""):
                yield Finding(
                    page.place,
                    f"Do does not show {source}",
                    f"add a fence ```python {source}",
                )
        for section in ("Don't", "Test"):
            if not shown[section]:
                yield Finding(
                    page.place,
                    f"{section} shows no code",
                    f"add a fence ```python {stems[section]}.py::name",
                )


LINK = re.compile(r"(?<!!)\[[^\]]*\]\(([^)\s]+)\)")


def check_links(skill: Skill) -> Iterator[Finding]:
    for path in skill.documents:
        place = skill.place(path)
        for target in LINK.findall(_without_fences(skill.read(path))):
            if re.match(r"https?://", target):
                continue
            file = target.partition("#")[0]
            resolved = (path.parent / file).resolve()
            if file and not resolved.is_file():
                yield Finding(place, f"{target} leads nowhere", "mend the link")
            elif (
                file
                and path.parent.name == "patterns"
                and resolved.parent != path.parent
            ):
                yield Finding(
                    place, f"{target} leaves patterns/", "link to another page only"
                )


def check_see_also(skill: Skill) -> Iterator[Finding]:
    linked = {page.path.name: set(LINK.findall(page.text)) for page in skill.pages}
    for name, targets in linked.items():
        for target in sorted(targets & linked.keys()):
            if name not in linked[target]:
                stem = name.removesuffix(".md")
                yield Finding(
                    f"patterns/{target}", f"{name} links here", f"add [{stem}]({name})"
                )


def check_examples(skill: Skill) -> Iterator[Finding]:
    for page in skill.pages:
        paths = skill.modules("examples", page.name)
        doors = [
            node.name
            for path in paths
            for node in skill.tree(path).body
            if isinstance(node, ast.FunctionDef)
        ]
        if paths and "create_app" not in doors:
            yield Finding(
                f"examples/{page.name}", "it has no create_app", "give it that one door"
            )
        for path in paths[:1]:
            docstring = ast.get_docstring(skill.tree(path)) or ""
            if len(commands(docstring)) != TRY_COMMANDS:
                yield Finding(
                    skill.place(path),
                    f"its docstring has {len(commands(docstring))} commands under Try:",
                    f"write {TRY_COMMANDS}",
                )
        for path in paths:
            for line, name in private_names(skill.tree(path)):
                yield Finding(
                    f"{skill.place(path)}:{line}",
                    f"{name} is not public API",
                    "use what is documented",
                )


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
            if PRIVATE_MODULES.search(name) and name != "__future__":
                yield node.lineno, name


def check_dont(skill: Skill) -> Iterator[Finding]:
    for page in skill.pages:
        for path, node in mistakes(skill, page):
            if node.name not in tested_mistakes(skill, page):
                yield Finding(
                    f"{skill.place(path)}:{node.lineno}",
                    f"no test_dont_ uses {node.name}",
                    f"prove that it fails in tests/test_{page.name}.py",
                )


def mistakes(skill: Skill, page: Page) -> Iterator[tuple[Path, Definition]]:
    """The public definitions of a Don't, without what only its others use."""
    shown = {fence.source for fence in page.fences} | tested_mistakes(skill, page)
    for path in skill.modules("examples/dont", page.name):
        definitions = [n for n in skill.tree(path).body if isinstance(n, DEFINITIONS)]
        for node in definitions:
            others = [names_used(other) for other in definitions if other is not node]
            helps = any(node.name in used for used in others)
            alone = not helps or {node.name, printed_as(skill, path, node)} & shown
            if alone and not node.name.startswith("_"):
                yield path, node


def printed_as(skill: Skill, path: Path, node: Definition) -> str:
    return f"{skill.place(path)}::{node.name}"


def tested_mistakes(skill: Skill, page: Page) -> set[str]:
    """The names that the test_dont_ functions of a pattern use."""
    return {
        name
        for path in skill.modules("tests", f"test_{page.name}")
        for node in skill.tree(path).body
        if isinstance(node, DEFINITIONS) and node.name.startswith("test_dont_")
        for name in names_used(node)
    }


def check_rules(skill: Skill) -> Iterator[Finding]:
    """RULES.md is what check_app prints; Why names the rules that find its Don'ts."""
    table = skill.root / "RULES.md"
    if not table.is_file() or skill.read(table) != check_app.table():
        yield Finding("RULES.md", "it is not what the rules say", FIX)
    project = Project([skill.root / "examples" / "dont"])
    found = check_app.report_on(project, ["QP"], []).findings
    for page in skill.pages:
        named = set(re.findall(r"\bQP\d+\b", page.text))
        for unknown in sorted(named - APP_RULES.keys()):
            yield Finding(page.place, f"no rule is called {unknown}", "see RULES.md")
        printed = {fence.source for fence in page.fences if fence.section == "Don't"}
        for path, node in mistakes(skill, page):
            if printed_as(skill, path, node) not in printed:
                continue
            lines = range(node.lineno, (node.end_lineno or node.lineno) + 1)
            ids = {f.id for f in found if f.path == str(path) and f.line in lines}
            for missing in sorted(ids - named):
                yield Finding(
                    page.place, f"{missing} finds {node.name}", "name it under Why"
                )


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


def check_versions(skill: Skill) -> Iterator[Finding]:
    python = str(skill.project["requires-python"]).removeprefix(">=")
    dependencies = skill.project["dependencies"]
    assert isinstance(dependencies, list)
    for dependency in dependencies:
        name, extras = re.match(r"([a-z0-9-]+)(\[[^\]]*\])?", dependency).groups("")  # type: ignore[union-attr]
        allowed = SpecifierSet(dependency.removeprefix(name + extras))
        for version in skill.locked.get(name, ["nothing"]):
            if version == "nothing" or version not in allowed:
                yield Finding(
                    "pyproject.toml",
                    f"the lock has {version} for {dependency}",
                    "run make lock",
                )
    texts = {
        "SKILL.md": str(skill.frontmatter.get("compatibility", "")),
        "README.md": skill.read(skill.root / "README.md"),
    }
    for place, text in texts.items():
        if f"Python {python}" not in text:
            yield Finding(
                place,
                f"it does not name Python {python}",
                "say what pyproject.toml says",
            )
        for version in skill.locked.get("quart", []):
            if f"Quart {version}" not in text:
                yield Finding(
                    place, f"it does not name Quart {version}", "say what the lock says"
                )
        for name, versions in skill.locked.items():
            for version in re.findall(
                rf"\b{re.escape(name)} (\d+(?:\.\d+)+)", text, re.IGNORECASE
            ):
                if not any(
                    f"{locked}.".startswith(f"{version}.") for locked in versions
                ):
                    yield Finding(
                        place,
                        f"{name} {version} is not locked",
                        f"the lock has {', '.join(versions)}",
                    )
    version = str(skill.project["version"])
    metadata = skill.frontmatter.get("metadata")
    if not isinstance(metadata, dict) or metadata.get("version") != version:
        yield Finding(
            "SKILL.md",
            f"metadata version is not {version}",
            "say what pyproject.toml says",
        )
    if f"## {version}" not in skill.read(skill.root / "CHANGELOG.md"):
        yield Finding(
            "CHANGELOG.md", f"it has no section {version}", "say what changed"
        )


def counts(skill: Skill) -> dict[str, int]:
    tests = [
        node
        for path in (skill.root / "tests").glob("test_*.py")
        for node in skill.tree(path).body
        if isinstance(node, DEFINITIONS) and node.name.startswith("test_")
    ]
    return {
        "patterns": len(skill.pages),
        "snippets": sum(bool(fence.source) for p in skill.pages for fence in p.fences),
        "Don'ts": sum(len(list(mistakes(skill, page))) for page in skill.pages),
        "test functions": len(tests),
        "rules": len(APP_RULES),
    }


def check_counts(skill: Skill) -> Iterator[Finding]:
    readme = skill.read(skill.root / "README.md")
    for noun, count in counts(skill).items():
        if set(re.findall(rf"\b(\d+) {noun}\b", readme)) != {str(count)}:
            yield Finding("README.md", f"it does not say {count} {noun}", FIX)


def check_todo(skill: Skill) -> Iterator[Finding]:
    code = [
        path
        for folder in ("examples", "scripts", "tests")
        for path in sorted((skill.root / folder).rglob("*.py"))
    ]
    for path in [*skill.documents, *code]:
        for number, line in enumerate(skill.read(path).splitlines(), 1):
            if re.search(r"\b(TO" r"DO|FIX" r"ME|XX" r"X)\b", line):
                yield Finding(
                    f"{skill.place(path)}:{number}", "something is left to do", "do it"
                )


def formatted(text: str) -> str:
    return mdformat.text(
        text,
        options={"number": True, "compact_tables": True},
        extensions={"frontmatter", "gfm", "tables"},
    )


def check_format(skill: Skill) -> Iterator[Finding]:
    for path in skill.documents:
        if formatted(skill.read(path)) != skill.read(path):
            yield Finding(skill.place(path), "mdformat would change it", FIX)


RULES: list[Callable[[Skill], Iterable[Finding]]] = [
    check_frontmatter,
    check_body,
    check_routing,
    check_files,
    check_sections,
    check_budgets,
    check_snippets,
    check_placement,
    check_links,
    check_see_also,
    check_examples,
    check_dont,
    check_rules,
    check_versions,
    check_counts,
    check_todo,
    check_format,
]


def with_snippets(skill: Skill, text: str) -> str:
    lines = text.splitlines(keepends=True)
    for fence in reversed(list(fences(text))):
        code = expected(skill, fence.source) if fence.source else None
        if code is not None:
            lines[fence.start : fence.end] = [code]
    return "".join(lines)


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


def fix(skill: Skill) -> Iterator[str]:
    """Rewrite what can be derived and name each file that changed."""
    (skill.root / "RULES.md").touch()
    for path in skill.documents:
        text = skill.read(path)
        if path.name == "RULES.md":
            fixed = check_app.table()
        elif path.name == "README.md":
            fixed = formatted(with_counts(skill, with_snippets(skill, text)))
        else:
            fixed = formatted(with_routing(skill, with_snippets(skill, text)))
        if fixed != text:
            path.write_text(fixed, encoding="utf-8")
            yield skill.place(path)


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
    except (
        OSError,
        UnicodeDecodeError,
        SyntaxError,
        yaml.YAMLError,
        tomllib.TOMLDecodeError,
    ) as error:
        print(f"{root}: {error}; mend the file and run again", file=sys.stderr)
        return 2
    for finding in findings:
        print(finding)
    return 1 if findings else 0


if __name__ == "__main__":
    sys.exit(main())
