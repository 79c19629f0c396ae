"""What each rule of check_app finds, and what it leaves alone.

A comment such as `# QP101` marks the line of a finding; a case without marks is clean.
"""

from pathlib import Path

import check_app
import pytest
from check_app_rules import RULES
from check_app_rules.module import Module

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


def judged(code: str, name: str) -> set[tuple[str, int]]:
    module = Module(Path(name), name, code)
    module.in_app = module.imports_quart
    found = check_app.judge(module, RULES.values()) if module.in_app else ()
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


@cases("""
## module
import quart

def read():
    return len(quart.request.form)  # QP101
## module under another name
import quart as q

def read():
    return len(q.request.form)  # QP101
## name under another name
from quart import request as req

def read():
    return len(req.form)  # QP101
## submodule
from quart.globals import request

def read():
    return len(request.form)  # QP101
## submodule of a module
import quart.globals

def read():
    return len(quart.globals.request.form)  # QP101
## star
from quart import *

def read():
    print(unknown)
    return len(request.form)  # QP101
## assigned name
import quart

req = quart.request

def read():
    return len(req.form)  # QP101
## imported in a function
def read():
    from quart import request
    return len(request.form)  # QP101
## global name
def load():
    global request
    from quart import request

def read():
    return len(request.form)  # QP101
## nonlocal name
def outer():
    from quart import request
    def inner():
        nonlocal request
        request = None
        return len(request.form)
## argument
from quart import request

def read(request):
    return len(request.form)
## other arguments
from quart import request

def read(*request, default=len(request.form)):  # QP101 # QP205
    return [len(request.form) for request in request]
## local name
from quart import request

def read():
    request = {}
    with open("x") as session:
        return len(request.form)
## names of except, match, walrus, for and with
from quart import request, session, g, websocket, current_app

def read(value):
    try:
        pass
    except OSError as request:
        len(request.form)
    match value:
        case {"a": g, **websocket}:
            websocket.send(1)
        case [*session]:
            session["a"].append(1)
        case current_app:
            pass
    if any((request := one) for one in value):
        len(request.form)
## class scope
from quart import request

class Reader:
    request = None

    def read(self):
        return len(request.form)  # QP101
## one of two imports
try:
    from quart import request
except ImportError:
    from flask import request

def read():
    return len(request.form)
## itself
from quart import request

a = a
b = c
c = b
print(a.form, b.form)
## relative import
from quart import Quart
from .request import request

def read():
    return len(request.form)
## tuple
from quart import request as one

two, three = one, one
print(len(two.form))
""")
def test_names_are_followed_to_their_import(code: str) -> None:
    check(code)


@cases("""
## read
@app.post("/")
async def view():
    print(request.get_json()["a"])  # QP101
    print(request.form.get("a"))  # QP101
    print(f"{request.data}")  # QP101
    print(request.form())  # QP101
    print(-request.values)  # QP101
    print(request.json == 1)  # QP101
    print(*request.form)  # QP101
    dict(**request.json)  # QP101
    request.get_data()  # QP101
    if request.json:  # QP101
        return [key for key in request.form]  # QP101
    for key in request.files:  # QP101
        pass
    match request.json:  # QP101
        case _:
            pass
    while request.json:  # QP101
        pass
    if not (request.json or {}):  # QP101
        pass
    return (request.json if request.is_json else {})["a"]  # QP101
## through a test
@app.post("/")
async def view():
    data = request.form or {}  # QP101
    one = 1 if request.json else 2  # QP101
    return {"data": data, "one": one}
## answered
@app.post("/")
async def view():
    return {"data": [request.json]}  # QP101
## answered by a plain view
@app.post("/")
def view():
    return request.get_json()  # QP101
## answered by an async helper
async def helper():
    return request.get_json()  # QP101
## serialised
async def helper():
    json.loads(request.data)  # QP101
    jsonify(request.json)  # QP101
    jsonify(data=request.json)  # QP101
    jsonify({"a": request.json})  # QP101
    return {**request.json, "a": 1}  # QP101
## named
async def helper():
    form = request.form  # QP101
    print(form["a"])
    files: object = request.files  # QP101
    print(files["a"])
    if data := request.data:  # QP101
        print(data)
## awaited
@app.post("/")
async def view():
    form = await request.form
    values = request.values
    await values
    task = asyncio.create_task(request.get_json())
    one, two = await asyncio.gather(request.form, request.files)
    await asyncio.wait_for(request.get_json(), 1)
    send(data=request.get_data())
    request.form.close()
    both = request.form, request.files
    kept = {"a": request.json}
    listed = show([request.json])
    spare = request.json
    later = request.json
    later = await later
    print(task, one, two, form, table[request.data], both, kept, listed)
    return await (request.form if request.args else request.json)
## handed on
def body():
    return request.get_json()
## stored
async def change():
    request.json = None
    return lambda: request.form
""")
def test_request_bodies(code: str) -> None:
    check(PREAMBLE + code)


@cases("""
## helpers
@app.get("/")
async def view():
    response = make_response("a")  # QP102
    response.headers["a"] = "b"
    return response
## files
@app.get("/")
async def view():
    send_file("a", max_age=1)  # QP102 # QP106
    return await send_from_directory("a", path="b")  # QP106
## open file
@app.get("/")
async def view():
    return await send_file(open("a"))  # QP106
## path
@app.get("/")
async def view():
    await send_file(name("a"))
    return await send_file("a", mimetype="b")
## awaited
@app.get("/")
async def view():
    await abort(404)  # QP105
    await request.args  # QP105
    await request.args.get("a")  # QP105
    await websocket.headers  # QP105
    await request.args()
    await app.startup()
    await unknown
    return await make_response("a")
## status
@app.get("/")
async def view():
    if request.args:
        return "a", "text/plain"
    if request.headers:
        return "a", "200 OK", {}  # QP107
    return "a", 200

def words():
    return "a", "200 OK"
## streams
import collections

@app.get("/a")
async def mimetype():
    return Response(lines(), mimetype="text/event-stream")  # QP109

@app.get("/b")
async def assigned():
    response = Response(lines())
    response.content_type = "text/event-stream"  # QP109
    return response

@app.get("/c")
async def header():
    response = await make_response(lines())
    response.headers["Content-Type"] = "text/event-stream"  # QP109
    return response

@app.get("/d")
async def asked():
    return {"stream": request.headers["Accept"] == "text/event-stream"}

@app.get("/e")
async def other():
    words = {"Accept": "text/event-stream", **{}}
    words["Accept"] = "text/event-stream"
    return show("text/event-stream")

@app.get("/f")
async def limited():
    return Response(lines(), mimetype="text/event-stream", timeout=None)  # QP109

def client():
    return {"Content-Type": "text/event-stream"}
## streams without a limit
app.config["RESPONSE_TIMEOUT"] = None

@app.get("/a")
async def mimetype():
    return Response(lines(), mimetype="text/event-stream")
## streams with a context
from quart import stream_with_context

async def lines():
    yield current_app.name  # QP110

async def words():
    yield "a"

def one():
    return request.path

@app.get("/a")
async def answered():
    return lines(), 200

@app.get("/b")
async def wrapped():
    return Response(words())

@app.get("/c")
async def kept():
    @stream_with_context
    async def inner():
        yield request.path
    return inner()

@app.get("/d")
async def used():
    print([word async for word in lines()])
    if request.args:
        return stream_with_context(lines)()
    return one()
## streams in responses
async def lines():
    yield request.path  # QP110

@app.get("/b")
async def wrapped():
    return await make_response(lines(), 200)
""")
def test_responses(code: str) -> None:
    check(PREAMBLE + code)


@cases("""
## upload
from pathlib import Path
import aiofiles

@app.post("/")
async def save():
    files = await request.files
    for name in files:
        upload = files[name]
        path = Path(upload.filename)  # QP108
        async with aiofiles.open(f"reports/{upload.filename}") as file:  # QP108
            await file.write(upload.read())
    for upload in files.values():
        os.path.join("reports", upload.filename)  # QP108
        await upload.save("reports/" + upload.filename)  # QP108
        given = upload.filename  # QP108
        open(given)
    return [upload.filename / path for upload in files.values()]  # QP108
## uploads in a loop
def report():
    return 1

@app.post("/")
async def save():
    for name, upload in (await request.files).items():
        open(upload.filename)  # QP108
    open(report.filename)
    return "a"
## safe name
from werkzeug.utils import secure_filename

@app.post("/")
async def save():
    upload = (await request.files)["report"]
    await upload.save(secure_filename(upload.filename))
    name = upload.filename
    first, second = await request.files
    return {"name": upload.filename, "other": open(report.filename), "n": len(name)}
## hooks
@app.after_request
def harden(response):
    if response.is_json:
        return response

@app.after_request
def never(response):
    raise RuntimeError

@app.after_request
def nothing():
    pass

@app.after_websocket
def left(response):
    pass

@app.get("/")
async def view():
    @quart.after_this_request
    def late(response):
        pass
    return "a"
## hook for this request
from quart import after_this_request

@app.get("/")
async def view():
    @after_this_request
    def late(response):  # QP111
        response.headers["a"] = "b"
    return "a"
## limit
@app.post("/")
async def view():
    print(request.max_content_length)
    return "a"
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

@app.get("/a")
@with_arguments(1)
async def one():
    return "a"

@app.get("/b")
@adapted
@coroutine
@plain
@inner_name
@returned
@with_arguments(2)
@functools.cache
async def two():
    return "a"

@app.get("/c")
@with_arguments(1)
def three():
    return "a"
## decorators above the route
import quart_auth

def marked(view):
    view.mark = True
    return view

def guarded(view):
    async def wrapper():
        return await view()
    return wrapper

@guarded  # QP114
@marked
@quart_auth.basic_auth_required()  # QP114
@app.get("/")
@guarded
async def view():
    return "a"

async def added():
    return "a"

@guarded
async def also():
    return "a"

app.add_url_rule("/b", "b", added)
app.add_url_rule("/c", view_func=also)
app.add_url_rule("/d", "d", unknown)
app.add_url_rule(*rule)
## validated
@app.post("/")
@quart_schema.validate_request(Note)
@quart_schema.validate_response(Note)
async def one(**values):
    return "a"

@app.post("/")
@quart_schema.validate_querystring(Note)
@other
async def two():
    return "a"

@app.post("/")
@quart_schema.validate_headers(Note)
async def three(*, headers):
    return "a"

@app.post("/")
@quart_schema.validate_headers(Note)
async def four(first, /, second, *rest):  # QP115
    return "a"
## session
@app.get("/a")
async def changed():
    session["a"]["b"] = 1  # QP116
    session.get("a").append(1)  # QP116
    session.setdefault("a", []).append(1)  # QP116
    session["a"]["b"].append(1)  # QP116
    session.get("a")["b"].append(1)  # QP116
    del session["a"]["b"]  # QP116
    return "a"

@app.get("/b")
async def modified():
    session["a"]["b"] = 1
    session["c"].append(1)
    session.modified = True
    other["a"]["b"] = 1
    other()["a"] = 1
    return "a"

@app.get("/c")
async def assigned():
    carts = session["cart"]
    session["cart"].append(1)
    session["cart"] = carts
    session["a"] = []
    session.pop("a")
    return session["a"]["b"]
## body
@app.post("/a")
async def one():
    return {"a": (await request.get_json())["a"]}  # QP117

@app.post("/b")
async def two():
    body = await request.json
    return {"a": body.get("a")}  # QP117

@app.post("/c")
async def tested():
    body = await request.get_json()
    if not body:
        abort(400)
    return {"a": body["a"]}

@app.post("/d")
async def guarded():
    try:
        body = await request.get_json()
        return {"a": body["a"]}
    except TypeError:
        abort(400)

@app.post("/e")
async def forced():
    body = await request.get_json(force=True)
    return {"a": body["a"], "b": (await request.data), "c": await other}

@app.post("/f")
async def validated():
    body = Note(**await request.get_json())
    names[await request.get_json()] = 1
    spare = await request.json
    self.body = await request.json
    return {"a": body.a}

async def helper():
    return (await request.get_json())["a"]
## nothing
@app.get("/a")
async def stub():
    ...

@app.get("/b")
async def words():  # QP118
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
## list in query
from typing import Annotated

class One:
    a: list[str]  # QP119
    b: str
    c: Annotated[list[str], 1]
    d = 1
    self.e: list[str]

class Two:
    a: list[str]

    def listed(self):
        return self.a

@app.get("/a")
@quart_schema.validate_querystring(One)
async def one(query_args):
    return "a"

@app.get("/b")
@quart_schema.validate_querystring(Two)
async def two(query_args):
    return "a"

@app.get("/c")
@quart_schema.validate_querystring()
async def three(query_args):
    return "a"
## provider
def one(app: Quart):
    app.json = Provider(app)
    quart_schema.QuartSchema()

def two(app: Quart):
    quart_schema.QuartSchema(app)
    app.json = Provider(app)
    other.json = Provider(app)

def three(app: Quart):
    app.json = Provider(app)  # QP120
    quart_schema.QuartSchema(app)
""")
def test_views_and_hooks(code: str) -> None:
    check(PREAMBLE + code)


@cases("""
## receivers
from .users import users
import pytest

@users.get("/a")
async def one():
    return request.json  # QP101

@users.get(path)
def two():
    return request.json

@users.get("a")
def three():
    return request.json

@users.route()
def four():
    return request.json

client = app.test_client()

@client.get("/a")
def five():
    return request.json

@users.get
def six():
    return request.json
## receivers beside another framework
import starlette
import pytest
from .users import application

@users.get("/a")
def one():
    return request.json

@application.get("/a")
def two():
    return request.json

@application.after_request
def three(response):
    pass

@app.get("/b")
def four():
    return request.json  # QP101
## classes of views
import pytest
from quart.views import MethodView

class One(MethodView):
    methods = ["GET"]

    def get(self):
        return request.json  # QP101

    def other(self):
        return request.json

class Two(MethodView.other):
    def get(self):
        return request.json
## nothing in tests
import pytest

@app.get("/")
async def view():
    pass
## client
import pytest

@pytest.fixture
def client():
    return app.test_client()

@pytest.fixture
async def started():
    async with app.test_app() as test_app:
        yield test_app.test_client()

@pytest.fixture
def nothing():
    return

@pytest.fixture(name="other")
def named():
    pass

async def test_it(client, started, nothing, unknown, *, app: "Quart"):
    client.get("/")  # QP103
    (await started.post("/")).get_json()["a"]  # QP104
    app.test_client().get("/")  # QP103
    nothing.get("/")
    unknown.get("/")
    response = await client.get("/")
    assert response.json == {}  # QP104
    assert response.status_code == 200
    assert await response.get_data() == b""
    response.data = b""
    read = response.get_json
    assert client.cookie_jar.get("a") is None
    response.data.close()
## annotated client
import pytest
from quart import testing
from quart.typing import TestClientProtocol
from quart.testing import QuartClient

async def test_one(client: TestClientProtocol):
    client.get("/")  # QP103

async def test_two(client: QuartClient | None):
    client.get("/")  # QP103

async def test_three(client: "QuartClient"):
    client.get("/")  # QP103

async def test_four(client: "testing.QuartClient", other: "Unknown", one: 1):
    client.get("/")  # QP103
    other.get("/")
    one.get("/")
## kept client
import pytest

class TestIt:
    def setup_method(self):
        self.client = Quart(__name__).test_client()
        self.other = 1
        self.other = ""
        first, second = 1, 2
        table["a"] = 1

    async def test_one(self):
        self.client.get("/")  # QP103
        self.other.get("/")
        self.missing.get("/")
## contexts
import pytest

async def test_one():
    context = app.test_request_context("/")
    with context:  # QP201
        pass
    with app.test_client() as client:  # QP201
        with client.websocket("/"):  # QP201
            pass
        with client.session_transaction() as values:  # QP201
            pass
        with other.websocket("/"), open("a"):
            pass
    async with app.app_context(), app.test_app():
        pass
    context.push()  # QP202
    await context.pop()
    stack.push()
## raises
import pytest

@pytest.fixture
def client():
    return app.test_client()

async def test_one(client, other):
    with pytest.raises(ValueError):  # QP806
        response = await client.get("/")
    with pytest.raises(ValueError):
        await other.get("/")
    with pytest.raises(ValueError):
        await asyncio.gather(client.get("/"))
    with pytest.raises(ValueError):
        await client.get("/")
        await client.get("/")
    with pytest.raises(ValueError):
        raise ValueError
    with pytest.raises(ValueError) as error, open("a"):
        await client.get("/")
    with open("a"):
        await client.get("/")
## raises where handlers are set
import pytest

async def test_one(app: Quart):
    app.register_error_handler(ValueError, fail)
    with pytest.raises(ValueError):
        await app.test_client().get("/")
## receive
import pytest

async def test_one(app: Quart):
    async with app.test_client().websocket("/") as ws:
        await ws.receive()  # QP816
        assert await ws.receive() == "a"
        await asyncio.wait_for(ws.receive(), 1)
        async with asyncio.timeout(1):
            await ws.receive()
        async with other():
            await ws.receive_json()  # QP816
        with pytest.raises(TimeoutError):
            await ws.receive()
        try:
            await ws.receive()
        except TimeoutError:
            pass
        await other.receive()
## commands
import pytest

def test_one(app: Quart):
    app.test_cli_runner().invoke(args=["a"])

async def test_two(app: Quart):
    runner = app.test_cli_runner()
    runner.invoke(args=["a"])  # QP817
    other.invoke(args=["a"])
    create_app().test_cli_runner().invoke(args=["a"])  # QP817
    made.create_app().test_cli_runner().invoke(args=["a"])  # QP817
    make().test_cli_runner().invoke(args=["a"])
## fixtures
import pytest
import pytest_asyncio

@pytest.fixture
async def one():  # QP804
    return 1

@pytest_asyncio.fixture
async def two():
    return 1

@pytest.fixture
def three():
    return 1

@pytest.mark.asyncio(loop_scope="session")
async def test_one():
    pass
## fixtures of anyio
import pytest
import pytest_asyncio

pytestmark = pytest.mark.anyio

@pytest.fixture
async def one():
    return 1
## served twice
import pytest

@app.while_serving
async def resource():
    yield

async def test_one():
    app = Quart(__name__)
    async with app.test_app():
        pass
    async with app.test_app():  # QP814
        pass

async def test_two():
    for number in range(2):
        app = Quart(__name__)
        async with app.test_app(), other.test_app(), app.app_context():
            pass

async def test_three():
    app = Quart(__name__)
    for number in range(2):
        async with app.test_app():  # QP814
            pass

async def test_four():
    async with app.test_app():
        pass
    async with app.test_app():
        pass
    async with asyncio.timeout(1), unknown.test_app(), lock:
        pass
""")
def test_tests(code: str) -> None:
    check(PREAMBLE + code)


@cases("""
## background tasks
import functools
from quart import copy_current_request_context

async def one():
    print(session["a"])  # QP203

async def two():
    print(g.member, current_app.name)

@copy_current_request_context
async def three():
    print(session["a"])

class Jobs:
    def start(self):
        app.add_background_task(self.run)
        app.add_background_task(self.missing)

    async def run(self):
        print(websocket.path)  # QP203

@app.get("/")
async def view():
    app.add_background_task(functools.partial(one, 1))
    app.add_background_task(functools.partial())
    app.add_background_task(two)
    app.add_background_task(three)
    app.add_background_task(lambda: print(request.path))  # QP203
    app.add_background_task(unknown)
    app.add_background_task(Jobs)
    app.add_background_task()
    return "a"
## stored websockets
clients = {}

@app.websocket("/a")
async def one():
    await websocket.accept()
    client = websocket._get_current_object()  # QP204
    clients["a"] = client
    app.client = websocket._get_current_object()  # QP204
    clients.setdefault("a", []).append(websocket._get_current_object())  # QP204
    print(websocket._get_current_object())
    other = websocket._get_current_object()
    clients.pop(other)
    first, second = websocket._get_current_object()
## at import
NAME = current_app.name  # QP205
USER = session["user"]  # QP205

class Config:
    name = current_app.name  # QP205

def name(default=current_app.name):  # QP205
    return current_app.name

@current_app.get("/")  # QP205
async def view():
    return "a"

async with app.app_context():
    print(current_app.name)

typed: current_app.config
proxy = current_app
## threads
import threading
from concurrent.futures import ThreadPoolExecutor

pool = ThreadPoolExecutor()

def one():
    return request.path  # QP206

def two():
    return session["a"]  # QP206

def three():
    return current_app.name  # QP206

def four():
    return request.path

@app.get("/")
async def view():
    loop = asyncio.get_running_loop()
    await loop.run_in_executor(None, one)
    pool.submit(two)
    threading.Thread(target=three).start()
    threading.Thread(None, unknown).start()
    await loop.run_in_executor(None, lambda: g.member)  # QP206
    await loop.run_in_executor(None, *arguments)
    other.submit(four)
    await asyncio.to_thread(four)
    return "a"
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
""")
def test_contexts(code: str) -> None:
    check(PREAMBLE + code)


@cases("""
## request
def helper():
    return request.args  # QP301

def both():
    return request.args

def asked():
    if quart.has_request_context():
        return request.args

@blueprint.before_websocket
async def guard():
    print(request.args)  # QP301

@app.before_request
@app.before_websocket
async def shared():
    print(request.args)

@app.websocket("/a")
async def one():
    helper()
    both()
    await websocket.send("a")

@app.get("/b")
async def view():
    both()
    return "a"

async def two():
    await websocket.send(request.args["a"])  # QP301

app.add_websocket("/b", "b", two)
## request after a look
from quart import has_request_context

@app.websocket("/a")
async def one():
    if has_request_context():
        print(request.args)
    await websocket.send("a")
## close
async def opens():
    await websocket.accept()

async def leaves():
    return None

@app.websocket("/a")
async def one():
    await leaves()
    await websocket.close(1008)  # QP302

@app.websocket("/b")
async def two():
    await opens()
    await websocket.close(1008)

@app.websocket("/c")
async def three():
    await unknown()
    await websocket.close(1008)

@app.websocket("/d")
async def four():
    await websocket.send("a")
    await websocket.close(1008)

@app.websocket("/e")
async def five():
    while True:
        if websocket.args:
            await websocket.close(1008)
            return
        await websocket.receive()

@app.websocket("/f")
async def six():
    async with session_of() as user:
        await websocket.close(1008)

@app.websocket("/g")
async def seven():
    print(user(1))
    await websocket.close(1008)  # QP302
## never answered
@app.websocket("/a")
async def one():  # QP303
    ...

@app.websocket("/b")
async def two():
    raise RuntimeError

@app.websocket("/c")
async def three():
    if not websocket.args:
        return  # QP303
    await websocket.accept()
    return

@app.websocket("/d")
async def four():
    await serve()
    return

@app.websocket("/e")
async def five():
    return "a", 401
## broadcast
from collections import defaultdict

rooms = defaultdict(set)
names: dict = {}
fixed = ["a"]

class Hub:
    def __init__(self):
        self.clients = set()
        self.fixed = set()

    def join(self, client):
        self.clients.add(client)

    async def tell(self, text):
        for client in self.clients:  # QP304
            await client.send(text)
        for client in self.fixed:
            await client.send(text)

async def one(room, text):
    for client in rooms[room]:  # QP304
        await client.send(text)
    for name, client in names.items():  # QP304
        await client.put(text)
    members = rooms[room]
    for client in members:  # QP304
        await client.send_json(text)
    for client in list(members):
        await client.send(text)
    for client in members:
        await client.close()
        await asyncio.sleep(1)
        await ready
    for client in fixed:
        await client.send(text)
    for client in unknown:
        await client.send(text)
    for client in [text]:
        await client.send(text)
    for client in read():
        await client.send(text)
    gone = set()
    for client in gone:
        await client.send(text)
    for client in app.extensions.clients.all:
        await client.send(text)

async def two():
    queues = {}
    made = make()
    async def inner():
        for queue in queues.values():  # QP304
            await queue.put(1)
        for queue in made:
            await queue.put(1)
    queues["a"] = 1
    made.append(1)
    return inner

def join(room, client):
    rooms[room].add(client)
    (client or room).add(client)
    make().add(client)
    names["a"] = client
""")
def test_websockets(code: str) -> None:
    check(PREAMBLE + code)


@cases("""
## cancellation
@app.websocket("/a")
async def one():
    try:
        await websocket.receive()
    except (ValueError, asyncio.CancelledError):  # QP305
        pass
    try:
        await websocket.receive()
    except asyncio.CancelledError:
        raise
    try:
        await websocket.receive()
    except:
        pass

@app.websocket("/b")
async def two():
    task = asyncio.create_task(websocket.receive())
    try:
        await websocket.receive()
    finally:
        task.cancel()
        try:
            await task
        except asyncio.CancelledError:
            pass

async def three():
    while True:
        try:
            await asyncio.sleep(1)
        except BaseException:  # QP305
            print("a")

async def four():
    while True:
        try:
            await asyncio.sleep(1)
        except asyncio.CancelledError:
            break

async def five():
    try:
        await asyncio.sleep(1)
    except asyncio.CancelledError:
        print("a")

def six():
    while True:
        try:
            print("a")
        except BaseException:
            pass

async def seven():
    for number in range(3):
        async def inner():
            try:
                await asyncio.sleep(1)
            except asyncio.CancelledError:
                pass
## awaited
@app.websocket("/a")
async def one():
    await websocket.accept()
    websocket.receive()  # QP306
    task = asyncio.create_task(websocket.receive())
    await task
## queues
common = asyncio.Queue()

class Client:
    def __init__(self):
        self.queue = asyncio.Queue[str]()  # QP307
        self.bounded = asyncio.Queue(maxsize=10)
        self.zero = asyncio.Queue(0)  # QP307
        self.given = asyncio.Queue(maxsize=read())

@app.websocket("/a")
async def one():
    await websocket.accept()

@app.get("/b")
async def view():
    queue = asyncio.Queue()
    return await queue.get()
## queues without websockets
async def one():
    return asyncio.Queue()
## open to all
open_to_all = Blueprint("a", __name__)
counted = Blueprint("b", __name__)
asked = Blueprint("c", __name__)

@open_to_all.before_request
async def one():
    if not request.args:
        return "a", 401

@counted.before_request
async def two():
    print("a")
    return

@open_to_all.websocket("/a")
async def three():  # QP308
    await websocket.send("a")

@open_to_all.websocket("/b")
async def four():
    if not websocket.args:
        abort(401)
    await websocket.send("a")

@open_to_all.websocket("/c")
@guarded
async def five():
    await websocket.send("a")

@counted.websocket("/d")
async def six():
    await websocket.send("a")

@asked.before_request
async def seven():
    raise RuntimeError

@asked.websocket("/e")
async def eight():  # QP308
    await websocket.send("a")
## guarded
@app.before_request
async def one():
    abort(401)

@app.before_websocket
async def two():
    abort(401)

@app.websocket("/a")
async def three():
    await websocket.send("a")
## messages
@app.websocket("/a")
async def one():
    await websocket.receive_json()
    while True:
        json.loads(await websocket.receive())  # QP309
        await websocket.receive_as(Note)  # QP309
        show(await websocket.receive())
        await websocket.receive()
        await ready
        try:
            await websocket.receive_as(Note)  # QP309
        except quart_schema.SchemaValidationError:
            pass
        try:
            await websocket.receive_json()
        except ValueError:
            pass
        try:
            await websocket.receive_json()
        except:
            pass
        try:
            await websocket.receive_json()  # QP309
        finally:
            pass
        with suppress(ValueError):
            await websocket.receive_json()
## messages in tests
import pytest

@app.websocket("/a")
async def one():
    while True:
        await websocket.receive_json()
## session
@app.websocket("/a")
async def one():
    await websocket.accept()
    session.pop("a")  # QP310
    del session["a"]  # QP310
    session["b"] = 1  # QP310
    print(session["b"], session.get("b"))

@app.get("/b")
async def view():
    session["b"] = 1
    return "a"
## full queues
queue = asyncio.Queue(10)
queues = []

@app.websocket("/a")
async def one():
    await websocket.accept()
    queue.put_nowait(1)
    for other in queues:
        queue.put_nowait(1)
        other.queue.put_nowait(1)
        other.put_nowait(1)  # QP311
        try:
            other.put_nowait(1)
        except asyncio.QueueFull:
            pass
## full queues without a bound
@app.websocket("/a")
async def one():
    await websocket.accept()
    for other in queues:
        other.put_nowait(1)
## groups
async def write():
    while True:
        await websocket.send("a")

async def quiet():
    with suppress(Exception):
        await websocket.send("a")

async def nothing():
    await asyncio.sleep(1)

@app.websocket("/a")
async def one():
    async with asyncio.TaskGroup() as tasks:
        tasks.create_task(write())  # QP312
        tasks.create_task(quiet())
        tasks.create_task(nothing())
        tasks.create_task(unknown())
        tasks.create_task(work)
        await websocket.receive()

@app.websocket("/b")
async def two():
    try:
        async with asyncio.TaskGroup() as tasks:
            tasks.create_task(write())
            await websocket.receive()
    except* RuntimeError:
        pass

@app.websocket("/c")
async def three():
    async with other() as tasks:
        tasks.create_task(write())
        await websocket.receive()
    task = loop.create_task(write())

@app.get("/d")
async def view():
    async with asyncio.TaskGroup() as tasks:
        tasks.create_task(write())
    return "a"
""")
def test_websocket_loops(code: str) -> None:
    check(PREAMBLE + code)


@cases("""
## engines
import aiohttp
import asyncpg
from sqlalchemy.ext.asyncio import create_async_engine

session_of_all = aiohttp.ClientSession()  # QP401

class Database:
    pool = asyncpg.create_pool()  # QP401

def create_app():
    app = Quart(__name__)
    engine = create_async_engine(url)  # QP401
    return app

def make():
    return create_async_engine(url)

async def started():
    app = Quart(__name__)
    return create_async_engine(url)

if __name__ == "__main__":
    engine = create_async_engine(url)
## engines that are closed
from sqlalchemy.ext.asyncio import create_async_engine

def create_app():
    app = Quart(__name__)
    engine = create_async_engine(url)

    @app.after_serving
    async def close():
        await engine.dispose()

    return app
## migrations
from alembic import context
from sqlalchemy.ext.asyncio import create_async_engine

engine = create_async_engine(url)
## sessions
from sqlalchemy.ext.asyncio import AsyncSession, async_sessionmaker
from sqlalchemy.ext.asyncio.session import AsyncSession as Session

sessions = async_sessionmaker(engine, expire_on_commit=False)
shared = sessions()  # QP402
also: AsyncSession = AsyncSession(engine)  # QP402
app.session = sessions()  # QP402
app.extensions["session"] = sessions()  # QP402

async def one(given: AsyncSession, factory: async_sessionmaker[AsyncSession]):
    g.session = sessions()
    g.extensions["session"] = sessions()
    current_app.session = sessions()  # QP402
    local = sessions()
    first, second = local
    async with sessions.begin() as opened, factory() as other:
        opened.commit()  # QP408
        other.execute(1).scalars()  # QP408
        opened.add(1)
        await opened.flush()
    await asyncio.gather(given.execute(1), opened.execute(1))
    await asyncio.gather(given.execute(1), given.execute(2))  # QP403
    await asyncio.gather(*[given.execute(one) for one in "ab"])  # QP403
    await asyncio.gather(helper(1), helper(2))

async def two(session: Session):
    session.commit()  # QP408
## queries
import sqlalchemy
from sqlalchemy import select

select(A).outerjoin(B).where(1).filter_by(a=1)  # QP404
sqlalchemy.select(A).join(B).filter_by(a=1)  # QP404
select(A).filter_by(a=1)
query.join(B).filter_by(a=1)
made().join(B).filter_by(a=1)
made().filter_by(a=1)
queries[0](1).filter_by(a=1)
## addresses
from sqlalchemy.ext.asyncio import create_async_engine

URL = "postgres://localhost"

async def one(url):
    create_async_engine(URL)  # QP405
    create_async_engine(url=f"mysql://{url}")  # QP405
    create_async_engine(os.getenv("URL", "sqlite:///a.db"))  # QP405
    create_async_engine(os.environ.get("URL", "sqlite:///a.db"))  # QP405
    create_async_engine(other("URL", "sqlite:///a.db"))
    create_async_engine(f"{url}")
    create_async_engine("postgresql+asyncpg://localhost")
    create_async_engine(url)
    create_async_engine()
    create_async_engine("sqlite+aiosqlite://", poolclass=None, pool_size=1)  # QP412
    create_async_engine("sqlite+aiosqlite:///", pool_size=1, **url)  # QP407 # QP412
    create_async_engine("sqlite+aiosqlite:///a.db", pool_size=1)
    create_engine("sqlite:///a.db")
## teardown
@blueprint.teardown_app_request
async def one(exc):
    await g.session.close()
    commit()

@app.teardown_appcontext
async def two(exc):
    await g.session.commit()  # QP406
## tables
from sqlalchemy.ext.asyncio import create_async_engine

async def one(Base):
    engine = create_async_engine(url)
    Base.metadata.create_all(engine)  # QP409
    Base.metadata.drop_all(bind=engine)  # QP409
    async with engine.connect() as connection:
        Base.metadata.create_all(connection)  # QP409
        await connection.run_sync(Base.metadata.create_all)
    Base.metadata.create_all(other)
    Base.metadata.create_all()
## plain sessions
from sqlalchemy.orm import Session, sessionmaker

sessions = sessionmaker(engine)

def helper():
    with sessions() as session:  # QP410
        return session

def unused():
    return sessions()

@app.get("/a")
async def one():
    helper()
    with sessions.begin() as session:  # QP410
        return "a"

@app.get("/b")
def two():
    with Session(engine) as session:
        return "a"
## plain sessions in tests
import pytest
from sqlalchemy.orm import Session
from sqlalchemy.ext.asyncio import AsyncSession, async_sessionmaker, create_async_engine

ENGINE = create_async_engine("sqlite+aiosqlite://")
SESSION = AsyncSession(ENGINE)
SESSIONS = async_sessionmaker(ENGINE)

async def test_one():
    Session(engine)
## begin
connection.exec_driver_sql("begin deferred;")  # QP411
connection.exec_driver_sql("BEGIN IMMEDIATE")
connection.exec_driver_sql(text)
## makers
from sqlalchemy.ext.asyncio import async_sessionmaker

reader = async_sessionmaker(engine)
writer = async_sessionmaker(engine)  # QP413
given = async_sessionmaker(engine, **options)
""")
def test_databases(code: str) -> None:
    check(PREAMBLE + code)


@cases("""
## every error
from werkzeug.exceptions import HTTPException

def one(app):
    @app.errorhandler(Exception)
    async def failed(error):
        if isinstance(error, HTTPException):
            return error.get_response()
        return "a", 500

def two():
    own = Quart(__name__)

    @own.errorhandler(Exception)
    async def failed(error):
        return "a", 500

    @own.errorhandler(HTTPException)
    async def answer(error):
        return error.get_response()

def three():
    own = Quart(__name__)

    @own.errorhandler(Exception)
    async def failed(error):  # QP501
        return "a", 500

    @own.errorhandler(ValueError)
    async def bad(error):
        return "a", 400

    @own.errorhandler(*errors)
    async def many(error):
        return "a", 400
## every error, handled elsewhere
from werkzeug.exceptions import HTTPException

def one(app):
    @app.errorhandler(Exception)
    async def failed(error):
        return "a", 500

def two():
    own = Quart(__name__)

    @own.errorhandler(HTTPException)
    async def answer(error):
        return error.get_response()

@make().errorhandler(Exception)
async def failed(error):
    return "a", 500
## pydantic errors
from pydantic import ValidationError

def one():
    own = Quart(__name__)

    @own.errorhandler(ValidationError)
    async def invalid(error):  # QP502
        return "a", 422

def two():
    own = Quart(__name__)

    @own.errorhandler(ValidationError)
    async def invalid(error):
        return "a", 422

    @own.errorhandler(quart_schema.RequestSchemaValidationError)
    async def wrong(error):
        return "a", 422
## pydantic errors by hand
from pydantic import ValidationError

@app.errorhandler(ValidationError)
async def invalid(error):
    Note.model_validate({})
    return "a", 422
## input
import logging
from pydantic import ValidationError

@app.errorhandler(quart_schema.RequestSchemaValidationError)
async def invalid(error):
    logging.warning(error.validation_error.errors())
    print(error.validation_error.errors())  # QP503
    other.errors()
    error.errors
    made().errors()
    return {"errors": error.validation_error.errors(include_input=False)}

async def helper():
    try:
        Note.model_validate({})
    except (ValueError, ValidationError) as error:
        first = error.errors()[0]["msg"]
        texts = [one["msg"] for one in error.errors()]
        for one in error.errors():
            print(one["msg"])
        return error.json(), first, texts  # QP503
    except ValueError as error:
        return error.errors()
    except:
        pass
## aborts
from contextlib import asynccontextmanager
from werkzeug.exceptions import HTTPException, NotFound

@asynccontextmanager
async def boundary():
    try:
        yield
    except Exception as error:
        raise RuntimeError from error

@asynccontextmanager
async def open_boundary():
    yield

@asynccontextmanager
async def specific():
    try:
        yield
    except ValueError:
        pass

@app.get("/a")
async def one():
    try:
        if request.args:
            raise NotFound()  # QP504
        if request.headers:
            raise NotFound  # QP504
        raise ValueError
    except BaseException:
        abort(400)
    try:
        abort(404)
    except HTTPException:
        raise
    except Exception:
        pass
    try:
        abort(404)
    except ValueError:
        pass
    try:
        abort(404)
    except Exception:
        raise
    try:
        abort(404)
    except Exception as error:
        raise error
    try:
        abort(404)  # QP504
    except Exception as error:
        raise RuntimeError from error
    try:
        try:
            abort(404)
        except HTTPException:
            raise
    except Exception:
        pass
    try:
        later = lambda: abort(404)
        pass
    except Exception:
        abort(404)
    else:
        abort(404)
    raise

@app.get("/b")
async def two():
    async with boundary():
        abort(404)  # QP504
    async with open_boundary(), specific(), lock, unknown():
        abort(404)
    async with open_boundary():
        abort(404)
    with boundary() as area:
        return "a"
## aborts at import
try:
    abort(404)
except ValueError:
    pass
## texts
import traceback

@app.errorhandler(Exception)
async def failed(error):  # QP501
    return {"error": f"failed: {error}"}, 500  # QP505

@app.errorhandler(ValueError)
async def bad(error):
    return {"error": str(error)}, 400

@app.get("/a")
async def one():
    try:
        return {"a": 1}
    except ValueError as error:
        return {"error": str(error)}
    except Exception as error:
        if request.args:
            return {"error": repr(error)}  # QP505
        if request.headers:
            return {"error": traceback.format_exc()}  # QP505
        return {"error": str(request.path), "n": f"{request.path} {1}"}

def helper():
    try:
        return 1
    except Exception as error:
        return str(error), traceback.format_exc()
## texts in tests
import pytest

@app.get("/a")
async def one():
    try:
        return {"a": 1}
    except Exception as error:
        return {"error": repr(error)}
## arguments
@app.errorhandler(404)
async def one(*errors):
    return "a"

@app.errorhandler
async def two():
    return "a"
## blueprints
from werkzeug.exceptions import NotFound

notes = Blueprint("a", __name__)

@notes.errorhandler(405)
async def one(error):  # QP507
    return "a"

@notes.errorhandler(404)
async def two(error):
    return "a"

@notes.errorhandler(403)
async def three(error):
    return "a"

@app.errorhandler(404)
async def four(error):
    raise NotFound
## blueprints that abort
@blueprint.errorhandler(404)
async def one(error):
    return "a"

@blueprint.get("/a")
async def two():
    abort(404)
## blueprints that abort with something
@blueprint.errorhandler(404)
async def one(error):
    return "a"

@blueprint.get("/a")
async def two():
    abort(status)
## blueprints that abort otherwise
@blueprint.errorhandler(404)
async def one(error):  # QP507
    return "a"

@blueprint.get("/a")
async def two():
    abort(403)

@blueprint.get("/b")
async def three():
    other()
## headers
from werkzeug.exceptions import HTTPException

@app.errorhandler(HTTPException)
async def one(error):
    return {}, error.code, error.get_headers()

@blueprint.errorhandler(HTTPException)
async def two(error):
    return problem(error)

@blueprint.app_errorhandler(HTTPException)
async def three(error):  # QP508
    return {"error": str(error)}, error.code
## headers in tests
import pytest
from werkzeug.exceptions import HTTPException

@app.errorhandler(HTTPException)
async def three(error):
    return {"error": str(error)}, error.code
## logging
import logging
from werkzeug.exceptions import InternalServerError

log = logging.getLogger(__name__)

@app.errorhandler(InternalServerError)
async def one(error):
    log.exception("failed")  # QP509
    log.error(error.original_exception)
    metrics.error("failed")
    log.info("failed")
    return "a", 500

@app.errorhandler(404)
async def two(error):
    log.error("failed")
    return "a", 404
## groups
class Unknown(Exception):
    pass

@app.errorhandler(Unknown)
async def unknown(error):
    return "a", 404

async def raises():
    raise Unknown

async def raises_other():
    raise ValueError("a")

async def raises_again():
    raise

async def raises_made():
    raise errors["a"]

@app.get("/a")
async def one():
    async with asyncio.TaskGroup() as group:
        group.create_task(raises())  # QP510
        group.create_task(raises_other())
        group.create_task(raises_again())
        group.create_task(raises_made())
        group.create_task(missing())
        group.create_task(missing)
    try:
        async with asyncio.TaskGroup() as group:
            group.create_task(raises())
    except* Unknown:
        pass
    other.create_task(raises())
    return "a"

async def helper():
    async with asyncio.TaskGroup() as group:
        group.create_task(raises())
## groups without handlers
@app.errorhandler
async def unknown(error):
    return "a", 404

async def raises():
    raise Unknown

@app.get("/a")
async def one():
    async with asyncio.TaskGroup() as group:
        group.create_task(raises())
    return "a"
## errors
class One(Exception):
    def __init__(self, a, b):  # QP511
        self.a = a

class Two(Exception):
    def __init__(self, a):
        self.a = a

class Three(Exception):
    def __init__(self, a, b):
        super().__init__(a)

class Four(Exception):
    def __init__(self, a, b):
        self.a = a

    def __str__(self):
        return self.a

class Five(One):
    def __init__(self, a, b):
        self.a = a

class Six(Exception):
    pass

@dataclass
class Seven(Exception):
    def __init__(self, a, b):
        self.a = a
## filters
def drop(record):
    return record.levelno > 10

def stamp(record):
    record.path = "a"
    return True

app.logger.addFilter(drop)
app.logger.addFilter(stamp)  # QP512
app.logger.addFilter(unknown)
other.logger.addFilter(stamp)
app.logger.addHandler(stamp)
## handler
import quart.logging
from quart.logging import default_handler

quart.logging.default_handler.addFilter(print)  # QP513
default_handler.flush()
other.setLevel(1)
""")
def test_errors(code: str) -> None:
    check(PREAMBLE + code)


@cases("""
## environment
import os as system

class One:
    A = system.getenv("A")  # QP601
    B = os.environ["B"]
    C = lambda self: os.environ["C"]

class Two:
    B = os.environ["B"]  # QP601
    C = os.environ.keys()
    D = names["a"]

    def read(self):
        return os.getenv("A")

E = os.getenv("E")
F = os.environ[E]
G = os.getenv(E)
## configuration classes
class Plain:
    A = 1

class Computed:
    A = 1

    @property
    def B(self):
        return 2

class Method:
    def help(self):
        return 2

choices = {"a": Plain, "b": Computed}
others = make()

def one(name):
    app.config.from_object(Computed)  # QP602
    app.config.from_object(Computed())
    app.config.from_object(Plain)
    app.config.from_object(Method)
    app.config.from_object("acme.Config")
    app.config.from_object(choices[name])  # QP602
    app.config.from_object(choices.get(name))  # QP602
    app.config.from_object(others[name])
    app.config.from_object()
## secrets
app.secret_key = b"abc"  # QP603
app.secret_key = os.environ["SECRET_KEY"]
app.secret_key = ""
app.config["SECRET_KEY"] = os.environ.get("SECRET_KEY") or "abc"  # QP603
app.config["OTHER"] = "abc"
app.config[name] = "abc"
app.config.update(SECRET_KEY="abc", **others)  # QP603
app.config.from_mapping(JWT_SECRET=other("abc"))
settings["SECRET_KEY"] = "abc"
settings.update(SECRET_KEY="abc")
other.secret_key = "abc"
SECRET_KEY = "abc"  # QP603

class Production:
    secret_key: str = "abc"  # QP603
    page_size: int

class TestConfig:
    SECRET_KEY = "abc"

def make_test_app():
    own = Quart(__name__)
    own.secret_key = "abc"
    SECRET_KEY = "abc"
    return own

if __name__ == "__main__":
    app.secret_key = "abc"
## secrets in tests
import pytest

app.secret_key = "abc"
## debug
app.debug = True  # QP604
app.testing = True  # QP604
app.debug = False
app.debug = debug
app.config.update(TESTING=True)  # QP604

class DevelopmentConfig:
    DEBUG = True

class DebugConfig:
    DEBUG = True

if __name__ == "__main__":
    app.debug = True
## origins
import re
from quart_cors import cors, route_cors

ANY = "*"
PATTERN = re.compile("https://a")  # QP606
ORIGINS = os.environ["ORIGINS"]

cors(app, allow_credentials=True)  # QP605
cors(app, allow_credentials=True, allow_origin=ANY)  # QP605
cors(app, allow_credentials=True, allow_origin=["https://a", "*"])  # QP605
cors(app, allow_credentials=True, allow_origin={"https://a"})
cors(app, allow_credentials=True, allow_origin=os.getenv("A", "*"))  # QP605
cors(app, allow_credentials=True, allow_origin=app.config.get("A", "*"))  # QP605
cors(app, allow_credentials=False, allow_origin="*")
cors(app, allow_credentials=asked)
cors(app, allow_origin=PATTERN)
cors(app, allow_origin=(re.compile("https://a$"), re.compile(PATTERN)))
cors(app, allow_origin=[re.match("https://a"), make("https://a")])
cors(app, allow_origin="https://a,https://b")  # QP607
cors(app, allow_origin=os.getenv("A", "https://a,https://b"))  # QP607
cors(app, allow_origin=ORIGINS)  # QP607
cors(app, allow_origin=os.environ["ORIGIN"])
cors(app, allow_origin=os.environ["ORIGINS"].split(","))
other(app, allow_origin="*", allow_credentials=True)
## origins from the configuration
from quart_cors import cors

app.config["QUART_CORS_ALLOW_ORIGIN"] = ["https://a"]
cors(app, allow_credentials=True)
## headers
headers = {"X-XSS-Protection": "1"}  # QP609
headers = {"a": "X-XSS-Protection", "b": 1}
headers = {"X-XSS-Protection": "0", **{}}
response.headers["x-xss-protection"] = "1"  # QP609
response.headers["x-xss-protection"] = "0"
del response.headers["x-xss-protection"]
print(response.headers["x-xss-protection"], "x-xss-protection")
## hosts
app.config["TRUSTED_HOSTS"] = ["a"]
print(app.config["TRUSTED_HOSTS"])
## cookies
app.config["SESSION_COOKIE_SECURE"] = False  # QP611
app.config["SESSION_COOKIE_HTTPONLY"] = True
app.config["QUART_AUTH_COOKIE_SECURE"] = not secure
## environment files
import dotenv
from dotenv import load_dotenv
from pydantic_settings import SettingsConfigDict

def one():
    own = Quart(__name__)
    load_dotenv()  # QP612
    return own

def main():
    load_dotenv()

dotenv.load_dotenv()
config = SettingsConfigDict(env_file=".env")  # QP612
config = SettingsConfigDict(frozen=True)
## environment files in tests
import pytest
from pydantic_settings import SettingsConfigDict

config = SettingsConfigDict(env_file=".env")
## environment files with a factory
from dotenv import load_dotenv

if __name__ == "__main__":
    load_dotenv()

load_dotenv()  # QP612

def create_app():
    return Quart(__name__)
## factories
def one(*, mode="dev", limit=3):  # QP613
    return Quart(__name__)

def two(mode="production"):
    return Quart(__name__)

def three(mode="development"):
    return mode

def four():
    global prices, names  # QP614
    prices = names = {}
    return Quart(__name__)

def five():
    global prices
    prices = {}
## factories in tests
import pytest

def one(mode="testing"):
    return Quart(__name__)
## schemas
schema = quart_schema.QuartSchema()

def one(app):
    own = quart_schema.QuartSchema()
    own.init_app(app)
    schema.init_app(app)  # QP615
    other.init_app(app)

schema.init_app(app)
## blueprints
api = Blueprint("api", __name__)

def one():
    own = Quart(__name__)
    local = Blueprint("local", __name__)
    local.register_blueprint(blueprint)
    own.register_blueprint(api)
    api.add_url_rule("/a", "a", local)  # QP616
    return own

def main():
    api.register_blueprint(blueprint)
## settings
from typing import Annotated
from functools import lru_cache
from pydantic import AnyHttpUrl, BaseModel, Field, PostgresDsn, SecretStr
from pydantic_settings import BaseSettings

class Settings(BaseSettings):  # QP617
    secret_key: SecretStr | None = None
    other_key: Annotated[SecretStr, 1]
    cors_origins: list[AnyHttpUrl] = []  # QP618
    home: AnyHttpUrl
    database_url: PostgresDsn  # QP619
    replica_url: PostgresDsn = Field(repr=False)
    cache_url: PostgresDsn = Field()  # QP619

    def help(self):
        return 1

class More(Settings):
    page_size: int = 20

class Model(BaseModel):
    secret_key: SecretStr

@lru_cache
def settings():  # QP620
    if app.debug:
        return More()
    return Settings()

@lru_cache(maxsize=None)
def number():
    print("a")
    return 7

def plain():
    return Settings()

def one(own: Settings, more: More, model: Model):
    app.config.from_object(own)  # QP621
    app.config.from_object(more)  # QP621
    app.config.from_object(Settings())  # QP621
    app.config.from_object(model)
    app.config.from_object()
    app.secret_key = own.secret_key  # QP622
    app.secret_key = own.secret_key.get_secret_value()
    app.secret_key = own.home
## settings in upper case
from pydantic import AnyHttpUrl
from pydantic_settings import BaseSettings

class Settings(BaseSettings):
    PAGE_SIZE: int = 20
    ORIGINS: list[AnyHttpUrl] = []

def one(own: Settings):
    app.config.from_object(own)
    return [str(origin).rstrip("/") for origin in own.ORIGINS]
## a class that is its own base
class Loop(Loop):
    pass

class Unknown(make()):
    pass

def one(loop: Loop, unknown: Unknown):
    app.config.from_object(loop)
    app.config.from_object(unknown)
    Loop().get("/")
    Unknown().get("/")
""")
def test_configuration(code: str) -> None:
    check(PREAMBLE + code)


@cases("""
## hashing
import bcrypt
import argon2
from passlib.context import CryptContext

hasher = argon2.PasswordHasher()
context = CryptContext(schemes=["bcrypt"])

def helper(password):
    return inner(password)

def inner(password):
    return hasher.hash(password)  # QP701

def unused(password):
    return hasher.hash(password)

@app.get("/a")
async def one():
    bcrypt.checkpw(b"a", b"b")  # QP701
    context.verify("a", "b")  # QP701
    hasher.check_needs_rehash("a")
    other.hash("a")
    await asyncio.to_thread(hasher.hash, "a")
    return helper("a")

@app.get("/b")
def two():
    return hasher.hash("a")

found = [hasher.hash("a")]
later = lambda: hasher.hash("a")
## hashing in tests
import pytest
import bcrypt

async def test_one():
    bcrypt.checkpw(b"a", b"b")
## clients
import redis
import smtplib
from redis import Redis

cache = redis.Redis.from_url("redis://")
other = Redis()
pool = redis.from_url("redis://")

@app.get("/a")
async def one():
    cache.get("a")  # QP702
    other.get("a")  # QP702
    pool.get("a")  # QP702
    with smtplib.SMTP("localhost") as mail:  # QP702
        mail.noop()
    return "a"

def two():
    return cache.get("a")
## clients in tests
import pytest
import sqlite3

async def test_one():
    sqlite3.connect("a")
## celery
async def one():
    task.apply_async()  # QP703
    await task.delay()
    await asyncio.to_thread(task.delay)

def two():
    task.delay()
## celery in tests
import pytest

async def test_one():
    task.delay()
## loops
async def one():
    app.run()  # QP704
    loop.run_until_complete(two())  # QP704
    other.run()
    await app.run_task()

def two():
    asyncio.run(one())
    app.run()
## passing
import functools
from quart.utils import run_sync
from werkzeug.security import generate_password_hash

async def work(number):
    return number

def count(number) -> int:
    return number

def nothing(number) -> None:
    print(number)

def unknown(number) -> Thing:
    return number

def plain(number):
    return number

def maker(number):
    return lambda: number

class Jobs:
    async def run(self):
        app.add_background_task(self.run())  # QP705

async def one():
    app.add_background_task(work(1))  # QP705
    app.add_background_task(maker(1))
    app.add_background_task(other(1))
    app.add_background_task(functools.partial(work, 1))
    app.add_background_task(work, 1)
    await asyncio.to_thread(count(1))  # QP705
    await asyncio.to_thread(nothing(1))  # QP705
    await asyncio.to_thread(unknown(1))
    await asyncio.to_thread(plain(1))  # QP705
    await asyncio.to_thread(maker(1))
    await asyncio.to_thread(other(1))
    await asyncio.to_thread(count, 1)
    await asyncio.to_thread(functools.partial(count, 1))
    await run_sync(generate_password_hash("a"))()  # QP701 # QP705
    await app.add_background_task(work, 1)  # QP706
    await other.add_background_task(work, 1)
    await work(1)
    await run_sync(count)  # QP707
    run_sync(count)(1)  # QP707
    await run_sync(count)(1)
    counting = run_sync(count)
    task = asyncio.create_task(run_sync(count)(1))
    return await counting(1), task
## uploads
async def keep(upload):
    print(upload)

@app.post("/")
async def one():
    files = await request.files
    app.add_background_task(keep, files["a"])  # QP708
    app.add_background_task(keep, files.get("a"))  # QP708
    app.add_background_task(keep, files["a"].read())
    app.add_background_task(keep, files)
    app.add_background_task(keep, other["a"])
    return "a"
## periods
async def endless():
    while 1:
        await asyncio.sleep(1)

async def ends():
    while True:
        await asyncio.sleep(1)
        if app.debug:
            break

async def counted():
    while app.debug:
        await asyncio.sleep(1)

async def works():
    while True:
        await asyncio.sleep(1)
        await send()  # QP710

async def waits():
    while True:
        await send()

async def guarded():
    while True:
        await asyncio.sleep(1)
        async with client:
            await send()

async def socket():
    while True:
        await asyncio.sleep(1)
        await websocket.send("a")

def plain():
    while True:
        print("a")

@app.before_serving
async def start():
    app.add_background_task(endless)  # QP709
    app.add_background_task(ends)
    app.add_background_task(counted)
    app.add_background_task(plain)  # QP709
    app.add_background_task(unknown)
    app.add_background_task()
    app.tasks = [
        asyncio.create_task(works()),
        asyncio.ensure_future(works()),
        asyncio.create_task(waits()),
        asyncio.create_task(guarded()),
        asyncio.create_task(socket()),
        asyncio.create_task(unknown()),
        asyncio.create_task(plain()),
        loop.create_task(works()),
        print(works()),
    ]
## periods in tests
import pytest

async def works():
    while True:
        await asyncio.sleep(1)
        await send()

task = asyncio.create_task(works())
## errors of tasks
async def one():
    try:
        await send()
    except ValueError as error:
        log.error(error)
    except Exception as error:
        log.error("failed", exc_info=error)
        log.error("failed")
        log.warning(error)
        log.error("failed: %s", error)  # QP712

async def two():
    try:
        await send()
    except Exception as error:
        log.error(error)

app.add_background_task(one)
## threads
slots = asyncio.Semaphore()

async def one(group: asyncio.TaskGroup):
    async with slots:
        group.create_task(asyncio.to_thread(print))  # QP713
        group.create_task(other(print))
        group.create_task(work)
        loop.create_task(asyncio.to_thread(print))
    async with client:
        group.create_task(asyncio.to_thread(print))
## signals
import quart.signals
from quart import request_started
from quart.signals import got_background_exception

def module_level(app):
    print(app)

def one(app):
    def first(app):
        print(app)

    def second(app):
        print(app)

    def third(app):
        print(app)

    def fourth(app):
        print(app)

    quart.signals.got_request_exception.connect(first, app)  # QP711
    request_started.connect(second, app, weak=False)
    got_background_exception.connect(third, app)
    app.extensions["third"] = third
    got_background_exception.connect(module_level, app)
    got_background_exception.connect(unknown, app)
    other.connect(fourth, app)
    other.connect()

async def two(app):
    def first(app):
        print(app)

    got_background_exception.connect(first, app)
    await app.startup()
""")
def test_tasks(code: str) -> None:
    check(PREAMBLE + code)


@cases("""
## commands
import click
from click import command, group

@app.cli.command
async def one():  # QP801
    pass

@blueprint.cli.command("two")
@click.option("--a")
async def two():  # QP801
    pass

@command
async def three():  # QP801
    pass

@group()
def cli():
    pass

@cli.command()
async def four():  # QP801
    pass

@click.command()
@run_async
async def five():
    pass

@app.cli.command()
def six():
    pass

@other.command()
async def seven():
    pass

@plain
async def eight():
    pass

def plain():
    pass

@plain.command()
async def nine():
    pass
## generators
@app.while_serving
async def one():
    yield

@app.while_app_serving
async def two():
    async with open_all():
        yield
        print("a")

@app.while_serving
async def three():
    print("a")
    yield  # QP813
    print("b")

@app.before_serving
async def four():
    print("a")

@blueprint.after_app_serving
async def five():  # QP808
    yield

@app.while_serving()
async def six():
    yield from numbers
## generators in tests
import pytest

@app.while_serving
async def three():
    yield
    print("b")
## blueprints
print(blueprint.while_serving, blueprint.before_request)  # QP809
## servers
import werkzeug.serving
from asgiref.wsgi import WsgiToAsgi
from werkzeug.middleware.proxy_fix import ProxyFix

werkzeug.serving.run_simple("localhost", 8000, app)  # QP810
WsgiToAsgi(wsgi=app)  # QP810
WsgiToAsgi(other)
app.wsgi_app = other
ProxyFix(other.wsgi_app)
print(app)
## shutdown
async def beats():
    await current_app.shutdown_event.wait()  # QP811
    yield "a"

async def waits():
    await app.shutdown_event.wait()

async def others():
    await other.shutdown_event.wait()
    yield "a"

@app.websocket("/")
async def chat():
    await websocket.accept()
    await app.shutdown_event.wait()  # QP811

event = app.shutdown_event
## signals
import signal

@app.while_serving
async def one():
    loop.add_signal_handler(1, print)  # QP812
    loop.add_reader(1, print)
    yield

def two():
    signal.signal(1, print)  # QP812
    return Quart(__name__)

def main():
    signal.signal(1, print)
## caches
from functools import cache

@cache
def one():
    return Quart(__name__)
## served apps
from functools import cache

@app.while_serving
async def resource():
    yield

@cache
def one():  # QP814
    return Quart(__name__)

@cache
def two():
    return 1
## last words
@app.while_serving
async def one():
    app.extensions["a"] = 1
    print(app.extensions["b"])
    yield

@app.after_serving
async def two():
    print(app.extensions["a"], app.extensions["b"], app.extensions[name])  # QP815
    app.extensions["a"] = 2
""")
def test_serving(code: str) -> None:
    check(PREAMBLE + code)


@cases("""
## imports
import quart.exceptions  # QP901
from quart import safe_join  # QP901
from quart.json import JSONEncoder as Encoder  # QP901
from quart_auth import AuthManager, login_required  # QP901
import quart

print(quart.__version__, quart.request)  # QP901
print(quart.flask_patch)  # QP901
## imports that are tried
try:
    from quart import safe_join
    import quart
    version = quart.__version__
except ImportError:
    pass
## relative imports
from . import safe_join
from quart import Quart
from .exceptions import AuthManager
## attributes
@app.before_first_request  # QP902
def one():
    print(app.env, current_app.json_encoder)  # QP902
    print(other.env, request.env, app.name)

app.config.from_json("a")  # QP902
app.settings.from_json("a")
other.config.from_json("a")
config.from_json("a")

def two(application):
    print(application.env)
## attributes of one's own
app.env = "a"
print(app.env)
## contexts
import quart.globals
from quart.ctx import RequestContext  # QP903

print(quart.globals.websocket_ctx)  # QP903
## overrides
class One(Quart):
    name = "a"

    async def handle_exception(self, ctx, error):
        return error

    async def finalize_request(self, *arguments):
        return arguments

    async def process_response(self, response):  # QP904
        return response

    async def own(self, response):
        return response

class Two(One):
    async def make_default_options_response(self):  # QP904
        return ""

class Three(Unknown):
    async def handle_exception(self, error):
        return error
## environment
os.environ["FLASK_ENV"] = "a"  # QP905
os.environ.setdefault("QUART_ENV", "a")  # QP905
monkeypatch.setenv("QUART_ENV", "a")  # QP905
os.environ["OTHER"] = "a"
table["QUART_ENV"] = "a"
print(os.environ["QUART_ENV"], os.getenv("QUART_ENV"))
## schema
quart_schema.QuartSchema(app, version="a", title="b")  # QP906
quart_schema.QuartSchema(app, info=None, **options)
## flask
import flask
from flask import abort as stop, jsonify, redirect  # QP907
from flask.typing import request
## flask apps
from flask import Flask, jsonify
import flask_cors
## flask extensions
import flask_cors  # QP908
from flask_cors import CORS
from flask_login import login_user  # QP908
from flask_unknown import thing
## flask, patched
import quart_flask_patch  # QP909
from flask import jsonify
import flask_cors
## flask, patched again
from quart_flask_patch import patch  # QP909
""")
def test_names(code: str) -> None:
    check(PREAMBLE + code)


def test_a_module_without_apps_may_use_flask_names() -> None:
    check("import quart.signals\nfrom flask import jsonify\nimport flask_cors\n")
