"""What an agent does with a page: paste its code into a package of another name."""

import ast
import asyncio
import re
import sys
from functools import cache
from pathlib import Path

import check_app.rules  # noqa: F401 enters them into the table
import pytest
import serve
from check_app.engine.project import Project
from check_app.engine.report import report_on
from skill_tree import Document, Skill

from tests.support.environment import bare_environment
from tests.support.server import running
from tests.support.shell import run

ROOT = Path(__file__).resolve().parents[1]
LAUNCHER = "serving"
SKILL = Skill(ROOT)
PAGES = sorted(SKILL.names - {"testing"})  # test_testing.py pastes that one
CONFIGURATION = """\
[tool.pytest.ini_options]
testpaths = ["tests"]
pythonpath = ["{folder}"]
asyncio_mode = "auto"
asyncio_default_fixture_loop_scope = "function"
filterwarnings = ["error"]
"""


def package_of(page: str) -> str:
    return f"acme_{page}"


def renamed(text: str, page: str) -> str:
    return re.sub(r"\bexamples\b", package_of(page), text)


@cache
def pasted(page: Document) -> dict[str, str]:
    """The modules that a page prints whole, as it prints them."""
    return {
        fence.source: fence.content
        for fence in page.python_under("Do")
        if "::" not in fence.source and "/plain/" not in fence.source
    }


def named(page: Document) -> set[str]:
    """The modules that a page prints in part or names."""
    printed = {fence.source.partition("::")[0] for fence in page.python_under("Do")}
    return printed | page.named_under_do


def closure(name: str) -> set[str]:
    found = {name}
    for need in SKILL.needs[name]:
        found |= closure(need)
    return found


def files(name: str) -> dict[str, str]:
    """The package after pasting a page, what it needs and the launcher."""
    documents = {page.name: page for page in SKILL.pages}
    found = {}
    for pattern in closure(name) | closure(LAUNCHER):
        page = documents[pattern]
        for path in SKILL.modules(pattern):
            place = path.relative_to(ROOT).as_posix()
            free = path.name in {"__init__.py", "__main__.py"} or place in named(page)
            if "/plain/" not in place and (free or place in pasted(page)):
                text = pasted(page).get(place, path.read_text(encoding="utf-8"))
                found[place.removeprefix("examples/")] = renamed(text, name)
    return found | {"__init__.py": ""}


def paste(name: str, folder: Path) -> None:
    for place, text in files(name).items():
        path = folder / package_of(name) / place
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_text(text, encoding="utf-8")


@pytest.mark.parametrize("name", PAGES)
async def test_a_pasted_page_starts_and_answers(name: str, tmp_path: Path) -> None:
    paste(name, tmp_path)
    env = {
        "DATABASE_URL": f"sqlite+aiosqlite:///{tmp_path}/app.sqlite3",
        "SECRET_KEY": "s" * 32,
        "TOKEN_KEY": "t" * 32,
        "PYTHONPATH": str(tmp_path),
    }
    docstring = ast.get_docstring(ast.parse(SKILL.entry(name).read_text())) or ""
    module = f"{package_of(name)}.{name}"
    async with running(module, env=env, cwd=tmp_path) as server:
        for command in serve.commands(docstring):
            ready = serve.ready(command, {**env, "BIND": server.address})
            code, output = await run(
                f"export PYTHONPATH={tmp_path}; {renamed(ready, name)}"
            )
            assert (code, bool(output)) == (0, True), (ready, output, server.log)
            assert "Internal Server Error" not in output
        assert await server.stop(seconds=15) == 0
    assert "Traceback" not in server.log


@pytest.mark.parametrize("name", PAGES)
def test_check_app_finds_nothing_in_a_pasted_page(name: str, tmp_path: Path) -> None:
    paste(name, tmp_path)
    test = SKILL.printed_test(name)
    (tmp_path / "tests").mkdir()
    (tmp_path / "tests" / test.name).write_text(renamed(test.read_text(), name))
    (tmp_path / "pyproject.toml").write_text(CONFIGURATION.format(folder="."))
    assert report_on(Project([tmp_path]), lambda code, path: True).findings == []


@pytest.mark.timeout(240)
@pytest.mark.parametrize(("layout", "first"), [(".", 0), ("src", 1)])
async def test_the_tests_of_the_pages_pass_where_they_are_pasted(
    layout: str, first: int, tmp_path: Path
) -> None:
    """Every second page in each layout, since only the path differs."""
    (tmp_path / "tests").mkdir()
    (tmp_path / "pyproject.toml").write_text(CONFIGURATION.format(folder=layout))
    for name in PAGES[first::2]:
        paste(name, tmp_path / layout)
        test = SKILL.printed_test(name)
        (tmp_path / "tests" / test.name).write_text(renamed(test.read_text(), name))
    process = await asyncio.create_subprocess_exec(
        sys.executable,
        "-m",
        "pytest",
        *("-q", "-p", "pytest_asyncio.plugin", "-p", "no:cacheprovider"),
        cwd=tmp_path,
        env={**bare_environment(), "PYTEST_DISABLE_PLUGIN_AUTOLOAD": "1"},
        stdout=asyncio.subprocess.PIPE,
        stderr=asyncio.subprocess.STDOUT,
    )
    async with asyncio.timeout(230):
        output, _ = await process.communicate()
    assert process.returncode == 0, output.decode()
