"""check_app as people and agents call it."""

import ast
import json
import os
import shutil
import subprocess
import sys
import sysconfig
from collections.abc import Callable
from pathlib import Path

import pytest
from check_app import cli
from check_app.cli import RULES
from check_app.engine import ruff_bridge
from check_app.engine.quart import Module
from check_app.engine.report import example_message, judge, page_path, silenced
from check_app.engine.rule import Rule, Severity
from hypothesis import HealthCheck, assume, example, given, settings
from hypothesis import strategies as st

ROOT = Path(__file__).resolve().parents[1]
SCRIPT = ROOT / "scripts" / "check_app"
WEBSOCKET = """\
from quart import Quart, request, websocket

app = Quart(__name__)


@app.websocket("/chat")
async def chat():
    await websocket.send(request.args["name"])
"""
FOUND = "a websocket has no `request` (500); `websocket` has args, headers and cookies"
OPENS_FILE = """\
from quart import Quart

app = Quart(__name__)


@app.get("/notes")
async def notes():
    with open("notes.txt") as file:
        return file.read()
"""
NOTHING = "0 errors, 0 warnings, 0 notes"
OPENS = "Async functions should not open files with blocking methods like `open`"

Run = Callable[..., tuple[int, str]]
Write = Callable[[dict[str, str]], Path]


@pytest.fixture
def write(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Write:
    """Writes files into a folder of their own, which becomes the current one."""
    folder = tmp_path / "project"
    folder.mkdir()
    monkeypatch.chdir(folder)

    def write_all(files: dict[str, str]) -> Path:
        for name, text in files.items():
            file = folder / name
            file.parent.mkdir(parents=True, exist_ok=True)
            file.write_text(text)
        return folder

    return write_all


@pytest.fixture
def run(capsys: pytest.CaptureFixture[str]) -> Run:
    """Calls check_app and returns its exit status and what it printed."""

    def run_with(*arguments: str | Path) -> tuple[int, str]:
        status = cli.main([str(argument) for argument in arguments])
        return status, capsys.readouterr().out

    return run_with


def ids(output: str) -> list[str]:
    """The ids of the findings in a report."""
    return [one["id"] for one in json.loads(output)["findings"]]


SPENT = {  # ids of rules that are gone, never used again
    f"QP{number}"
    for number in (
        *(104, 112, 116, 120, 122, 202, 207, 310, 311, 403, 404, 407, 411),
        *(510, 511, 512, 513, 514, 515, 516, 518, 519, 606, 607, 609, 610, 611),
        *(*range(613, 621), 622, 703, *range(705, 714), 802, 803, 806, 808),
        *(*range(811, 818), 905, 908, 909),
    )
}
every_rule = pytest.mark.parametrize("rule", RULES.values(), ids=list(RULES))


# The rules


@every_rule
@pytest.mark.parametrize(
    ("package", "application"), [("flask", "Flask"), ("fastapi", "FastAPI")]
)
def test_the_same_code_of_another_framework_is_left_alone(
    rule: Rule, package: str, application: str, write: Write, run: Run
) -> None:
    code = rule.wrong.replace("quart", package).replace("Quart", application)
    write({rule.file: code})
    assert ids(run(".", "--json", "--select", "QP")[1]) == []


@every_rule
def test_a_rule_says_what_why_and_where(rule: Rule) -> None:
    message = example_message(rule)
    assert "\n" not in message
    assert "{}" not in message
    assert 40 < len(message) <= 160
    assert rule.why.endswith((".", "`."))
    assert (ROOT / page_path(rule.page)).is_file()
    assert rule.name == rule.name.lower()


def test_each_name_is_there_once() -> None:
    assert len({rule.name for rule in RULES.values()}) == len(RULES)
    assert SPENT.isdisjoint(RULES)


# Which files are judged


def test_code_of_no_app_is_left_alone(write: Write, run: Run) -> None:
    write(
        {
            "jobs.py": "import asyncio\n\n\nasync def job():\n    asyncio.run(job())\n",
            "web.py": "from flask import request\n\nrequest.json['a']\n",
        }
    )
    status, output = run(".")
    assert status == 0
    assert output == f"{NOTHING}; 2 files, 0 of a Quart app, 0 not checked\n"


DATABASE = """\
from sqlalchemy.ext.asyncio import create_async_engine

engine = create_async_engine("sqlite+aiosqlite:///notes.db")
"""
APP = """\
from quart import Quart
{}

app = Quart(__name__)
"""


@pytest.mark.parametrize(
    ("line", "file"),
    [
        ("from .database import engine", "acme/database.py"),
        ("from . import database", "acme/database.py"),
        ("from acme.database import engine", "acme/database.py"),
        ("import acme.database", "acme/database.py"),
        ("from .database import engine", "acme/database/__init__.py"),
        ("from .database.engines import engine", "acme/database/engines.py"),
    ],
)
def test_what_the_app_imports_is_of_the_app(
    line: str, file: str, write: Write, run: Run
) -> None:
    write({"acme/__init__.py": APP.format(line), file: DATABASE})
    assert ids(run(".", "--json")[1]) == ["QP401"]


def test_a_src_folder_is_looked_into(write: Write, run: Run) -> None:
    write(
        {
            "src/database.py": DATABASE,
            "run.py": APP.format("import missing\nfrom database import engine"),
        }
    )
    assert ids(run(".", "--json")[1]) == ["QP401"]


def test_imports_of_an_imported_module_count_too(write: Write, run: Run) -> None:
    lookup = (
        "try:\n    from .database import engine\nexcept ImportError:\n    pass\n"
        "else:\n    import json\nif engine:\n    import re\nelse:\n    import os\n"
    )
    write(
        {
            "acme/__init__.py": "",
            "acme/app.py": APP.format("from acme import lookup"),
            "acme/lookup.py": lookup,
            "acme/database.py": DATABASE,
            "acme/unused.py": DATABASE,
        }
    )
    output = json.loads(run(".", "--json")[1])
    assert [one["path"] for one in output["findings"]] == ["acme/database.py"]
    assert output["files"] == {"checked": 5, "in_app": 4, "unread": 0}


def test_what_imports_the_app_is_of_the_app(write: Write, run: Run) -> None:
    test = "from acme import app\n\nasync def test():\n    app.test_client().get('/')\n"
    write({"acme.py": APP.format(""), "test_acme.py": test})
    assert ids(run(".", "--json")[1]) == ["QP103"]


def test_a_package_of_several_frameworks_is_not_joined(write: Write, run: Run) -> None:
    write(
        {
            "drivers/__init__.py": "",
            "drivers/quart.py": APP.format("from .database import engine"),
            "drivers/fastapi.py": "import fastapi\n",
            "drivers/database.py": DATABASE,
        }
    )
    assert run(".")[0] == 0


def test_a_file_is_judged_within_its_package(write: Write, run: Run) -> None:
    write(
        {
            "acme/__init__.py": "",
            "acme/web/__init__.py": APP.format("from acme.database import engine"),
            "acme/database.py": DATABASE,
        }
    )
    output = json.loads(run("acme/database.py", "--json")[1])
    assert [one["id"] for one in output["findings"]] == ["QP401"]
    assert output["files"] == {"checked": 1, "in_app": 1, "unread": 0}


def test_a_file_outside_a_package_is_judged_beside_its_neighbours(
    write: Write, run: Run
) -> None:
    write(
        {"app.py": APP.format("from database import engine"), "database.py": DATABASE}
    )
    assert ids(run("database.py", "--json")[1]) == ["QP401"]


def test_a_neighbour_that_cannot_be_parsed_is_not_reported(
    write: Write, run: Run
) -> None:
    write({"app.py": APP.format(""), "broken.py": "def"})
    assert run("app.py")[0] == 0


# The edges


def test_a_folder_above_the_project_may_be_called_tests(
    tmp_path: Path, run: Run
) -> None:
    app = tmp_path / "tests" / "shop" / "app.py"
    app.parent.mkdir(parents=True)
    app.write_text(RULES["QP603"].wrong)
    assert "QP603" in ids(run(app.parent, "--json")[1])
    tests = app.parent / "tests"
    tests.mkdir()
    app.rename(tests / "app.py")
    assert "QP603" not in ids(run(app.parent, "--json")[1])


@pytest.mark.parametrize("path", ["notes", "."])
def test_nothing_to_check_is_said(
    path: str, write: Write, capsys: pytest.CaptureFixture[str]
) -> None:
    folder = write({"notes.txt": ""})
    (folder / "notes").mkdir()
    assert cli.main([path]) == 2
    printed = capsys.readouterr()
    assert "is the PATH right?" in printed.err
    assert "0 files" in printed.out


def test_what_is_left_out_beside_another_framework_is_said(
    write: Write, run: Run
) -> None:
    write(
        {
            "drivers/__init__.py": "",
            "drivers/web.py": APP.format("from .database import engine"),
            "drivers/api.py": "import fastapi\n",
            "drivers/database.py": DATABASE,
        }
    )
    output = run(".", "--select", "QP")[1]
    assert "another framework is imported there too, so 3 files that do not" in output


def test_a_line_of_many_names_ends(write: Write, run: Run) -> None:
    names = ", ".join(["request.form['a']"] * 20_000)
    write({"app.py": f"from quart import request\n\nx = [{names}, 'ä']\n"})
    found = ids(run("app.py", "--json", "--limit", "0", "--select", "QP101")[1])
    assert len(found) == 20_000


BOTH = {"chat.py": "QP301", "tests/chat.py": "QP301"}
SECTION = "[tool.quart-patterns]\n"


@pytest.mark.parametrize(
    ("section", "options", "found"),
    [
        ("", [], BOTH),
        ('ignore = ["QP3"]', [], {}),
        ('select = ["QP4"]', [], {}),
        ('select = ["QP4"]', ["--select", "QP301"], BOTH),
        ('exclude = ["tests"]', [], {"chat.py": "QP301"}),
        ('per-file-ignores = {"tests/*" = ["QP301"]}', [], {"chat.py": "QP301"}),
    ],
)
def test_the_project_may_configure_it(
    section: str, options: list[str], found: dict[str, str], write: Write, run: Run
) -> None:
    files = {"pyproject.toml": SECTION + section, "chat.py": WEBSOCKET}
    write({**files, "tests/chat.py": WEBSOCKET})
    output = json.loads(run(".", "--json", *options)[1])
    seen = {one["path"]: one["id"] for one in output["findings"]}
    assert seen == found


def test_a_file_without_the_section_says_nothing(write: Write, run: Run) -> None:
    write({"pyproject.toml": "tool = 1\n", "chat.py": WEBSOCKET})
    assert ids(run(".", "--json")[1]) == ["QP301"]


def test_the_section_counts_for_a_file_in_another_folder(
    tmp_path: Path, write: Write, run: Run
) -> None:
    (tmp_path / "pyproject.toml").write_text(SECTION + 'ignore = ["QP301"]')
    folder = write({"chat.py": WEBSOCKET})
    assert ids(run(folder / "chat.py", "--json")[1]) == []


@pytest.mark.parametrize(
    ("section", "complaint"),
    [
        ("nonsense = 1", "[tool.quart-patterns] has no key nonsense"),
        ('select = "QP3"', "'QP3' is no list of strings"),
        ("ignore = [1]", "[1] is no list of strings"),
        ("per-file-ignores = []", "per-file-ignores is no table"),
        ('per-file-ignores = {"a" = "QP3"}', "'QP3' is no list of strings"),
        ('ignore = ["QP999"]', "no rule has an id like QP999"),
        ("select = ", "pyproject.toml: "),
        ("[tool]\nquart-patterns = 1", "[tool.quart-patterns] or its"),
    ],
)
def test_a_section_that_cannot_be_followed_is_status_2(
    section: str, complaint: str, write: Write, capsys: pytest.CaptureFixture[str]
) -> None:
    write({"pyproject.toml": section if "[tool]" in section else SECTION + section})
    with pytest.raises(SystemExit) as exit:
        cli.main(["."])
    assert exit.value.code == 2
    assert complaint in capsys.readouterr().err


# What is found and read


def test_folders_that_are_not_the_users_are_left_out(write: Write, run: Run) -> None:
    folders = [".venv", "node_modules", ".git", "build", "lib/site-packages", "old"]
    write(
        {
            **{f"{folder}/app.py": WEBSOCKET for folder in folders},
            "clean.py": "",
            "env/pyvenv.cfg": "",
            "env/app.py": WEBSOCKET,
            "notes.txt": "",
        }
    )
    assert run(".", "--exclude", "old")[0] == 0
    assert run("build", "lib/site-packages", "env", "--json")[0] == 1


def test_each_file_is_judged_once(write: Write, run: Run) -> None:
    folder = write({"app/chat.py": WEBSOCKET})
    (folder / "app" / "loop").symlink_to(folder, target_is_directory=True)
    (folder / "link.py").symlink_to("app/chat.py")
    assert ids(run(".", "app", "app/chat.py", "--json")[1]) == ["QP301"]


def test_a_file_that_is_named_may_have_any_suffix(write: Write, run: Run) -> None:
    write({"chat": WEBSOCKET, "clean.py": ""})
    assert run(".")[0] == 0
    assert run("chat")[0] == 1


@pytest.mark.parametrize(
    ("text", "line", "reason"),
    [
        (b"from quart import Quart\ndef\n", 2, "cannot parse it: invalid syntax"),
        (b"from quart import Quart\0", 1, "not text: it holds a null byte"),
        (b"# coding: nonsense\n", 1, "cannot parse it: unknown encoding: nonsense"),
        (b"'\xff'\n", 1, "invalid or missing encoding declaration"),
        (b"# " + b"x" * 2_000_000, 1, "larger than 2,000,000 bytes"),
        (b"x = " + b"(" * 10_000 + b")" * 10_000, 1, "too many nested parentheses"),
        (b"x = " + b"-" * 100_000 + b"1", 1, "nested too deeply to parse"),
        (
            b"from quart import g\nx = g" + b".y" * 2_000,
            1,
            "nested too deeply to check",
        ),
    ],
    ids=["syntax", "binary", "coding", "bytes", "huge", "parens", "deep", "chain"],
)
def test_what_cannot_be_read_is_reported(
    text: bytes, line: int, reason: str, write: Write, run: Run
) -> None:
    (write({"chat.py": WEBSOCKET}) / "broken.py").write_bytes(text)
    status, output = run(".", "--json")
    report = json.loads(output)
    assert status == 2
    assert [one["id"] for one in report["findings"]] == ["QP301"]
    assert [(one["path"], one["line"]) for one in report["unread"]] == [
        ("broken.py", line)
    ]
    assert reason in report["unread"][0]["reason"]


def test_files_that_are_none_do_no_harm(write: Write, run: Run) -> None:
    folder = write({})
    (folder / "dangling.py").symlink_to("nowhere")
    (folder / "loop.py").symlink_to("loop.py")
    os.mkfifo(folder / "pipe.py")
    status, output = run(".", "missing")
    assert status == 2
    assert output.splitlines()[:4] == [
        "dangling.py:1:1: not checked: No such file or directory",
        "loop.py:1:1: not checked: Too many levels of symbolic links",
        "missing:1:1: not checked: No such file or directory",
        "pipe.py:1:1: not checked: not a regular file",
    ]
    assert run("loop.py")[0] == 2


def test_a_folder_that_cannot_be_listed_is_reported(
    write: Write, run: Run, monkeypatch: pytest.MonkeyPatch
) -> None:
    write({"chat.py": WEBSOCKET, "locked/chat.py": WEBSOCKET})
    scandir = os.scandir

    def refuse(path: str) -> object:
        if str(path).endswith("locked"):
            raise PermissionError(13, "Permission denied", str(path))
        return scandir(path)

    monkeypatch.setattr(os, "scandir", refuse)
    status, output = run(".")
    assert status == 2
    assert "locked:1:1: not checked: Permission denied" in output


def test_a_file_that_is_gone_when_it_is_read_is_reported(
    write: Write, run: Run, monkeypatch: pytest.MonkeyPatch
) -> None:
    folder = write({"chat.py": WEBSOCKET})

    def vanish(file: Path, *arguments: str) -> None:
        raise FileNotFoundError(2, "No such file or directory")

    monkeypatch.setattr(Path, "open", vanish)
    status, output = run(folder / "chat.py")
    assert status == 2
    assert "chat.py:1:1: not checked: No such file or directory" in output


def test_folders_may_be_deep(write: Write, run: Run) -> None:
    folder = write({})
    for _ in range(400):
        os.mkdir("deep")
        os.chdir("deep")
    Path("chat.py").write_text(WEBSOCKET)
    os.chdir(folder)
    assert run(".")[0] == 1


# What is printed


def test_a_finding_names_place_rule_and_page(write: Write, run: Run) -> None:
    write({"chat.py": WEBSOCKET, "more/chat.py": WEBSOCKET})
    status, output = run(".")
    assert status == 1
    assert output == (
        f"chat.py:8:26: error: QP301 {FOUND} (patterns/websockets.md)\n"
        f"more/chat.py:8:26: error: QP301 {FOUND} (patterns/websockets.md)\n"
        "\n"
        "    2  QP301 request-in-websocket\n"
        "2 errors, 0 warnings, 0 notes; 2 files, 2 of a Quart app, 0 not checked\n"
    )


def test_columns_count_characters(write: Write, run: Run) -> None:
    write({"chat.py": WEBSOCKET.replace("await", "'äöü' and await")})
    assert run(".")[1].startswith("chat.py:8:36: error: QP301")


def test_a_rule_that_fires_often_is_one_line(write: Write, run: Run) -> None:
    write({f"chat{number}.py": WEBSOCKET for number in range(6)})
    first, empty, *_ = run(".")[1].splitlines()
    assert first == (
        f"chat0.py:8:26: error: QP301 {FOUND} (patterns/websockets.md)"
        " [and 5 more; --json lists them]"
    )
    assert empty == ""
    assert len(ids(run(".", "--json")[1])) == 6


def test_the_output_is_bounded_and_says_so(write: Write, run: Run) -> None:
    write({f"chat{number}.py": WEBSOCKET for number in range(5)})
    output = run(".", "--select", "QP", "--limit", "3")[1].splitlines()
    assert output[2].startswith("chat2.py")
    assert output[3] == "... and 2 more lines (--limit 0 shows all)"
    assert "    5  QP301 request-in-websocket" in output
    report = json.loads(run(".", "--limit", "1", "--json", "--select", "QP")[1])
    assert len(report["findings"]) == 1
    assert report["not_shown"] == 4
    assert report["counts"] == {"QP301": 5}
    write({"more.py": "\n".join(["from quart import safe_join"] * 101)})
    assert len(ids(run(".", "--json", "--select", "QP901")[1])) == 101


def test_the_worst_comes_first_and_notes_do_no_harm(write: Write, run: Run) -> None:
    note = next(rule for rule in RULES.values() if rule.severity is Severity.NOTE)
    write({"a.py": note.wrong})
    assert run(".", "--select", note.id)[0] == 0
    write({"b.py": OPENS_FILE, "c.py": WEBSOCKET})
    wanted = f"{note.id},QP301,ASYNC"
    status, output = run(".", "--select", wanted, "--json")
    assert status == 1
    severities = [one["severity"] for one in json.loads(output)["findings"]]
    assert severities == ["error", "warning", "note"]


def test_json_has_a_schema(write: Write, run: Run) -> None:
    write({"chat.py": WEBSOCKET, "task.py": OPENS_FILE, "broken.py": "def\n"})
    status, output = run(".", "--json")
    assert status == 2
    report = json.loads(output)
    assert report.pop("unread")[0].keys() == {"path", "line", "reason"}
    assert report == {
        "schema": 2,
        "findings": [
            {
                "severity": "error",
                "path": "chat.py",
                "line": 8,
                "column": 26,
                "id": "QP301",
                "message": FOUND,
                "page": "patterns/websockets.md",
                "source": "check_app",
            },
            {
                "severity": "warning",
                "path": "task.py",
                "line": 8,
                "column": 10,
                "id": "ASYNC230",
                "message": OPENS,
                "page": "patterns/background_tasks.md",
                "source": "ruff",
            },
        ],
        "counts": {"QP301": 1, "ASYNC230": 1},
        "not_shown": 0,
        "left_out": [],
        "files": {"checked": 3, "in_app": 2, "unread": 1},
        "ruff": None,
    }


@pytest.mark.parametrize(
    ("options", "found"),
    [
        ([], ["QP301", "ASYNC230"]),
        (["--select", "QP301"], ["QP301"]),
        (["--select", "qp3, async"], ["QP301", "ASYNC230"]),
        (["--select", "ASYNC230"], ["ASYNC230"]),
        (["--select", "QP4"], []),
        (["--ignore", "QP3"], ["ASYNC230"]),
        (["--ignore", "ASYNC"], ["QP301"]),
        (["--select", "QP", "--ignore", "QP301"], []),
    ],
)
def test_rules_are_chosen_by_the_beginning_of_their_ids(
    options: list[str], found: list[str], write: Write, run: Run
) -> None:
    write({"chat.py": WEBSOCKET, "task.py": OPENS_FILE})
    status, output = run(".", "--json", *options)
    assert ids(output) == found
    assert status == bool(found)


@pytest.mark.parametrize(
    ("comment", "silent"),
    [
        ("# noqa", True),
        ("# NOQA: qp301", True),
        ("# noqa: E501, QP301", True),
        ("# noqa: QP3", True),
        ("# what it says  # noqa: QP301", True),
        ("# noqa: QP302", False),
        ("# quart", False),
        ("and '# noqa'", False),
    ],
)
def test_a_comment_silences_its_line(
    comment: str, silent: bool, write: Write, run: Run
) -> None:
    code = WEBSOCKET.replace('["name"])', f'["name"]) {comment}')
    write({"chat.py": code + "\n# noqa\n"})
    assert run(".", "--select", "QP")[0] == (not silent)


def test_a_comment_counts_where_the_rest_cannot_be_tokenized() -> None:
    assert silenced("x = 1  # noqa: QP101\n(\n") == {1: ("QP101",)}


@every_rule
def test_a_rule_is_explained(rule: Rule, run: Run) -> None:
    status, output = run("--explain", rule.id)
    assert status == 0
    head, message, why, shown, wrong, wrong_code, *_ = output.split("\n\n", 6)
    assert head == f"{rule.id} {rule.name} ({rule.severity}, patterns/{rule.page}.md)"
    assert message == example_message(rule)
    assert why == f"Why: {rule.why}"
    assert shown == f"Shown: {rule.runs}"
    assert wrong == "Wrong:"
    assert wrong_code.startswith("    ")
    assert "\nRight:\n\n    " in output


def test_the_table_lists_every_rule_as_mdformat_writes_it(run: Run) -> None:
    status, output = run("--rules")
    assert status == 0
    rows = [line for line in output.splitlines() if line.startswith("| Q")]
    assert sorted(row[2:7] for row in rows) == sorted(RULES)
    assert all(row.count("|") == 5 for row in rows)
    command = [sys.executable, "-m", "mdformat", "--compact-tables", "-"]
    formatted = subprocess.run(command, input=output, capture_output=True, text=True)
    assert formatted.stdout == output


@pytest.mark.parametrize(
    ("arguments", "complaint"),
    [
        ([], "give at least one PATH"),
        (["--select", "QP999", "."], "no rule has an id like QP999"),
        (["--ignore", "W1", "."], "no rule has an id like W1"),
        (["--explain", "QP999"], "invalid choice"),
        (["--limit", "few", "."], "invalid int value"),
    ],
)
def test_wrong_usage_is_status_2(
    arguments: list[str], complaint: str, capsys: pytest.CaptureFixture[str]
) -> None:
    with pytest.raises(SystemExit) as exit:
        cli.main(arguments)
    assert exit.value.code == 2
    assert complaint in capsys.readouterr().err


def test_help_describes_status_and_schema(capsys: pytest.CaptureFixture[str]) -> None:
    with pytest.raises(SystemExit) as exit:
        cli.main(["--help"])
    assert exit.value.code == 0
    output = capsys.readouterr().out
    assert "Exit status: 0 no errors and warnings" in output
    assert "not_shown  how many findings" in output


def test_a_copy_of_the_script_runs_by_itself(write: Write, tmp_path: Path) -> None:
    folder = write({"chat.py": WEBSOCKET})
    (folder / os.fsdecode(b"\xff.py")).write_text(WEBSOCKET)
    skill = tmp_path / "skill" / "scripts" / "check_app"
    shutil.copytree(SCRIPT, skill)
    done = subprocess.run(
        [sys.executable, "-E", "-S", skill, "."],
        env={"PATH": "", "PYTHONDONTWRITEBYTECODE": "1"},
        capture_output=True,
        text=True,
    )
    assert (done.returncode, done.stderr) == (1, "")
    assert done.stdout.endswith(ruff_bridge.ABSENT + "\n")
    assert f"chat.py:8:26: error: QP301 {FOUND} (" in done.stdout
    assert "\\udcff.py:8:26" in done.stdout


def test_the_script_runs_with_what_is_installed(write: Write) -> None:
    write({"chat.py": WEBSOCKET})
    done = subprocess.run([sys.executable, SCRIPT, "."], capture_output=True, text=True)
    assert (done.returncode, done.stderr) == (1, "")


# Ruff


def test_ruff_adds_its_findings(write: Write, run: Run) -> None:
    write({"task.py": OPENS_FILE, "plain.py": OPENS_FILE.replace("quart", "acme")})
    status, output = run(".")
    assert status == 1
    assert output == (
        f"task.py:8:10: warning: ASYNC230 {OPENS} "
        "(ruff, patterns/background_tasks.md)\n"
        "\n"
        "    1  ASYNC230 (ruff)\n"
        "0 errors, 1 warnings, 0 notes; 2 files, 1 of a Quart app, 0 not checked\n"
    )


def test_what_both_see_is_said_once(write: Write, run: Run) -> None:
    write({"app.py": RULES["QP714"].wrong})
    assert ids(run(".", "--json")[1]) == ["QP714"]


def test_what_ruff_alone_cannot_parse_is_left_to_python(write: Write, run: Run) -> None:
    write({"task.py": "from quart import Quart\n\n\ndef task(a, a):\n    pass\n"})
    assert run(".")[0] == 0


def test_ruff_is_found_as_a_module(
    write: Write, run: Run, monkeypatch: pytest.MonkeyPatch
) -> None:
    write({"task.py": OPENS_FILE, "ruff.py": "raise SystemExit('user code was run')\n"})
    monkeypatch.setenv("PATH", "")
    assert ids(run(".", "--json")[1]) == ["ASYNC230"]


def test_ruff_absent_is_said(
    write: Write, run: Run, monkeypatch: pytest.MonkeyPatch
) -> None:
    write({"task.py": OPENS_FILE})
    monkeypatch.setenv("PATH", "")
    monkeypatch.setitem(sys.modules, "ruff", None)
    status, output = run(".")
    assert status == 0
    assert output.splitlines()[-1] == ruff_bridge.ABSENT


@pytest.mark.parametrize(
    ("script", "reason"),
    [
        ("echo 'error: no such rule' >&2\nexit 2", "error: no such rule"),
        ("exit 2", "no output"),
        ("echo no json", "Expecting value: line 1 column 1 (char 0)"),
        ("exec sleep 60", "timed out after 0.5 seconds"),
    ],
    ids=["fails", "fails silently", "no json", "too slow"],
)
def test_ruff_failing_is_said(
    script: str, reason: str, write: Write, run: Run, monkeypatch: pytest.MonkeyPatch
) -> None:
    folder = write({"chat.py": WEBSOCKET})
    program = folder / "bin" / "ruff"
    program.parent.mkdir()
    program.write_text(f"#!/bin/sh\n{script}\n")
    program.chmod(0o755)
    monkeypatch.setenv("PATH", str(program.parent), prepend=os.pathsep)
    monkeypatch.setattr(ruff_bridge, "TIMEOUT", 0.5)
    status, output = run("chat.py")
    assert status == 1
    last = output.splitlines()[-1]
    assert last.startswith("ruff failed, its part is incomplete: ")
    assert last.endswith(reason)


def test_ruff_is_not_asked_for_rules_that_are_not_its_own(
    write: Write, run: Run, monkeypatch: pytest.MonkeyPatch
) -> None:
    write({"chat.py": WEBSOCKET})
    monkeypatch.setenv("PATH", "")
    monkeypatch.setitem(sys.modules, "ruff", None)
    assert ruff_bridge.ABSENT not in run(".", "--select", "QP301")[1]


def test_many_files_reach_ruff_in_batches(
    write: Write, run: Run, monkeypatch: pytest.MonkeyPatch
) -> None:
    write({f"task{number}.py": OPENS_FILE for number in range(5)})
    monkeypatch.setattr(ruff_bridge, "BATCH", 2)
    assert ids(run(".", "--json")[1]) == ["ASYNC230"] * 5


# No valid file makes it crash


def small_stdlib_files() -> list[str]:
    folder = Path(sysconfig.get_path("stdlib"))
    files = [*folder.glob("*.py"), *folder.glob("asyncio/*.py")]
    return [str(file) for file in sorted(files) if file.stat().st_size < 20_000]


SOURCES = [
    *(
        example
        for rule in RULES.values()
        if rule.file.endswith(".py")
        for example in (rule.wrong, rule.right)
    ),
    *(Path(file).read_text("utf-8", "replace") for file in small_stdlib_files()),
]
TREES: dict[int, ast.Module] = {}


def nodes_of(source: int, kind: type[ast.AST]) -> list[ast.AST]:
    tree = TREES.setdefault(source, ast.parse(SOURCES[source]))
    return [node for node in ast.walk(tree) if isinstance(node, kind)]


class Graft(ast.NodeTransformer):
    """Puts another tree's node in the place of the numbered one of a kind."""

    def __init__(self, kind: type[ast.AST], number: int, scion: ast.AST) -> None:
        self.kind, self.number, self.scion = kind, number, scion

    def visit(self, node: ast.AST) -> ast.AST:
        if isinstance(node, self.kind) and not isinstance(node, ast.FormattedValue):
            self.number -= 1
            if self.number == 0:
                return self.scion
        return super().generic_visit(node)


numbers = st.integers(min_value=0, max_value=len(SOURCES) - 1)


@settings(deadline=None, max_examples=120, suppress_health_check=[HealthCheck.too_slow])
@given(
    stock=numbers,
    donor=numbers,
    kind=st.sampled_from([ast.expr, ast.stmt]),
    where=st.integers(min_value=1, max_value=60),
    which=st.integers(min_value=0, max_value=60),
)
@example(stock=0, donor=0, kind=ast.expr, where=61, which=0)
def test_no_valid_file_makes_it_crash(
    stock: int, donor: int, kind: type[ast.AST], where: int, which: int
) -> None:
    scions = nodes_of(donor, kind)
    assume(scions)
    tree = Graft(kind, where, scions[which % len(scions)]).visit(
        ast.parse(SOURCES[stock])
    )
    try:
        code = "from quart import *\n" + ast.unparse(tree)
        compile(code, "app.py", "exec", flags=ast.PyCF_ONLY_AST)
    except (SyntaxError, ValueError, AttributeError, TypeError, RecursionError):
        assume(False)
    lines = code.count("\n") + 1
    for name in ("app.py", "tests/test_app.py"):
        module = Module(Path(name), name, code)
        module.in_app = True
        for finding in judge(module, RULES.values()):
            assert 1 <= finding.line <= lines
