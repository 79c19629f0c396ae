"""Ruff's rules for async code in general, run as a subprocess where it is installed."""

import json
import os
import shutil
import subprocess
import sys
from importlib.util import find_spec
from typing import Any, NamedTuple, cast

from .quart import Module

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
ABSENT = "ruff is not installed: file access in async code was not looked for"


class Outcome(NamedTuple):
    """`found`: module, line, column, code, message; `problem`: what went wrong."""

    found: list[tuple[Module, int, int, str, str]]
    problem: str


def page_of(code: str) -> str:
    return next(page for prefix, page in PAGES.items() if code.startswith(prefix))


def command() -> list[str]:
    if program := shutil.which("ruff"):
        return [program]
    if find_spec("ruff"):
        return [sys.executable, "-P", "-m", "ruff"]
    return []


def run(modules: list[Module]) -> Outcome:
    ruff = command()
    if not ruff:
        return Outcome([], ABSENT)
    by_path = {os.path.realpath(module.file): module for module in modules}
    paths = [*by_path]
    found: list[tuple[Module, int, int, str, str]] = []
    try:
        for start in range(0, len(paths), BATCH):
            for entry in check(ruff, paths[start : start + BATCH]):
                code, place = entry["code"], entry["location"]
                if str(code).startswith(tuple(PAGES)):
                    row, column = place["row"], place["column"]
                    module = by_path[entry["filename"]]
                    found.append((module, row, column, code, entry["message"]))
    except (OSError, LookupError, ValueError, subprocess.SubprocessError) as error:
        return Outcome(found, f"ruff failed, its part is incomplete: {error}")
    return Outcome(found, "")


def check(ruff: list[str], paths: list[str]) -> list[dict[str, Any]]:
    done = subprocess.run(
        [
            *ruff,
            "check",
            "--isolated",
            "--no-cache",
            "--exit-zero",
            f"--select={','.join(PAGES)}",
            "--output-format=json",
            "--",
            *paths,
        ],
        capture_output=True,
        text=True,
        timeout=TIMEOUT,
        check=False,
    )
    if done.returncode:
        raise ValueError((done.stderr.strip() or "no output").splitlines()[0])
    return cast("list[dict[str, Any]]", json.loads(done.stdout))
