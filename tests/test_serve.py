import asyncio
import shutil
import socket
import sys
from pathlib import Path

import install_skill
import pytest
import serve

from tests.support.shell import program, run


@pytest.fixture(scope="session")
def installed(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """An installed copy, and beside it the script that serves its examples."""
    folder = tmp_path_factory.mktemp("skills")
    install_skill.main(["--to", str(folder)])
    shutil.copy(serve.__file__, folder / "quart-patterns" / "scripts")
    return folder / "quart-patterns"


async def read_until(process: asyncio.subprocess.Process, text: str) -> list[str]:
    assert process.stdout is not None
    lines: list[str] = []
    async with asyncio.timeout(20):
        while not any(text in line for line in lines):
            line = await process.stdout.readline()
            assert line, "".join(lines)
            lines.append(line.decode())
    return lines


@pytest.mark.parametrize("name", serve.modules())
async def test_an_installed_example_answers_its_commands(
    installed: Path, name: str
) -> None:
    async with program(
        sys.executable, "scripts/serve.py", name, cwd=installed
    ) as process:
        lines = await read_until(process, "Running on")
        commands = [line.strip() for line in lines if line.startswith("  ")]
        results = await asyncio.gather(*map(run, commands))
        process.terminate()
        async with asyncio.timeout(15):
            exit_code = await process.wait()

    assert [code for code, _ in results] == [0] * 3, results
    assert all(output for _, output in results), results
    assert "Internal Server Error" not in "".join(output for _, output in results)
    assert exit_code == 0


async def test_serve_leaves_no_database_behind(tmp_path: Path) -> None:
    async with program(
        sys.executable,
        serve.__file__,
        "database_sessions",
        cwd=tmp_path,
        env={"TMPDIR": str(tmp_path)},
    ) as process:
        await read_until(process, "Running on")
        assert [path.name[:15] for path in tmp_path.iterdir()] == ["quart-patterns-"]
        process.terminate()
        async with asyncio.timeout(15):
            await process.wait()
    assert list(tmp_path.iterdir()) == []


def test_a_busy_port_is_passed_over() -> None:
    with socket.socket() as taken:
        taken.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        try:
            taken.bind(("127.0.0.1", 8000))
        except OSError:
            pass  # somebody else's server holds it, which is the situation we want
        else:
            taken.listen()
        assert serve.free_port() not in {0, 8000}


def test_commands_are_ready_to_paste() -> None:
    line = "python -c 1 $SECRET_KEY | websockets ws://127.0.0.1:8000/ws"
    tools = Path(sys.executable).parent
    assert serve.ready(line, "127.0.0.1:4321", "s3cret") == (
        f"{tools}/python -c 1 s3cret | {tools}/websockets ws://127.0.0.1:4321/ws"
    )


@pytest.mark.parametrize(
    ("name", "command"),
    [
        ("lifespan", "examples.lifespan"),
        ("websocket_broadcast", "examples.websocket_broadcast"),
        (
            "websockets",
            "hypercorn -w 0 -b 127.0.0.1:1 examples.websockets:create_app()",
        ),
    ],
)
def test_an_example_with_a_main_starts_itself(name: str, command: str) -> None:
    launched = serve.launch(name, serve.modules()[name], "127.0.0.1:1")
    assert launched == [sys.executable, "-m", *command.split()]


def test_an_unknown_example_is_a_usage_error(
    capsys: pytest.CaptureFixture[str],
) -> None:
    with pytest.raises(SystemExit) as error:
        serve.main(["sockets"])
    assert error.value.code == 2
    assert "invalid choice: 'sockets'" in capsys.readouterr().err
