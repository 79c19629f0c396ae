"""Names that are gone, and methods that Quart 0.23 calls in another way."""

import ast
import re

from ..engine.gone import (
    NAMES,
    REMOVED,
    REMOVED_ATTRIBUTES,
    REMOVED_IN_0_23,
    is_guarded,
    uses_of,
)
from ..engine.quart import Module, parameters
from ..engine.rule import Found, rule
from ..engine.scopes import FUNCTIONS, Function

CONTEXT = re.compile("ctx|context")
CONTEXT_FIRST = (  # in Quart 0.23
    "dispatch_request dispatch_websocket do_teardown_appcontext do_teardown_request "
    "do_teardown_websocket finalize_request finalize_websocket full_dispatch_request "
    "full_dispatch_websocket handle_background_exception handle_exception "
    "handle_http_exception handle_user_exception handle_websocket_exception "
    "log_exception make_default_options_response postprocess_websocket "
    "preprocess_request preprocess_websocket process_response update_template_context"
)
OPTIONAL_CONTEXT = ("dispatch_", "full_dispatch_", "preprocess_")  # in 0.22, and first


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

    One AppContext serves requests and websockets; the test client sees no close.

    runs: 0.23: import -> ImportError

    - from quart.globals import request_ctx
      def path():
    -     return request_ctx.request.path
    +     return request.path
    """
    return uses_of(REMOVED_IN_0_23, module, node)


@rule("QP904 overridden-signature error", on=ast.ClassDef)
def overridden_signature(module: Module, node: ast.ClassDef) -> Found:
    """0.23 calls {}

    It is called with one argument more than on 0.22, with one less, or with another
    one first.

    runs: 0.23: (await get("/crash")).status_code == 500 -> ExceptionGroup

    - class App(Quart):
    -     async def handle_exception(self, error):
    -         return await super().handle_exception(error)
    - app = App(__name__)
    + @app.errorhandler(500)
    + async def internal_error(error):
    +     return {"error": "internal server error"}, 500
      app.add_url_rule("/crash", "crash", lambda: 1 / 0)
    """
    kinds = {*map(module.class_kind, node.bases)}
    for line in node.body:
        match line:
            case ast.FunctionDef(name="__init__") if "quart.Websocket" in kinds:
                if "receive" in parameters(line):
                    yield line, "it without `receive`; take `*arguments, **options`"
            case ast.FunctionDef(name=name) | ast.AsyncFunctionDef(name=name) if (
                "quart.Quart" in kinds and takes_no_context(line)
            ):
                yield line, f"`{name}(self, ctx, ...)`: use a handler, hook or signal"


def takes_no_context(method: Function) -> bool:
    """Whether it is one of those that get a context first, and has no place for it."""
    own = [one.arg for one in (*method.args.posonlyargs, *method.args.args)][1:]
    if method.name == "update_template_context":
        own = own[:-1]  # the last is the context of the template
    is_meant = method.name in CONTEXT_FIRST.split() and not method.args.vararg
    return is_meant and not any(map(CONTEXT.search, own[:1]))


@rule("QP910 called-without-context error", on=ast.Call)
def called_without_context(module: Module, node: ast.Call) -> Found:
    """0.23 wants the context first: {}

    On 0.22 three of them and their twins for websockets may have it, others have it
    last or take none.

    runs: 0.23: preprocess() -> TypeError

      async def preprocess():
    -     async with app.test_request_context("/"):
    -         await app.preprocess_request()
    +     async with app.test_request_context("/") as ctx:
    +         await app.preprocess_request(ctx)
    """
    match node.func:
        case ast.Attribute(value=owner, attr=name) if name in CONTEXT_FIRST.split():
            first = next(iter(node.args), None)
            if name == "update_template_context" and len(node.args) == 1:
                first = None  # that one is the context of the template
            on_both = name.startswith(OPTIONAL_CONTEXT)
            is_given = bool(first and (on_both or is_context(module, first)))
            function = module.function(node)
            is_told = isinstance(function, FUNCTIONS) and takes_no_context(function)
            if is_given or is_told or is_guarded(module, node):
                return
            if module.is_app(owner) or is_own(module, owner):
                instead = "pass `ctx`" if on_both else "send a request instead"
                yield node, f"`{ast.unparse(node.func)}`; {instead}"


def is_own(module: Module, owner: ast.expr) -> bool:
    """`self` or `super()` in a class that is an app."""
    inner = module.within(owner, ast.ClassDef)
    is_app = inner and "quart.Quart" in map(module.class_kind, inner.bases)
    return bool(is_app) and ast.unparse(owner) in {"self", "super()"}


def is_context(module: Module, given: ast.expr) -> bool:
    named = CONTEXT.search(ast.unparse(given)) or isinstance(given, ast.Starred)
    return bool(named) or module.kind(given).endswith("Context")
