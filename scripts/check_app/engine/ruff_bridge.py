"""Some of Ruff's rules, run as a subprocess where it is installed."""

import ast
import json
import shutil
import subprocess
import sys
from importlib.util import find_spec
from typing import Any, NamedTuple, cast

from .quart import Module
from .rule import Finding, Severity, page_path

TIMEOUT = 60
BATCH = 200
PAGES = {
    "ASYNC230": "background_tasks",
    "B012": "lifespan",
    "E722": "websockets",
    "F821": "app_factory",
}
ALSO_OURS = {"E722": "QP305"}  # what a rule of ours finds too, in the same line
OPTIONS = "check --isolated --no-cache --exit-zero --output-format=json"
ABSENT = "ruff is not installed: files opened in views were not looked for"


class Outcome(NamedTuple):
    """`problem` says what went wrong, or nothing."""

    found: list[Finding]
    problem: str


def command() -> list[str]:
    if program := shutil.which("ruff"):
        return [program]
    return [sys.executable, "-P", "-m", "ruff"] if find_spec("ruff") else []


def run(modules: list[Module]) -> Outcome:
    ruff = command()
    if not ruff:
        return Outcome([], ABSENT if modules else "")
    known = {str(module.file): module for module in modules}
    paths = [*known]
    found = []
    try:
        for start in range(0, len(paths), BATCH):
            for entry in check(ruff, paths[start : start + BATCH]):
                code, module = str(entry["code"]), known[entry["filename"]]
                row, column = entry["location"]["row"], entry["location"]["column"]
                if code in PAGES and fits(module, code, row, column):
                    place = module.path, row, column
                    said = code, entry["message"], page_path(PAGES[code]), "ruff"
                    found.append(Finding(Severity.WARNING, *place, *said))
    except (OSError, LookupError, ValueError, subprocess.SubprocessError) as error:
        return Outcome(found, f"ruff failed, its part is incomplete: {error}")
    return Outcome(found, "")


def fits(module: Module, code: str, line: int, column: int) -> bool:
    """A file is opened while clients wait; a name is more than a type in a string."""
    if code == "ASYNC230":
        serving = module.views | module.websocket_handlers
        return any(one.lineno <= line <= (one.end_lineno or 0) for one in serving)
    strings = [one for one in module.nodes(ast.Constant) if isinstance(one.value, str)]
    places = [(one.lineno, one.col_offset, one.end_col_offset or 0) for one in strings]
    quoted = any(row == line and start < column <= end for row, start, end in places)
    return code != "F821" or not quoted


def check(ruff: list[str], paths: list[str]) -> list[dict[str, Any]]:
    options = [*OPTIONS.split(), f"--select={','.join(PAGES)}", "--"]
    done = subprocess.run(
        [*ruff, *options, *paths],
        capture_output=True,
        text=True,
        timeout=TIMEOUT,
        check=False,
    )
    if done.returncode:
        raise ValueError((done.stderr.strip() or "no output").splitlines()[0])
    return cast("list[dict[str, Any]]", json.loads(done.stdout))
