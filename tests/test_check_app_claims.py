"""Each rule's example: wrong is found and fails as said, right is clean and works."""

import ast
import asyncio
import gc
import importlib
import logging
import re
import subprocess
import sys
import tempfile
import types
from collections.abc import Awaitable, Iterator
from contextlib import contextmanager
from io import BytesIO
from pathlib import Path
from typing import Any

import pytest
from check_app.cli import RULES
from check_app.engine.report import example_of, judge
from check_app.engine.rule import Rule
from quart import Quart
from quart.datastructures import FileStorage

from tests.support.versions import QUART_0_23

every_rule = pytest.mark.parametrize("rule", RULES.values(), ids=list(RULES))


def upload(name: str) -> FileStorage:
    """For `files={...}` of the test client."""
    return FileStorage(BytesIO(b"text"), name)


async def blocks(request: Awaitable[Any]) -> bool:
    """Whether the event loop stands still until the request is answered."""
    answer = asyncio.ensure_future(request)
    turns = 0
    while not answer.done():
        await asyncio.sleep(0)
        turns += 1
    return turns < 3


async def together(*coroutines: Awaitable[Any]) -> list[Any]:
    """As `gather`, which goes when one of them fails and leaves the others running."""
    results = await asyncio.gather(*coroutines, return_exceptions=True)
    for result in results:
        if isinstance(result, BaseException):
            raise result
    return results


async def visit(client: Any, path: str, *messages: str) -> Any:
    """What a websocket hears first, or its refusal; it says these, waits and leaves."""
    socket = client.websocket(path)
    await socket.__aenter__()
    for message in messages:
        await socket.send(message)
    answer = asyncio.ensure_future(socket.receive())
    for _ in range(100):
        await asyncio.sleep(0)
    heard = None
    if answer.done():
        error = answer.exception()
        heard = getattr(error, "response", error) if error else answer.result()
    answer.cancel()
    await socket.__aexit__(None, None, None)
    return heard


VERBS = ("get", "post", "put", "patch", "delete")
HELPERS = {"blocks": blocks, "together": together, "upload": upload, "visit": visit}


@every_rule
def test_the_wrong_example_is_found_where_it_says(rule: Rule) -> None:
    found = {one.line for one in judge(example_of(rule), [rule])}
    assert found
    assert found <= rule.found_at


@every_rule
def test_the_right_example_is_clean(rule: Rule) -> None:
    rules = [one for one in RULES.values() if one is rule or not one.of_migration]
    assert [*judge(example_of(rule, rule.right), rules)] == []


@pytest.fixture
def load(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[Any]:
    """Import an example in a folder of its own, as a module of its own."""
    before = {*sys.modules}

    def load(code: str) -> types.ModuleType:
        folder = Path(tempfile.mkdtemp(dir=tmp_path))
        monkeypatch.chdir(folder)
        monkeypatch.syspath_prepend(str(folder))
        (folder / "claimed.py").write_text(code)
        sys.modules.pop("claimed", None)
        importlib.invalidate_caches()
        return importlib.import_module("claimed")

    yield load
    for name in {*sys.modules} - before:
        if name == "claimed":
            del sys.modules[name]


async def value_of(expression: str, names: dict[str, Any]) -> Any:
    """`await` may stand in the expression; what it gives is awaited too."""
    flags = ast.PyCF_ALLOW_TOP_LEVEL_AWAIT
    value = eval(compile(expression, "runs", "eval", flags), names)
    return await value if asyncio.iscoroutine(value) else value


@contextmanager
def own_logging(*, empty: bool) -> Iterator[None]:
    """An example may configure logging; `empty` takes pytest's handlers away."""
    root, known = logging.getLogger(), logging.Logger.manager.loggerDict
    handlers, level, before = [*root.handlers], root.level, {*known}
    loggers = [one for one in known.values() if isinstance(one, logging.Logger)]
    disabled = {one: one.disabled for one in loggers}
    if empty:
        root.handlers.clear()
    try:
        yield
    finally:
        root.handlers[:] = handlers
        root.setLevel(level)
        for name in {*known} - before:
            del known[name]
        for logger, was in disabled.items():
            logger.disabled = was


async def outcome(expression: str, code: str, load: Any, output: dict[str, Any]) -> str:
    """A status, the repr of a value, or the name of the exception that came."""
    try:
        if expression == "import":
            load(code)
            return "imported"
        module = load(code)
        app = next((v for v in vars(module).values() if isinstance(v, Quart)), None)
        names = {**vars(module), "asyncio": asyncio, **HELPERS, **output}
        async with asyncio.timeout(60):
            if app is None:
                return repr(await value_of(expression, names))
            async with app.test_app():
                if expression == "start":
                    return "started"
                client = app.test_client()
                names |= {verb: getattr(client, verb) for verb in VERBS}
                value = await value_of(expression, names | {"client": client})
                return str(getattr(value, "status_code", repr(value)))
    except Exception as error:
        return type(error).__name__


CLAIM = re.compile(r"(?:(?P<line>0\.2[23]): )?(?P<expression>.+) -> (?P<outcome>.+)")


@every_rule
@pytest.mark.filterwarnings("ignore::RuntimeWarning")
async def test_the_claim_holds(
    rule: Rule,
    load: Any,
    caplog: pytest.LogCaptureFixture,
    capsys: pytest.CaptureFixture[str],
) -> None:
    """In an expression `logged()` has the records, and `printed()` what stands in
    stderr when nobody else has configured logging."""
    if rule.runs.startswith("fragment: "):
        return
    claim = CLAIM.fullmatch(rule.runs)
    assert claim, f"{rule.id}: runs is {rule.runs!r}"
    expected = claim["outcome"].split(" | ")

    expression = claim["expression"]
    output = {
        "logged": lambda: [*caplog.records],
        "printed": lambda: capsys.readouterr().err,
    }

    async def ran(code: str) -> str:
        caplog.clear()
        with own_logging(empty="printed()" in expression):
            told = await outcome(expression, code, load, output)
        if expression == "start" or ".invoke(" in expression:
            gc.collect()  # an error of the start, or a command's result, keeps itself
        return told

    if claim["line"] in {None, "0.23" if QUART_0_23 else "0.22"}:
        assert await ran(rule.wrong) in expected
    right = await ran(rule.right)
    assert right not in expected
    assert not right.startswith("5")
    assert not right.endswith("Error")


def test_the_examples_are_formatted(tmp_path: Path) -> None:
    for one in RULES.values():
        if one.file.endswith(".py"):
            (tmp_path / f"{one.id}_wrong.py").write_text(one.wrong)
            (tmp_path / f"{one.id}_right.py").write_text(one.right)
    ruff = [sys.executable, "-m", "ruff", "format", "--isolated", "--diff", "."]
    done = subprocess.run(ruff, cwd=tmp_path, capture_output=True, text=True)
    assert done.returncode == 0, done.stdout
