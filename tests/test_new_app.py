import asyncio
import subprocess
import sys
import tomllib
from itertools import chain
from pathlib import Path, PurePosixPath

import httpx2
import new_app
import pytest
from check_app import cli
from packaging.requirements import Requirement

from tests.support.environment import bare_environment
from tests.support.server import running

ROOT = Path(__file__).resolve().parents[1]
PARTS = list(new_app.PARTS)


def make(folder: Path, *options: str) -> Path:
    project = folder / "project"
    assert new_app.main(["acme", "--to", str(project), *options]) == 0
    return project


def without(parts: list[str]) -> list[str]:
    return [word for part in parts for word in ("--without", part)]


def texts(project: Path) -> dict[str, str]:
    return {
        path.relative_to(project).as_posix(): path.read_text()
        for path in project.rglob("*")
        if path.is_file()
    }


def run_tests(folder: Path, *options: str) -> None:
    done = subprocess.run(
        [sys.executable, "-m", "pytest", "-q", "-p", "no:cacheprovider", *options],
        cwd=folder,
        env=bare_environment(),
        capture_output=True,
        text=True,
        timeout=170,
        check=False,
    )
    assert done.returncode == 0, done.stdout


@pytest.mark.timeout(180)
@pytest.mark.parametrize(
    "parts",
    [[], *([part] for part in PARTS), PARTS],
    ids=lambda parts: "+".join(parts) or "whole",
)
def test_what_it_writes_passes_its_tests(parts: list[str], tmp_path: Path) -> None:
    """The real server, which takes seconds, is tried in the whole and in the least."""
    some = ["-k", "not server"] if parts not in ([], PARTS) else []
    run_tests(make(tmp_path, *without(parts)), *some)


@pytest.mark.parametrize("parts", [[], PARTS], ids=["whole", "least"])
def test_it_is_clean_and_under_its_own_name(
    parts: list[str], tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    project = make(tmp_path, *without(parts))
    assert cli.main([str(project), "--select", "QP"]) == 0, capsys.readouterr()
    for name, text in texts(project).items():
        assert "examples" not in text, name
        assert "Try:" not in text, name
    for tool in (["check", "--select", "E,F"], ["format", "--check"]):
        command = [sys.executable, "-m", "ruff", *tool, str(project)]
        done = subprocess.run(command, capture_output=True, text=True, check=False)
        assert done.returncode == 0, done.stdout


async def test_it_serves_with_the_settings_that_it_wrote(tmp_path: Path) -> None:
    project = make(tmp_path)
    env = {"PYTHONPATH": str(project)}
    async with (
        running("acme", env=env, cwd=project) as server,
        httpx2.AsyncClient(base_url=server.url(""), timeout=30) as client,
    ):
        ada = {"username": "ada", "email": "ada@example.com", "password": "password123"}
        assert (await client.post("/users", json=ada)).status_code == 201
        assert (await client.get("/ready")).status_code == 200
        assert await server.stop(seconds=15) == 0
    assert (project / "app.sqlite3").is_file()


def test_a_part_leaves_with_what_only_it_needs(tmp_path: Path) -> None:
    found = texts(make(tmp_path, "--without", "websockets"))
    assert not [name for name in found if "websocket" in name]
    assert "tests/test_chat.py" not in found
    assert "from .websocket" not in found["acme/app_factory.py"]
    project = tomllib.loads(found["pyproject.toml"])
    assert not [
        one for one in project["dependency-groups"]["dev"] if "websockets" in one
    ]


def test_settings_leave_with_their_part(tmp_path: Path) -> None:
    found = texts(make(tmp_path, "--without", "structured_logging"))
    assert "log_level" not in "".join(found.values())
    assert "LOG_LEVEL" not in found[".env"]
    assert "python-json-logger" not in found["pyproject.toml"]


def test_the_keys_are_new_and_only_in_env(tmp_path: Path) -> None:
    first, second = make(tmp_path / "1"), make(tmp_path / "2")
    assert (first / ".env").read_text() != (second / ".env").read_text()
    assert "SECRET_KEY=\n" in (first / ".env.example").read_text()
    assert ".env\n" in (first / ".gitignore").read_text()


def test_requirements_are_those_that_are_tested() -> None:
    """Each is what this project itself asks for."""
    project = tomllib.loads((ROOT / "pyproject.toml").read_text())
    ours = [*project["project"]["dependencies"], *project["dependency-groups"]["dev"]]
    known = {Requirement(one).name: one for one in ours}
    listed = [*chain(*new_app.REQUIREMENTS.values()), *new_app.TOOLS]
    assert {Requirement(one).name: one for one in listed}.items() <= known.items()


def test_an_import_keeps_the_names_that_are_needed() -> None:
    names = [f"a_rather_long_name_{number}" for number in range(5)]
    source = f"from .names import ({', '.join(names)})\n"
    module = new_app.Module(PurePosixPath("use.py"), source, kept={0})
    module.needed = {*names[:1]}
    assert new_app.written(module) == f"from .names import {names[0]}\n"
    module.needed = {*names[:4]}
    lines = "".join(f"    {name},\n" for name in names[:4])
    assert new_app.written(module) == f"from .names import (\n{lines})\n"


@pytest.mark.parametrize(
    ("name", "reason"),
    [
        ("2fast", "is no name for a package"),
        ("class", "is no name for a package"),
        ("Acme", "is no name for a package"),
        ("json", "a module 'json' exists already"),
        ("quart", "a module 'quart' exists already"),
        ("tests", "a module 'tests' exists already"),
        ("examples", "a module 'examples' exists already"),
    ],
)
def test_a_name_that_cannot_be_is_refused(
    name: str, reason: str, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    assert new_app.main([name, "--to", str(tmp_path / "new")]) == 2
    assert reason in capsys.readouterr().err
    assert not (tmp_path / "new").exists()


def test_a_folder_that_is_not_empty_is_refused(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    (tmp_path / "mine.txt").write_text("mine")
    assert new_app.main(["acme", "--to", str(tmp_path)]) == 2
    assert "is not an empty folder" in capsys.readouterr().err
    assert new_app.main(["acme", "--to", str(tmp_path / "mine.txt")]) == 2
    assert [path.name for path in tmp_path.iterdir()] == ["mine.txt"]


def test_a_failure_to_write_says_what_to_do(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    (tmp_path / "file").write_text("")
    assert new_app.main(["acme", "--to", str(tmp_path / "file" / "new")]) == 1
    assert "remove" in capsys.readouterr().err


def test_the_parts_are_listed(capsys: pytest.CaptureFixture[str]) -> None:
    assert new_app.main(["--list"]) == 0
    lines = capsys.readouterr().out.splitlines()
    assert [line.partition(":")[0] for line in lines] == PARTS
    assert any("takes websocket_broadcast" in line for line in lines)


@pytest.mark.parametrize("arguments", [[], ["acme", "--without", "walls"]])
def test_wrong_usage(arguments: list[str]) -> None:
    with pytest.raises(SystemExit) as error:
        new_app.main(arguments)
    assert error.value.code == 2


async def test_it_runs_from_an_installed_copy(tmp_path: Path) -> None:
    install = [sys.executable, "scripts/install_skill.py", "--to", str(tmp_path)]
    process = await asyncio.create_subprocess_exec(
        *install, cwd=ROOT, stdout=asyncio.subprocess.DEVNULL
    )
    assert await process.wait() == 0
    script = tmp_path / "quart-patterns" / "scripts" / "new_app.py"
    process = await asyncio.create_subprocess_exec(
        sys.executable, str(script), "acme", cwd=tmp_path
    )
    assert await process.wait() == 0
    assert (tmp_path / "acme" / "acme" / "app_factory.py").is_file()
