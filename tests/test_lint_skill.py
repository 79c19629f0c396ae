"""Each fault of a small skill is found, and what can be made anew is."""

import ast
import json
import re
import subprocess
import sys
from collections.abc import Callable, Iterator
from pathlib import Path

import lint_skill
import pytest
import skill_tree
from check_app.engine.rule import Rule, Severity

ROOT = Path(__file__).resolve().parents[1]
SMALL_SKILL = '''
=== SKILL.md
---
name: quart-patterns
description: Use when {x}
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
| . | [tea](patterns/tea.md) |
| . | [cake](patterns/cake.md) |
| . | [testing](patterns/testing.md) |
## When not to use it
Elsewhere; see [the rules](RULES.md).
=== README.md
# quart-patterns
0 patterns, 0 snippets, 0 test functions, 0 Don'ts, 0 rules.
Python 3.11, Quart 0.22.0 and Quart 0.23.1.
=== CHANGELOG.md
# Changelog
## 1.0.0
The first.
=== pyproject.toml
[project]
version = "1.0.0"
requires-python = ">=3.11"
dependencies = ["quart>=0.22,<0.24", "quart-schema[pydantic]>=0.25"]
=== requirements.lock
quart==0.22.0 ; python_full_version < '3.13' \\
    --hash=sha256:0
quart==0.23.1 ; python_full_version >= '3.13' \\
    --hash=sha256:1
quart-schema[pydantic]==0.25.0 \\
    --hash=sha256:2
=== examples/__init__.py
=== examples/__main__.py
print()
=== examples/tea.py
"""Make tea.
Try:
    curl -s http://127.0.0.1:8000/
    curl -s http://127.0.0.1:8000/green
    curl -s http://127.0.0.1:8000/black
"""
from typing import TYPE_CHECKING
from quart import Quart
if TYPE_CHECKING:
    from .cake import dough
def create_app() -> Quart:
    return Quart(__name__)
if __name__ == "__main__":
    from .cake.dough import run
    run(create_app())
=== examples/cake/__init__.py
"""Bake.
Try:
    curl -s http://127.0.0.1:8000/
"""
from ..tea import create_app as tea
from .dough import FLOUR
def create_app() -> object:
    return tea()
=== examples/cake/__main__.py
from ..testing import conftest
=== examples/cake/dough.py
FLOUR = 1
=== examples/plain/__init__.py
=== examples/plain/tea.py
GREEN = "green"
=== examples/testing/__init__.py
"""The tests."""
=== examples/testing/conftest.py
PORT = 0
=== examples/dont/__init__.py
=== examples/dont/tea.py
"""Cold tea."""
from quart import Quart
def _marked(function):
    return function
@_marked
def cold() -> Quart:
    return Quart(__name__)
=== examples/dont/cake.py
def burn(): ...
=== examples/dont/testing.py
def sleep(): ...
'''
PAGE = """\
# {title}
## When
{when}
## Do
{do}
## Don't
```python examples/dont/{name}.py::{dont}
```
## Why
It is hot.
## Test
```python examples/testing/test_{name}.py
```
## See also
[cake](cake.md), [tests](testing.md#tests), [pytest](https://pytest.org), [why](#why)
"""


def fence(source: str) -> str:
    return f"```python examples/{source}\n```\n"


TEA = f"""\
Pour it.
{fence("plain/tea.py")}
See `examples/tea.py`.
{fence("tea.py::create_app")}
```sh
python -m examples.tea
```"""
PAGES = [
    ("tea", "You thirst.", TEA, "cold"),
    ("cake", "You eat.", fence("cake/dough.py") + fence("cake/__init__.py"), "burn"),
    ("testing", "You test.", fence("testing/conftest.py"), "sleep"),
]
TEST = '"""A test."""\n\n\ndef test_{}() -> None:\n    assert True\n'


def small_skill() -> dict[str, str]:
    _, *parts = re.split(r"^=== (.+)\n", SMALL_SKILL, flags=re.MULTILINE)
    files = dict(zip(parts[::2], parts[1::2], strict=True))
    files["SKILL.md"] = files["SKILL.md"].format(x=300 * "x")
    for name, when, do, dont in PAGES:
        names = {"name": name, "title": name.title(), "dont": dont}
        files[f"patterns/{name}.md"] = PAGE.format(when=when, do=do, **names)
        files[f"tests/test_{name}.py"] = (
            f"def test_dont_{dont}_x():\n    dont.{dont}()\n"
        )
        files[f"examples/testing/test_{name}.py"] = TEST.format(name)
    return files


def says_hot(_: object, node: ast.Constant) -> Iterator[tuple[ast.AST, str]]:
    if node.value == "hot":
        yield node, ""


HOT = Rule(
    id="QP1",
    name="hot",
    severity=Severity.NOTE,
    kinds=(ast.Constant,),
    word="",
    check=says_hot,
    message="",
    why="",
    runs="",
    example="",
)


@pytest.fixture
def root(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> Path:
    """A small skill in which nothing is wrong once it is made."""
    monkeypatch.setattr(lint_skill, "table", lambda: "# Rules\n")
    for module in (lint_skill, skill_tree):
        monkeypatch.setattr(module, "RULES", {"QP1": HOT})
    for name, text in small_skill().items():
        path = tmp_path / name
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_text(text)
    assert lint_skill.main([str(tmp_path), "--fix"]) == 0
    assert capsys.readouterr().out.startswith("fixed CHANGELOG.md\nfixed README.md\n")
    return tmp_path


Lint = Callable[..., list[str]]


@pytest.fixture
def lint(root: Path, capsys: pytest.CaptureFixture[str]) -> Lint:
    """Replace `old` by `new` in a file of the skill, and return what lint then says."""

    def edit(name: str = "README.md", old: str = "", new: str = "") -> list[str]:
        path = root / name
        text = path.read_text() if path.exists() else ""
        assert old == "(all)" or old in text
        path.write_text(text.replace(old, new, 1))
        if old == "(all)":
            path.unlink()
        code = lint_skill.main([str(root)])
        lines = capsys.readouterr().out.splitlines()
        assert code == (1 if lines else 0)
        return lines

    return edit


def test_the_small_skill_is_made_of_its_files(root: Path, lint: Lint) -> None:
    assert lint() == []
    page = (root / "patterns/cake.md").read_text()
    assert page.startswith(
        "# Cake\n\n## When\n\nYou eat.\n\n## Do\n\n**Needs**: tea.\n\n"
        "```python examples/cake/dough.py\nFLOUR = 1\n```\n\n"
        "```python examples/cake/__init__.py\nfrom ..tea import create_app as tea\n"
    )
    assert "\n@_marked\ndef cold()" in (root / "patterns/tea.md").read_text()
    assert "| You thirst. | [tea](patterns/tea.md) |" in (root / "SKILL.md").read_text()
    assert (root / "RULES.md").read_text() == "# Rules\n"
    figures = "3 patterns, 11 snippets, 6 test functions, 3 Don'ts, 1 rules."
    assert figures in (root / "README.md").read_text()


def test_this_skill_is_clean(capsys: pytest.CaptureFixture[str]) -> None:
    assert (lint_skill.main([]), capsys.readouterr().out) == (0, "")


FAULTS = r"""
SKILL.md
  license: MIT => license: MIT\nmore: 1 => Unexpected fields in frontmatter: more.
  Use when  => Use when # => SKILL.md: description: String should have at least 300
  description:  => description: >-\n   => description: write it on one line
  Use when  => Use when\n   => description: write it on one line behind its key
  Use when => Used when => description: String should match pattern '^[^<>]*Use when
  Use when => Use when <b => description: String should match pattern '^[^<>]*Use
  Read Write => Read, Write => allowed-tools: String should match pattern '^(Read|
  Bash(python:*) => Bash => allowed-tools: String should match pattern '^(Read|Edit
  Bash(python:*) => Bash(*) => allowed-tools: String should match pattern '^(Read|
  license: MIT\n =>  => SKILL.md: license: Field required
  "1.0.0" => "1.0.0"\n  more: 1 => metadata.more: Input should be a valid string
  ## Gotchas => ## Traps => SKILL.md: it has ['Working loop', 'Traps', 'Patterns', '
  | You eat. | [cake](patterns/cake.md) |\n =>  => SKILL.md: the table lists
  You thirst. => You are wet. => SKILL.md:26: differs from what it is made of: 'are wet
  [tea](patterns/ => [tea](pages/ => SKILL.md:26: pages/tea.md leads nowhere; mend
   and Quart 0.23.1 =>  => SKILL.md: it does not name Quart 0.23.1, which is tested
  version: "1.0.0" => version: "1.0.1" => SKILL.md: its version is not 1.0.0; say
README.md
  3 patterns => 2 patterns => README.md:3: differs from what it is made of: "2 patt
  3.11 => 3.10 => README.md: it does not name Python 3.11, which is tested; add it
  .1. => .1. quart-schema 0.24. => quart-schema 0.24 is not tested; write 0.25.0
CHANGELOG.md
  1.0.0 => 0.9.0 => CHANGELOG.md: it has no section 1.0.0; say what changed
  first. => first.\n\n\n* 1 => CHANGELOG.md:7: differs from what it is made of: ''
  first. => XXX => CHANGELOG.md:5: something is left to do; do it
RULES.md
  # Rules => # Rule => RULES.md:1: differs from what it is made of: 'Rule' should be
pyproject.toml
  <0.24 => <0.23 => the lock has 0.22.0, 0.23.1 for quart<0.23,>=0.22; run make lock
  quart-schema => anyio => the lock has nothing for anyio[pydantic]>=0.25; run make lock
patterns/tea.md
  ## Why => ## Because => "Don't", 'Because', 'Test', 'See also']; write sections ['Wh
  # Tea\n\n =>  => patterns/tea.md: it has no title; start with a # heading
  thirst. => thirst.\nOr not. => tea.md: When is not one line; write one sentence
  thirst. => thirst.\n\nOr not. => tea.md: When is not one line; write one sentence
  thirst. => thirst | hunger. => tea.md: When is not one line; write one sentence
  **Needs**: nothing else.\n\n =>  => tea.md:9: differs from what it is made of: 'P
  nothing else => much => tea.md:9: differs from what it is made of: 'much.' should
  else.\n\nPour it. => else.\n\n**Needs**: it. => tea.md:11: differs from what it is
  plain/tea.py => tea.py::create_app => the plain form is a part of examples/tea.py;
  assert True => assert 1 => tea.md:44: differs from examples/testing/test_tea.py: '1'
  ```sh => ```python => tea.md:24: no source; write ```python examples/NAME.py, or
  ```sh => ```sh examples/tea.py => tea.md:24: only Python has a source; drop exampl
  ::cold => ::warm => tea.md:30: examples/dont/tea.py::warm does not exist; name a
  testing/test_tea => testing/tea => examples/testing/tea.py does not exist; name a
  It is hot => ```python examples/tea.py\n``` => stands under Why; print no Python
  examples/tea.py:: => examples/x.py:: => stands under Do; print examples/plain/tea
  dont/tea.py::cold => dont/cake.py::burn => under Don't; print examples/dont/tea.py
  test_tea.py => test_tea.py::test_tea => stands under Test; print examples/testing
  See `examples/tea.py` => See it => Do neither prints nor names examples/tea.py; pr
  ```python examples/dont => ```text => Don't shows no code; print examples/dont/tea
  ```python examples/testing => ```text => Test shows no code; print examples/testin
  (cake.md) => (pie.md#end) => pie.md#end leads nowhere; mend the link
  (cake.md) => (../README.md) => ../README.md leaves patterns/; link to a page
  It is hot => QP999 sees it => tea.md: no rule is called QP999; see RULES.md
patterns/cake.md
  **Needs**: tea. => **Needs**: nothing. => 'nothing.' should be 'tea.'; run scripts
  ```python examples/cake/dough.py => ```text => nor names examples/cake/dough.py; pr
patterns/testing.md
  conftest.py => test_tea.py => test_tea.py stands under Do; print examples/testing/
examples/plain/tea.py
  GREEN => from .. import cake\nGREEN => tea.md:13: the plain form needs cake; begin
examples/tea.py
  Quart(__name__) => Quart("tea") => tea.md:21: differs from examples/tea.py::create
  create_app => make_app => examples/tea.py: it has no create_app; give it that one
  Try: => Look: => examples/tea.py: its docstring has 0 commands under Try:; write 1
  Try: => Try:\n    curl => tea.py: its docstring has 4 commands under Try:; write 1
  if __name__ => if "x" => examples/tea.py: python -m examples.tea runs nothing; ser
  from typing => from . import cake\nfrom typing => ; break the circle of imports
examples/dont/tea.py
  from quart => def hot(): ...\nfrom quart => tea.py:2: no test_dont_ uses hot; prove in
  Quart(__name__) => Quart("hot") => patterns/tea.md: QP1 finds cold; say so in Why
tests/test_tea.py
  dont.cold() => dont => dont/tea.py:5: no test_dont_ uses cold; prove in tests/test
  test_dont_cold => test_cold => examples/dont/tea.py:5: no test_dont_ uses cold; pr
  def test_ => def  => README.md:3: differs from what it is made of: "6 test function
examples/cake/dough.py
  FLOUR = 1 => other.register_blueprint(users) => :1: importing it does something; mov
  FLOUR = 1 => await_me => examples/cake/dough.py:1: importing it does something; mov
  FLOUR = 1 => app = Quart(__name__) => :1: importing it does something; move it into
  FLOUR = 1 => app = create_app() => dough.py:1: importing it does something; move it
  FLOUR = 1 => for one in range(3): pass => dough.py:1: importing it does something;
  FLOUR = 1 => while True: pass => dough.py:1: importing it does something; move it
  FLOUR = 1 => with open(0): pass => dough.py:1: importing it does something; move it
  FLOUR = 1 => api = Blueprint()\napi.register_blueprint(users) => not: importing it
  FLOUR = 1 => 'Text.' => not: importing it
  FLOUR = 1 => LIMIT = int(8) => not: importing it
  FLOUR = 1 => try:\n    import a\nfinally: pass => not: importing it
examples/plain/tea.py
  GREEN = => from ..cake import FLOUR\nx = => differs from what it is made of: 'nothi
  GREEN = => from ..cake.dough import FLOUR\nx = => 'nothing else.' should be 'cake.'
  GREEN = => from .. import cake\nx = => 'nothing else.' should be 'cake.'
  GREEN = => from examples.cake import FLOUR\nx = => 'nothing else.' should be 'cake.'
  GREEN = => from examples import cake\nx = => 'nothing else.' should be 'cake.'
  GREEN = => import examples.cake.dough\nx = => 'nothing else.' should be 'cake.'
  GREEN = => def later():\n    from .. import cake\nx = => 'nothing else.' should be
  GREEN = => if TYPE_CHECKING:\n  1\nelse:\n  from .. import cake\nx = => 'nothing el
  GREEN = => if typing.TYPE_CHECKING:\n  from .. import cake\nx = => not: should be '[
  GREEN = => import cake\nx = => not: should be 'cake.'
  GREEN = => from .cake import FLOUR\nx = => not: should be 'cake.'
  GREEN = => from . import conftest\nx = => not: should be '[
  GREEN = => from ..tea import create_app\nx = => not: should be '[
examples/cake/__init__.py
  def create_app => def make_app => cake/__init__.py: it has no create_app; give it
  import FLOUR => import FLOUR as create_app => not: has no create_app
  (all) =>  => patterns/cake.md: examples/cake.py is missing; add it or drop the page
examples/cake/__main__.py
  (all) =>  => cake/__init__.py: python -m examples.cake runs nothing; serve it under
tests/test_cake.py
  dont.burn() => serve("examples.dont.cake:burn()") => not: burn
  (all) =>  => patterns/cake.md: tests/test_cake.py is missing; add it or drop the pa
examples/milk.py
   =>  => examples/milk.py: no page shows it; add patterns/milk.md
examples/plain/milk.py
   =>  => examples/plain/milk.py: no page shows it; add patterns/milk.md
examples/dont/milk.py
   =>  => examples/dont/milk.py: no page shows it; add patterns/milk.md
examples/dont/cake.py
  (all) =>  => patterns/cake.md: examples/dont/cake.py is missing; add it or drop the
patterns/logging.md
   =>  => patterns/logging.md: Python or a dependency has a module logging; rename the
patterns/quart_schema.md
   =>  => Python or a dependency has a module quart_schema; rename the page
examples/testing/test_cake.py
  (all) =>  => patterns/cake.md: examples/testing/test_cake.py is missing; add it or
examples/testing/test_tea.py
  def test_ => def  => README.md:3: differs from what it is made of: "6 test function
"""


def faults() -> Iterator[list[str]]:
    name = ""
    for line in FAULTS.strip().splitlines():
        if line.startswith("  "):
            yield [name, *line[2:].replace(r"\n", "\n").split(" => ")]
        else:
            name = line


@pytest.mark.parametrize(("name", "old", "new", "finding"), [*faults()])
def test_a_fault_is_found_and_what_is_none_is_not(
    lint: Lint, name: str, old: str, new: str, finding: str
) -> None:
    found = lint(name, old, new)
    fact = finding.removeprefix("not: ")
    assert any(fact in line for line in found) == (fact == finding), found


@pytest.mark.parametrize(
    ("name", "old", "part", "most", "finding"),
    [
        ("SKILL.md", 300 * "x", "x", 691, "at most 700 characters"),
        ("SKILL.md", "Elsewhere", "x", 14_705, "the body has 15001 characters, 15000"),
        ("patterns/tea.md", "It is hot", "x", 7408, "has 8001 characters, 8000 are"),
        ("patterns/tea.md", "    assert True\n", "    x\n", 59, "has 61 lines, 60"),
        ("patterns/tea.md", "    return Q", "x\n", 127, "Do has 131 lines, 130 are"),
        ("patterns/tea.md", "GREEN", "x\n", 24, "plain form has 26 lines, 25 are"),
    ],
)
def test_a_limit_is_kept(
    lint: Lint, name: str, old: str, part: str, most: int, finding: str
) -> None:
    assert not [line for line in lint(name, old, most * part) if finding in line]
    found = lint(name, most * part, (most + 1) * part)
    assert [line for line in found if finding in line], found


def test_a_dont_is_what_is_public_at_the_top_of_its_module(root: Path) -> None:
    assert skill_tree.mistakes(root / "examples/dont/tea.py") == {"cold": range(5, 8)}
    assert skill_tree.mistakes(root / "examples/dont/milk.py") == {}


def test_fix_makes_anew_what_differs_and_names_it(
    root: Path, lint: Lint, capsys: pytest.CaptureFixture[str]
) -> None:
    before = {path: path.read_text() for path in root.glob("**/*.md")}
    edits = [
        ("patterns/tea.md", "GREEN", "RED"),
        ("patterns/cake.md", "**Needs**: tea.", "**Needs**: much."),
        ("patterns/testing.md", "**Needs**: nothing else.\n\n", "\n"),
        ("CHANGELOG.md", "The first.", "The first.\n\n\n"),
        ("README.md", "3 patterns", "12 patterns"),
        ("SKILL.md", "You eat.", "You drink."),
    ]
    for edit in edits:
        assert lint(*edit)
    (root / "RULES.md").unlink()
    assert lint()[0].startswith("CHANGELOG.md:")
    assert lint_skill.main([str(root), "--fix"]) == 0
    fixed = "CHANGELOG README RULES SKILL patterns/cake patterns/tea patterns/testing"
    output = capsys.readouterr().out
    assert output == "".join(f"fixed {name}.md\n" for name in fixed.split())
    assert {path: path.read_text() for path in before} == before


def test_fix_leaves_a_fence_whose_source_is_gone(root: Path) -> None:
    text = (root / "patterns/tea.md").read_text().replace("::cold", "::warm")
    (root / "patterns/tea.md").write_text(text)
    assert lint_skill.main([str(root), "--fix"]) == 1
    assert (root / "patterns/tea.md").read_text() == text


@pytest.mark.parametrize(
    ("name", "content"),
    [
        ("examples/tea.py", b"def broken(:"),
        ("examples/tea.py", b"from ... import tea\n"),
        ("pyproject.toml", b"[project"),
        ("pyproject.toml", b'[project]\ndependencies = ["quart=="]\n'),
        ("SKILL.md", b"---\nname: [\n---\n"),
        ("SKILL.md", b"# No frontmatter\n"),
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


CODE = """\
from __future__ import annotations
import os
from hypercorn.asyncio import serve
import hypercorn.protocol.h11
from hypercorn.asyncio.run import worker_serve
from quart import ctx
from quart.ctx import AppContext
from quart import _private
self._own = cls._own = os._exit = name.__class__
app._context
x = 1  # TO{}: more
"""
LEFT_TO_DO = [(8, "PLC2701"), (11, "FIX002")]
NOT_PUBLIC = [*((line, "TID251") for line in range(4, 8)), (10, "SLF001")]


@pytest.mark.parametrize(
    ("name", "found"),
    [
        ("examples/tea.py", sorted(LEFT_TO_DO + NOT_PUBLIC)),
        ("examples/testing/test_tea.py", sorted(LEFT_TO_DO + NOT_PUBLIC)),
        ("examples/dont/tea.py", LEFT_TO_DO),
    ],
)
def test_ruff_finds_what_is_not_public_and_what_is_left_to_do(
    name: str, found: list[tuple[int, str]]
) -> None:
    ruff = [sys.executable, "-m", "ruff", "check", "--output-format=json"]
    done = subprocess.run(
        [*ruff, f"--stdin-filename={name}", "-"],
        input=CODE.format("DO"),
        cwd=ROOT,
        capture_output=True,
        text=True,
    )
    rows = {(one["location"]["row"], one["code"]) for one in json.loads(done.stdout)}
    rules = {rule for _, rule in LEFT_TO_DO + NOT_PUBLIC}
    assert sorted(row for row in rows if row[1] in rules) == found
