"""Clients, fixtures and commands: the rules of testing."""

import importlib
import inspect
from collections.abc import Callable
from pathlib import Path

import click
import pytest
import quart.cli
from check_app.engine.project import Project
from check_app.engine.report import report_on
from check_app.rules import testing as rules
from quart.testing import connections

from tests.check_app import PREAMBLE, cases, check, judged, put_in

IDS = ("QP103", "QP801", "QP804", "QP805", "QP820")
Found = Callable[[dict[str, str]], list[str]]


@pytest.fixture
def found(tmp_path: Path) -> Found:
    """What the rules of this page find in a project of these files."""

    def found(files: dict[str, str]) -> list[str]:
        for name, text in files.items():
            file = tmp_path / name
            file.parent.mkdir(parents=True, exist_ok=True)
            file.write_text(text)
        report = report_on(Project([tmp_path]), lambda code, _: code in IDS)
        assert report.unread == []
        return [one.id for one in report.findings]

    return found


@cases("""
## client and response
import pytest

@pytest.fixture
def client():
    return app.test_client()

@pytest.fixture
async def started():
    async with app.test_app() as test_app:
        yield test_app.test_client()

@pytest.fixture
def nothing():
    return

@pytest.fixture(name="other")
def named():
    pass

async def test_it(client, started, nothing, unknown, *, app: "Quart"):
    client.get("/")  # QP103
    (await started.post("/")).get_json()["a"]  # QP103
    app.test_client().get("/")  # QP103
    nothing.get("/")
    unknown.get("/")
    response = await client.get("/")
    assert response.json == {}  # QP103
    assert response.status_code == 200
    assert await response.get_data() == b""
    response.data = b""
    tasks.append(client.get)
    assert client.cookie_jar.get("a") is None
    response.data.close()
    await asyncio.gather(client.get("/"), client.get("/"))
    async with client.websocket("/") as socket:
        socket.send("a")  # QP103
        assert socket.receive() == "a"  # QP103
        await socket.send("a")
## annotated client
import pytest
from quart import testing
from quart.typing import TestClientProtocol
from quart.testing import QuartClient

async def test_one(client: TestClientProtocol):
    client.get("/")  # QP103

async def test_two(client: QuartClient | None):
    client.get("/")  # QP103

async def test_three(client: "QuartClient"):
    client.get("/")  # QP103

async def test_four(client: "testing.QuartClient", other: "Unknown", one: 1):
    client.get("/")  # QP103
    other.get("/")
    one.get("/")
## kept client
import pytest

class TestIt:
    def setup_method(self):
        self.client = Quart(__name__).test_client()
        self.other = 1
        self.other = ""
        first, second = 1, 2
        table["a"] = 1

    async def test_one(self):
        self.client.get("/")  # QP103
        self.other.get("/")
        self.missing.get("/")
## commands
import asyncclick
import click
from click import command, group

@app.cli.command
async def one():  # QP801
    pass

@blueprint.cli.command("two")
@click.option("--a")
async def two():  # QP801
    pass

@command
async def three():  # QP801
    pass

@group()
def cli():
    pass

@cli.command()
async def four():  # QP801
    pass

@click.command()
@run_async
async def five():
    pass

@app.cli.command()
def six():
    pass

@other.command()
async def seven():
    pass

@bot.command
async def eight():
    pass

def plain():
    pass

@plain.command()
async def nine():
    pass

@asyncclick.command()
async def ten():
    pass
## own groups
import click
from quart.cli import AppGroup

users = AppGroup("users")
notes = click.Group("notes")

@users.command("add")
async def one():  # QP801
    pass

@notes.command("add")
async def two():  # QP801
    pass
## fixtures
import pytest
import pytest_asyncio

@pytest.fixture
async def one():  # QP804
    return 1

@pytest_asyncio.fixture
async def two():
    return 1

@pytest.fixture
def three():
    return 1
## fixtures of another plugin
import pytest

@pytest.fixture
async def one():
    return 1
## forms
import pytest

from quart.testing import QuartClient

async def test_one(client: QuartClient, http):
    form = {"a": "b"}
    await client.post("/", data=form)  # QP820
    await client.put("/", data={"a": open("b")}, headers={})  # QP820
    await client.post("/", data={})
    await client.post("/", data="a=b")
    await client.post("/", data=text)
    await client.post("/", json={"a": "b"})
    await client.post("/", form={"a": "b"})
    await http.post("/", data={"a": "b"})
""")
def test_tests(code: str) -> None:
    check(PREAMBLE + code)


@pytest.mark.parametrize(
    ("kind", "name"),
    [
        (kind, name)
        for kind, names in rules.COROUTINES.items()
        for name in sorted(names.split())
    ],
)
def test_each_coroutine(kind: str, name: str) -> None:
    module, _, owner = kind.rpartition(".")
    source = connections if "Test" in owner else importlib.import_module(module)
    assert inspect.iscoroutinefunction(getattr(getattr(source, owner), name))
    code = f"import {module}\n\ndef test(one: {kind}):\n    one.{name}()\n"
    assert judged(code) == {("QP103", 4)}


@pytest.mark.parametrize("name", sorted(rules.COMMANDS))
def test_each_command(name: str) -> None:
    owner, _, attribute = name.rpartition(".")
    kinds = {"click": click, "click.Group": click.Group}
    assert hasattr(kinds.get(owner, quart.cli.AppGroup), attribute)
    made = owner if owner == "click" else f'{owner}("notes")'
    new = f"import click, quart.cli\none = {made}\n\n@one.command"
    assert "QP801" in put_in("QP801", "@app.cli.command", new)


# What the other files of a project tell

FIXTURE = """\
import pytest
from quart import Quart


@pytest.fixture
async def app():
    return Quart(__name__)
"""
PYTEST = "[tool.pytest.ini_options]\n"


@pytest.mark.parametrize(
    ("file", "text", "ids"),
    [
        ("pyproject.toml", f'{PYTEST}asyncio_mode = "auto"\n', []),
        ("pyproject.toml", PYTEST, ["QP804"]),
        ("pyproject.toml", "[tool.ruff]\n", []),
        ("pyproject.toml", "[tool.pytest]\nasyncio_mode = 'strict'\n", ["QP804"]),
        ("pytest.toml", "[pytest]\nasyncio_mode = 'auto'\n", []),
        ("pytest.ini", "asyncio_mode", []),
        ("pytest.ini", "[pytest]\nasyncio_mode = strict\n", ["QP804"]),
        ("pytest.ini", "[pytest]\naddopts = --asyncio-mode=auto\n", []),
        ("pytest.ini", "[pytest]\nanyio_mode = auto\n", []),
        ("setup.cfg", "[tool:pytest]\nasyncio_mode = auto\n", []),
        ("tox.ini", "[pytest]\n", ["QP804"]),
    ],
)
def test_the_mode_is_looked_up(
    file: str, text: str, ids: list[str], found: Found
) -> None:
    marks = {"setup.py": "", file: text}
    assert found({**marks, "tests/unit/conftest.py": FIXTURE}) == ids


@pytest.mark.parametrize(
    ("file", "text"),
    [
        ("requirements-dev.txt", "pytest-asyncio==0.{}.1\n"),
        ("poetry.lock", 'name = "pytest-asyncio"\nversion = "0.{}.0"\n'),
        ("Pipfile", 'pytest-asyncio = "==0.{}.0"\n'),
    ],
)
@pytest.mark.parametrize(
    ("version", "ids"), [(9, []), (18, []), (19, ["QP804"]), (21, ["QP804"])]
)
def test_an_old_plugin_has_another_mode(
    file: str, text: str, version: int, ids: list[str], found: Found
) -> None:
    files = {"pytest.ini": "[pytest]\n", file: text.format(version)}
    assert found({**files, "conftest.py": FIXTURE}) == ids


HOOKED = """\
from quart import Quart

price = None


def create_app():
    app = Quart(__name__)

    @app.before_serving
    async def start():
        global price
        {}

    @app.after_serving
    async def stop():
        app.engine = None

    @app.get("/")
    async def show():
        return {{"a": app.engine, "b": app.extensions["engine"], "c": price}}

    return app
"""
CLIENT = """\
from acme import create_app


async def test_index():
    client = create_app().test_client()
    assert (await client.get("/")).status_code == 404


async def test_index_again():
    await create_app().test_client().get("/")
"""


@pytest.mark.parametrize(
    ("hook", "files", "ids"),
    [
        ("app.engine = open_engine()", {}, ["QP805"]),
        ("app.extensions['engine'] = 1", {}, ["QP805"]),
        ("price = 3", {}, ["QP805"]),
        ("app.engine = None", {}, []),
        ("engine = 3", {}, []),
        ("engine, cache = 3, 4", {}, []),
        ("app.unread = 3", {}, []),
        ("print('starting')", {}, []),
        ("app.engine = 3", {"conftest.py": "import acme\n"}, ["QP805"]),
        ("app.engine = 3", {"conftest.py": "def f(app):\n    app.test_app()\n"}, []),
        (
            "app.engine = 3",
            {"conftest.py": "async def f(app):\n    app.startup()\n"},
            [],
        ),
        ("app.engine = 3", {"conftest.py": "import quart\nquart.Quart('a')\n"}, []),
        ("app.engine = 3", {"tests/conftest.py": "def f(app): app.engine = 4\n"}, []),
        ("app.engine = 3", {"own.py": "import acme\nacme.app.engine = 4\n"}, ["QP805"]),
        ("CACHE['engine'] = 3", {}, ["QP805"]),
    ],
)
def test_a_client_without_lifespan_matters_where_only_hooks_set_what_is_read(
    hook: str, files: dict[str, str], ids: list[str], found: Found
) -> None:
    code = {"acme.py": HOOKED.format(hook), "tests/test_acme.py": CLIENT}
    assert found({**code, **files}) == ids


def test_what_is_set_elsewhere_too_is_not_missed(found: Found) -> None:
    hooked = HOOKED.format("CACHE['engine'] = 3") + "\n\nCACHE = {'engine': None}\n"
    assert found({"acme.py": hooked, "tests/test_acme.py": CLIENT}) == []


def test_a_client_of_a_conftest_is_known(found: Found) -> None:
    fixture = "@pytest.fixture\ndef client(app):\n    return app.test_client()\n"
    test = "import quart\n\nasync def test_it(client):\n    client.get('/')\n"
    files = {"tests/conftest.py": f"import pytest\nimport quart\n\n\n{fixture}"}
    assert found({**files, "tests/unit/test_it.py": test}) == ["QP103"]
