"""Loggers and what stands in the log: the rules of structured_logging."""

import logging
import logging.config

import pytest
import quart
from check_app.engine.words import CATCH_ALL
from check_app.rules import structured_logging as rules

from tests.check_app import PREAMBLE, cases, check, judged, put_in


@cases("""
## hooks with context variables
import contextvars

number = contextvars.ContextVar("number")
event = asyncio.Event()

@app.before_request
def one():
    number.set(1)  # QP207
    event.set()

@app.before_websocket
async def two():
    number.set(1)
## handler
import quart.logging
from quart.logging import default_handler

quart.logging.default_handler.addFilter(print)  # QP513
default_handler.flush()
other.setLevel(1)
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
## dictionaries
import logging
from logging.config import dictConfig

HANDLERS = {"handlers": {}}
OFF = {"disable_existing_loggers": False, "handlers": {}}
dictConfig({"version": 1})  # QP515
dictConfig(config={"version": 1, "disable_existing_loggers": True})
dictConfig({"version": 1, **HANDLERS})  # QP515
dictConfig(HANDLERS)  # QP515
dictConfig(HANDLERS | OFF)
dictConfig({**OFF})
dictConfig({**unknown})
dictConfig({"version": 1, "disable_existing_loggers": given})
dictConfig({"version": 1, "incremental": True})
dictConfig(unknown)
dictConfig()
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
    proxy, attribute = name.split(".")
    known = {"request": quart.Request, "websocket": quart.wrappers.Websocket}
    assert hasattr(known[proxy], attribute) or attribute == "headers"
    call = "()" if attribute.startswith("get_") else ""
    code = f"""
import logging, quart

async def view():
    logging.info("%s", await quart.{name}{call})
"""
    assert ("QP517", 5) in judged(code)


@pytest.mark.parametrize("name", rules.BEFORE_HOOKS)
def test_each_hook(name: str) -> None:
    assert hasattr(quart.Quart, name)
    assert "QP207" in put_in("QP207", "before_request", name)


@pytest.mark.parametrize("name", sorted(rules.HANDLER_METHODS))
def test_each_method_of_a_handler(name: str) -> None:
    assert hasattr(logging.Handler, name)
    assert "QP513" in put_in("QP513", "setFormatter", name)


@pytest.mark.parametrize("name", sorted(CATCH_ALL))
def test_each_broad_class(name: str) -> None:
    word = name.removeprefix("builtins.")
    assert "QP516" in put_in("QP516", "except Exception", f"except {word}")


@pytest.mark.parametrize("level", sorted(rules.WITHOUT_TRACEBACK))
def test_each_level(level: str) -> None:
    assert hasattr(logging.Logger, level)
    assert "QP516" in put_in("QP516", "log.error", f"log.{level}")


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
    old = 'log.error(f"Login failed: {error}")'
    assert "QP516" not in put_in("QP516", old, f"{old}\n        {line}")


def test_the_configurations_exist() -> None:
    assert logging.basicConfig.__name__ == rules.BASIC.rpartition(".")[2]
    assert logging.config.dictConfig.__name__ == rules.DICT.rpartition(".")[2]
