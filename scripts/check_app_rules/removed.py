"""QP9xx: names that are gone, moved or never were Quart's."""

import ast
from collections.abc import Iterator

from .module import FUNCTIONS, TRIES, Module, canonical
from .rule import Found, rule

REMOVED = {
    "quart.__version__": "importlib.metadata.version('quart')",
    "quart._app_ctx_stack": "current_app",
    "quart._request_ctx_stack": "request",
    "quart._websocket_ctx_stack": "websocket",
    "quart.context": "quart.ctx",
    "quart.datastructures.CIMultiDict": "werkzeug.datastructures.Headers",
    "quart.exceptions": "werkzeug.exceptions",
    "quart.flask_ext": "a library made for Quart",
    "quart.flask_patch": "a library made for Quart",
    "quart.json.JSONDecoder": "quart.json.provider.DefaultJSONProvider",
    "quart.json.JSONEncoder": "quart.json.provider.DefaultJSONProvider",
    "quart.local": "werkzeug.local",
    "quart.safe_join": "werkzeug.utils.safe_join",
    "quart.serving": "hypercorn.asyncio.serve",
    "quart.static": "quart.helpers",
    "quart.testing.WebsocketResponse": "WebsocketResponseError",
    "quart.utils.is_coroutine_function": "inspect.iscoroutinefunction",
    "quart_auth.AuthManager": "quart_auth.QuartAuth",
    "quart_schema.hide_route": "quart_schema.hide",
}
REMOVED_ATTRIBUTES = {
    "before_app_first_request": "before_app_serving",
    "before_first_request": "before_serving or while_serving",
    "env": "a configuration key of your own",
    "got_first_request": "before_serving",
    "json_decoder": "app.json",
    "json_encoder": "app.json",
    "propagate_exceptions": "app.config['PROPAGATE_EXCEPTIONS']",
    "send_file_max_age_default": "app.config['SEND_FILE_MAX_AGE_DEFAULT']",
    "session_cookie_name": "app.config['SESSION_COOKIE_NAME']",
    "templates_auto_reload": "app.config['TEMPLATES_AUTO_RELOAD']",
}
REMOVED_IN_0_23 = {
    "quart.RequestContext",
    "quart.WebsocketContext",
    "quart._cv_request",
    "quart._cv_websocket",
    "quart.request_ctx",
    "quart.testing.HTTPDisconnectError",
    "quart.testing.WebsocketDisconnectError",
    "quart.testing.connections.HTTPDisconnectError",
    "quart.testing.connections.WebsocketDisconnectError",
    "quart.websocket_ctx",
}
CONTEXT_FIRST = {
    "dispatch_request",
    "dispatch_websocket",
    "do_teardown_appcontext",
    "do_teardown_request",
    "do_teardown_websocket",
    "finalize_request",
    "finalize_websocket",
    "full_dispatch_request",
    "full_dispatch_websocket",
    "handle_background_exception",
    "handle_exception",
    "handle_http_exception",
    "handle_user_exception",
    "handle_websocket_exception",
    "log_exception",
    "make_default_options_response",
    "postprocess_websocket",
    "preprocess_request",
    "preprocess_websocket",
    "process_response",
    "update_template_context",
}
FLASK_BOUND = {
    "current_app",
    "flash",
    "g",
    "get_flashed_messages",
    "jsonify",
    "make_response",
    "render_template",
    "render_template_string",
    "request",
    "send_file",
    "send_from_directory",
    "session",
    "stream_with_context",
    "url_for",
}
EXTENSIONS = {
    "flask_cors": "quart-cors",
    "flask_jwt_extended": "PyJWT",
    "flask_limiter": "quart-rate-limiter",
    "flask_login": "quart-auth",
    "flask_restful": "plain views or quart-schema",
    "flask_restx": "quart-schema",
    "flask_smorest": "quart-schema",
    "flask_socketio": "`@app.websocket`",
    "flask_sqlalchemy": "SQLAlchemy's asyncio extension",
    "flask_wtf": "quart-wtforms",
}


def imported_names(module: Module) -> Iterator[tuple[ast.AST, str]]:
    """Every imported name in its canonical form, outside `try: import ...`."""
    for node in module.imports:
        if module.within(node, *TRIES):
            continue
        match node:
            case ast.Import(names=names):
                yield from ((alias, canonical(alias.name)) for alias in names)
            case ast.ImportFrom(module=str(base), names=names, level=0):
                yield node, base
                yield from ((one, canonical(f"{base}.{one.name}")) for one in names)


def quoted(instead: str) -> str:
    """Code in backticks, words as they are."""
    return instead if " " in instead else f"`{instead}`"


def used_names(module: Module, gone: set[str]) -> Found:
    """Where one of these names is imported or reached through an import."""
    if not any(name.rpartition(".")[2] in module.text for name in gone):
        return
    reported = set()
    for node, name in imported_names(module):
        if name in gone and name not in reported:
            reported.add(name)
            yield node, name
    for attribute in module.nodes(ast.Attribute):
        name = module.name(attribute)
        if name in gone and not module.within(attribute, *TRIES):
            yield attribute, name


@rule(
    "QP901",
    "removed-name",
    "{}: the old name is gone (ImportError or AttributeError)",
    page="app_factory",
    wrong="""
        from quart import Quart
        from quart.exceptions import NotFound  # QP901

        app = Quart(__name__)


        @app.get("/notes/<int:number>")
        async def note(number: int):
            raise NotFound()
    """,
    right="""
        from quart import Quart
        from werkzeug.exceptions import NotFound

        app = Quart(__name__)


        @app.get("/notes/<int:number>")
        async def note(number: int):
            raise NotFound()
    """,
)
def removed_name(module: Module) -> Found:
    """Since 0.19 at the latest; older tutorials and answers still have it."""
    for node, name in used_names(module, set(REMOVED)):
        yield node, f"write {quoted(REMOVED[name])} for `{name}`"


@rule(
    "QP902",
    "removed-attribute",
    "{}: the old attribute is gone (AttributeError)",
    page="lifespan",
    wrong="""
        from quart import Quart

        app = Quart(__name__)


        @app.before_first_request  # QP902
        async def load() -> None:
            print("loading")
    """,
    right="""
        from quart import Quart

        app = Quart(__name__)


        @app.before_serving
        async def load() -> None:
            print("loading")
    """,
)
def removed_attribute(module: Module) -> Found:
    """Flask dropped most of them in 2.3, Quart with it."""
    stored = {
        node.attr
        for node in module.nodes(ast.Attribute)
        if isinstance(node.ctx, ast.Store)
    }
    for node in module.nodes(ast.Attribute):
        if node.attr in REMOVED_ATTRIBUTES and node.attr not in stored:
            if module.is_quart(node.value):
                instead = quoted(REMOVED_ATTRIBUTES[node.attr])
                yield node, f"write {instead} for `{node.attr}`"
        elif (
            node.attr == "from_json"
            and isinstance(node.value, ast.Attribute)
            and node.value.attr == "config"
            and module.is_quart(node.value.value)
        ):
            yield node, "write `config.from_file(..., load=json.load)` for it"


@rule(
    "QP903",
    "removed-in-0.23",
    "`{}` is gone from Quart 0.23 (ImportError); use `request`, `websocket`, "
    "`has_request_context()` or a status code",
    page="testing",
    wrong="""
        from quart import Quart
        from quart.globals import request_ctx  # QP903

        app = Quart(__name__)


        def path() -> str:
            return request_ctx.request.path
    """,
    right="""
        from quart import Quart, request

        app = Quart(__name__)


        def path() -> str:
            return request.path
    """,
)
def removed_in_0_23(module: Module) -> Found:
    """0.23 has one AppContext for requests and websockets, and its test client knows
    no disconnect errors. None of these names was public."""
    yield from used_names(module, REMOVED_IN_0_23)


@rule(
    "QP904",
    "overridden-signature",
    "Quart 0.23 passes the context first: `{}(self, ctx, ...)`; this override fails "
    "there; register an error handler or a hook",
    page="error_handling",
    wrong="""
        from quart import Quart


        class App(Quart):
            async def handle_exception(self, error: Exception):  # QP904
                return await super().handle_exception(error)
    """,
    right="""
        from quart import Quart

        app = Quart(__name__)


        @app.errorhandler(500)
        async def internal_error(error: Exception):
            return {"error": "internal server error"}, 500
    """,
)
def overridden_signature(module: Module) -> Found:
    """No signature suits both 0.22 and 0.23."""
    for owner in module.nodes(ast.ClassDef):
        if not any(module.class_kind(base) == "quart.Quart" for base in owner.bases):
            continue
        for line in owner.body:
            if isinstance(line, FUNCTIONS) and line.name in CONTEXT_FIRST:
                named = [*line.args.posonlyargs, *line.args.args][1:2]
                takes_context = any("ctx" in one.arg for one in named)
                if not takes_context and not line.args.vararg:
                    yield line, line.name


@rule(
    "QP905",
    "quart-env",
    "Quart has not read `{}` since 0.19; use QUART_DEBUG or `quart run --debug`",
    page="configuration",
    wrong="""
        import os

        from quart import Quart

        os.environ["QUART_ENV"] = "development"  # QP905
        app = Quart(__name__)
    """,
    right="""
        import os

        from quart import Quart

        os.environ["QUART_DEBUG"] = "1"
        app = Quart(__name__)
    """,
)
def quart_env(module: Module) -> Found:
    """Setting it changes nothing. Reading a variable of that name for oneself is
    fine."""
    for node in module.nodes(ast.Subscript):
        match node:
            case ast.Subscript(
                value=owner,
                slice=ast.Constant(value="QUART_ENV" | "FLASK_ENV" as key),
                ctx=ast.Store(),
            ) if module.name(owner) == "os.environ":
                yield node, str(key)
    for call in module.nodes(ast.Call):
        match call:
            case ast.Call(
                func=ast.Attribute(attr="setdefault" | "setenv"),
                args=[ast.Constant(value="QUART_ENV" | "FLASK_ENV" as key), *_],
            ):
                yield call, str(key)


@rule(
    "QP906",
    "quart-schema-title",
    "QuartSchema takes no `{}` (TypeError); write "
    '`info=Info(title="...", version="...")`',
    page="request_validation",
    wrong="""
        from quart import Quart
        from quart_schema import QuartSchema

        app = Quart(__name__)
        QuartSchema(app, title="Notes")  # QP906
    """,
    right="""
        from quart import Quart
        from quart_schema import Info, QuartSchema

        app = Quart(__name__)
        QuartSchema(app, info=Info(title="Notes", version="1.0"))
    """,
)
def quart_schema_title(module: Module) -> Found:
    """The arguments went in 0.14."""
    for call in module.nodes(ast.Call):
        if module.name(call.func) == "quart_schema.QuartSchema":
            for given in call.keywords:
                if given.arg in {"title", "version"}:
                    yield call, given.arg
                    break


@rule(
    "QP907",
    "flask-name",
    "Flask's `{}` knows no request of Quart (RuntimeError); import it from quart",
    page="app_factory",
    wrong="""
        from flask import request  # QP907
        from quart import Quart

        app = Quart(__name__)


        @app.get("/")
        async def index():
            return {"name": request.args["name"]}
    """,
    right="""
        from quart import Quart, request

        app = Quart(__name__)


        @app.get("/")
        async def index():
            return {"name": request.args["name"]}
    """,
)
def flask_name(module: Module) -> Found:
    """Flask is installed with Quart, so the import works: `Working outside of request
    context` comes later."""
    if not is_app_module(module):
        return
    for node, name in imported_names(module):
        package, _, word = name.rpartition(".")
        if package == "flask" and word in FLASK_BOUND:
            yield node, word


def is_app_module(module: Module) -> bool:
    """A module that builds a Quart app or blueprint, and neither Flask nor patches."""
    builds = module.imports_any("quart.Quart", "quart.Blueprint")
    patched = module.imports_any("quart_flask_patch", "quart.flask_patch")
    return builds and not patched and not module.imports_any("flask.Flask")


@rule(
    "QP908",
    "flask-extension",
    "{}: the extension reads Flask's request or app context, which a Quart app does "
    "not have",
    page="app_factory",
    wrong="""
        from flask_cors import CORS  # QP908
        from quart import Quart


        def create_app() -> Quart:
            app = Quart(__name__)
            CORS(app)
            return app
    """,
    right="""
        from quart import Quart
        from quart_cors import cors


        def create_app() -> Quart:
            app = Quart(__name__)
            return cors(app, allow_origin=["https://app.example"])
    """,
)
def flask_extension(module: Module) -> Found:
    """It may start and then fail in the first request, or block the event loop."""
    if not is_app_module(module):
        return
    reported = set()
    for node, name in imported_names(module):
        package = name.partition(".")[0]
        if package in EXTENSIONS and package not in reported:
            reported.add(package)
            yield node, f"write {EXTENSIONS[package]} for `{package}`"


@rule(
    "QP909",
    "quart-flask-patch",
    "quart-flask-patch cannot be imported with Quart 0.23 (ImportError); use a library "
    "made for Quart or asyncio",
    page="app_factory",
    wrong="""
        import quart_flask_patch  # QP909
        from quart import Quart

        app = Quart(__name__)
    """,
    right="""
        from quart import Quart

        app = Quart(__name__)
    """,
)
def quart_flask_patch(module: Module) -> Found:
    """It needs RequestContext, which 0.23 merged into AppContext. With 0.22 it
    works."""
    yield from used_names(module, {"quart_flask_patch"})
