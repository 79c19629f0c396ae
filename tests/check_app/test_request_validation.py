"""Bodies, queries, forms and uploads: the rules of request_validation."""

import pytest
import quart
import quart_schema
from check_app.rules import request_validation as rules

from tests.check_app import PREAMBLE, cases, check, judged, put_in


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
""")
def test_request_bodies(code: str) -> None:
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
@app.post("/")
async def save():
    for name, upload in (await request.files).items():
        open(upload.filename)  # QP108
    return "a"
## safe name
from werkzeug.utils import secure_filename

@app.post("/")
async def save():
    upload = (await request.files)["report"]
    await upload.save(secure_filename(upload.filename))
    name = upload.filename
    return {"name": upload.filename, "n": len(name)}

async def helper(report):
    open(report.filename)
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
## validated in tests
import pytest

@app.post("/")
@quart_schema.validate_headers(Note)
async def four(first):
    return "a"

class Query:
    tag: list[str]

@app.get("/")
@quart_schema.validate_querystring(Query)
async def five(query_args):
    return "a"
## saved uploads
@app.post("/a")
async def one():
    file = (await request.files)["a"]
    file.save("a")  # QP101
    await file.save("b")
    other.save("c")
    form.save("d")
    unknown().save("e")
    return "a"

form = Form()
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
    body = Note(**await request.get_json())  # QP117
    names[await request.get_json()] = 1
    spare = await request.json
    self.body = await request.json
    return {"a": body.a}

@app.post("/g")
async def of_that_type():
    if not request.is_json:
        abort(415)
    return {"a": (await request.get_json())["a"]}

@app.post("/h")
@json_required
async def checked_by_a_decorator():
    return {"a": (await request.get_json())["a"]}

async def helper():
    return (await request.get_json())["a"]
## list in query
from typing import Annotated

class One:
    a: list[str]  # QP119
    b: str
    c: Annotated[list[str], 1]
    d = 1

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
## schema
quart_schema.QuartSchema(app, version="a", title="b")  # QP906
quart_schema.QuartSchema(app, info=None, **options)
## the suffix of an upload
from pathlib import Path

@app.post("/")
async def save():
    upload = (await request.files)["report"]
    given = Path(upload.filename).suffix, Path(upload.filename).name
    if (suffixes := "".join(Path(upload.filename).suffixes)) in (".png", ".jpg"):
        await upload.save(f"icons/icon{suffixes}")
    return Path(upload.filename).parent, given  # QP108
## unpacked and tested bodies
@app.post("/a")
async def unpacked():
    data: dict = await request.get_json(silent=True)
    return Note(**data)  # QP117

@app.post("/b")
async def contained():
    body = await request.get_json()
    if "a" not in body:  # QP117
        abort(400)
    return body["a"]

@app.post("/c")
async def checked():
    body = await request.get_json()
    if not isinstance(body, dict) or "a" not in body:
        abort(400)
    return Note(**body)

@app.post("/d")
async def kept():
    table = {"a": 1}
    return table[await request.json], table in [await request.json]
## guards
from pydantic import ValidationError

@app.post("/a")
async def unfit():
    try:
        data = await request.get_json()
        return Note(**data)  # QP117
    except ValidationError:
        return "a", 400
    except Exception:
        return "a", 500

@app.post("/b")
async def ended():
    try:
        return (await request.get_json())["a"]  # QP117
    finally:
        print("a")

@app.post("/c")
async def fit():
    try:
        return (await request.get_json())["a"]
    except (KeyError, TypeError):
        return "a", 400

@app.get("/d")
async def unfit_for_text():
    try:
        return int(request.args["a"])  # QP121
    except KeyError:
        return "a", 400
## kinds of lists
from typing import Annotated
from pydantic import BaseModel, BeforeValidator, Field

class One(BaseModel):
    a: list[str] | None = None  # QP119
    b: Annotated[list[str], Field(max_length=5)] = []  # QP119
    c: Annotated[list[str], BeforeValidator(listed)] = []
    d: set = set()  # QP119
    e: str | None = None

class Body(BaseModel):
    a: list[str]

@app.get("/a")
@quart_schema.validate_querystring(One)
async def one(query_args):
    return "a"

@app.post("/b")
@quart_schema.validate_request(Body)
async def two(data):
    return "a"
## converted
import re
import uuid
from datetime import date

@app.get("/a")
async def one():
    a = int(request.args["a"])  # QP121
    b = float(request.headers.get("b", 1))  # QP121
    c = uuid.UUID((await request.form)["c"])  # QP121
    d = request.args.get("d")
    e = date.fromisoformat(d)  # QP121
    arguments = request.args
    f = int(arguments["f"] or 1)  # QP121
    form = await request.form
    return a, b, c, e, f, int(form.get("g"))  # QP121

@app.websocket("/b")
async def two():
    int(websocket.args["a"])  # QP121

@app.get("/c")
async def guarded():
    try:
        a = int(request.args["a"])
    except ValueError:
        abort(400)
    b = request.args.get("b")
    c = int(b) if b.isdecimal() else 1
    d = request.args.get("d", type=int)
    e = request.args.get("e", "1")
    if e not in ("1", "2"):
        abort(400)
    f = request.args["f"]
    if not re.fullmatch("[0-9]+", f):
        abort(400)
    g = int(request.args.get("g", 1, type=int))
    return a, c, int(d), int(e), int(f), g, int("1"), int(f())

@app.get("/d")
async def default():
    a = request.args.get("a")
    if a is None:
        return "a"
    return int(request.args.get("a", default=1)), int(a)  # QP121

@app.get("/e")
@quart_schema.validate_querystring(Query)
async def checked_by_a_decorator(query_args):
    return int(request.args["a"])

def helper():
    return int(request.args["a"]), int("7", 8)
## converted, with a handler
@app.errorhandler(ValueError)
async def invalid(error):
    return "a", 400

@app.get("/a")
async def one():
    return int(request.args["a"])
## validation errors in a view
import pydantic

@app.post("/a")
@quart_schema.validate_request(Note)
async def one(data):
    try:
        await save(data)
    except pydantic.ValidationError:  # QP502
        abort(400)

@app.post("/b")
@quart_schema.validate_request(Note)
async def two(data):
    try:
        Other(name=data.name)
    except pydantic.ValidationError:
        abort(400)

@app.post("/c")
async def three():
    try:
        await save()
    except pydantic.ValidationError:
        abort(400)

try:
    load()
except pydantic.ValidationError:
    pass
""")
def test_validation(code: str) -> None:
    check(PREAMBLE + code)


@pytest.mark.parametrize("name", rules.BODY.split())
def test_each_body_is_awaited(name: str) -> None:
    assert hasattr(quart.Request, name.removesuffix("()"))
    new = f"str(request.{name})"
    assert "QP101" in put_in("QP101", 'request.form["text"]', new)


@pytest.mark.parametrize("name", rules.TEXTS.split())
@pytest.mark.parametrize(
    "conversion",
    ["float", "int", "uuid.UUID", "date.fromisoformat", "datetime.fromisoformat"],
)
def test_each_conversion_of_each_text(name: str, conversion: str) -> None:
    code = f"""
import uuid, quart
from datetime import date, datetime
app = quart.Quart(__name__)

@app.websocket("/a")
async def view():
    {conversion}((await quart.{name})["a"])
"""
    assert conversion.rpartition(".")[2] in rules.CONVERSIONS
    assert ("QP121", 8) in judged(code)


@pytest.mark.parametrize("name", sorted(rules.PATH_CALLS))
def test_each_call_that_takes_a_path(name: str) -> None:
    call = name.removeprefix("builtins.")
    wrong = 'await upload.save(Path("files") / upload.filename)'
    right = f"import aiofiles, os, pathlib; {call}(upload.filename)"
    assert "QP108" in put_in("QP108", wrong, right)


@pytest.mark.parametrize("name", ["joinpath", "save"])
def test_each_method_that_takes_a_path(name: str) -> None:
    new = f"await upload.{name}(upload.filename)"
    old = 'await upload.save(Path("files") / upload.filename)'
    assert "QP108" in put_in("QP108", old, new)


@pytest.mark.parametrize("name", ["list", "set", "tuple", "List", "typing.List"])
def test_each_list(name: str) -> None:
    assert "QP119" in put_in("QP119", "list[str]", f"{name}[str]")


@pytest.mark.parametrize("name", sorted(rules.VALIDATED))
def test_each_validated_argument(name: str) -> None:
    assert hasattr(quart_schema, f"validate_{name}")
    code = f"""
import quart, quart_schema
app = quart.Quart(__name__)

@app.post("/a")
@quart_schema.validate_{name}(Note)
async def view({rules.VALIDATED[name]}2):
    return ""
"""
    assert ("QP115", 7) in judged(code)


@pytest.mark.parametrize("name", rules.WRAPPING)
def test_each_decorator_that_wraps(name: str) -> None:
    code = f"""
import quart, quart_auth, quart_jwt_extended, quart_rate_limiter, quart_schema
app = quart.Quart(__name__)

@{name}request
@app.get("/a")
async def view():
    return ""
"""
    assert ("QP114", 5) in judged(code)
