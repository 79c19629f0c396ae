"""Check that every page is made of tested code, and that every link and figure is true.

    python scripts/lint_skill.py          report what is wrong
    python scripts/lint_skill.py --fix    first make anew what is made of other files

Exit codes: 0 clean, 1 findings, 2 usage or unreadable input.
"""

import argparse
import ast
import re
import sys
import tomllib
from collections.abc import Iterator
from functools import cache
from graphlib import CycleError, TopologicalSorter
from importlib import import_module
from importlib.metadata import packages_distributions
from os.path import commonprefix
from pathlib import Path

import mdformat
import skills_ref
import yaml
from check_app.engine.report import table
from check_app.engine.rule import RULES
from packaging.requirements import InvalidRequirement, Requirement
from packaging.specifiers import SpecifierSet
from packaging.utils import canonicalize_name
from pydantic import BaseModel, Field, StrictStr, ValidationError
from serve import commands
from skill_tree import Document, Skill, definitions, found_in, mistakes, read

NAME = "quart-patterns"
SKILL_SECTIONS = ["Working loop", "Gotchas", "Patterns", "When not to use it"]
SECTIONS = ["When", "Do", "Don't", "Why", "Test", "See also"]
NOT_PATTERNS = {"__init__.py", "__main__.py", "__pycache__", "dont", "plain"}
TOOL = r"(Read|Edit|Write|Glob|Grep|Bash\([a-z0-9]+:\*\))"
UNREADABLE = OSError, UnicodeDecodeError, SyntaxError, ImportError
MALFORMED = yaml.YAMLError, tomllib.TOMLDecodeError, InvalidRequirement


modules_installed = cache(packages_distributions)


def made(skill: Skill, document: Document) -> str:
    """The text of a document, with all that is made of other files made anew."""
    if document.place == "RULES.md":
        return table()
    lines = document.text.splitlines(keepends=True)
    for start, end, text in sorted(edits(skill, document), reverse=True):
        lines[start:end] = [text]
    text = "".join(lines)
    for noun, number in skill.figures.items() if document.name == "README" else ():
        text = re.sub(rf"\b\d+ {noun}\b", f"{number} {noun}", text)
    return formatted(text)


@cache
def formatted(text: str) -> str:
    options = {"number": True, "compact_tables": True}
    extensions = {"frontmatter", "gfm", "tables"}
    return mdformat.text(text, options=options, extensions=extensions)


def edits(skill: Skill, document: Document) -> Iterator[tuple[int, int, str]]:
    """The lines from `start` to `end`, and what is to stand there."""
    for fence in document.fences:
        code = skill.code(fence.source)
        if code is not None:
            yield fence.start, fence.start + fence.lines, code
    for line, page in rows(skill) if document.name == "SKILL" else ():
        if page.when:
            yield line, line + 1, f"| {page.when} | [{page.name}]({page.place}) |\n"
    if document in skill.pages:
        names = ", ".join(skill.needs[document.name])
        needs = f"**Needs**: {names or 'nothing else'}."
        for line, section in document.headings:
            if section == "Do":
                yield line + 1, line + 1, f"\n{needs}\n\n"
        for line, section, text in document.paragraphs:
            if section == "Do" and text.startswith("**Needs**:"):
                yield line, line + 1, ""


def rows(skill: Skill) -> Iterator[tuple[int, Document]]:
    """The lines of SKILL.md's table, each with the page that it leads to."""
    document = skill.documents["SKILL.md"]
    for line, target in document.links:
        if line in document.rows and target in skill.documents:
            yield line, skill.documents[target]


def check_made(skill: Skill) -> Iterator[str]:
    """The first difference of each document."""
    for document in skill.documents.values():
        texts = document.text, made(skill, document)
        if texts[0] != texts[1]:
            same = commonprefix(texts)  # noqa: RUF071 no paths
            line = same.count("\n")
            fences = [f for f in document.fences if 0 <= line - f.start <= f.lines]
            origin = "".join(fence.source for fence in fences) or "what it is made of"
            start = max(same.rfind(" "), same.rfind("\n")) + 1
            given, wanted = (text[start:].partition("\n")[0][:60] for text in texts)
            fact = f"differs from {origin}: {given!r} should be {wanted!r}"
            place = f"{document.place}:{line + 1}"
            yield f"{place}: {fact}; run scripts/lint_skill.py --fix"


class Frontmatter(BaseModel):
    """What this skill asks for beyond the specification."""

    description: str = Field(
        min_length=300, max_length=700, pattern="^[^<>]*Use when[^<>]*$"
    )
    license: str = Field(min_length=1)
    compatibility: str = Field(min_length=1)
    allowed_tools: str = Field(alias="allowed-tools", pattern=f"^{TOOL}( {TOOL})*$")
    metadata: dict[str, StrictStr]


def check_frontmatter(skill: Skill) -> Iterator[str]:
    document = skill.documents["SKILL.md"]
    properties, body = skills_ref.parser.parse_frontmatter(document.text)
    for error in skills_ref.validator.validate_metadata(properties, Path(NAME)):
        yield f"SKILL.md: {error}; follow the Agent Skills specification"
    try:
        Frontmatter.model_validate(yaml.safe_load(document.text.split("---", 2)[1]))
    except ValidationError as invalid:
        for one in invalid.errors():
            yield f"SKILL.md: {'.'.join(map(str, one['loc']))}: {one['msg']}"
    if f"\ndescription: {properties.get('description')}\n" not in document.text:
        yield "SKILL.md: description: write it on one line behind its key"
    yield from over("SKILL.md: the body", len(body), "characters", 15_000)
    if document.sections != SKILL_SECTIONS:
        yield f"SKILL.md: it has {document.sections}; write sections {SKILL_SECTIONS}"


def over(place: str, size: int, unit: str, allowed: int) -> Iterator[str]:
    if size > allowed:
        yield f"{place} has {size} {unit}, {allowed} are allowed; shorten or split it"


def check_patterns(skill: Skill) -> Iterator[str]:
    """Each module belongs to a page, and no page needs itself."""
    for folder in ("examples", "examples/plain", "examples/dont"):
        for path in sorted((skill.root / folder).glob("*")):
            if path.name not in NOT_PATTERNS and path.stem not in skill.names:
                place = skill.place(path)
                yield f"{place}: no page shows it; add patterns/{path.stem}.md"
    try:
        TopologicalSorter(skill.needs).prepare()
    except CycleError as error:
        circle = [*reversed(error.args[1])]
        fact = f"it needs itself: {' -> '.join(circle)}"
        yield f"patterns/{circle[0]}.md: {fact}; break the circle of imports"


def check_document(skill: Skill, document: Document) -> Iterator[str]:
    """Its fences, links and words."""
    for fence in document.fences:
        place, source = fence.place, fence.source
        if source and not fence.is_python:
            yield f"{place}: only Python has a source; drop {source}"
        elif fence.is_python and not source:
            yield f"{place}: no source; write ```python examples/NAME.py, or ::name"
        elif source and skill.code(source) is None:
            yield f"{place}: {source} does not exist; name a file or its definition"
    folder = document.path.parent
    for line, target in document.links:
        place = f"{document.place}:{line + 1}"
        file = (folder / target.partition("#")[0]).resolve()
        if target.startswith(("#", "http://", "https://")):
            continue
        if not file.is_file():
            yield f"{place}: {target} leads nowhere; mend the link"
        elif document in skill.pages and file.parent != folder:
            yield f"{place}: {target} leaves patterns/; link to a page"
    for number, text in enumerate(document.text.splitlines(), 1):
        if re.search(r"\b(TODO|FIXME|XXX)\b", text):
            yield f"{document.place}:{number}: something is left to do; do it"


def check_imports(skill: Skill) -> Iterator[str]:
    for path in sorted((skill.root / "examples").rglob("*.py")):
        if path.name != "__main__.py" and path.parent.name != "dont":
            for node in acts(skill.tree(path)):
                place = f"{skill.place(path)}:{node.lineno}"
                yield f"{place}: importing it does something; move it into a function"


def acts(tree: ast.Module) -> Iterator[ast.stmt]:
    """Loops, blocks, new apps, and calls that fill no blueprint of this module."""
    own = set()
    for node in tree.body:
        match node:
            case ast.For() | ast.While() | ast.With():
                yield node
            case ast.Assign(value=ast.Call(func=ast.Name(id="Quart" | "create_app"))):
                yield node
            case ast.Assign(value=ast.Call(func=ast.Name(id="Blueprint"))):
                own |= {ast.unparse(target) for target in node.targets}
            case ast.Expr(value=ast.Call(func=ast.Attribute(value=ast.Name(id=name)))):
                if name not in own:
                    yield node
            case ast.Expr(value=value) if not isinstance(value, ast.Constant):
                yield node


def check_versions(skill: Skill) -> Iterator[str]:
    """Those that are named are tested; the lock may have one for each Python."""
    locked: dict[str, list[str]] = {}
    lock = (skill.root / "requirements.lock").read_text(encoding="utf-8")
    for line in re.findall(r"^\w.*?(?= *\\$)", lock, re.MULTILINE):
        pinned = Requirement(line)
        versions = [one.version for one in pinned.specifier]
        locked.setdefault(canonicalize_name(pinned.name), []).extend(versions)
    for name, wanted in skill.dependencies.items():
        versions = locked.get(name, [])
        if not versions or not all(map(wanted.specifier.contains, versions)):
            fact = f"the lock has {', '.join(versions) or 'nothing'} for {wanted}"
            yield f"pyproject.toml: {fact}; run make lock"
    python = str(skill.project["requires-python"]).removeprefix(">=")
    tested = {f"Python {python}", *(f"Quart {one}" for one in locked.get("quart", []))}
    for place in ("SKILL.md", "README.md"):
        text = skill.documents[place].text
        for missing in sorted(one for one in tested if one not in text):
            yield f"{place}: it does not name {missing}, which is tested; add it"
        for name, version in re.findall(r"\b([\w-]+) (\d+(?:\.\d+)+)", text):
            versions = locked.get(canonicalize_name(name), [version])
            if not any(map(SpecifierSet(f"=={version}.*").contains, versions)):
                remedy = f"write {' or '.join(versions)}"
                yield f"{place}: {name} {version} is not tested; {remedy}"
    version = skill.project["version"]
    if f'\n  version: "{version}"\n' not in skill.documents["SKILL.md"].text:
        yield f"SKILL.md: its version is not {version}; say what pyproject.toml says"
    if version not in skill.documents["CHANGELOG.md"].sections:
        yield f"CHANGELOG.md: it has no section {version}; say what changed"


def check_page(skill: Skill, page: Document) -> Iterator[str]:
    """Its name, sections, title, When line, row and files."""
    place, name = page.place, page.name
    owners = {*map(canonicalize_name, modules_installed().get(name, ()))}
    if name in sys.stdlib_module_names or owners & skill.dependencies.keys():
        yield f"{place}: Python or a dependency has a module {name}; rename the page"
    if page.sections != SECTIONS:
        yield f"{place}: it has {page.sections}; write sections {SECTIONS}"
    if not page.text.startswith("# "):
        yield f"{place}: it has no title; start with a # heading"
    if not page.when:
        yield f"{place}: When is not one line; write one sentence without |"
    number = [target for _, target in rows(skill)].count(page)
    if number != 1:
        row = f"| {page.when} | [{name}]({place}) |"
        yield f"SKILL.md: the table lists {place} {number} times; keep one row: {row}"
    files = [skill.place(skill.entry(name)), f"examples/testing/test_{name}.py"]
    files += [f"examples/dont/{name}.py", f"tests/test_{name}.py"]
    for file in files:
        if not (skill.root / file).is_file():
            yield f"{place}: {file} is missing; add it or drop the page"


def check_limits(skill: Skill, page: Document) -> Iterator[str]:
    yield from over(page.place, len(page.text), "characters", 8_000)
    for fence in page.python:
        yield from over(fence.place, fence.lines, "lines", 60)
    do = page.python_under("Do")
    yield from over(f"{page.place}: Do", sum(one.lines for one in do), "lines", 130)
    for plain in do[:1]:
        place = f"{plain.place}: the plain form"
        yield from over(place, plain.lines, "lines", 25)
        if plain.part:
            yield f"{place} is a part of {plain.file}; begin with a whole module"
        for name in sorted({*skill.imported(skill.root / plain.file)} - {page.name}):
            yield f"{place} needs {name}; begin with code that needs no other page"


def check_placement(skill: Skill, page: Document) -> Iterator[str]:
    """Each section prints its own files; what Do does not print, it names."""
    modules = [skill.place(path) for path in skill.modules(page.name)]
    printable = {
        "Do": modules,
        "Don't": [f"examples/dont/{page.name}.py"],
        "Test": [f"examples/testing/test_{page.name}.py"],
    }
    for fence in page.python:
        section, files = fence.section, printable.get(fence.section, [])
        printed = fence.source if section == "Test" else fence.file
        if printed and printed not in files:
            remedy = f"print {' or '.join(files) or 'no Python'}"
            yield f"{fence.place}: {fence.source} stands under {section}; {remedy}"
    for section, files in printable.items():
        if not page.python_under(section):
            yield f"{page.place}: {section} shows no code; print {' or '.join(files)}"
    named = {fence.source for fence in page.python} | page.named_under_do
    for place in modules:
        is_code = not place.endswith("__main__.py") and skill.code(place)
        if is_code and place not in named:
            remedy = "print it whole, or name it in backticks"
            yield f"{page.place}: Do neither prints nor names {place}; {remedy}"


def check_example(skill: Skill, page: Document) -> Iterator[str]:
    """An app that can be made, run and tried."""
    entry = skill.entry(page.name)
    place, tree = skill.place(entry), skill.tree(entry)
    imported = [node for node in tree.body if isinstance(node, ast.ImportFrom)]
    names = {alias.asname or alias.name for node in imported for alias in node.names}
    if "create_app" not in names | definitions(tree).keys():
        yield f"{place}: it has no create_app; give it that one door"
    tries = len(commands(ast.get_docstring(tree) or ""))
    if tries not in {1, 2, 3}:
        yield f"{place}: its docstring has {tries} commands under Try:; write 1 to 3"
    main = skill.root / f"examples/{page.name}/__main__.py"
    if not main.is_file() and "\nif __name__ == " not in read(entry):
        module = f"examples.{page.name}"
        yield f"{place}: python -m {module} runs nothing; serve it under __main__"


def check_donts(skill: Skill, page: Document) -> Iterator[str]:
    """Each has a test that shows it, and Why names the rules that find it."""
    file, test = f"examples/dont/{page.name}.py", f"tests/test_{page.name}.py"
    tests = definitions(skill.tree(skill.root / test))
    proofs = [node for name, node in tests.items() if name.startswith("test_dont_")]
    tested = {word for one in proofs for word in re.findall(r"\w+", ast.unparse(one))}
    printed = {fence.source for fence in page.python}
    named = set(re.findall(r"\bQP\d+\b", page.text_under("Why")))
    found = found_in(skill.root / file)
    for name, lines in mistakes(skill.root / file).items():
        if name not in tested:
            fact = f"no test_dont_ uses {name}"
            yield f"{file}:{lines.start}: {fact}; prove in {test} that it fails"
        ids = {one.id for one in found if one.line in lines} - named
        if ids and f"{file}::{name}" in printed:
            yield f"{page.place}: {', '.join(sorted(ids))} finds {name}; say so in Why"
    for unknown in sorted(named - RULES.keys()):
        yield f"{page.place}: no rule is called {unknown}; see RULES.md"


def lint(skill: Skill) -> Iterator[str]:
    yield from check_frontmatter(skill)
    yield from check_patterns(skill)
    yield from check_imports(skill)
    yield from check_versions(skill)
    yield from check_made(skill)
    for document in skill.documents.values():
        yield from check_document(skill, document)
    for page in skill.pages:
        yield from check_page(skill, page)
        yield from check_limits(skill, page)
        yield from check_placement(skill, page)
        yield from check_donts(skill, page)
        if page.name != "testing":
            yield from check_example(skill, page)


def fix(skill: Skill) -> Iterator[str]:
    """Make documents anew, and name those that differed."""
    for document in skill.documents.values():
        text = made(skill, document)
        if text != document.text:
            document.path.write_text(text, encoding="utf-8")
            yield document.place


def main(arguments: list[str] | None = None) -> int:
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("root", nargs="?", type=Path, default=Path(__file__).parents[1])
    parser.add_argument("--fix", action="store_true", help="make documents anew first")
    options = parser.parse_args(arguments)
    root = options.root.resolve()
    try:
        import_module("check_app.rules")  # enters them into RULES
        for place in fix(Skill(root)) if options.fix else ():
            print(f"fixed {place}")
        findings = [*lint(Skill(root))]
    except (*UNREADABLE, *MALFORMED, skills_ref.ParseError) as error:
        print(f"{root}: {error}; mend the file and run again", file=sys.stderr)
        return 2
    for finding in findings:
        print(finding)
    return 1 if findings else 0


if __name__ == "__main__":
    sys.exit(main())
