"""Serve one example on 127.0.0.1 with a SQLite file of its own, and say how to try it.

    python scripts/serve.py websockets

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
from pathlib import Path

ROOT = Path(__file__).resolve().parents[1]
WRITTEN = "127.0.0.1:8000"


def modules() -> dict[str, Path]:
    """The examples by name; of a package, the module that holds the docstring."""
    examples = ROOT / "examples"
    found = [*examples.glob("*.py"), *examples.glob("*/__init__.py")]
    named = {
        path.parent.name if path.stem == "__init__" else path.stem: path
        for path in found
    }
    return {
        name: named[name] for name in sorted(named) if name not in {"examples", "dont"}
    }


def free_port() -> int:
    """8000 where it is free, else a port that the system chooses."""
    with socket.socket() as probe:
        probe.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        try:
            probe.bind(("127.0.0.1", 8000))
        except OSError:
            probe.bind(("127.0.0.1", 0))
        return int(probe.getsockname()[1])


def commands(docstring: str) -> list[str]:
    """The shell commands under `Try:`, one a line."""
    _, _, block = docstring.partition("Try:\n")
    return [line.strip() for line in block.splitlines() if line.startswith("    ")]


def ready(command: str, address: str, secret: str) -> str:
    """`command` as it can be pasted into another terminal."""
    tools = Path(sys.executable).parent
    command = command.replace(WRITTEN, address).replace("$SECRET_KEY", secret)
    return re.sub(
        r"(?<![\w/.-])(python|websockets)(?= )",
        lambda match: shlex.quote(str(tools / match[1])),
        command,
    )


def launch(name: str, path: Path, address: str) -> list[str]:
    """The launch that the page names: the example's own `main()`, or Hypercorn's."""
    functions = {getattr(node, "name", "") for node in ast.parse(path.read_text()).body}
    package = path.name == "__init__.py"
    if "main" in functions or (package and path.with_name("__main__.py").is_file()):
        return [sys.executable, "-m", f"examples.{name}"]
    target = f"examples.{name}:create_app()"
    return [sys.executable, "-m", "hypercorn", "-w", "0", "-b", address, target]


def main(arguments: list[str] | None = None) -> int:
    found = modules()
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument(
        "example", choices=found, metavar="EXAMPLE", help=", ".join(found)
    )
    name = parser.parse_args(arguments).example
    path = found[name]
    address = f"127.0.0.1:{free_port()}"
    secret = secrets.token_hex(32)
    docstring = ast.get_docstring(ast.parse(path.read_text())) or ""

    idea, _, _ = docstring.partition("\n")
    print(f"{idea}\n\nServing {name} on http://{address}; try:\n")
    for command in commands(docstring):
        print(f"  {ready(command, address, secret)}")
    print("\nCtrl+C ends it.", flush=True)
    with tempfile.TemporaryDirectory(prefix="quart-patterns-") as folder:
        environment = {
            "BIND": address,
            "CORS_ORIGINS": "http://localhost:8000",
            "DATABASE_URL": f"sqlite+aiosqlite:///{folder}/app.sqlite3",
            "SECRET_KEY": secret,
        }
        process = subprocess.Popen(
            launch(name, path, address), cwd=ROOT, env={**os.environ, **environment}
        )
        for number in (signal.SIGINT, signal.SIGTERM):
            signal.signal(number, lambda *_: process.terminate())
        return process.wait()


if __name__ == "__main__":
    sys.exit(main())
