"""CORS, proxies too early, and names that are gone or are Flask's."""

import importlib
import re

import flask
import pytest
import quart
from check_app.engine.scopes import canonical
from check_app.rules import app_factory as rules
from werkzeug.local import LocalProxy

from tests.check_app import PREAMBLE, cases, check, judged, put_in
from tests.support.versions import QUART_0_23

# Which release had the name last, as its wheel on PyPI has it.
WAS_IN = {
    "quart.__version__": "quart 0.15",
    "quart._request_ctx_stack": "quart 0.17",
    "quart.exceptions": "quart 0.14",
    "quart.flask_patch": "quart 0.18",
    "quart.json.JSONEncoder": "quart 0.17",
    "quart.safe_join": "quart 0.17",
    "quart_auth.AuthManager": "quart-auth 0.8",
}
ATTRIBUTE_WAS_IN = {
    "app.before_first_request": "quart 0.18",
    "app.config.from_json": "quart 0.17",
    "app.json_encoder": "quart 0.17",
}
IS_IN_0_22 = {
    "quart.ctx.RequestContext",
    "quart.ctx.WebsocketContext",
    "quart.globals.request_ctx",
    "quart.globals.websocket_ctx",
}


def exists(name: str) -> bool:
    module, _, attribute = name.rpartition(".")
    try:
        if module and hasattr(importlib.import_module(module), attribute):
            return True
        importlib.import_module(name)
    except (ImportError, TypeError):
        return False
    return True


def test_what_is_there_exists() -> None:
    assert exists("quart.helpers")
    assert exists("quart.helpers.url_for")


def test_the_removed_names_are_those_that_were_there() -> None:
    assert WAS_IN.keys() == rules.REMOVED.keys()
    assert ATTRIBUTE_WAS_IN.keys() == rules.REMOVED_ATTRIBUTES.keys()
    in_0_22 = {canonical(name) for name in IS_IN_0_22}
    assert in_0_22 | {"quart_flask_patch"} == rules.REMOVED_IN_0_23.keys()


@pytest.mark.parametrize("name", WAS_IN)
def test_a_removed_name_is_gone(name: str) -> None:
    assert not exists(name)
    assert ("QP901", 1) in judged(f"import quart, {name}\n")
    package, _, last = name.rpartition(".")
    assert ("QP901", 2) in judged(f"import quart\nfrom {package} import {last}\n")


@pytest.mark.parametrize("name", ATTRIBUTE_WAS_IN)
def test_a_removed_attribute_is_gone(name: str) -> None:
    owner, _, last = name.rpartition(".")
    app, blueprint = quart.Quart("notes"), quart.Blueprint("notes", "notes")
    owners = {"app": [app, blueprint], "app.config": [app.config]}[owner]
    assert not any(hasattr(one, last) for one in owners)
    assert "QP902" in put_in("QP902", "app.before_first_request", name)


@pytest.mark.parametrize("name", sorted(IS_IN_0_22))
def test_a_name_removed_in_0_23_is_there_on_0_22(name: str) -> None:
    assert exists(name) is not QUART_0_23
    package, _, last = name.rpartition(".")
    assert ("QP903", 2) in judged(f"import quart\nfrom {package} import {last}\n")


@pytest.mark.parametrize(
    "code",
    [
        code
        for table in (rules.REMOVED, rules.REMOVED_ATTRIBUTES, rules.REMOVED_IN_0_23)
        for instead in table.values()
        for code in re.findall("`(.+?)`", instead)
        if not code.startswith("quart_auth")  # is not installed here
    ],
)
def test_what_to_use_instead_exists(code: str) -> None:
    owner, _, last = re.split(r"\W*[(\[]", code)[0].rpartition(".")
    app = quart.Quart("notes")
    names = [quart, app]
    owners = {"": names, "app": [app], "config": [app.config]}
    assert exists(f"{owner}.{last}") or any(hasattr(one, last) for one in owners[owner])


def used(name: str) -> object:
    """Use what Flask has under this name as a view would."""
    found = getattr(flask, name)
    return found.name if isinstance(found, LocalProxy) else found("notes")


@pytest.mark.parametrize("name", sorted(rules.FLASK_NAMES.split()))
async def test_a_name_of_flask_knows_no_request_of_quart(name: str) -> None:
    assert hasattr(quart, name)
    async with quart.Quart("notes").test_request_context("/"):
        with pytest.raises(RuntimeError, match="context"):
            used(name)
    assert "QP907" in put_in("QP907", "flask import request", f"flask import {name}")


@pytest.mark.parametrize(
    "name", [name for name in rules.FLASK if name.startswith("flask_")]
)
def test_each_extension(name: str) -> None:
    assert "QP907" in put_in("QP907", "flask import request", f"{name} import a")


@pytest.mark.parametrize("name", sorted(rules.PROXIES))
def test_each_proxy(name: str) -> None:
    assert exists(name)
    assert ("QP205", 2) in judged(f"import quart\nNAME = {name}.name\n")


@pytest.mark.parametrize("name", sorted(rules.CORS))
def test_each_function_of_quart_cors(name: str) -> None:
    assert exists(name)
    code = f"import quart_cors\n{name}(allow_origin='*', allow_credentials=True)\n"
    assert ("QP605", 2) in judged(code)


@cases("""
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
app.logger.addHandler(stamp)
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
    from werkzeug.utils import safe_join
if version < "0.23":
    import quart_flask_patch
stack = quart.safe_join if hasattr(quart, "safe_join") else None
if debug:
    from quart import safe_join  # QP901
## relative imports
from . import safe_join
from quart import Quart
from .exceptions import AuthManager
from .quart import exceptions
## a test that is skipped where the name is gone
import pytest

@pytest.mark.skipif(QUART_0_23, reason="gone")
def test_patch():
    import quart_flask_patch
## a test that is not
import pytest
import quart_flask_patch  # QP903
## attributes
@app.before_first_request  # QP902
def one():
    print(other.json_encoder, current_app.json_encoder, app.name)  # QP902

app.json_encoder = Encoder  # QP902
app.json_encoder = blueprint.json_encoder = None  # QP902
app.config.from_json("a")  # QP902
app.settings.from_json("a")
other.config.from_json("a")
config.from_json("a")
app.env = "a"

def two(application):
    application.before_first_request(print)  # QP902

if hasattr(app, "before_first_request"):
    app.before_first_request(print)
try:
    app.before_first_request(print)
except AttributeError:
    pass
## contexts
import quart.globals
from quart.ctx import RequestContext  # QP903

print(quart.globals.websocket_ctx)  # QP903
## flask
import flask
import flask_cors  # QP907
from flask import abort as stop, jsonify, redirect  # QP907
from flask.typing import request
from flask_unknown import thing

def name():
    return flask.current_app.name  # QP907
## flask apps beside it
from flask import Flask, jsonify
import flask_cors

other = Flask(__name__)
## flask, patched
import quart_flask_patch  # QP903
from flask import jsonify
import flask_login
""")
def test_app_factory(code: str) -> None:
    check(PREAMBLE + code)


def test_a_module_without_apps_may_use_flask_names() -> None:
    check("import quart.signals\nfrom flask import jsonify\nimport flask_cors\n")
