"""Loggers and what stands in the log: the rules of structured_logging."""

import pytest
import quart
from check_app.rules import structured_logging as rules

from tests.check_app import PREAMBLE, cases, check, judged


@cases("""
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
