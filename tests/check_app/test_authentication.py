"""Who may call what: the rules of authentication."""

import pytest
from check_app.rules import authentication as rules

from tests.check_app import PREAMBLE, cases, check, put_in


@cases("""
## open to all
open_to_all = Blueprint("a", __name__)
counted = Blueprint("b", __name__)
some = Blueprint("c", __name__)
other = Blueprint("d", __name__)

@open_to_all.before_request
async def one():
    if not request.args:
        return "a", 401

@counted.before_request
async def two():
    print("a")
    if request.method == "OPTIONS":
        return "", 204

@some.before_request
async def three():
    if request.path.startswith("/admin"):
        abort(403)

@open_to_all.websocket("/a")
async def four():  # QP308
    await websocket.send("a")

@open_to_all.websocket("/b")
async def five():
    if not websocket.args:
        abort(401)
    await websocket.send("a")

@open_to_all.websocket("/c")
@guarded
async def six():
    await websocket.send("a")

@counted.websocket("/d")
async def seven():
    await websocket.send("a")

@some.websocket("/e")
async def eight():
    await websocket.send("a")

@other.websocket("/f")
async def nine():
    await websocket.send("a")

async def ten():  # QP308
    await websocket.send("a")

open_to_all.add_websocket("/g", "g", ten)

@open_to_all.get("/h")
async def eleven():
    return "a"
## guarded
@app.before_request
async def one():
    abort(401)

app.before_websocket(one)

@app.websocket("/a")
async def two():
    await websocket.send("a")
## two apps
def one():
    app = Quart(__name__)

    @app.before_request
    async def check():
        abort(401)

    return app

def two():
    app = Quart(__name__)

    @app.websocket("/a")
    async def three():
        await websocket.send("a")

    return app
## one app of an object
class Server:
    def __init__(self):
        self.app = Quart(__name__)

        @self.app.before_request
        async def check():
            abort(401)

        @self.app.websocket("/a")
        async def one():  # QP308
            await websocket.send("a")
""")
def test_authentication(code: str) -> None:
    check(PREAMBLE + code)


@pytest.mark.parametrize(
    "refusal",
    [
        "return '', 401",
        "return '', 403",
        "raise Unauthorized()",
        "raise Forbidden()",
        "return redirect(url_for('login'))",
    ],
)
def test_each_refusal(refusal: str) -> None:
    assert rules.REFUSES.search(refusal)
    assert "QP308" in put_in("QP308", "abort(401)", refusal)


@pytest.mark.parametrize("name", ["blueprint", "endpoint", "path", "url", "url_rule"])
def test_each_part_of_an_app(name: str) -> None:
    assert "QP308" not in put_in("QP308", "not in session", f"in request.{name}")


@pytest.mark.parametrize("word", rules.CHECKS.pattern.split("|"))
def test_each_word_of_a_check(word: str) -> None:
    assert "QP308" not in put_in("QP308", '"hello"', f'"{word}"')
