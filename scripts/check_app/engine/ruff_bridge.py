"""Ruff's rules for async code in general, run as a subprocess where it is installed."""

import json
import os
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
    "ASYNC2": "background_tasks",
    "B012": "lifespan",
    "E722": "websockets",
    "F821": "app_factory",
    "RUF006": "background_tasks",
}
ALSO_OURS = {  # what rules of ours find too, in the same line
    **{f"ASYNC{number}": ["QP702"] for number in (210, 212, 220, 221, 222, 251)},
    "E722": ["QP305"],
    "RUF006": ["QP714", "QP822"],
}
OPTIONS = "check --isolated --no-cache --exit-zero --output-format=json"
ABSENT = "ruff is not installed: file access in async code was not looked for"


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
    known = {os.path.realpath(module.file): module.path for module in modules}
    paths = [*known]
    found = []
    try:
        for start in range(0, len(paths), BATCH):
            for entry in check(ruff, paths[start : start + BATCH]):
                code = str(entry["code"])
                page = next((PAGES[one] for one in PAGES if code.startswith(one)), "")
                if page:
                    row, column = entry["location"]["row"], entry["location"]["column"]
                    place = known[entry["filename"]], row, column
                    said = code, entry["message"], page_path(page), "ruff"
                    found.append(Finding(Severity.WARNING, *place, *said))
    except (OSError, LookupError, ValueError, subprocess.SubprocessError) as error:
        return Outcome(found, f"ruff failed, its part is incomplete: {error}")
    return Outcome(found, "")


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
