"""What a Flask code base has to change.

The QM rules are asked only with --from-flask. Their examples are written with the names
of Quart; read with those of Flask, each wrong one works.
"""

import ast
import re
from pathlib import PurePath

from ..engine.flask import FlaskModule
from ..engine.gone import FLASK, NAMES, uses_of
from ..engine.handed_on import THREADS
from ..engine.quart import Module, argument
from ..engine.rule import Found, rule
from ..engine.scoped import BY_PROPERTY, METHODS, sends_query
from ..engine.scopes import FUNCTIONS
from ..engine.words import ALIASES, CLIENT, CLIENT_VERBS, SCOPED_SESSION

EXTENSIONS = {  # tried with Quart 0.22.0 and 0.23.1 in November 2026
    "flask_admin": "nothing like it; keep it in the Flask app behind",
    "flask_caching": "cashews",
    "flask_cors": "quart-cors",
    "flask_httpauth": "`request.authorization`",
    "flask_jwt_extended": "PyJWT",
    "flask_limiter": "quart-rate-limiter",
    "flask_login": "quart-auth, or `session`",
    "flask_mail": "`in_flask` in a thread",
    "flask_migrate": "Alembic's own command",
    "flask_restful": "views, and quart-schema",
    "flask_restx": "views, and quart-schema",
    "flask_smorest": "views, and quart-schema",
    "flask_socketio": "`@app.websocket`, or python-socketio's ASGIApp",
    "flask_sqlalchemy": "SQLAlchemy, or `in_flask` in a thread",
    "flask_talisman": "`after_request`",
    "flask_wtf": "WTForms with `await request.form`, or quart-wtforms",
}
OTHER = "take a library for asyncio, or `in_flask` in a thread"
WORKING = {"flask_bcrypt", "flask_session"}
DATABASE = re.compile(r"\bdb\.|\.query\b|\bsession\.")
FOR_VIEWS = re.compile(r"quart\.(abort|current_app|flash|g|redirect|request|session)\b")
GONE = {
    "quart.current_app.ensure_sync": "`ensure_async`",
    "quart.request.environ": "`request.headers`, `request.scope`",
    "quart.request.input_stream": "`async for part in request.body`",
    "quart.request.stream": "`async for part in request.body`",
}
GONE_OF_ANSWER = {
    "calculate_content_length": "`content_length`",
    "call_on_close": "`finally` in the generator",
    "direct_passthrough": "the class of `response.response`, such as FileBody",
    "is_streamed": "the class of `response.response`, such as IterableBody",
}
PER_THREAD = {
    SCOPED_SESSION: "`SyncDatabase` of sync_libraries",
    "threading.local": "`g`",
}
DEFAULTS = {
    "MAX_CONTENT_LENGTH": "MAX_CONTENT_LENGTH is 16 MiB (413)",
    "SEND_FILE_MAX_AGE_DEFAULT": "SEND_FILE_MAX_AGE_DEFAULT 12 hours",
}
SENDING = {"quart": "send_file"}
STREAM = "quart.stream_with_context"
QUERY = re.compile(
    rf"\bdb\.session\.({METHODS})$|{BY_PROPERTY.pattern}"
    r"|^db\.(first_or_404|get_or_404|paginate)$"
)
AWAIT_CALL = "becomes `async def`: await it here, and so on up to the view"
NO_THREAD = "becomes `async def`: no thread awaits it, `app.add_background_task` does"
CLIENT_ARGUMENTS = {"base_url", "content_type", "environ_base", "mimetype"}
GONE_IN_TESTS = {
    "quart.Response": {"history", "request", "text"},
    CLIENT: {"get_cookie"},
}


@rule("QM101 flask-import error", on=(ast.Import, ast.ImportFrom), word="flask")
def flask_import(module: FlaskModule, node: ast.Import | ast.ImportFrom) -> Found:
    """Flask's app, request and session are not Quart's: `{}`

    Flask is installed with Quart, so a forgotten import works, and fails later.

    runs: get("/notes") -> 500

      from quart import Quart  # here
    - from flask import request  # here
      app = Quart(__name__)
      @app.get("/notes")
      def notes():
          return {"tag": request.args.get("tag")}
    """
    if node in module.of_flask:
        names = [alias.name for alias in node.names]
        match node:
            case ast.ImportFrom(module=source):
                yield node, f"from {source} import {', '.join(names)}"
            case _:
                yield node, f"import {', '.join(names)}"


@rule("QM102 flask-extension error", on=(ast.Import, ast.ImportFrom), word="flask_")
def flask_extension(module: Module, node: ast.Import | ast.ImportFrom) -> Found:
    """it needs Flask's app and request, and finds none (RuntimeError): {}

    Many start, and fail in the first request. Flask-Bcrypt and Flask-Session work.

    runs: fragment: the extensions are not installed here

    - from flask_login import login_required
    + from quart_auth import login_required
    """
    names = [alias.name for alias in node.names]
    if isinstance(node, ast.ImportFrom):
        names = [node.module or ""] if node.level == 0 else []
    own = {
        part
        for one in module.local_imports
        for part in PurePath(one.inner).with_suffix("").parts
    }
    for name in {one.partition(".")[0] for one in names} - WORKING - own:
        if name.startswith("flask_"):
            yield node, f"`{name}`; {EXTENSIONS.get(name, OTHER)}"


@rule("QM201 command-without-context error", on=ast.FunctionDef, word=".command")
def command_without_context(module: FlaskModule, node: ast.FunctionDef) -> Found:
    """a command of Quart has no app context (RuntimeError): {}

    Flask enters one. Around `asyncio.run` it needs `async with app.app_context()`.

    runs: (await asyncio.to_thread(lambda: app.test_cli_runner().invoke(args=["name"])
    )).exit_code -> 1

      from quart.cli import with_appcontext
      @app.cli.command("name")
    + @with_appcontext
      def name():  # here
          print(current_app.name)
    """
    makers = [getattr(one, "func", one) for one in node.decorator_list]
    names = {module.name(one).rpartition(".")[2] for one in makers}
    is_command = any(getattr(one, "attr", "") == "command" for one in makers)
    body = module.body(node) if is_command and "with_appcontext" not in names else []
    if any(module.name(one).startswith("quart.") for one in body):
        yield node, "add `@with_appcontext`"
    elif body and needs_app(module, node, body):
        yield node, "add `@with_appcontext` if what it calls needs one"


def needs_app(module: FlaskModule, node: ast.AST, body: list[ast.AST]) -> bool:
    own = [function for call, function in module.calls_of_own if call in body]
    text = "\n".join(map(ast.unparse, [node, *own]))
    if "app_context()" in text:
        return False
    return bool(own or DATABASE.search(text))


@rule("QM202 other-start warning", on=ast.Call)
def other_start(module: Module, node: ast.Call) -> Found:
    """{}

    The app starts all the same: without its settings, or with http.

    runs: app.config.get("PLACE") -> None

      os.environ["FLASK_PLACE"] = "cellar"
      app = Quart(__name__)
    - app.config.from_prefixed_env()
    + app.config.from_prefixed_env("FLASK")
    """
    match node.func:
        case ast.Attribute(attr="from_prefixed_env"):
            if not argument(node, 0, "prefix"):
                yield node, '`from_prefixed_env()` reads `QUART_...`; give it "FLASK"'
        case ast.Attribute(value=app, attr="run") if module.is_app(app):
            if argument(node, None, "ssl_context"):
                yield node, "`ssl_context` is ignored here; use `certfile`, `keyfile`"


@rule("QM301 must-be-awaited error", on=ast.Module)
def must_be_awaited(module: FlaskModule, node: ast.Module) -> Found:
    """`{}` must be awaited, so the function around it becomes `async def`

    The body arrives while the view runs, and templates may wait. In `after_request`
    first ask for `isinstance(response, quart.Response)`: a bare 404 is werkzeug's.

    runs: post("/notes", form={"text": "tea"}) -> 500

      @app.post("/notes")
    - def add_note():
    -     return request.form["text"]
    + async def add_note():
    +     return (await request.form)["text"]
    """
    for place, used in module.to_await:
        yield place, ast.unparse(used) + ("()" if used is not place else "")


@rule("QM302 caller-must-await error", on=ast.Module)
def caller_must_await(module: FlaskModule, node: ast.Module) -> Found:
    """{}

    A view that forgets it answers with a coroutine, a TypeError and a 500. A thread
    drops the coroutine unseen.

    runs: post("/notes", form={"text": "tea"}) -> 500

    - def text_of_note():
    -     return request.form["text"]
    + async def text_of_note():
    +     return (await request.form)["text"]
      @app.post("/notes")
    - def add_note():
    -     return text_of_note()  # here
    + async def add_note():
    +     return await text_of_note()
    """
    for call, function in module.calls_of_own:
        if function in module.all_turned and not module.is_awaited(call):
            yield call, f"`{function.name}()` {AWAIT_CALL}"
    for call in module.nodes(ast.Call):
        name = module.name(call.func) or getattr(call.func, "attr", "")
        given = argument(call, *THREADS[name]) if name in THREADS else None
        if given and module.own_function(given) in module.all_turned:
            yield given, f"`{ast.unparse(given)}` {NO_THREAD}"


@rule("QM303 sync-wrapper error", on=ast.Return)
def sync_wrapper(module: Module, node: ast.Return) -> Found:
    """`{}` may be `async def` now: `await current_app.ensure_async({})(...)` in one

    Of a plain wrapper Quart takes what it returns, a coroutine, for the answer.

    runs: get("/?key=7") -> 500

      from functools import wraps
      def with_key(view):
          @wraps(view)
    -     def wrapper():
    +     async def wrapper():
              if "key" not in request.args:
                  abort(401)
    -         return view()
    +         return await current_app.ensure_async(view)()

          return wrapper
      @app.get("/")
      @with_key
      async def index():
          return "hello"
    """
    match node.value, module.function(node):
        case ast.Call(func=ast.Name() as called), ast.FunctionDef() as wrapper:
            given = [one for one in module.bindings(called) if isinstance(one, ast.arg)]
            wraps = {module.decorator_name(one) for one in wrapper.decorator_list}
            names = [module.name(one) for one in module.body(wrapper)]
            passed = given and module.function(given[0]) is not wrapper
            if passed and "functools.wraps" in wraps and any(map(is_for_views, names)):
                yield wrapper, called.id


def is_for_views(name: str) -> bool:
    return bool(FOR_VIEWS.match(name)) or name == "flask_login.current_user"


@rule("QM304 gone-in-request error", on=ast.Attribute)
def gone_in_request(module: FlaskModule, node: ast.Attribute) -> Found:
    """{}

    There is no WSGI environment, and the body is no file.

    runs: get("/") -> 500

      @app.get("/")
      def index():
    -     return request.environ["HTTP_HOST"]
    +     return request.headers["Host"]
    """
    if instead := GONE.get(name := module.name(node)):
        yield node, f"`{name.removeprefix('quart.')}` is gone; use {instead}"
    elif node.attr in GONE_OF_ANSWER and module.is_answer(node.value):
        yield node, f"`{ast.unparse(node)}` is gone; use {GONE_OF_ANSWER[node.attr]}"


@rule("QM305 plain-stream error", on=(ast.Call, ast.FunctionDef))
def plain_stream(module: Module, node: ast.Call | ast.FunctionDef) -> Found:
    """`stream_with_context` takes no generator, only an `async def` that yields{}

    Flask also takes generators that run already; Quart iterates over none.

    runs: get("/") -> 500

      @app.get("/")
      def index():
    -     def lines():
    +     @stream_with_context
    +     async def lines():
              yield request.path

    -     return Response(stream_with_context(lines()))
    +     return Response(lines())
    """
    if isinstance(node, ast.FunctionDef):
        if STREAM in map(module.decorator_name, node.decorator_list):
            yield node, ""
    elif node.args and module.name(node.func) == STREAM:
        given = module.local_function(node.args[0]) or node.args[0]
        if isinstance(given, ast.Call | ast.FunctionDef | ast.GeneratorExp):
            yield node, ", uncalled"


@rule("QM306 other-host error", on=ast.Module, word="SERVER_NAME")
def other_host(module: Module, node: ast.Module) -> Found:
    """with `SERVER_NAME` every other Host is a 404 here; drop it, make links by `Links`

    That of a probe too, and of a websocket at another port. `Links` of
    request_context needs no SERVER_NAME.

    runs: get("/", headers={"Host": "www.app.example.com"}) -> 404

      app = Quart(__name__)
    - app.config["SERVER_NAME"] = "app.example.com"
      @app.get("/")
      def index():
          return "hello"
    """
    for setting in module.configured:
        if setting.key == "SERVER_NAME" and ast.unparse(setting.value) != "None":
            yield setting.value, ""


@rule("QM401 state-of-a-thread warning", on=ast.Call)
def state_of_a_thread(module: Module, node: ast.Call) -> Found:
    """a request is no thread here: what {}

    `async def` views share one thread; hooks and plain views each take any. In `g`
    a session holds its connection until a thread is free: 500.

    runs: get("/?user=ada") -> 500

    - local = threading.local()
      @app.before_request
      def load_user():
    -     local.user = request.args["user"]
    +     g.user = request.args["user"]
      @app.get("/")
      async def index():
    -     return local.user
    +     return g.user
    """
    name = module.name(node.func)
    if instead := PER_THREAD.get(ALIASES.get(name, name)):
        yield node, f"`{ast.unparse(node.func)}` keeps, others see; use {instead}"


@rule("QM402 other-default warning", on=ast.Call)
def other_default(module: Module, node: ast.Call) -> Found:
    """in Flask nothing limits them: {}; set both

    Browsers keep the old style sheet for half a day, and larger uploads are refused.

    runs: app.config["MAX_CONTENT_LENGTH"] -> 16777216

      app = Quart(__name__)  # here
    + app.config["MAX_CONTENT_LENGTH"] = 64 * 1024 * 1024
    + app.config["SEND_FILE_MAX_AGE_DEFAULT"] = 0
    """
    missing = [DEFAULTS[key] for key in DEFAULTS if key not in module.settings]
    if missing and module.kind(node) == "quart.Quart" and not module.is_test:
        yield node, ", ".join(missing)


@rule("QM403 unconditional-file warning", on=ast.Call, word="send_")
def unconditional_file(module: Module, node: ast.Call) -> Found:
    """`{}` wants `conditional=True` for Range and 304, FileResponse for `bytes=-5`

    In Flask that is the default; a video cannot be wound without it. And without
    the FileResponse of downloads as `app.response_class`, `bytes=-5` is a 500.

    runs: (await get("/", headers={"Range": "bytes=0-3"})).status_code -> 200

      @app.get("/")
      async def source():
    -     return await send_file(__file__)
    +     return await send_file(__file__, conditional=True)
    """
    if module.calls_one_of(node, SENDING) and not argument(node, None, "conditional"):
        yield node, ast.unparse(node.func)


@rule("QM405 query-in-loop warning", on=FUNCTIONS)
def query_in_loop(module: FlaskModule, node: ast.FunctionDef) -> Found:
    """`{}` holds up everybody once this is `async def`; do it in a thread

    One event loop serves everybody, while Flask has a thread for each request.

    runs: fragment: Flask-SQLAlchemy is not installed here

      from acme.models import db
      @app.post("/notes")
    - def add_note():
    -     db.session.execute(text(request.form["text"]))  # here
    + async def add_note():
    +     form = await request.form
    +     await asyncio.to_thread(db.session.execute, text(form["text"]))
          return "", 204
    """
    for part in module.body(node) if node in module.turned else ():
        if isinstance(part, ast.Call):
            called = ast.unparse(part.func)
            if QUERY.search(called) or sends_query(module, part):
                yield part, called.partition("(")[0]
                return


@rule("QM501 client-argument error", on=(ast.Call, ast.Attribute))
def client_argument(module: Module, node: ast.Call | ast.Attribute) -> Found:
    """Quart's test client has no `{}`; see the tests of the page

    A keyword is a TypeError, an attribute of the response an AttributeError.

    runs: await test_form() -> TypeError

      async def test_form():
          client = app.test_client()
    -     response = await client.post("/", data="{}", content_type="text/plain")
    +     headers = {"Content-Type": "text/plain"}
    +     response = await client.post("/", data="{}", headers=headers)
          assert response.status_code == 404
    """
    if isinstance(node, ast.Attribute):
        if node.attr in GONE_IN_TESTS.get(module.kind(node.value), ()):
            yield node, node.attr
    elif module.calls_one_of(node, {CLIENT: "set_cookie"}):
        if len(node.args) < 3 and not argument(node, None, "server_name"):
            yield node, "set_cookie(key, ...)"
    elif getattr(node.func, "attr", "") in CLIENT_VERBS:
        for given in node.keywords if module.kind(node) == "quart.Response" else ():
            if given.arg in CLIENT_ARGUMENTS:
                yield given.value, given.arg


@rule("QP907 flask-name error", on=NAMES, word="flask")
def flask_name(module: Module, node: ast.AST) -> Found:
    """it looks for Flask's app or request, which a Quart app does not have: {}

    Flask is installed with Quart, so the import works; the first request fails.

    runs: get("/notes") -> 500

    - from flask import request
      @app.get("/notes")
      async def notes():
          return {"tag": request.args.get("tag")}
    """
    for found, word in uses_of(FLASK, module, node):
        is_mixed = "Flask(" in module.text or "flask_patch" in module.settings
        if module.imports_any("quart.Quart", "quart.Blueprint") and not is_mixed:
            yield found, word
