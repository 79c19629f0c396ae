"""Names that are gone and overridden methods: the rules of upgrade."""

import inspect
import re

import pytest
import quart
from check_app.engine import gone
from check_app.engine.scopes import canonical
from check_app.rules import upgrade as rules

from examples.testing import test_upgrade as page
from tests.check_app import PREAMBLE, cases, check, exists, judged, put_in
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
    "quart.globals._cv_request",
    "quart.globals._cv_websocket",
    "quart.globals.request_ctx",
    "quart.globals.websocket_ctx",
    "quart.testing.connections.HTTPDisconnectError",
    "quart.testing.connections.WebsocketDisconnectError",
}


def test_what_is_there_exists() -> None:
    assert exists("quart.helpers")
    assert exists("quart.helpers.url_for")


def test_the_removed_names_are_those_that_were_there() -> None:
    assert WAS_IN.keys() == gone.REMOVED.keys()
    assert ATTRIBUTE_WAS_IN.keys() == gone.REMOVED_ATTRIBUTES.keys()
    in_0_22 = {canonical(name) for name in IS_IN_0_22}
    assert in_0_22 | {"quart_flask_patch"} == gone.REMOVED_IN_0_23.keys()


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
        for table in (gone.REMOVED, gone.REMOVED_ATTRIBUTES, gone.REMOVED_IN_0_23)
        for instead in table.values()
        for code in re.findall("`(.+?)`", instead)
        if not code.startswith("quart_auth")  # is not installed here
    ],
)
def test_what_to_use_instead_exists(code: str) -> None:
    owner, _, last = re.split(r"\W*[(\[]", code)[0].rpartition(".")
    app = quart.Quart("notes")
    names = [quart, app, page]
    owners = {"": names, "app": [app], "config": [app.config]}
    assert exists(f"{owner}.{last}") or any(hasattr(one, last) for one in owners[owner])


@pytest.mark.parametrize("name", rules.CONTEXT_FIRST.split())
def test_each_method_that_takes_the_context(name: str) -> None:
    _, *own = inspect.signature(getattr(quart.Quart, name)).parameters
    assert (own[:1] == ["ctx"]) is QUART_0_23
    assert "QP904" in put_in("QP904", "handle_exception", name)
    override = f"{name}({', '.join(['self', *own])})"
    found = "QP904" in put_in("QP904", "handle_exception(self, error)", override)
    works_on_both = own[:1] in (["request_context"], ["websocket_context"])
    assert found is not (QUART_0_23 or works_on_both)
    if not QUART_0_23:
        assert name.startswith(rules.OPTIONAL_CONTEXT) is works_on_both
    assert "QP910" in put_in("QP910", "preprocess_request", name)


def test_the_methods_that_take_the_context_are_all() -> None:
    methods = {name: one for name, one in vars(quart.Quart).items() if callable(one)}
    given = {n for n in methods if "ctx" in inspect.signature(methods[n]).parameters}
    assert given == ({*rules.CONTEXT_FIRST.split()} if QUART_0_23 else set())


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
## the end of a connection
import quart.testing.connections
from quart.testing.connections import WebsocketDisconnectError  # QP903

try:
    print(socket)
except quart.testing.connections.HTTPDisconnectError:  # QP903
    print(WebsocketDisconnectError)
## overrides
class One(Quart):
    name = "a"

    async def handle_exception(self, ctx, error):
        return error

    async def finalize_request(self, *arguments):
        return arguments

    async def full_dispatch_request(self, request_context=None):
        return "a"

    async def process_response(self, response):  # QP904
        return response

    async def own(self, response):
        return response

class Two(One):
    async def preprocess_request(self):  # QP904
        return ""

class Three(Quart):
    async def update_template_context(self, context):  # QP904
        context["a"] = "b"

    async def do_teardown_request(self, exc, request_context=None):  # QP904
        print(exc)

    async def dispatch_websocket(self, websocket_context=None):
        return "a"

class Four(Quart):
    async def update_template_context(self, ctx, context):
        context["a"] = "b"

    async def make_default_options_response(self):  # QP904
        return "a"

class Five(Unknown):
    async def handle_exception(self, error):
        return await super().handle_exception(error)
## overrides that call what they override
class One(Quart):
    async def full_dispatch_request(self, request_context=None):
        g.one = await self.dispatch_request()  # QP910
        return await super().full_dispatch_request()  # QP910

    async def dispatch_request(self, request_context=None):
        return await super().dispatch_request(request_context)

    async def preprocess_request(self):  # QP904
        return await super().preprocess_request()

    async def finalize_request(self, *arguments):
        return await super().finalize_request(*arguments)

    async def handle_exception(self, ctx, error):
        return await super().handle_exception(error)  # QP910

class Two(View):
    async def dispatch_request(self):
        return await super().dispatch_request()
## websockets
from quart.wrappers import Websocket

class One(Websocket):
    def __init__(self, path, headers, receive, send):  # QP904
        super().__init__(path, headers, receive, send)

class Two(Websocket):
    def __init__(self, *arguments, **options):
        super().__init__(*arguments, **options)

    def receive(self, receive):
        return receive

class Three(Unknown):
    def __init__(self, receive):
        self.own = receive
## calls
async def calls(error, response, c):
    async with app.test_request_context("/") as given:
        await app.preprocess_request()  # QP910
        await app.preprocess_request(given)
        await app.process_response(response)  # QP910
        await app.process_response(given, response)
        await current_app.do_teardown_appcontext(None)  # QP910
        await app.update_template_context({})  # QP910
        await app.update_template_context(c, {})  # QP910
        await app.update_template_context(given, {})
        await app.handle_exception(c.ctx, error)
        await unknown.handle_exception(error)
    if QUART_0_23:
        await app.handle_exception(c, error)
    else:
        await app.handle_exception(error)
""")
def test_upgrade(code: str) -> None:
    check(PREAMBLE + code)
