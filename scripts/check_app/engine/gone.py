"""Names that are gone or are Flask's, and where they are used."""

import ast
import re

from .quart import Module
from .rule import Found
from .scopes import canonical

NAMES = (ast.Import, ast.ImportFrom, ast.Attribute)
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
    "quart._cv_request": "`has_request_context()`",
    "quart._cv_websocket": "`has_websocket_context()`",
    "quart.request_ctx": "`request`",
    "quart.testing.connections.HTTPDisconnectError": "`sent_by` of the page",
    "quart.testing.connections.WebsocketDisconnectError": "`sent_by` of the page",
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
