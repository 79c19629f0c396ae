"""CORS: the rules of app_factory."""

import pytest
from check_app.rules import app_factory as rules

from tests.check_app import PREAMBLE, cases, check, exists, judged


@pytest.mark.parametrize("name", sorted(rules.CORS))
def test_each_function_of_quart_cors(name: str) -> None:
    assert exists(name)
    code = f"import quart_cors\n{name}(allow_origin='*', allow_credentials=True)\n"
    assert ("QP605", 2) in judged(code)


@cases("""
## origins
from quart_cors import cors, route_cors

ANY = "*"

cors(app, allow_credentials=True, allow_origin=ANY)  # QP605
cors(app, allow_credentials=True, allow_origin=["https://a", "*"])  # QP605
cors(app, allow_credentials=True, allow_origin={"https://a"})
cors(app, allow_credentials=True, allow_origin=os.getenv("A", "*"))  # QP605
cors(app, allow_credentials=True, allow_origin=app.config.get("A", "*"))  # QP605
cors(app, allow_credentials=True, allow_origin=os.getenv("A") or "*")  # QP605
cors(app, allow_credentials=True, **options)
cors(app, allow_credentials=False, allow_origin="*")
cors(app, allow_credentials=asked, allow_origin="*")
cors(app, allow_origin=["https://a"])
other(app, allow_origin="*", allow_credentials=True)

@app.get("/")
@route_cors(allow_origin="https://a")  # QP608
async def index():
    return ""
""")
def test_app_factory(code: str) -> None:
    check(PREAMBLE + code)
