"""What views, hooks and decorators get and return: the rules of blueprints."""

import ast
import inspect

import pytest
import quart
from check_app.rules import blueprints as rules

from tests.check_app import PREAMBLE, cases, check, judged, put_in


@cases("""
## helpers
@app.get("/")
async def view():
    response = make_response("a")  # QP102
    response.headers["a"] = "b"
    return response

@app.get("/a")
async def gathered():
    first, second = await asyncio.gather(make_response("a"), make_response("b"))
    return first

def plain():
    return make_response("a")
## files
@app.get("/")
async def view():
    send_file("a", max_age=1)  # QP102 # QP106
    return await send_from_directory("a", path="b")  # QP106

@app.get("/a")
async def path():
    await other("a", max_age=1)
    return await send_file("a", mimetype="b", cache_timeout=1)
## awaited
@app.get("/")
async def view():
    await abort(404)  # QP105
    await request.args  # QP105
    await request.args.get("a")  # QP105
    await request.headers.getlist("a")  # QP105
    await websocket.headers  # QP105
    await request.args()  # QP105
    await session.get("a")  # QP105
    await app.add_background_task(work, 1)  # QP105
    await other.add_background_task(work, 1)
    await request.form
    await app.startup()
    await unknown
    return await make_response("a")
## hooks that return nothing
@app.after_request
async def one(response):  # QP111
    response.headers["a"] = "b"

@blueprint.after_app_request
def two(response):  # QP111
    return

@app.after_request
async def three(response):
    if response.status_code == 500:
        raise RuntimeError
    return response

@app.after_request
async def four():
    pass

@app.after_websocket
def five(response):
    pass

## decorators
import functools

def with_arguments(level):
    def decorate(view):
        def wrapper(*args):  # QP113
            return view(*args)
        return wrapper
    return decorate

def adapted(view):
    def wrapper(*args):
        return current_app.ensure_async(view)(*args)
    return wrapper

def either(view):
    def wrapper(*args):
        return view(*args)
    async def async_wrapper(*args):
        return await view(*args)
    return async_wrapper

def coroutine(view):
    async def wrapper(*args):
        return await view(*args)
    return wrapper

def plain(view):
    def wrapper(*args):
        return helper(*args)
    return wrapper

def inner_name(view):
    def wrapper(view):
        return view()
    return wrapper

def returned(view):
    return view()

def awaited_above(view):
    def wrapper(*args):
        return view(*args)
    return wrapper

def around_plain_views(view):
    def wrapper(*args):
        return view(*args)
    return wrapper

def by_hand(view):
    def wrapper(*args):  # QP113
        return view(*args)
    return wrapper

@app.get("/a")
@with_arguments(1)
async def one():
    return "a"

@app.get("/b")
@adapted
@other
async def two():
    return "a"

@app.get("/c")
@coroutine
@awaited_above
async def three():
    return "a"

@app.get("/d")
@plain
async def four():
    return "a"

@app.get("/e")
@inner_name
async def five():
    return "a"

@app.get("/f")
@around_plain_views
def six():
    return "a"

@app.get("/g")
@either
async def seven():
    return "a"

@app.get("/h")
@returned
async def eight():
    return "a"

@by_hand
async def nine():
    return "a"

app.add_url_rule("/i", view_func=nine)
## nothing
@app.get("/a")
async def stub():
    ...

@app.get("/b")
async def words():
    "Nothing yet."

@app.get("/c")
async def called():
    fail()

@app.get("/d")
async def waited():  # QP118
    await asyncio.sleep(1)

@app.get("/e")
@other
async def decorated():
    pass

@app.get("/f")
async def bare():  # QP118
    return

@app.get("/g")
async def raised():
    raise RuntimeError

@app.get("/h")
async def branches():
    if request.args:
        print("a")

@app.get("/i")
async def generated():
    yield "a"

@app.get("/j")
async def sometimes():
    if request.args:
        return "a"
    g.seen = 1

@app.websocket("/k")
async def socket():
    await websocket.accept()

async def plain():
    pass
## nothing in a test
import pytest

@app.get("/a")
async def view():
    pass
""")
def test_views_and_hooks(code: str) -> None:
    check(PREAMBLE + code)


@pytest.mark.parametrize("name", rules.COROUTINES["quart"].split())
def test_each_coroutine(name: str) -> None:
    assert inspect.iscoroutinefunction(getattr(quart, name))
    code = f"import quart\n\nasync def view():\n    return quart.{name}()\n"
    assert judged(code) == {("QP102", 4)}


@pytest.mark.parametrize(
    ("owner", "name"),
    [(owner, name) for owner, names in rules.SYNC.items() for name in names.split()],
)
async def test_each_sync_name(owner: str, name: str) -> None:
    async with quart.Quart(__name__).test_request_context("/"):
        value = getattr(quart.request if "." in owner else quart, name)
        assert name == "session" or not inspect.isawaitable(value)
        assert not inspect.iscoroutinefunction(value)
    code = f"import quart\n\nasync def view():\n    await {owner}.{name}\n"
    assert judged(code) == {("QP105", 4)}


@pytest.mark.parametrize("name", rules.FLASK_ARGUMENTS.split())
def test_each_argument(name: str) -> None:
    """It is Flask's, and none of Quart's."""
    for sends in rules.SENDING["quart"].split():
        assert name not in inspect.signature(getattr(quart, sends)).parameters
        code = (
            f"import quart\n\nasync def view():\n    await quart.{sends}(1, {name}=2)"
        )
        assert judged(code) == {("QP106", 4)}


@pytest.mark.parametrize("kind", rules.FALLS_OFF)
def test_each_end(kind: type[ast.AST]) -> None:
    lines = {
        ast.Assign: "a = 1",
        ast.Await: "await a",
        ast.Pass: "pass",
        ast.Return: "return",
    }
    line = "app.note = await request.get_data()"
    assert "QP118" in put_in("QP118", line, lines[kind])
