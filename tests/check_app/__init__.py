"""What each rule finds, and what it leaves alone, one module for each page.

A comment such as `# QP101` marks the line of a finding; a case without marks is clean.
"""

import importlib
from pathlib import Path

import pytest
from check_app.cli import RULES
from check_app.engine.quart import Module
from check_app.engine.report import judge

PREAMBLE = """\
import asyncio
import json
import os

import quart_schema
from quart import (
    Blueprint, Quart, Response, abort, current_app, g, jsonify, make_response, request,
    send_file, send_from_directory, session, websocket,
)

app = Quart(__name__)
blueprint = Blueprint("notes", __name__)
"""


def marked(code: str) -> set[tuple[str, int]]:
    return {
        (id, number)
        for number, line in enumerate(code.splitlines(), 1)
        for id in RULES
        if f"# {id}" in line
    }


def judged(code: str, name: str = "app.py") -> set[tuple[str, int]]:
    module = Module(Path(name), name, code)
    module.in_app = module.imports_quart
    found = judge(module, RULES.values()) if module.in_app else ()
    return {(one.id, one.line) for one in found}


def check(code: str) -> None:
    name = "tests/test_app.py" if "import pytest" in code else "app.py"
    assert judged(code, name) == marked(code)


def cases(text: str) -> pytest.MarkDecorator:
    """The cases in a text, each under a line that starts with `##`."""
    found = [case.split("\n", 1) for case in text.split("\n## ")[1:]]
    return pytest.mark.parametrize(
        "code", [code for _, code in found], ids=[name for name, _ in found]
    )


def put_in(id: str, old: str, new: str) -> set[str]:
    """The rules that find something when the rule's wrong example says `new`."""
    wrong = RULES[id].wrong
    assert old in wrong
    return {found for found, _ in judged(wrong.replace(old, new), RULES[id].file)}


def exists(name: str) -> bool:
    module, _, attribute = name.rpartition(".")
    try:
        if module and hasattr(importlib.import_module(module), attribute):
            return True
        importlib.import_module(name)
    except (ImportError, TypeError):
        return False
    return True
