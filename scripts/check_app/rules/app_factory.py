"""CORS, proxies too early, and names that are gone or are Flask's."""

import ast
import re

from ..engine.quart import Module, argument
from ..engine.rule import Found, rule
from ..engine.scopes import canonical

PROXY_NAMES = ("current_app", "g", "request", "session", "websocket")
NAMES = (ast.Import, ast.ImportFrom, ast.Attribute)
PROXIES = {f"quart.{name}" for name in PROXY_NAMES}
CORS = {"quart_cors.cors", "quart_cors.route_cors", "quart_cors.websocket_cors"}
REMOVED = {
    "quart.__version__": '`importlib.metadata.version("quart")`',
    "quart._request_ctx_stack": "`request`",
    "quart.exceptions": "`werkzeug.exceptions`",
    "quart.flask_patch": "a library made for Quart or asyncio",
    "quart.json.JSONEncoder": "`quart.json.provider.DefaultJSONProvider`",
    "quart.safe_join": "`werkzeug.utils.safe_join`",
    "quart_auth.AuthManager": "`quart_auth.QuartAuth`",
}
REMOVED_ATTRIBUTES = {
    "app.before_first_request": "`before_serving` or `while_serving`",
    "app.config.from_json": "`config.from_file(..., load=json.load)`",
    "app.json_encoder": "`app.json`",
}
REMOVED_IN_0_23 = {
    "quart.RequestContext": "`app.test_request_context()`",
    "quart.WebsocketContext": "`app.test_client().websocket()`",
    "quart.request_ctx": "`request`",
    "quart.websocket_ctx": "`websocket`",
    "quart_flask_patch": "a library made for Quart or asyncio",
}
FLASK_NAMES = "current_app g jsonify render_template request send_file session url_for"
FLASK = {
    **{f"flask.{name}": f"`quart.{name}`" for name in FLASK_NAMES.split()},
    "flask_cors": "quart-cors",
    "flask_jwt_extended": "PyJWT",
    "flask_limiter": "quart-rate-limiter",
    "flask_login": "quart-auth",
    "flask_restful": "views and quart-schema",
    "flask_socketio": "`@app.websocket`",
    "flask_sqlalchemy": "SQLAlchemy's asyncio extension",
}
GUARD = re.compile(r"version|VERSION|hasattr|find_spec|QUART_|(Import|Attribute)Error")

LAST_WORDS = {
    name.rpartition(".")[2]
    for name in REMOVED | REMOVED_ATTRIBUTES | REMOVED_IN_0_23 | FLASK
}


def uses_of(gone: dict[str, str], module: Module, node: ast.AST) -> Found:
    names: list[str] = []
    app = node
    match node:
        case ast.Attribute(attr=attr) if attr not in LAST_WORDS:
            pass
        case ast.Import(names=aliases):
            names = [alias.name for alias in aliases]
        case ast.ImportFrom(module=str(base), names=aliases, level=0):
            names = [base, *(f"{base}.{alias.name}" for alias in aliases)]
        case ast.Attribute(value=ast.Attribute(value=app, attr="config"), attr=attr):
            names = [f"app.config.{attr}"]
        case ast.Attribute(value=app, attr=attr):
            names = [f"app.{attr}", module.name(node)]
    for name in map(canonical, names):
        is_meant = name in gone and (name[:4] != "app." or module.is_app(app))
        if is_meant and not is_guarded(module, node):
            yield node, f"`{name}`; use {gone[name]}"


def is_guarded(module: Module, node: ast.AST) -> bool:
    """A test that may be skipped, an `if` for a version, a `try: import ...`."""
    for one in module.ancestors(node):
        guards = [getattr(one, "test", None), *getattr(one, "handlers", ())]
        if any(GUARD.search(ast.unparse(guard)) for guard in guards if guard):
            return True
    return module.is_test and "skip" in module.text


@rule("QP901 removed-name error", on=NAMES)
def removed_name(module: Module, node: ast.AST) -> Found:
    """gone (ImportError or AttributeError): {}

    Since Quart 0.19 at the latest; older tutorials and answers still have it.

    runs: import -> ModuleNotFoundError

    - from quart.exceptions import NotFound
    + from werkzeug.exceptions import NotFound
    """
    return uses_of(REMOVED, module, node)


@rule("QP902 removed-attribute error", on=ast.Attribute)
def removed_attribute(module: Module, node: ast.AST) -> Found:
    """gone (AttributeError; ignored when set): {}

    Flask dropped most of them in 2.3, Quart with it.

    runs: import -> AttributeError

    - app.before_first_request(print)
    + app.before_serving(print)
    """
    return uses_of(REMOVED_ATTRIBUTES, module, node)


@rule("QP903 removed-in-0.23 error", on=NAMES)
def removed_in_0_23(module: Module, node: ast.AST) -> Found:
    """on Quart 0.23 it is gone or cannot be imported (ImportError): {}

    It has one AppContext for requests and websockets.

    runs: 0.23: import -> ImportError

    - from quart.globals import request_ctx
      def path():
    -     return request_ctx.request.path
    +     return request.path
    """
    return uses_of(REMOVED_IN_0_23, module, node)


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


@rule("QP205 proxy-at-import error", on=(ast.Attribute, ast.Subscript))
def proxy_at_import(module: Module, node: ast.Attribute | ast.Subscript) -> Found:
    """`{}` has no value while the module is imported (RuntimeError); read it in a view

    Class bodies, decorators and default values run at import as well.

    runs: import -> RuntimeError

    - PAGE_SIZE = current_app.config["PAGE_SIZE"]
    + def page_size():
    +     return current_app.config["PAGE_SIZE"]
    """
    name = module.name(node.value)
    is_late = module.function(node) or module.within(node, ast.AsyncWith, ast.AnnAssign)
    if name in PROXIES and not is_late:
        yield node, name.removeprefix("quart.")


@rule("QP605 cors-wildcard-credentials error", on=ast.Call, word="cors")
def cors_wildcard_credentials(module: Module, node: ast.Call) -> Found:
    """any origin with credentials is forbidden (all requests are 500); list the origins

    quart-cors raises ValueError after the error handlers, while it adds headers.

    runs: get("/") -> 500

    - cors(app, allow_origin="*", allow_credentials=True)
    + cors(app, allow_origin=["https://app.example"], allow_credentials=True)
    """
    credentials = module.value(argument(node, None, "allow_credentials"))
    origin = argument(node, None, "allow_origin")
    if credentials is True and origin and module.name(node.func) in CORS:
        origin = module.fallback(origin)
        if "*" in map(module.value, getattr(origin, "elts", [origin])):
            yield node, ""


@rule("QP608 route-cors error", on=ast.Call, word="cors")
def route_cors(module: Module, node: ast.Call) -> Found:
    """on Quart 0.23 its preflight answers 500; use `cors(app)` or `cors(blueprint)`

    quart-cors 0.8 makes the response without the context that 0.23 wants.

    runs: 0.23: client.options("/notes") -> 500

    - from quart_cors import route_cors
    + cors(app)
      @app.post("/notes")
    - @route_cors()
      async def add_note():
          return "", 201
    """
    if module.name(node.func) == "quart_cors.route_cors":
        yield node, ""
