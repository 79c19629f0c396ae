"""Error handlers and what clients learn from an error."""

import ast
import re

from ..engine.quart import ErrorHandler, Module, mentions, parameters
from ..engine.rule import Found, rule
from ..engine.scopes import Function
from ..engine.words import CATCH_ALL, PYDANTIC_ERRORS

WERKZEUG = "werkzeug.exceptions."
HTTP_ERROR = f"{WERKZEUG}HTTPException"
SERVER_ERRORS = {"500", f"{WERKZEUG}InternalServerError"}
SENDING = ("quart.abort", "quart.websocket.send")
ENDS = (ast.stmt, ast.Compare, ast.Lambda, ast.Subscript, ast.comprehension)
HEADERS_KEPT = ("get_response", "get_headers", "headers", "response")
ENVIRONMENTS = ("DEBUG", "debug", "is_production", "production")
RAISES_404 = re.compile(r"\babort\((404|\D)|NotFound|or_404|send_\w*(file|directory)\(")
RAISES_500 = re.compile(r"\babort\((500|\D)|InternalServerError\(")
REVEALING = {"format_exc", "original_exception"}
TEARDOWNS = ("teardown_app_request", "teardown_appcontext", "teardown_request")


@rule("QP107 status-line error", on=ast.Return)
def status_line(module: Module, node: ast.Return) -> Found:
    """a status is a number: `{}` raises ValueError and the client gets 500

    Flask takes a status line such as `201 CREATED`; Quart calls `int()` on it.

    runs: post("/notes") -> 500

      @app.post("/notes")
      async def add_note():
    -     return {"id": 7}, "201 CREATED"
    +     return {"id": 7}, 201
    """
    match node.value:
        case ast.Tuple(elts=[_, ast.Constant(value=str(status)) as given, *_]):
            is_line = status[:3].isdecimal() and not status.isdecimal()
            if is_line and module.function(node) in module.views:
                yield given, status


@rule("QP501 errorhandler-exception error", on=ast.Module)
def errorhandler_exception(module: Module, node: ast.Module) -> Found:
    """404, 405 and 401 come here too if unhandled; handle 500, or HTTPException too

    HTTPException is an Exception: `abort()`, bad JSON, failed validation too.

    runs: get("/nowhere") -> 500

    - @app.errorhandler(Exception)
    + @app.errorhandler(500)
      async def unexpected(error):  # here
          return {"error": "internal server error"}, 500
    """
    for one in module.error_handlers:
        beside = {two.kind for two in module.error_handlers if one.may_share_app(two)}
        handled = HTTP_ERROR in beside or beside >= {"404", "405"}
        if one.kind in CATCH_ALL and one.function and not handled:
            careful = knows_http_errors(module, one.function)
            if not careful and not hands_on(module, one.function):
                yield one.place, ""


def knows_http_errors(module: Module, node: ast.AST) -> bool:
    named = any(module.name(part).startswith(WERKZEUG) for part in ast.walk(node))
    return named or mentions(node, "HTTPException", "code", "getattr", "hasattr")


def hands_on(module: Module, function: Function) -> bool:
    """Whether it uses what another function makes of the error."""
    return any(
        isinstance(part, ast.Call)
        and not isinstance(module.parent(part), ast.Expr)
        and not module.name(part.func).startswith("builtins.")
        and any(isinstance(given, ast.Name) for given in part.args)
        for part in module.body(function)
    )


@rule("QP503 errors-leak-input warning", on=(ast.Call, ast.FormattedValue))
def errors_leak_input(module: Module, node: ast.Call | ast.FormattedValue) -> Found:
    """{} of a validation error repeats the input; use `errors(include_input=False)`

    Passwords too. `ctx` may be an exception, which is no JSON: leave it out as well.

    runs: "input" in log_in("ada")[0] -> True

      class Login(BaseModel):
          pin: int
      def log_in(pin):
          try:
              Login(pin=pin)
          except ValidationError as error:
    -         return error.errors()
    +         return error.errors(include_input=False, include_context=False)
    """
    word, error = "the text", module.shown(node)
    match node:
        case ast.Call(func=ast.Attribute(value=owner, attr=attr), keywords=given):
            safe = any(one.arg in {"include_input", None} for one in given)
            if attr in {"errors", "json"} and not safe:
                word, error = f"`{attr}()`", owner
    kinds = PYDANTIC_ERRORS
    known = module.kind(error) in kinds or is_error(module, error, kinds)
    if known and not is_chosen(module, node) and reaches_client(module, node):
        yield node, word


def is_chosen(module: Module, node: ast.AST) -> bool:
    """In a function that asks for the environment, or below `if isinstance(...)`."""
    tests = [getattr(one, "test", None) for one in module.ancestors(node)]
    kinds = any(mentions(test, "isinstance") for test in tests if test)
    function = module.function(node)
    return kinds or bool(function and mentions(function, *ENVIRONMENTS))


def is_error(module: Module, node: ast.AST | None, kinds: set[str]) -> bool:
    """A name that an `except` or an error handler of one of these kinds binds."""
    if not isinstance(node, ast.Name):
        return False
    handlers = {one.function for one in module.error_handlers if one.kind in kinds}
    return any(
        not kinds.isdisjoint(module.caught(binding))
        if isinstance(binding, ast.ExceptHandler)
        else isinstance(binding, ast.arg) and module.function(binding) in handlers
        for binding in module.bindings(node)
    )


def reaches_client(module: Module, node: ast.AST, depth: int = 3) -> bool:
    """It is returned or sent as it is: not logged, looked at, or taken apart."""
    inner, outer = node, module.parent(node)
    while outer and not isinstance(outer, ENDS):
        called = module.name(getattr(outer, "func", None))
        logged = isinstance(outer, ast.Call) and module.log_level(outer)
        if called.startswith(SENDING):
            return True
        if called == "builtins.len" or logged or getattr(outer, "test", "") is inner:
            return False
        inner, outer = outer, module.parent(outer)
    uses = module.uses_of_value(inner) if depth else ()
    later = (reaches_client(module, use, depth - 1) for use in uses)
    return isinstance(outer, ast.Return) or any(later)


@rule("QP504 abort-swallowed error", on=(ast.Call, ast.Raise))
def abort_swallowed(module: Module, node: ast.Call | ast.Raise) -> Found:
    """`{}` below catches this, so the status is lost; abort outside the `try`

    `abort` works by raising; whoever catches Exception catches it.

    runs: get("/members/eve") -> 500

      @app.get("/members/<name>")
      async def member(name: str):
    -     try:
    -         return {"ada": "Ada"}.get(name) or abort(404)
    -     except Exception:
    -         return {"error": "failed"}, 500
    +     return {"ada": "Ada"}.get(name) or abort(404)
    """
    error = getattr(node, "exc", node)
    raised = "quart.abort" if error is node else WERKZEUG
    if not module.name(getattr(error, "func", error)).startswith(raised):
        return
    for handler in module.guards(node):
        text = ast.unparse(handler)
        same = any(ast.unparse(one) in text for one in getattr(node, "args", ())[:1])
        again = re.search(rf"\braise( {handler.name}\b.*)?$", text, re.MULTILINE)
        if same or again or knows_http_errors(module, handler):
            return
        if CATCH_ALL & module.caught(handler):
            yield node, text.partition(":")[0]
            return


@rule("QP505 exception-text-to-client note", on=(ast.Call, ast.FormattedValue))
def exception_text(module: Module, node: ast.Call | ast.FormattedValue) -> Found:
    """the text of an unexpected error tells clients too much; log it, send fixed words

    Paths, queries and addresses stand in such texts.

    runs: b"PRICE" in await (await get("/price")).get_data() -> True

      @app.get("/price")
      async def price():
          try:
              return os.environ["PRICE"]
    -     except Exception as error:
    -         return {"error": str(error)}, 500
    +     except KeyError:
    +         app.logger.exception("no price")
    +         return {"error": "The price is not known now."}, 503
    """
    shown = module.shown(node) or getattr(node, "func", None)
    word = getattr(shown, "attr", getattr(shown, "id", ""))
    if word not in REVEALING and not is_error(module, shown, CATCH_ALL):
        return
    tests = [one.test for one in module.ancestors(node) if hasattr(one, "test")]
    looked_at = re.search(rf"\b{word}\b|debug", " ".join(map(ast.unparse, tests)), re.I)
    served = {*module.views, *(one.function for one in module.error_handlers)}
    told = module.function(node) in served and reaches_client(module, node, 0)
    if told and not looked_at and not module.is_test:
        yield node, ""


@rule("QP506 errorhandler-without-argument error", on=ast.Module)
def errorhandler_without_argument(module: Module, node: ast.Module) -> Found:
    """an error handler is called with the error: without a parameter it fails (500)

    The TypeError comes up only when the first such error does.

    runs: get("/nowhere") -> 500

      @app.errorhandler(404)
    - async def not_found():
    + async def not_found(error):
          return {"error": "not found"}, 404
    """
    for one in module.error_handlers:
        if one.function and not parameters(one.function):
            yield one.place, ""


@rule("QP507 routing-error-in-blueprint error", on=ast.Module)
def routing_error_in_blueprint(module: Module, node: ast.Module) -> Found:
    """a blueprint never sees the {} of an unknown address; register this on the app

    It handles what its own views raise. A module that may do so is not reported.

    runs: (await get("/notes/7")).mimetype -> 'text/html'

      notes = Blueprint("notes", __name__, url_prefix="/notes")
    - @notes.errorhandler(404)
    + @notes.app_errorhandler(404)
      async def not_found(error):  # here
          return {"error": "not found"}, 404
      app.register_blueprint(notes)
    """
    for one in module.error_handlers:
        raised = one.kind == "404" and RAISES_404.search(module.text)
        if one.kind in {"404", "405"} and not (raised or is_of_app(module, one)):
            yield one.place, one.kind


def is_of_app(module: Module, handler: ErrorHandler) -> bool:
    """It may get the errors of routing, such as 404 and 405."""
    of_app = ast.unparse(handler.call.func).endswith(".app_errorhandler")
    return of_app or module.kind(handler.owner) != "quart.Blueprint"


@rule("QP508 http-error-without-headers warning", on=ast.Module)
def http_error_without_headers(module: Module, node: ast.Module) -> Found:
    """this drops Allow and WWW-Authenticate; change the body of `error.get_response()`

    405 needs Allow, 401 WWW-Authenticate; both stand in the error's own response.

    runs: "Allow" in (await post("/static/a")).headers -> False

      @app.errorhandler(HTTPException)
      async def problem(error):  # here
    -     return {"error": error.name}, error.code
    +     response = error.get_response()
    +     response.data = json.dumps({"error": error.name})
    +     response.content_type = "application/json"
    +     return response
    """
    for one in module.error_handlers if not module.is_test else ():
        if one.kind == HTTP_ERROR and one.function and is_of_app(module, one):
            kept = mentions(one.function, *HEADERS_KEPT)
            if not kept and not hands_on(module, one.function):
                yield one.place, ""


@rule("QP509 logged-twice note", on=ast.Module)
def logged_twice(module: Module, node: ast.Module) -> Found:
    """Quart has logged this error with its traceback: leave out this second line

    A module that may raise 500 itself is not reported: Quart does not log that.

    runs: [await get("/crash"), len(logged())][1] -> 2

      @app.errorhandler(500)
      async def internal_error(error):
    -     app.logger.error(f"internal error: {error}")
          return {"error": "internal server error"}, 500
      app.add_url_rule("/crash", "crash", lambda: 1 / 0)
    """
    handlers = [one for one in module.error_handlers if one.kind in SERVER_ERRORS]
    ours = {one.function for one in handlers} - {None}
    sure = ours and not RAISES_500.search(module.text)
    for call in module.nodes(ast.Call) if sure else ():
        cause = mentions(call, "original_exception")
        loud = module.log_level(call) in {"critical", "error", "exception"}
        if loud and not cause and module.function(call) in ours:
            yield call, ""


@rule("QP520 propagate-exceptions error", on=ast.Module)
def propagate_exceptions(module: Module, node: ast.Module) -> Found:
    """a crash never reaches the handler for {}: the server answers; leave it to tests

    Flask's extensions ask for it. Middleware gets the error, on 0.23 in a group.

    runs: bool(await get("/crash")) -> ZeroDivisionError | ExceptionGroup

    - app.config["PROPAGATE_EXCEPTIONS"] = True
      @app.errorhandler(500)
      async def internal_error(error):
          return {"error": "internal server error"}, 500
      app.add_url_rule("/crash", "crash", lambda: 1 / 0)
    """
    kinds = [one.kind.removeprefix(WERKZEUG) for one in module.error_handlers]
    lost = {"500", "InternalServerError", "HTTPException"}.intersection(kinds)
    for key, value, target in module.configured if lost and not module.is_test else ():
        chosen = isinstance(target, ast.Name) or module.within(target, ast.If)
        if key == "PROPAGATE_EXCEPTIONS" and module.value(value) is True and not chosen:
            yield target, min(lost)


@rule("QP521 raising-teardown warning", on=ast.Raise)
def raising_teardown(module: Module, node: ast.Raise) -> Found:
    """an error in a teardown makes the answer an empty 500; log what fails here

    It passes all handlers. Do in the view what may fail and somebody has to know.

    runs: get("/nowhere") -> RuntimeError | ExceptionGroup

      @app.teardown_request
      async def close_all(error):
    -     raise RuntimeError("not closed")
    +     app.logger.error("not closed")
    """
    near = module.within(node, ast.ExceptHandler, ast.Try)
    for hook, _ in module.hooks(*TEARDOWNS):
        given = getattr(node.exc, "id", "") in parameters(hook)
        if module.function(node) is hook and not (given or isinstance(near, ast.Try)):
            yield node, ""
