import asyncio
import re
import shutil
import subprocess
import sys
import tomllib
from itertools import chain
from pathlib import Path, PurePosixPath

import httpx2
import new_app
import pytest
import yaml
from check_app import cli
from packaging.requirements import Requirement
from sqlalchemy.ext.asyncio import create_async_engine

from tests.support.environment import bare_environment
from tests.support.server import running, start
from tests.support.systemd import systemd_is_told

ROOT = Path(__file__).resolve().parents[1]
PARTS = list(new_app.PARTS)
ADA = {"username": "ada", "email": "ada@example.com", "password": "password123"}


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


def run_tests(folder: Path, *options: str, **env: str) -> str:
    """Pytest has the plugins there that the project asks for, and no other."""
    plugins = ["-p", "pytest_asyncio.plugin", "-p", "pytest_timeout"]
    plugins += ["-p", "no:cacheprovider"]
    done = subprocess.run(
        [sys.executable, "-m", "pytest", "-q", *plugins, *options],
        cwd=folder,
        env={**bare_environment(), **env, "PYTEST_DISABLE_PLUGIN_AUTOLOAD": "1"},
        capture_output=True,
        text=True,
        timeout=170,
        check=False,
    )
    assert done.returncode == 0, done.stdout
    return done.stdout


@pytest.mark.timeout(180)
@pytest.mark.parametrize("first", range(4))
def test_without_a_part_the_rest_passes_its_tests(first: int, tmp_path: Path) -> None:
    """Projects of several names share a process; none of them starts a server."""
    names = {f"without_{part}": part for part in PARTS[first::4]}
    for name, part in names.items():
        project = tmp_path / "projects" / name
        assert new_app.main([name, "--to", str(project), "--without", part]) == 0
        (project / name).rename(tmp_path / name)
        shutil.move(project / "tests", tmp_path / "tests" / f"of_{name}")
        (project / "pyproject.toml").replace(tmp_path / "pyproject.toml")
    options = ["--import-mode=importlib", "--ignore-glob=*test_server.py"]
    output = run_tests(tmp_path, *options, "-v")
    for name in names:
        assert f"tests/of_{name}/test_users.py" in output


@pytest.mark.timeout(180)
def test_with_no_part_the_least_passes_its_tests(tmp_path: Path) -> None:
    run_tests(make(tmp_path, *without(PARTS)))


@pytest.mark.timeout(180)
def test_the_whole_passes_its_tests_on_postgresql_and_redis(
    tmp_path: Path, postgres_url: str, redis_url: str
) -> None:
    services = {"TEST_DATABASE_URL": postgres_url, "TEST_REDIS_URL": redis_url}
    run_tests(make(tmp_path), **services)


async def deletions(
    client: httpx2.AsyncClient, project: Path, database_url: str
) -> list[int]:
    """The statuses before and after the README has made Ada the first admin."""
    bob = {"username": "bob", "email": "bob@example.com", "password": "password123"}
    user = (await client.post("/users", json=bob)).json()
    login = {name: ADA[name] for name in ("username", "password")}

    async def delete() -> int:
        token = (await client.post("/auth/login", json=login)).json()["access_token"]
        headers = {"Authorization": f"Bearer {token}"}
        answer = await client.delete(f"/users/{user['id']}", headers=headers)
        return answer.status_code

    before = await delete()
    statement = (project / "README.md").read_text().partition("```sql\n")[2]
    engine = create_async_engine(database_url)
    async with engine.begin() as connection:
        await connection.exec_driver_sql(statement.partition("```")[0])
    await engine.dispose()
    return [before, await delete()]


async def test_the_whole_serves_on_postgresql_and_redis(
    tmp_path: Path, postgres_url: str, redis_url: str
) -> None:
    project = make(tmp_path)
    env = {
        "DATABASE_URL": postgres_url,
        "MAIL_OUTBOX": "true",
        "PYTHONPATH": str(project),
        "REDIS_URL": redis_url,
    }
    async with running("acme", env=env, cwd=project) as server:
        worker = await start("acme.task_queue.worker", env=env, cwd=project)
        try:
            async with httpx2.AsyncClient(
                base_url=server.url(""), timeout=30
            ) as client:
                assert (await client.post("/users", json=ADA)).status_code == 201
                assert await deletions(client, project, postgres_url) == [403, 204]
            await worker.logged("mail <", seconds=60)
        finally:
            await worker.end()
        await server.logged("linked to the other processes")
        assert await server.stop(seconds=15) == 0


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
        assert (await client.post("/users", json=ADA)).status_code == 201
        assert (await client.get("/ready")).status_code == 200
        file = f"sqlite+aiosqlite:///{project}/app.sqlite3"
        assert await deletions(client, project, file) == [403, 204]
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
    found = texts(make(tmp_path / "alone", "--without", "websocket_scaling"))
    assert not [name for name, text in found.items() if "redis" in text.lower()]


def test_deployment_has_the_name_and_leaves_whole(tmp_path: Path) -> None:
    found = texts(make(tmp_path / "1"))
    assert found["deploy/acme.socket"].startswith("# /etc/systemd/system/acme.socket")
    assert "docker compose" in found["README.md"]
    assert new_app.main(["shop_2", "--to", str(tmp_path / "2")]) == 0
    found = texts(tmp_path / "2")
    assert "acme" not in "".join([*found, *found.values()])
    assert "python -m shop_2\n" in found["deploy/shop_2@.service"]
    assert {*new_app.DEPLOYMENT} == {
        path.name for path in (ROOT / "examples" / "deployment").glob("[!_]*[!y]")
    }
    found = texts(make(tmp_path / "3", "--without", "lifespan"))
    assert found.keys().isdisjoint(new_app.DEPLOYMENT.values())
    assert "compose" not in found["README.md"]


@pytest.mark.parametrize(
    ("part", "words", "services"),
    [
        ("task_queue", "worker|MAIL_OUTBOX", ["app", "nginx", "database", "redis"]),
        ("uploads", "files", ["app", "worker", "nginx", "database", "redis"]),
        ("websocket_scaling", "(?i)redis", ["app", "worker", "nginx", "database"]),
    ],
)
def test_deployment_leaves_out_what_is_left_out(
    part: str, words: str, services: list[str], tmp_path: Path
) -> None:
    found = texts(make(tmp_path, "--without", part))
    names = [name for name in found if name.startswith("deploy/")]
    for name in ("Dockerfile", "README.md", "compose.yaml", *names):
        assert not re.search(words, found[name]), name
    compose = yaml.safe_load(found["compose.yaml"])
    assert [*compose["services"]] == services
    assert ("deploy/acme-worker.service" in found) is ("worker" in services)


@pytest.mark.parametrize(
    ("options", "workers"), [([], ["acme-worker"]), (without(["task_queue"]), [])]
)
async def test_the_worker_is_started_and_restarted_before_the_app(
    options: list[str], workers: list[str], tmp_path: Path
) -> None:
    """An old one does not know the kinds of tasks that new processes store."""
    readme = (make(tmp_path, *options) / "README.md").read_text()
    units = [*workers, "acme@1", "acme@2"]
    assert await systemd_is_told(readme) == [
        f"enable --now acme.socket {' '.join(units)}",
        *(f"restart {unit}" for unit in units),
    ]


def test_the_keys_are_new_and_only_in_env(tmp_path: Path) -> None:
    first, second = make(tmp_path / "1"), make(tmp_path / "2")
    assert (first / ".env").read_text() != (second / ".env").read_text()
    assert "SECRET_KEY=\n" in (first / ".env.example").read_text()
    assert ".env\n" in (first / ".gitignore").read_text()
    assert (first / ".env").stat().st_mode & 0o777 == 0o600


def test_its_tests_run_as_the_page_says(tmp_path: Path) -> None:
    page = (ROOT / "patterns" / "testing.md").read_text(encoding="utf-8")
    shown = tomllib.loads(page.partition("```toml\n")[2].partition("```")[0])
    project = tomllib.loads((make(tmp_path) / "pyproject.toml").read_text())
    assert project["tool"]["pytest"] == shown["tool"]["pytest"]
    asked = {Requirement(one).name for one in project["dependency-groups"]["dev"]}
    assert {"pytest", "pytest-asyncio", "pytest-timeout"} <= asked


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
