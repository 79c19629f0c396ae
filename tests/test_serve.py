import asyncio
import json
import os
import shlex
import shutil
import signal
import socket
import sys
from collections.abc import Iterator
from pathlib import Path

import install_skill
import pytest
import serve

from tests.support.shell import program, run

GREETING = '''\
"""Greet whoever connects.

Try:
    curl -s http://127.0.0.1:8000/
    echo $TOKEN_KEY

Not a command.
"""

import json
import os
import signal
import sys


def end(number: int, frame: object) -> None:
    os.write(1, b"ending\\n")  # a print may be under way
    sys.exit(7)


if __name__ == "__main__":
    signal.signal(signal.SIGTERM, end)
    print("Running on", json.dumps(dict(os.environ)), flush=True)
    if "WAIT" in os.environ:
        signal.pause()
    sys.exit(3)
'''


@pytest.fixture
def root(tmp_path: Path) -> Path:
    """Examples that print their environment, and a copy of the script beside them."""
    texts = {
        "examples/__init__.py": "",
        "examples/__main__.py": '"""Serve all."""\n\nraise SystemExit(5)\n',
        "examples/greeting.py": GREETING,
        "examples/farewell/__init__.py": '"""Say goodbye."""\n',
        "examples/farewell/__main__.py": "raise SystemExit(4)\n",
        "examples/plain/__init__.py": "",
        "examples/testing/conftest.py": "",
        "scripts/serve.py": Path(serve.__file__).read_text(),
    }
    for name, text in texts.items():
        path = tmp_path / name
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_text(text)
    return tmp_path


@pytest.fixture
def main(root: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[None]:
    """`serve.main` serves the examples under `root`, in this process."""
    before = [signal.getsignal(number) for number in serve.SIGNALS]
    monkeypatch.setattr(serve, "ROOT", root)
    yield
    for number, handler in zip(serve.SIGNALS, before, strict=True):
        signal.signal(number, handler)


async def read_until(process: asyncio.subprocess.Process, text: str) -> list[str]:
    assert process.stdout is not None
    lines: list[str] = []
    async with asyncio.timeout(30):
        while not any(text in line for line in lines):
            line = await process.stdout.readline()
            assert line, "".join(lines)
            lines.append(line.decode())
    return lines


@pytest.mark.usefixtures("main")
def test_an_example_gets_an_address_a_database_and_keys(
    capfd: pytest.CaptureFixture[str],
) -> None:
    assert serve.main(["greeting"]) == 3

    said, _, printed = capfd.readouterr().out.partition("Running on ")
    environment = json.loads(printed)
    address, key = environment["BIND"], environment["TOKEN_KEY"]
    assert said == (
        "Greet whoever connects.\n\n"
        f"Serving examples.greeting on http://{address}; try:\n\n"
        f"  curl -s http://{address}/\n  echo {key}\n\nCtrl+C ends it.\n"
    )
    database = environment["DATABASE_URL"].removeprefix("sqlite+aiosqlite:///")
    assert Path(database).is_absolute()
    assert not Path(database).parent.exists()
    assert [len(key), len(environment["SECRET_KEY"])] == [64, 64]
    assert key != environment["SECRET_KEY"]


@pytest.mark.usefixtures("main")
@pytest.mark.parametrize(
    ("arguments", "said", "exit_code"),
    [
        ([], "Serve all.\n\nServing examples on ", 5),
        (["farewell"], "Say goodbye.\n\nServing examples.farewell on ", 4),
    ],
)
def test_the_whole_service_and_a_package_are_served(
    arguments: list[str], said: str, exit_code: int, capfd: pytest.CaptureFixture[str]
) -> None:
    assert serve.main(arguments) == exit_code
    assert capfd.readouterr().out.startswith(said)


@pytest.mark.usefixtures("main")
def test_only_what_can_be_run_is_an_example(root: Path) -> None:
    assert serve.examples() == {
        "farewell": root / "examples/farewell/__init__.py",
        "greeting": root / "examples/greeting.py",
    }


@pytest.mark.usefixtures("main")
def test_an_unknown_example_is_a_usage_error(
    capsys: pytest.CaptureFixture[str],
) -> None:
    with pytest.raises(SystemExit) as error:
        serve.main(["sockets"])
    assert error.value.code == 2
    assert "invalid choice: 'sockets'" in capsys.readouterr().err


@pytest.mark.parametrize("number", serve.SIGNALS)
async def test_a_signal_ends_the_example_once_and_leaves_nothing(
    root: Path, number: signal.Signals
) -> None:
    temporary = root / "temporary"
    temporary.mkdir()
    process = await asyncio.create_subprocess_exec(
        *(sys.executable, "scripts/serve.py", "greeting"),
        cwd=root,
        env={**os.environ, "TMPDIR": str(temporary), "WAIT": "1"},
        stdout=asyncio.subprocess.PIPE,
        start_new_session=True,
    )
    try:
        await read_until(process, "Running on")
        assert [path.name[:15] for path in temporary.iterdir()] == ["quart-patterns-"]
        os.killpg(process.pid, number)  # as a terminal does
        output, _ = await asyncio.wait_for(process.communicate(), 30)
    finally:
        if process.returncode is None:
            process.kill()
            await process.wait()
    assert (output, process.returncode) == (b"ending\n", 7)
    assert list(temporary.iterdir()) == []


def test_a_busy_port_is_passed_over() -> None:
    with socket.create_server(("127.0.0.1", 0)) as server:
        taken = server.getsockname()[1]
        assert serve.free_port(taken) not in {0, taken}


def test_commands_are_ready_to_paste() -> None:
    line = "python -c 1 $SECRET_KEY | websockets ws://127.0.0.1:8000/ws $TOKEN"
    module = "python -m websockets ws://127.0.0.1:8000/ws"
    environment = {"BIND": "127.0.0.1:4321", "SECRET_KEY": "s3cret"}
    tools = Path(sys.executable).parent
    assert serve.ready(line, environment) == (
        f"{tools}/python -c 1 s3cret | {tools}/websockets ws://127.0.0.1:4321/ws $TOKEN"
    )
    assert serve.ready(module, environment) == (
        f"{tools}/python -m websockets ws://127.0.0.1:4321/ws"
    )


@pytest.fixture(scope="session")
def installed(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """An installed copy, and beside it the script that serves its examples."""
    folder = tmp_path_factory.mktemp("skills")
    assert install_skill.main(["--to", str(folder)]) == 0
    shutil.copy(serve.__file__, folder / "quart-patterns" / "scripts")
    return folder / "quart-patterns"


async def test_an_installed_example_answers_its_commands(installed: Path) -> None:
    for name in ("", "websockets"):  # both take port 8000
        await answers_its_commands(installed, name)


async def answers_its_commands(installed: Path, name: str) -> None:
    script = [sys.executable, "scripts/serve.py", *name.split()]
    async with program(*script, cwd=installed) as process:
        lines = await read_until(process, "Running on")
        commands = [line.strip() for line in lines if line.startswith("  ")]
        results = [
            await run(f"cd {shlex.quote(str(installed))} && {command}")
            for command in commands
        ]
        process.terminate()
        async with asyncio.timeout(20):
            exit_code = await process.wait()

    assert results
    for code, output in results:
        assert code == 0, output
        assert output
        assert "<title>500" not in output  # Quart's own page: nobody meant this error
    assert exit_code == 0
