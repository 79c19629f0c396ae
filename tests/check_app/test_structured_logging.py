"""Loggers and what stands in the log: the rules of structured_logging."""

import logging

import pytest
import quart
from check_app.engine.words import CATCH_ALL
from check_app.rules import structured_logging as rules

from tests.check_app import PREAMBLE, cases, check, judged, put_in


@cases("""
## basic configuration
import logging

def configure():
    logging.basicConfig(level="INFO")  # QP514

def unused():
    logging.basicConfig(level="INFO")

def create_app():
    configure()
    logging.basicConfig()  # QP514
    logging.basicConfig(force=True)
    logging.basicConfig(**options)
    return Quart(__name__)

async def main():
    logging.basicConfig()

logging.basicConfig()
## tracebacks
import logging
import traceback

log = logging.getLogger(__name__)

def one():
    try:
        work()
    except ValueError as error:
        log.error("no: %s", error)
    except Exception as error:
        log.error("no: %s", error)  # QP516
        log.error("no")
        log.warning("no: %s", error)

def two():
    try:
        work()
    except Exception as error:
        log.error("no: %s", error, exc_info=True)
    try:
        work()
    except Exception as error:
        log.error("no: %s", error)
        raise
    try:
        work()
    except Exception as error:
        log.error("no: %s", error)
        log.exception("no")
    try:
        work()
    except Exception as error:
        log.error(f"{error} {traceback.format_exc()}")
    try:
        work()
    except BaseException as error:
        self.logger.critical(error)  # QP516
    try:
        work()
    except Exception:
        log.error("no")
    try:
        work()
    except Exception as error:
        log.error("no: %s: %s", type(error).__name__, masked(error))
## the last words
import logging
import sys

try:
    work()
except Exception as error:
    logging.critical("no: %s", error)
    sys.exit(1)

async def own(log):
    try:
        work()
    except Exception as error:
        await log.error("no: %s", error)
## secrets
import logging

@app.before_request
async def one():
    app.logger.info("%s", request.headers)  # QP517
    logging.info(f"a {dict(request.headers)} b")  # QP517
    logging.info("a", extra={"a": 1}, a=request.cookies)  # QP517
    logging.info(await request.get_data())  # QP517
    form = await request.form
    shown = str(form)
    logging.info("%s", shown)  # QP517
    logging.info("%s %s", request.headers["X-Id"], request.headers.get("X-Id"))
    logging.info("%s %s", request.path, len(await request.get_data()))
    logging.info(f"{request.path}", dict(a=1), dict([1]))
    print(request.headers)
    logging.debug(request.headers)
## secrets of websockets
@app.websocket("/a")
async def one():
    app.logger.info("%s", websocket.headers)  # QP517
""")
def test_logging(code: str) -> None:
    check(PREAMBLE + code)


@pytest.mark.parametrize("name", rules.SECRETS.split())
def test_each_secret(name: str) -> None:
    assert hasattr(quart.Request, name) or name == "headers"
    call = "()" if name.startswith("get_") else ""
    code = f"""
import logging, quart

async def view():
    logging.info("%s", await quart.request.{name}{call})
"""
    assert ("QP517", 5) in judged(code)


@pytest.mark.parametrize("name", sorted(CATCH_ALL))
def test_each_broad_class(name: str) -> None:
    word = name.removeprefix("builtins.")
    assert "QP516" in put_in("QP516", "except Exception", f"except {word}")


@pytest.mark.parametrize("level", sorted(rules.WITHOUT_TRACEBACK))
def test_each_level(level: str) -> None:
    assert hasattr(logging.Logger, level)
    assert "QP516" in put_in("QP516", "logger.error", f"logger.{level}")


@pytest.mark.parametrize(
    "line",
    [
        "raise",
        "os._exit(1)",
        "sys.exit(1)",
        "exit(1)",
        "traceback.print_exc()",
        "log.exception(error)",
        "log.debug(error, exc_info=True)",
    ],
)
def test_each_line_that_keeps_the_traceback_or_ends_the_process(line: str) -> None:
    assert rules.TOLD.search(line)
    old = 'app.logger.error(f"Login failed: {error}")'
    assert "QP516" not in put_in("QP516", old, f"{old}\n        {line}")
