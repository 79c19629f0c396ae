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
allowed-tools: Read Write Bash(python:*)
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
| Somebody leaves. | [farewell](patterns/farewell.md) |
| You test. | [testing](patterns/testing.md) |

## When not to use it

Elsewhere.
"""
GREETING = """\
# Greeting

## When

Somebody arrives.

## Do

**Needs**: nothing else.

Greet them.

```python examples/plain/greeting.py
HELLO = "hello"
```

For more see `examples/greeting.py`.

```python examples/greeting.py::create_app
def create_app() -> Quart:
    return Quart(__name__)
```

```sh
python -m examples.greeting
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

```python examples/testing/test_greeting.py
from examples.greeting import create_app


async def test_it_greets() -> None:
    assert create_app()
```

## See also

- [farewell](farewell.md)
"""
FAREWELL = """\
# Farewell

## When

Somebody leaves.

## Do

**Needs**: [greeting](greeting.md).

```python examples/farewell/words.py
BYE = "bye"
```

```python examples/farewell/__init__.py
from ..greeting import create_app as greet
from .words import BYE


def create_app() -> object:
    return greet()
```

## Don't

```python examples/dont/farewell.py::leave
def leave() -> None:
    return None
```

## Why

It is polite.

## Test

```python examples/testing/test_farewell.py
def test_it_says_bye() -> None:
    assert True
```

## See also

Nothing.
"""
TESTING = """\
# Testing

## When

You test.

## Do

**Needs**: nothing else.

```python examples/testing/conftest.py
PORT = 0
```

## Don't

```python examples/dont/testing.py::sleep
def sleep() -> None:
    return None
```

## Why

It is safe.

## Test

```python examples/testing/test_service.py
def test_the_service() -> None:
    assert True
```

## See also

Nothing.
"""
EXAMPLE = '''\
"""Greet.

Try:
    curl -s http://127.0.0.1:8000/
    curl -s http://127.0.0.1:8000/ada
    curl -s http://127.0.0.1:8000/grace
"""

from typing import TYPE_CHECKING

from quart import Quart

if TYPE_CHECKING:
    from .farewell import words


def create_app() -> Quart:
    return Quart(__name__)


if __name__ == "__main__":
    from .farewell.words import run

    run(create_app())
'''
PACKAGE = '''\
"""Say goodbye.

Try:
    curl -s http://127.0.0.1:8000/
"""

from ..greeting import create_app as greet
from .words import BYE


def create_app() -> object:
    return greet()
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


async def test_dont_silent_loses_them() -> None:
    assert dont.silent()
"""
PRINTED_TEST = '''\
"""The test of greeting."""

from examples.greeting import create_app


async def test_it_greets() -> None:
    assert create_app()
'''
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

3 patterns, 11 snippets, 6 test functions, 3 Don'ts, {rules} rules.
Python 3.11, Quart 0.22.0 and Quart 0.23.1.
See [the licence](https://opensource.org/license/mit) and [above](#quart-patterns).
"""
FILES = {
    "SKILL.md": SKILL.format(description="Use when " + 300 * "x"),
    "README.md": README.format(rules=len(RULES)),
    "RULES.md": "# Rules\n",
    "CHANGELOG.md": "# Changelog\n\n## 1.0.0\n\nThe first.\n",
    "pyproject.toml": PYPROJECT,
    "requirements.lock": LOCK,
    "patterns/greeting.md": GREETING,
    "patterns/farewell.md": FAREWELL,
    "patterns/testing.md": TESTING,
    "examples/__init__.py": "",
    "examples/__main__.py": "print()\n",
    "examples/greeting.py": EXAMPLE,
    "examples/farewell/__init__.py": PACKAGE,
    "examples/farewell/__main__.py": "from ..testing import conftest\n\nprint()\n",
    "examples/farewell/words.py": 'BYE = "bye"\n',
    "examples/plain/__init__.py": "",
    "examples/plain/greeting.py": 'HELLO = "hello"\n',
    "examples/testing/__init__.py": '"""The tests."""\n',
    "examples/testing/conftest.py": "PORT = 0\n",
    "examples/testing/test_service.py": (
        "def test_the_service() -> None:\n    assert True\n"
    ),
    "examples/testing/test_greeting.py": PRINTED_TEST,
    "examples/testing/test_farewell.py": (
        "def test_it_says_bye() -> None:\n    assert True\n"
    ),
    "examples/dont/__init__.py": "",
    "examples/dont/greeting.py": DONT,
    "examples/dont/farewell.py": "def leave() -> None:\n    return None\n",
    "examples/dont/testing.py": "def sleep() -> None:\n    return None\n",
    "tests/test_greeting.py": TEST,
    "tests/test_farewell.py": "def test_dont_leave() -> None:\n    leave()\n",
    "tests/test_testing.py": "def test_dont_sleep() -> None:\n    sleep()\n",
    "scripts/check_app.py": "",
}


@pytest.fixture
def root(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """A small skill in which nothing is wrong."""
    monkeypatch.setattr(check_app, "table", lambda: "# Rules\n")
    for name, text in FILES.items():
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


FIX = "run scripts/lint_skill.py --fix"
DEBUGGED = """app = Quart(__name__)
    app.config["DEBUG"] = True
    return app"""
MADE_HERE = """\
api = Blueprint("api", __name__)
api.register_blueprint(users)
"""
SEEDED = {
    "unknown key": (
        ("SKILL.md", "license: MIT", "license: MIT\nversion: 1"),
        "SKILL.md: Unexpected fields in frontmatter: version.",
    ),
    "short description": (
        ("SKILL.md", 300 * "x", "x"),
        "SKILL.md: the description has 10 characters; write one line of 300 to 700",
    ),
    "long description": (
        ("SKILL.md", 300 * "x", 692 * "x"),
        "SKILL.md: the description has 701 characters; write one line of 300 to 700",
    ),
    "folded description": (
        ("SKILL.md", "description: ", "description: >-\n  "),
        "SKILL.md: the description is not on one line; put it behind its key",
    ),
    "description of two lines": (
        ("SKILL.md", "Use when ", "Use when\n  "),
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
        "SKILL.md: allowed-tools is 'Read, Write Bash(python:*)'; "
        'write tool names with spaces between them, as in "Read Write"',
    ),
    "every command allowed": (
        ("SKILL.md", "Bash(python:*)", "Bash"),
        "SKILL.md: allowed-tools has Bash, which allows every command; "
        "name the program, as in Bash(python:*)",
    ),
    "every command allowed by a star": (
        ("SKILL.md", "Bash(python:*)", "Bash(*)"),
        "SKILL.md: allowed-tools has Bash(*), which allows every command; ",
    ),
    "no licence": (
        ("SKILL.md", "license: MIT\n", ""),
        "SKILL.md: the frontmatter lacks license; add it",
    ),
    "metadata number": (
        ("SKILL.md", 'version: "1.0.0"', 'version: "1.0.0"\n  revision: 1'),
        "SKILL.md: metadata revision is no string; put it in quotes",
    ),
    "long body": (
        ("SKILL.md", "Elsewhere.", 10_000 * "x"),
        "SKILL.md: the body has 10301 characters, 10000 are allowed; "
        "move detail to a page",
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
        f"SKILL.md: the row of patterns/greeting.md is not its When line; {FIX}",
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
    "When of two paragraphs": (
        ("patterns/greeting.md", "arrives.", "arrives.\n\nOr leaves."),
        "patterns/greeting.md: When is not one line; write one sentence without |",
    ),
    "no Needs line": (
        ("patterns/greeting.md", "**Needs**: nothing else.\n\n", ""),
        "patterns/greeting.md: Do does not begin with **Needs**: nothing else.; " + FIX,
    ),
    "need not named": (
        ("patterns/farewell.md", "[greeting](greeting.md)", "nothing else"),
        "patterns/farewell.md: Do does not begin with "
        f"**Needs**: [greeting](greeting.md).; {FIX}",
    ),
    "need behind the text": (
        (
            "patterns/greeting.md",
            "**Needs**: nothing else.\n\nGreet them.",
            "Greet them.\n\n**Needs**: nothing else.",
        ),
        "patterns/greeting.md: Do does not begin with **Needs**: nothing else.; ",
    ),
    "long page": (
        ("patterns/greeting.md", "People", 8000 * "x"),
        "patterns/greeting.md: it has 8686 characters, 8000 are allowed; "
        "cut it or split the pattern",
    ),
    "long fence": (
        ("patterns/greeting.md", "    assert create_app()\n", 57 * "    pass\n"),
        "patterns/greeting.md:44: it has 61 lines, 60 are allowed; "
        "print less or split the pattern",
    ),
    "long Do": (
        ("patterns/greeting.md", "    return Quart(__name__)\n", 129 * "    pass\n"),
        "patterns/greeting.md: Do prints 131 lines, 130 are allowed; "
        "print less or split the pattern",
    ),
    "long plain form": (
        ("patterns/greeting.md", 'HELLO = "hello"\n', 26 * 'HELLO = "hello"\n'),
        "patterns/greeting.md:13: the plain form has 26 lines, 25 are allowed; "
        "begin with the smallest correct code",
    ),
    "plain form that is a part": (
        ("patterns/greeting.md", "plain/greeting.py", "greeting.py::create_app"),
        "patterns/greeting.md:13: the plain form is a part of examples/greeting.py; "
        "begin with a whole module",
    ),
    "plain form that needs a page": (
        ("examples/plain/greeting.py", "HELLO", "from .. import farewell\nHELLO"),
        "patterns/greeting.md:13: the plain form needs farewell; "
        "begin with code that needs no other page",
    ),
    "edited snippet": (
        ("patterns/greeting.md", "assert create_app()", "assert True"),
        "patterns/greeting.md:44: differs from examples/testing/test_greeting.py; "
        + FIX,
    ),
    "edited example": (
        ("examples/greeting.py", "Quart(__name__)", 'Quart("greeting")'),
        "patterns/greeting.md:19: differs from examples/greeting.py::create_app; "
        + FIX,
    ),
    "fence without source": (
        ("patterns/greeting.md", "```sh", "```python"),
        "patterns/greeting.md:24: the Python fence names no source; "
        "write ```python examples/NAME.py, or ::name behind it",
    ),
    "shell with a source": (
        ("patterns/greeting.md", "```sh", "```sh examples/greeting.py"),
        "patterns/greeting.md:24: only Python has a source; drop examples/greeting.py",
    ),
    "definition that is not there": (
        ("patterns/greeting.md", "::silent", "::absent"),
        "patterns/greeting.md:32: examples/dont/greeting.py::absent does not exist; "
        "name a file, or a top-level definition of one",
    ),
    "file that is not there": (
        ("patterns/greeting.md", "testing/test_greeting.py", "testing/greeting.py"),
        "patterns/greeting.md:44: examples/testing/greeting.py does not exist; "
        "name a file, or a top-level definition of one",
    ),
    "Python under Why": (
        (
            "patterns/greeting.md",
            "People like it.",
            "```python examples/greeting.py\nx\n```",
        ),
        "patterns/greeting.md:40: examples/greeting.py stands under Why; "
        "print no Python",
    ),
    "another page's example": (
        ("patterns/greeting.md", "examples/greeting.py::", "examples/testing/x.py::"),
        "patterns/greeting.md:19: examples/testing/x.py::create_app stands under Do; "
        "print examples/greeting.py, or a part of it as examples/greeting.py::name",
    ),
    "another page's Don't": (
        ("patterns/greeting.md", "dont/greeting.py::silent", "dont/testing.py::sleep"),
        "patterns/greeting.md:32: examples/dont/testing.py::sleep stands under Don't; "
        "print a part of examples/dont/greeting.py, as examples/dont/greeting.py::name",
    ),
    "part of a test": (
        (
            "patterns/greeting.md",
            "test_greeting.py",
            "test_greeting.py::test_it_greets",
        ),
        "patterns/greeting.md:44: "
        "examples/testing/test_greeting.py::test_it_greets stands under Test; "
        "print the whole of examples/testing/test_greeting.py",
    ),
    "another page's test": (
        ("patterns/testing.md", "test_service.py", "test_greeting.py"),
        "patterns/testing.md:28: examples/testing/test_greeting.py stands under Test; ",
    ),
    "another page's test under Do": (
        ("patterns/testing.md", "conftest.py", "test_greeting.py"),
        "patterns/testing.md:11: examples/testing/test_greeting.py stands under Do; ",
    ),
    "own test that is not printed": (
        ("patterns/testing.md", "test_service.py", "test_greeting.py"),
        "patterns/testing.md: Do neither prints nor names "
        "examples/testing/test_service.py; print it whole, or name it in backticks",
    ),
    "module that is neither printed nor named": (
        ("patterns/greeting.md", "see `examples/greeting.py`", "see greeting"),
        "patterns/greeting.md: Do neither prints nor names examples/greeting.py; "
        "print it whole, or name it in backticks",
    ),
    "module of a package that is not printed": (
        (
            "patterns/farewell.md",
            '```python examples/farewell/words.py\nBYE = "bye"\n```\n\n',
            "",
        ),
        "patterns/farewell.md: Do neither prints nor names "
        "examples/farewell/words.py; print it whole, or name it in backticks",
    ),
    "page without a Don't": (
        ("patterns/greeting.md", "```python examples/dont/greeting.py", "```text"),
        "patterns/greeting.md: Don't shows no code; print a part of "
        "examples/dont/greeting.py, as examples/dont/greeting.py::name",
    ),
    "page without a test": (
        ("patterns/greeting.md", "```python examples/testing", "```text"),
        "patterns/greeting.md: Test shows no code; "
        "print the whole of examples/testing/test_greeting.py",
    ),
    "dead link": (
        ("patterns/greeting.md", "(farewell.md)", "(evening.md#end)"),
        "patterns/greeting.md: evening.md#end leads nowhere; mend the link",
    ),
    "dead link in a table": (
        ("SKILL.md", "[greeting](patterns/", "[greeting](pages/"),
        "SKILL.md: pages/greeting.md leads nowhere; mend the link",
    ),
    "link out of patterns": (
        ("patterns/greeting.md", "(farewell.md)", "(../README.md)"),
        "patterns/greeting.md: ../README.md leaves patterns/; link to a page",
    ),
    "no create_app": (
        ("examples/greeting.py", "create_app", "make_app"),
        "examples/greeting.py: it has no create_app; give it that one door",
    ),
    "nothing to try": (
        ("examples/greeting.py", "Try:", "Look:"),
        "examples/greeting.py: its docstring has 0 commands under Try:; write 1 to 3",
    ),
    "four commands to try": (
        ("examples/greeting.py", "Try:\n", "Try:\n    curl -s localhost\n"),
        "examples/greeting.py: its docstring has 4 commands under Try:; write 1 to 3",
    ),
    "module that does not run": (
        ("examples/greeting.py", 'if __name__ == "__main__":', "if True:"),
        "examples/greeting.py: python -m examples.greeting does not run it; "
        'add `if __name__ == "__main__":`, or __main__.py to a package',
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
        "pyproject.toml: the lock has 0.23.1 for quart<0.23,>=0.22; run make lock",
    ),
    "dependency that is not locked": (
        ("pyproject.toml", '"quart-schema[pydantic]>=0.25"', '"hypercorn>=0.18"'),
        "pyproject.toml: the lock has nothing for hypercorn>=0.18; run make lock",
    ),
    "other Python": (
        ("README.md", "Python 3.11", "Python 3.10"),
        "README.md: it does not name Python 3.11; say which versions are tested",
    ),
    "Quart line not named": (
        ("SKILL.md", " and Quart 0.23.1", ""),
        "SKILL.md: it does not name Quart 0.23.1; say which versions are tested",
    ),
    "version that is not locked": (
        ("README.md", "See", "With quart-schema 0.24. See"),
        "README.md: quart-schema 0.24 is not locked; the lock has 0.25.0",
    ),
    "other metadata version": (
        ("SKILL.md", 'version: "1.0.0"', 'version: "1.0.1"'),
        "SKILL.md: its version is not 1.0.0; say what pyproject.toml says",
    ),
    "changelog without the version": (
        ("CHANGELOG.md", "1.0.0", "0.9.0"),
        "CHANGELOG.md: it has no section 1.0.0; say what changed",
    ),
    "wrong count": (
        ("README.md", "3 patterns", "2 patterns"),
        f"README.md: it does not say 3 patterns; {FIX}",
    ),
    "test removed": (
        ("tests/test_greeting.py", "async def test_", "async def "),
        f"README.md: it does not say 5 test functions; {FIX}",
    ),
    "printed test removed": (
        ("examples/testing/test_greeting.py", "async def test_", "async def "),
        f"README.md: it does not say 5 test functions; {FIX}",
    ),
    "stale rules": (
        ("RULES.md", "# Rules", "# Rule"),
        f"RULES.md: it is not what the rules say; {FIX}",
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
        f"CHANGELOG.md: mdformat would change it; {FIX}",
    ),
}


@pytest.mark.parametrize("fault", SEEDED)
def test_a_seeded_fault_is_found(lint: Lint, fault: str) -> None:
    edit, message = SEEDED[fault]
    found = lint(*edit)
    assert [line for line in found if line.startswith(message)], found


@pytest.mark.parametrize(
    ("name", "old", "new", "fact"),
    [
        ("SKILL.md", 300 * "x", 691 * "x", "the description has"),
        (
            "patterns/greeting.md",
            "    assert create_app()",
            55 * "    pass\n",
            "60 are",
        ),
        ("patterns/greeting.md", "    return Quart", 127 * "    pass\n", "Do prints"),
        ("patterns/greeting.md", "HELLO", 24 * "HELLO\n", "the plain form"),
    ],
)
def test_what_just_fits_a_limit_is_allowed(
    lint: Lint, name: str, old: str, new: str, fact: str
) -> None:
    assert not [line for line in lint(name, old, new) if fact in line]


@pytest.mark.parametrize(
    ("statement", "name"),
    [
        ("from quart.ctx import AppContext", "quart.ctx"),
        ("import hypercorn.protocol", "hypercorn.protocol"),
        ("from quart import _private", "_private"),
        ("app._context", "_context"),
    ],
)
@pytest.mark.parametrize(
    "module", ["examples/greeting.py", "examples/testing/test_greeting.py"]
)
def test_private_names_are_found_in_an_example_and_its_test(
    root: Path, lint: Lint, module: str, statement: str, name: str
) -> None:
    (root / module).write_text(f"{statement}\n")
    assert f"{module}:1: {name} is not public API; use what is documented" in lint()


def test_own_attributes_and_documented_names_are_not_private(
    root: Path, lint: Lint
) -> None:
    code = "from __future__ import annotations\n\nself._own = cls._own = os._exit\n"
    (root / "examples/greeting.py").write_text(f"{code}print(name.__class__)\n")
    assert not [line for line in lint() if "public API" in line]


@pytest.mark.parametrize(
    "statement",
    [
        "print()",
        "other.register_blueprint(users)",
        "await_me",
        "app = Quart(__name__)",
        "app = create_app()",
        "for one in range(3):\n    pass",
        "while True:\n    pass",
        "with open(0):\n    pass",
    ],
)
def test_an_import_that_does_something_is_found(
    root: Path, lint: Lint, statement: str
) -> None:
    (root / "examples/farewell/words.py").write_text(f"{MADE_HERE}{statement}\n")
    assert (
        "examples/farewell/words.py:3: importing it does something; "
        "move this into create_app or another function" in lint()
    )


@pytest.mark.parametrize(
    "statement",
    ["'''Text.'''", MADE_HERE, "LIMIT = int(8)", "try:\n    import a\nfinally: pass"],
)
def test_an_import_may_fill_its_own_names(
    root: Path, lint: Lint, statement: str
) -> None:
    (root / "examples/farewell/words.py").write_text(f"{statement}\n")
    assert not [line for line in lint() if "importing" in line]


@pytest.mark.parametrize("folder", ["examples", "examples/plain", "examples/dont"])
def test_a_module_that_no_page_shows_is_found(
    root: Path, lint: Lint, folder: str
) -> None:
    (root / folder / "morning.py").write_text("")
    assert lint() == [f"{folder}/morning.py: no page shows it; add patterns/morning.md"]


@pytest.mark.parametrize(
    "missing",
    [
        "examples/greeting.py",
        "examples/dont/greeting.py",
        "examples/testing/test_greeting.py",
        "tests/test_greeting.py",
    ],
)
def test_a_missing_file_of_a_pattern_is_found(
    root: Path, lint: Lint, missing: str
) -> None:
    (root / missing).unlink()
    found = f"patterns/greeting.md: {missing} is missing; add it or drop the page"
    assert found in lint()


@pytest.mark.parametrize(
    ("name", "owner"),
    [("logging", "Python"), ("quart", "Quart"), ("quart_schema", "quart-schema")],
)
def test_a_name_that_hides_a_module_is_found(
    root: Path, lint: Lint, name: str, owner: str
) -> None:
    (root / "patterns" / f"{name}.md").write_text("# Name\n")
    assert (
        f"patterns/{name}.md: {owner} has a module {name}; "
        "choose a name that hides no other module" in lint()
    )


@pytest.mark.parametrize(
    "statement",
    [
        "from ..farewell import BYE",
        "from ..farewell.words import BYE",
        "from .. import farewell",
        "from examples.farewell import BYE",
        "from examples import farewell",
        "import examples.farewell.words",
        "def later():\n    from ..farewell import BYE",
        "if TYPE_CHECKING:\n    pass\nelse:\n    from ..farewell import BYE",
    ],
)
def test_a_need_is_found_in_each_form_of_import(
    root: Path, lint: Lint, statement: str
) -> None:
    (root / "examples/plain/greeting.py").write_text(f"{statement}\n")
    needs = "**Needs**: [farewell](farewell.md)."
    assert f"patterns/greeting.md: Do does not begin with {needs}; {FIX}" in lint()


@pytest.mark.parametrize(
    "statement",
    [
        "import farewell",
        "from .farewell import BYE",
        "from . import conftest",
        "from ..greeting import create_app",
        "if typing.TYPE_CHECKING:\n    from ..farewell import BYE",
    ],
)
def test_other_imports_are_no_needs(root: Path, lint: Lint, statement: str) -> None:
    (root / "examples/plain/greeting.py").write_text(f"{statement}\n")
    assert not [line for line in lint() if "Needs" in line or "needs" in line]


def test_a_circle_of_needs_is_found(root: Path, lint: Lint) -> None:
    example = root / "examples/greeting.py"
    example.write_text(example.read_text() + "\n\nfrom .farewell import words\n")
    circles = {
        "patterns/greeting.md: it needs itself: greeting -> farewell -> greeting; "
        "break the circle of imports",
        "patterns/farewell.md: it needs itself: farewell -> greeting -> farewell; "
        "break the circle of imports",
    }
    assert len(circles.intersection(lint())) == 1


def test_a_package_runs_by_its_main_module(root: Path, lint: Lint) -> None:
    (root / "examples/farewell/__main__.py").unlink()
    assert lint() == [
        "examples/farewell/__init__.py: python -m examples.farewell does not run it; "
        'add `if __name__ == "__main__":`, or __main__.py to a package'
    ]


def test_create_app_may_stand_in_another_module(root: Path, lint: Lint) -> None:
    package = root / "examples/farewell/__init__.py"
    code = package.read_text().partition("def create_app")[0]
    package.write_text(code.replace("BYE", "create_app"))
    assert not [line for line in lint() if "has no create_app" in line]


def test_a_dont_may_be_served_by_its_import_path(lint: Lint) -> None:
    path = '"examples.dont.greeting:silent()"'
    assert lint("tests/test_greeting.py", "dont.silent()", path) == []


def test_fix_writes_what_can_be_derived(
    root: Path, lint: Lint, capsys: pytest.CaptureFixture[str]
) -> None:
    edits = {
        "examples/greeting.py": ("Quart(__name__)", 'Quart("greeting")'),
        "examples/testing/test_greeting.py": ("assert create_app()", "assert True"),
        "patterns/greeting.md": ("Somebody arrives.", "Somebody knocks."),
        "patterns/farewell.md": ("[greeting](greeting.md).", "much."),
        "patterns/testing.md": ("**Needs**: nothing else.\n\n", ""),
        "CHANGELOG.md": ("The first.", "* The first."),
        "README.md": ("3 patterns", "12 patterns"),
        "RULES.md": ("# Rules", "# Old"),
    }
    for name, (old, new) in edits.items():
        path = root / name
        assert path.read_text().count(old) == 1
        path.write_text(path.read_text().replace(old, new))

    assert lint_skill.main([str(root), "--fix"]) == 0

    assert capsys.readouterr().out == (
        "fixed CHANGELOG.md\nfixed README.md\nfixed RULES.md\nfixed SKILL.md\n"
        "fixed patterns/farewell.md\nfixed patterns/greeting.md\n"
        "fixed patterns/testing.md\n"
    )
    page = (root / "patterns/greeting.md").read_text()
    assert 'return Quart("greeting")' in page
    assert "assert True" in page
    assert (root / "patterns/farewell.md").read_text() == FAREWELL
    assert (root / "patterns/testing.md").read_text() == TESTING
    assert "| Somebody knocks. |" in (root / "SKILL.md").read_text()
    assert (root / "CHANGELOG.md").read_text().endswith("- The first.\n")
    assert lint() == []


def test_fix_leaves_a_fence_whose_source_is_gone(root: Path) -> None:
    page = root / "patterns/greeting.md"
    text = page.read_text().replace("::silent", "::absent")
    page.write_text(text)
    assert lint_skill.main([str(root), "--fix"]) == 1
    assert page.read_text() == text


def test_fix_makes_the_table_of_rules(root: Path, lint: Lint) -> None:
    (root / "RULES.md").unlink()
    assert lint() == [f"RULES.md: it is not what the rules say; {FIX}"]
    assert lint_skill.main([str(root), "--fix"]) == 0


@pytest.mark.parametrize(
    ("name", "content"),
    [
        ("examples/greeting.py", b"def broken(:"),
        ("pyproject.toml", b"[project"),
        ("pyproject.toml", b'[project]\ndependencies = ["quart=="]\n'),
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
        "SKILL.md: the description has 0 characters; write one line of 300 to 700"
        in found
    )
    assert "SKILL.md: the frontmatter lacks metadata; add it" in found
