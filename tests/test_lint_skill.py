from collections.abc import Callable
from pathlib import Path

import check_app
import lint_skill
import pytest
from check_app_rules import RULES

SKILL = """\
---
name: quart-patterns
description: {description}
license: MIT
compatibility: Python 3.11 or newer. Tested with Quart 0.22.0 and Quart 0.23.1.
allowed-tools: Read Write
metadata:
  version: "1.0.0"
---

# Quart patterns

## Working loop

1. Look.
2. Copy.

## Gotchas

- One.

## Patterns

| When | Page |
| -- | -- |
| Somebody arrives. | [greeting](patterns/greeting.md) |

## When not to use it

Elsewhere.
"""
PAGE = """\
# Greeting

## When

Somebody arrives.

## Do

Greet them.

```python examples/greeting.py
from quart import Quart


def create_app() -> Quart:
    return Quart(__name__)
```

```sh
hypercorn "greeting:create_app()"
```

## Don't

Silence drives them away.

```python examples/dont/greeting.py::silent
@marked
def silent() -> Quart:
    return Quart(__name__)
```

## Why

People like it.

## Test

```python tests/test_greeting.py::test_it_greets
async def test_it_greets() -> None:
    assert create_app()
```

## See also

- [greeting](greeting.md)
"""
EXAMPLE = '''\
"""Greet.

Try:
    curl -s http://127.0.0.1:8000/
    curl -s http://127.0.0.1:8000/ada
    curl -s http://127.0.0.1:8000/grace
"""

from quart import Quart


def create_app() -> Quart:
    return Quart(__name__)
'''
DONT = '''\
"""Do not greet."""

from quart import Quart


def marked(function):
    return function


@marked
def silent() -> Quart:
    return Quart(__name__)


class _Private:
    pass
'''
TEST = """\
from examples.dont import greeting as dont


async def test_it_greets() -> None:
    assert create_app()


async def test_dont_silent_loses_them() -> None:
    assert dont.silent()
"""
LOCK = """\
quart==0.22.0 ; python_full_version < '3.13' \\
    --hash=sha256:0
quart==0.23.1 ; python_full_version >= '3.13' \\
    --hash=sha256:1
quart-schema[pydantic]==0.25.0 \\
    --hash=sha256:2
"""
PYPROJECT = """\
[project]
version = "1.0.0"
requires-python = ">=3.11"
dependencies = ["quart>=0.22,<0.24", "quart-schema[pydantic]>=0.25"]
"""
README = """\
# quart-patterns

1 patterns, 3 snippets, 2 test functions, 1 Don'ts, {rules} rules.
Python 3.11, Quart 0.22.0 and Quart 0.23.1.
See [the licence](https://opensource.org/license/mit).
"""


@pytest.fixture
def root(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """A small skill in which nothing is wrong."""
    monkeypatch.setattr(check_app, "table", lambda: "# Rules\n")
    texts = {
        "SKILL.md": SKILL.format(description="Use when " + 300 * "x"),
        "README.md": README.format(rules=len(RULES)),
        "RULES.md": "# Rules\n",
        "CHANGELOG.md": "# Changelog\n\n## 1.0.0\n\nThe first.\n",
        "pyproject.toml": PYPROJECT,
        "requirements.lock": LOCK,
        "patterns/greeting.md": PAGE,
        "examples/__init__.py": "",
        "examples/greeting.py": EXAMPLE,
        "examples/dont/__init__.py": "",
        "examples/dont/greeting.py": DONT,
        "tests/test_greeting.py": TEST,
        "tests/test_check_app.py": "",
        "scripts/check_app.py": "",
    }
    for name, text in texts.items():
        path = tmp_path / name
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_text(text)
    return tmp_path


Lint = Callable[..., list[str]]


@pytest.fixture
def lint(root: Path, capsys: pytest.CaptureFixture[str]) -> Lint:
    """Replace `old` by `new` in a file of the skill, and return what lint then says."""

    def edit(name: str = "", old: str = "", new: str = "") -> list[str]:
        if name:
            path = root / name
            assert path.read_text().count(old) >= 1
            path.write_text(path.read_text().replace(old, new, 1))
        code = lint_skill.main([str(root)])
        lines = capsys.readouterr().out.splitlines()
        assert code == (1 if lines else 0)
        return lines

    return edit


def test_the_small_skill_is_clean(lint: Lint) -> None:
    assert lint() == []


def test_this_skill_is_clean(capsys: pytest.CaptureFixture[str]) -> None:
    assert (lint_skill.main([]), capsys.readouterr().out) == (0, "")


DEBUGGED = """app = Quart(__name__)
    app.config["DEBUG"] = True
    return app"""
EXACT = "run scripts/lint_skill.py --fix"
SEEDED = {
    "unknown key": (
        ("SKILL.md", "license: MIT", "license: MIT\nversion: 1"),
        "SKILL.md: Unexpected fields in frontmatter: version.",
    ),
    "short description": (
        ("SKILL.md", 300 * "x", "x"),
        "SKILL.md: the description has 10 characters; write one line of 300 to 500",
    ),
    "folded description": (
        ("SKILL.md", "description: ", "description: >-\n  "),
        "SKILL.md: the description is not on one line; put it behind its key",
    ),
    "no Use when": (
        ("SKILL.md", "Use when", "Used when"),
        'SKILL.md: the description lacks "Use when"; say when to activate',
    ),
    "angle bracket": (
        ("SKILL.md", "Use when", "Use when <b"),
        "SKILL.md: the description holds '<'; use words instead",
    ),
    "comma in allowed-tools": (
        ("SKILL.md", "Read Write", "Read, Write"),
        "SKILL.md: allowed-tools is 'Read, Write'; "
        'write tool names with spaces between them, as in "Read Write"',
    ),
    "no compatibility": (
        ("SKILL.md", "license: MIT\n", ""),
        "SKILL.md: the frontmatter lacks license; add it",
    ),
    "metadata number": (
        ("SKILL.md", 'version: "1.0.0"', 'version: "1.0.0"\n  revision: 1'),
        "SKILL.md: metadata revision is no string; put it in quotes",
    ),
    "long body": (
        ("SKILL.md", "Elsewhere.", 8000 * "x"),
        "SKILL.md: the body has 8198 characters, 8000 are allowed",
    ),
    "section missing": (
        ("SKILL.md", "## Gotchas", "## Traps"),
        "SKILL.md: its sections are ['Working loop', 'Traps', 'Patterns', "
        "'When not to use it']; write ['Working loop', 'Gotchas', 'Patterns', "
        "'When not to use it'] in this order",
    ),
    "page not listed": (
        ("SKILL.md", "| Somebody arrives. | [greeting](patterns/greeting.md) |\n", ""),
        "SKILL.md: the table lists patterns/greeting.md 0 times; keep one row: "
        "| Somebody arrives. | [greeting](patterns/greeting.md) |",
    ),
    "other When line": (
        ("SKILL.md", "Somebody arrives.", "Nobody comes."),
        f"SKILL.md: the row of patterns/greeting.md is not its When line; {EXACT}",
    ),
    "sections out of order": (
        ("patterns/greeting.md", "## Why", "## Because"),
        "patterns/greeting.md: its sections are ['When', 'Do', \"Don't\", 'Because', "
        "'Test', 'See also']; write ['When', 'Do', \"Don't\", 'Why', 'Test', "
        "'See also'] in this order",
    ),
    "no title": (
        ("patterns/greeting.md", "# Greeting\n\n", ""),
        "patterns/greeting.md: it has no title; start with a # heading",
    ),
    "When of two lines": (
        ("patterns/greeting.md", "arrives.", "arrives.\nOr leaves."),
        "patterns/greeting.md: When is not one line; write one sentence without |",
    ),
    "long page": (
        ("patterns/greeting.md", "People", 8000 * "x"),
        "patterns/greeting.md: it has 8546 characters, 8000 are allowed; "
        "cut it or split the pattern",
    ),
    "edited snippet": (
        ("patterns/greeting.md", "assert create_app()", "assert True"),
        "patterns/greeting.md:39: differs from tests/test_greeting.py::test_it_greets; "
        + EXACT,
    ),
    "edited example": (
        ("examples/greeting.py", "Quart(__name__)", 'Quart("greeting")'),
        f"patterns/greeting.md:11: differs from examples/greeting.py; {EXACT}",
    ),
    "fence without source": (
        ("patterns/greeting.md", "```sh", "```python"),
        "patterns/greeting.md:19: the Python fence names no source; "
        "write ```python examples/NAME.py, or ::name behind it",
    ),
    "Python under Why": (
        (
            "patterns/greeting.md",
            "People like it.",
            "```python examples/greeting.py\nx\n```",
        ),
        "patterns/greeting.md:35: examples/greeting.py stands under Why; "
        "show no Python there",
    ),
    "source of another section": (
        (
            "patterns/greeting.md",
            "tests/test_greeting.py::test_it",
            "examples/greeting.py::x",
        ),
        "patterns/greeting.md:39: examples/greeting.py::x_greets stands under Test; "
        "show only tests/test_greeting there",
    ),
    "shell with a source": (
        ("patterns/greeting.md", "```sh", "```sh examples/greeting.py"),
        "patterns/greeting.md:19: only Python has a source, "
        "not sh examples/greeting.py; drop it",
    ),
    "definition that is not there": (
        ("patterns/greeting.md", "::silent", "::absent"),
        "patterns/greeting.md:27: examples/dont/greeting.py::absent does not exist; "
        "name a file, or a top-level definition of one",
    ),
    "file that is not there": (
        (
            "patterns/greeting.md",
            "tests/test_greeting.py::",
            "tests/test_greeting/a.py::",
        ),
        "patterns/greeting.md:39: tests/test_greeting/a.py::test_it_greets does not "
        "exist; name a file, or a top-level definition of one",
    ),
    "part of the example": (
        (
            "patterns/greeting.md",
            "examples/greeting.py\nfrom quart import Quart\n\n\n",
            "examples/greeting.py::create_app\n",
        ),
        "patterns/greeting.md: Do does not show examples/greeting.py; "
        "add a fence ```python examples/greeting.py",
    ),
    "dead link": (
        ("patterns/greeting.md", "(greeting.md)", "(farewell.md#end)"),
        "patterns/greeting.md: farewell.md#end leads nowhere; mend the link",
    ),
    "link out of patterns": (
        ("patterns/greeting.md", "(greeting.md)", "(../README.md)"),
        "patterns/greeting.md: ../README.md leaves patterns/; link to another page",
    ),
    "two commands to try": (
        ("examples/greeting.py", "    curl -s http://127.0.0.1:8000/ada\n", ""),
        "examples/greeting.py: its docstring has 2 commands under Try:; write 3",
    ),
    "untested Don't": (
        ("tests/test_greeting.py", "dont.silent()", "dont"),
        "examples/dont/greeting.py:11: no test_dont_ uses silent; "
        "prove that it fails in tests/test_greeting.py",
    ),
    "Don't in a test of the Do": (
        ("tests/test_greeting.py", "test_dont_silent", "test_silent"),
        "examples/dont/greeting.py:11: no test_dont_ uses silent; "
        "prove that it fails in tests/test_greeting.py",
    ),
    "version that is not allowed": (
        ("pyproject.toml", "<0.24", "<0.23"),
        "pyproject.toml: the lock has 0.23.1 for quart>=0.22,<0.23; run make lock",
    ),
    "dependency that is not locked": (
        ("pyproject.toml", '"quart-schema[pydantic]>=0.25"', '"hypercorn>=0.18"'),
        "pyproject.toml: the lock has nothing for hypercorn>=0.18; run make lock",
    ),
    "other Python": (
        ("README.md", "Python 3.11", "Python 3.10"),
        "README.md: it does not name Python 3.11; say what pyproject.toml says",
    ),
    "Quart line not named": (
        ("SKILL.md", " and Quart 0.23.1", ""),
        "SKILL.md: it does not name Quart 0.23.1; say what the lock says",
    ),
    "version that is not locked": (
        ("README.md", "See", "With quart-schema 0.24. See"),
        "README.md: quart-schema 0.24 is not locked; the lock has 0.25.0",
    ),
    "other metadata version": (
        ("SKILL.md", 'version: "1.0.0"', 'version: "1.0.1"'),
        "SKILL.md: metadata version is not 1.0.0; say what pyproject.toml says",
    ),
    "changelog without the version": (
        ("CHANGELOG.md", "1.0.0", "0.9.0"),
        "CHANGELOG.md: it has no section 1.0.0; say what changed",
    ),
    "wrong count": (
        ("README.md", "1 patterns", "2 patterns"),
        "README.md: it does not say 1 patterns; " + EXACT,
    ),
    "test removed": (
        ("tests/test_greeting.py", "async def test_it_greets", "async def greets"),
        "README.md: it does not say 1 test functions; " + EXACT,
    ),
    "stale rules": (
        ("RULES.md", "# Rules", "# Rule"),
        f"RULES.md: it is not what the rules say; {EXACT}",
    ),
    "unknown rule": (
        ("patterns/greeting.md", "People", "QP999 finds it. People"),
        "patterns/greeting.md: no rule is called QP999; see RULES.md",
    ),
    "rule not named": (
        ("examples/dont/greeting.py", "return Quart(__name__)", DEBUGGED),
        "patterns/greeting.md: QP604 finds silent; name it under Why",
    ),
    "something left to do": (
        ("examples/dont/greeting.py", "Do not greet.", "TO{} greet.".format("DO")),
        "examples/dont/greeting.py:1: something is left to do; do it",
    ),
    "loose formatting": (
        ("CHANGELOG.md", "The first.", "The first.\n\n\n* one"),
        f"CHANGELOG.md: mdformat would change it; {EXACT}",
    ),
}


@pytest.mark.parametrize("fault", SEEDED)
def test_a_seeded_fault_is_found(lint: Lint, fault: str) -> None:
    edit, message = SEEDED[fault]
    found = lint(*edit)
    assert [line for line in found if line.startswith(message)], found


@pytest.mark.parametrize(
    ("statement", "name"),
    [
        ("from quart.ctx import AppContext", "quart.ctx"),
        ("import hypercorn.protocol", "hypercorn.protocol"),
        ("from quart import _private", "_private"),
        ("app._context", "_context"),
    ],
)
def test_private_names_are_found_in_an_example(
    lint: Lint, statement: str, name: str
) -> None:
    found = lint("examples/greeting.py", "from quart import Quart", statement)
    assert (
        f"examples/greeting.py:9: {name} is not public API; use what is documented"
        in found
    )


def test_own_attributes_and_the_future_are_no_private_names(lint: Lint) -> None:
    code = (
        "from __future__ import annotations\n\nself._own = cls._own = name.__class__\n"
    )
    found = lint("examples/greeting.py", "from quart import Quart\n", code)
    assert not [line for line in found if "public API" in line]


@pytest.mark.parametrize("folder", ["examples", "examples/dont"])
def test_a_module_that_no_page_shows_is_found(
    root: Path, lint: Lint, folder: str
) -> None:
    (root / folder / "farewell.py").write_text("")
    assert lint() == [
        f"{folder}/farewell.py: no page shows it; add patterns/farewell.md"
    ]


def test_a_test_of_nothing_is_found(root: Path, lint: Lint) -> None:
    (root / "tests" / "test_farewell.py").write_text("")
    assert lint() == [
        "tests/test_farewell.py: tests neither a pattern nor a script; "
        "name it for its subject"
    ]


@pytest.mark.parametrize(
    "missing",
    ["examples/greeting.py", "examples/dont/greeting.py", "tests/test_greeting.py"],
)
def test_a_missing_file_of_a_pattern_is_found(
    root: Path, lint: Lint, missing: str
) -> None:
    (root / missing).unlink()
    assert (
        f"patterns/greeting.md: {missing} is missing; add it or drop the page" in lint()
    )


def test_a_page_without_a_dont_or_a_test_is_found(root: Path, lint: Lint) -> None:
    path = root / "patterns" / "greeting.md"
    path.write_text(path.read_text().replace("```python examples/dont", "```text"))
    path.write_text(path.read_text().replace("```python tests", "```text"))
    assert [line for line in lint() if "shows no code" in line] == [
        "patterns/greeting.md: Don't shows no code; "
        "add a fence ```python examples/dont/greeting.py::name",
        "patterns/greeting.md: Test shows no code; "
        "add a fence ```python tests/test_greeting.py::name",
    ]


def test_a_package_is_shown_file_by_file(root: Path, lint: Lint) -> None:
    package = root / "examples" / "greeting"
    package.mkdir()
    (root / "examples" / "greeting.py").rename(package / "__init__.py")
    (package / "words.py").write_text("HELLO = 'hello'\n")
    page = root / "patterns" / "greeting.md"
    page.write_text(
        page.read_text().replace(
            "examples/greeting.py", "examples/greeting/__init__.py"
        )
    )
    assert lint() == [
        "patterns/greeting.md: Do does not show examples/greeting/words.py; "
        "add a fence ```python examples/greeting/words.py"
    ]


def test_a_dont_may_be_served_by_its_import_path(lint: Lint) -> None:
    path = '"examples.dont.greeting:silent()"'
    assert lint("tests/test_greeting.py", "dont.silent()", path) == []


def test_links_between_pages_go_both_ways(root: Path, lint: Lint) -> None:
    page = root / "patterns" / "farewell.md"
    page.write_text("# Farewell\n\n## See also\n\n- [greeting](greeting.md)\n")
    assert (
        "patterns/greeting.md: farewell.md links here; add [farewell](farewell.md)"
        in lint()
    )


def test_an_example_without_create_app_is_found(lint: Lint) -> None:
    found = lint("examples/greeting.py", "create_app", "make_app")
    assert "examples/greeting: it has no create_app; give it that one door" in found


def test_a_long_example_is_found(lint: Lint) -> None:
    found = lint("examples/greeting.py", "from quart", 111 * "\n" + "from quart")
    assert (
        "examples/greeting.py: it has 124 lines, 120 are allowed; "
        "shorten it or split the pattern" in found
    )


def test_fix_copies_snippets_and_when_lines_and_formats(
    root: Path, lint: Lint, capsys: pytest.CaptureFixture[str]
) -> None:
    edits = {
        "examples/greeting.py": ("Quart(__name__)", 'Quart("greeting")'),
        "tests/test_greeting.py": ("assert create_app()", "assert create_app().name"),
        "patterns/greeting.md": ("Somebody arrives.", "Somebody knocks."),
        "CHANGELOG.md": ("The first.", "* The first."),
        "README.md": ("1 patterns", "12 patterns"),
    }
    for name, (old, new) in edits.items():
        path = root / name
        path.write_text(path.read_text().replace(old, new))

    assert lint_skill.main([str(root), "--fix"]) == 0

    assert capsys.readouterr().out == (
        "fixed CHANGELOG.md\nfixed README.md\nfixed SKILL.md\n"
        "fixed patterns/greeting.md\n"
    )
    page = (root / "patterns" / "greeting.md").read_text()
    assert 'return Quart("greeting")' in page
    assert "assert create_app().name" in page
    assert "| Somebody knocks. |" in (root / "SKILL.md").read_text()
    assert (root / "CHANGELOG.md").read_text().endswith("- The first.\n")
    assert lint() == []


def test_fix_leaves_a_fence_whose_source_is_gone(root: Path, lint: Lint) -> None:
    page = root / "patterns" / "greeting.md"
    text = page.read_text().replace("::silent", "::absent")
    page.write_text(text)
    assert lint_skill.main([str(root), "--fix"]) == 1
    assert page.read_text() == text


@pytest.mark.parametrize(
    ("name", "content"),
    [
        ("examples/greeting.py", b"def broken(:"),
        ("pyproject.toml", b"[project"),
        ("SKILL.md", b"---\nname: [\n---\n"),
        ("README.md", b"\xff"),
        ("requirements.lock", None),
    ],
)
def test_unreadable_input_is_a_usage_error(
    root: Path, capsys: pytest.CaptureFixture[str], name: str, content: bytes | None
) -> None:
    path = root / name
    path.unlink() if content is None else path.write_bytes(content)
    assert lint_skill.main([str(root)]) == 2
    assert capsys.readouterr().err.endswith("; mend the file and run again\n")


def test_frontmatter_that_is_no_mapping_is_found(root: Path, lint: Lint) -> None:
    (root / "SKILL.md").write_text("# No frontmatter\n")
    found = lint()
    assert (
        "SKILL.md: the description has 0 characters; write one line of 300 to 500"
        in found
    )
    assert "SKILL.md: the frontmatter lacks metadata; add it" in found
