"""Serve the examples on 127.0.0.1 with a SQLite file of their own, and say how to try.

    python scripts/serve.py                the whole service
    python scripts/serve.py websockets     one example

Exit codes: that of the server; 2 usage.
"""

import argparse
import ast
import os
import re
import secrets
import shlex
import signal
import socket
import subprocess
import sys
import tempfile
from collections.abc import Mapping
from pathlib import Path

ROOT = Path(__file__).resolve().parents[1]
WRITTEN = "127.0.0.1:8000"
SIGNALS = [
    getattr(signal, name)
    for name in ("SIGINT", "SIGTERM", "SIGHUP")  # Windows lacks the last one
    if hasattr(signal, name)
]


def examples() -> dict[str, Path]:
    """What can be served by name, and the module whose docstring has the commands."""
    folder = ROOT / "examples"
    modules = {path.stem: path for path in folder.glob("[!_]*.py")}
    packages = {
        path.parent.name: path.with_name("__init__.py")
        for path in folder.glob("*/__main__.py")
    }
    return dict(sorted({**modules, **packages}.items()))


def free_port(wanted: int = 8000) -> int:
    """`wanted` where it is free, else a port that the system chooses."""
    with socket.socket() as probe:
        probe.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        try:
            probe.bind(("127.0.0.1", wanted))
        except OSError:
            probe.bind(("127.0.0.1", 0))
        return int(probe.getsockname()[1])


def commands(docstring: str) -> list[str]:
    """The shell commands under `Try:`, one a line."""
    _, _, block = docstring.partition("Try:\n")
    return [line.strip() for line in block.splitlines() if line.startswith("    ")]


def ready(command: str, environment: Mapping[str, str]) -> str:
    """`command` as it can be pasted into another terminal."""
    tools = Path(sys.executable).parent
    command = command.replace(WRITTEN, environment["BIND"])
    for name, value in environment.items():
        command = command.replace(f"${name}", value)
    return re.sub(
        r"(?<![\w/.-])(?<!-m )(python|websockets)(?= )",
        lambda match: shlex.quote(str(tools / match[1])),
        command,
    )


def main(arguments: list[str] | None = None) -> int:
    found = examples()
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument(
        "example",
        nargs="?",
        choices=found,
        metavar="EXAMPLE",
        help=f"{', '.join(found)}; without it the whole service",
    )
    name = parser.parse_args(arguments).example
    module = f"examples.{name}" if name else "examples"
    path = found[name] if name else ROOT / "examples" / "__main__.py"
    docstring = ast.get_docstring(ast.parse(path.read_text(encoding="utf-8"))) or ""
    idea, _, _ = docstring.partition("\n")
    address = f"127.0.0.1:{free_port()}"

    with tempfile.TemporaryDirectory(prefix="quart-patterns-") as folder:
        environment = {
            "BIND": address,
            "DATABASE_URL": f"sqlite+aiosqlite:///{folder}/app.sqlite3",
            "SECRET_KEY": secrets.token_hex(32),
            "TOKEN_KEY": secrets.token_hex(32),
            "UPLOAD_FOLDER": f"{folder}/stored_files",
        }
        print(f"{idea}\n\nServing {module} on http://{address}; try:\n")
        for command in commands(docstring):
            print(f"  {ready(command, environment)}")
        print("\nCtrl+C ends it.", flush=True)
        process = subprocess.Popen(
            [sys.executable, "-m", module],
            cwd=ROOT,
            env={**os.environ, **environment},
            start_new_session=True,  # Ctrl+C reaches it once, from here
        )
        for number in SIGNALS:
            signal.signal(number, lambda *_: process.terminate())
        return process.wait()


if __name__ == "__main__":
    sys.exit(main())
