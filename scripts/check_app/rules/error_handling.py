"""Error handlers and what clients learn from an error."""

import ast
from collections.abc import Iterator

from ..engine.quart import Module, mentions, parameters
from ..engine.rule import Found, Severity, rule
from ..engine.scopes import CALLABLES, FUNCTIONS, TRIES, Function
from ..engine.words import PYDANTIC_ERRORS

CATCH_ALL = {"builtins.Exception", "builtins.BaseException"}
HTTP_ERROR = "werkzeug.exceptions.HTTPException"
SERVER_ERRORS = {"500", "werkzeug.exceptions.InternalServerError"}
LISTS_OF_ERRORS = {"errors", "json"}  # methods of pydantic's ValidationError
TEXT_OF = {"builtins.repr", "builtins.str"}
SENDING = ("quart.abort", "quart.websocket.send")
HEADERS_KEPT = ("get_response", "get_headers", "headers", "response")
INIT_WORDS = ("super", "args", "__init__")
TEARDOWNS = ("teardown_appcontext", "teardown_request", "teardown_websocket")
CONTEXT_FIRST = {  # in Quart 0.23
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


@rule(
    "QP107",
    "status-line",
    Severity.ERROR,
    "a status is a number: `{}` raises ValueError and the client gets 500",
    on=ast.Return,
    runs='post("/notes") -> 500',
    example="""
          @app.post("/notes")
          async def add_note():
        -     return {"id": 7}, "201 CREATED"
        +     return {"id": 7}, 201
    """,
)
def status_line(module: Module, node: ast.Return) -> Found:
    """Flask takes a status line such as `201 CREATED`; Quart calls `int()` on it."""
    match node.value:
        case ast.Tuple(elts=[_, ast.Constant(value=str(status)) as given, *_]):
            if module.function(node) in module.views and status[:3].isdecimal():
                yield given, status


@rule(
    "QP501",
    "errorhandler-exception",
    Severity.ERROR,
    "this turns every 404, 401 and 405 into its own answer; handle 500 instead, or "
    "HTTPException as well",
    on=ast.Module,
    runs='get("/nowhere") -> 500',
    example="""
        - @app.errorhandler(Exception)
        + @app.errorhandler(500)
          async def unexpected(error):  # here
              return {"error": "internal server error"}, 500
    """,
)
def errorhandler_exception(module: Module, node: ast.Module) -> Found:
    """HTTPException is an Exception, so unknown addresses, `abort()`, bad JSON and
    failed validation all arrive here."""
    others = [one for one in module.error_handlers if one.kind == HTTP_ERROR]
    for one in module.error_handlers:
        if (
            one.kind in CATCH_ALL
            and one.function
            and not mentions(one.function, "HTTPException", "code")
            and not any(one.may_share_app(other) for other in others)
        ):
            yield one.place, ""


@rule(
    "QP503",
    "errors-leak-input",
    Severity.WARNING,
    "{} of a validation error repeats the input, passwords too; answer with "
    "`errors(include_input=False, include_context=False, include_url=False)`",
    on=(ast.Call, ast.FormattedValue),
    runs='b"hunter2" in await (await post("/login", json={"password": "hunter2"}))'
    ".get_data() -> True",
    example="""
          QuartSchema(app, openapi_path=None)
          class Login(BaseModel):
              password: str = Field(min_length=8)
          def faults(error: ValidationError):
        -     return error.errors()
        +     kept = {"include_input": False, "include_context": False}
        +     return error.errors(include_url=False, **kept)
          @app.errorhandler(RequestSchemaValidationError)
          async def invalid(error):
              return {"errors": faults(error.validation_error)}, 400
          @app.post("/login")
          @validate_request(Login)
          async def log_in(data: Login):
              return {}
    """,
)
def errors_leak_input(module: Module, node: ast.Call | ast.FormattedValue) -> Found:
    """Each entry of pydantic's list holds `input` and `ctx`, and the text repeats the
    input as well. The context may hold an exception, which is no JSON: a 500."""
    match node:
        case ast.Call(func=ast.Attribute(value=error, attr=attr), keywords=given) if (
            attr in LISTS_OF_ERRORS
        ):
            word, leaks = attr, not any(one.arg == "include_input" for one in given)
        case ast.Call(func=ast.Name(id=word) as func, args=[error]) if (
            module.name(func) in TEXT_OF
        ):
            leaks = "hide_input_in_errors" not in module.text
        case ast.FormattedValue(value=error):
            word, leaks = "", "hide_input_in_errors" not in module.text
        case _:
            return
    if leaks and is_validation_error(module, error) and reaches_client(module, node):
        yield node, f"`{word}()`" if word else "the text"


def is_validation_error(module: Module, node: ast.expr, depth: int = 3) -> bool:
    """pydantic's own, by what binds it, its annotation, or what it was given."""
    if isinstance(node, ast.Attribute):
        return node.attr == "validation_error" and module.imports_any("quart_schema")
    if not isinstance(node, ast.Name) or not depth:
        return False
    if module.kind(node) in PYDANTIC_ERRORS:
        return True
    for binding in module.bindings(node):
        match binding:
            case ast.ExceptHandler(type=caught):
                kinds = caught.elts if isinstance(caught, ast.Tuple) else [caught]
                if {module.name(kind) for kind in kinds} & PYDANTIC_ERRORS:
                    return True
            case ast.arg():
                if any(
                    is_validation_error(module, given, depth - 1)
                    for given in given_to(module, binding)
                ) or any(
                    one.kind in PYDANTIC_ERRORS and binding in one.arguments
                    for one in module.error_handlers
                ):
                    return True
    value = module.assigned(node)
    return value is not None and is_validation_error(module, value, depth - 1)


def given_to(module: Module, parameter: ast.arg) -> Iterator[ast.expr]:
    """What the calls in this module pass to a parameter by its position."""
    match module.parent(module.parent(parameter) or parameter):
        case ast.FunctionDef(args=spec) | ast.AsyncFunctionDef(args=spec) as function:
            for position, one in enumerate(spec.args):
                for use in module.reads(function) if one is parameter else ():
                    match module.parent(use):
                        case ast.Call(func=func, args=given) if (
                            func is use and position < len(given)
                        ):
                            yield given[position]


def reaches_client(module: Module, node: ast.AST, depth: int = 3) -> bool:
    """It is returned or sent as it is: not logged, counted, or taken apart."""
    match module.parent(node):
        case ast.Subscript() | ast.comprehension() | ast.For():
            return False
    for parent in module.ancestors(node):
        match parent:
            case ast.Call(func=func):
                name = module.name(func)
                if module.log_level(parent) or name == "builtins.len":
                    return False
                if name.startswith(SENDING):
                    return True
            case ast.Return():
                return True
            case ast.Raise(exc=ast.Call(func=func)):
                return module.name(func).startswith("werkzeug.exceptions.")
            case (
                ast.Assign(targets=[ast.Name() as name])
                | ast.AnnAssign(target=ast.Name() as name)
            ):
                uses = module.uses(name)
                return depth > 0 and any(
                    reaches_client(module, use, depth - 1) for use in uses
                )
    return False


@rule(
    "QP504",
    "abort-swallowed",
    Severity.ERROR,
    "`{}` below catches the HTTPException that this raises, so the status is "
    "lost; abort outside the `try`",
    on=(ast.Call, ast.Raise),
    runs='get("/members/8") -> 500',
    example="""
          members = {7: "Ada"}
          @app.get("/members/<int:number>")
          async def member(number: int):
        -     try:
        -         if number not in members:
        -             abort(404)
        -         return {"name": members[number]}
        -     except Exception:
        -         return {"error": "failed"}, 500
        +     if number not in members:
        +         abort(404)
        +     return {"name": members[number]}
    """,
)
def abort_swallowed(module: Module, node: ast.Call | ast.Raise) -> Found:
    """`abort` works by raising; whoever catches Exception catches it."""
    if isinstance(node, ast.Call):
        raises = module.name(node.func) == "quart.abort"
    else:
        error = node.exc.func if isinstance(node.exc, ast.Call) else node.exc
        raises = module.name(error).startswith("werkzeug.exceptions.")
    if raises and (caught := catcher(module, node)):
        yield node, caught


def catcher(module: Module, node: ast.AST) -> str:
    """The blanket `except` that catches what `node` raises, or an empty string."""
    inner = node
    for ancestor in module.ancestors(node):
        if isinstance(ancestor, CALLABLES):
            break
        if isinstance(ancestor, ast.Try) and inner in ancestor.body:
            for handler in ancestor.handlers:
                kind = module.name(handler.type)
                if handler.type and mentions(handler.type, "HTTPException"):
                    return ""
                if handler.type is None or kind in CATCH_ALL:
                    word = kind.replace("builtins.", "except ") or "except:"
                    return "" if passes_on(handler) else word
        inner = ancestor
    return ""


def passes_on(handler: ast.ExceptHandler) -> bool:
    return mentions(handler, "HTTPException") or any(
        isinstance(part, ast.Raise)
        and (part.exc is None or getattr(part.exc, "id", "") == handler.name)
        for part in ast.walk(handler)
    )


@rule(
    "QP505",
    "exception-text-to-client",
    Severity.NOTE,
    "the text of an unexpected error tells clients about the inside; log it and answer "
    "with fixed words",
    on=ast.Return,
    runs='b"127.0.0.1" in await (await get("/price")).get_data() -> True',
    example="""
          @app.get("/price")
          async def price():
              try:
                  reader, _ = await asyncio.open_connection("127.0.0.1", 9)
                  return {"price": int(await reader.readline())}
        -     except Exception as error:
        -         return {"error": str(error)}, 503
        +     except OSError:
        +         current_app.logger.exception("no price")
        +         return {"error": "The price is not known now."}, 503
    """,
)
def exception_text_to_client(module: Module, node: ast.Return) -> Found:
    """Paths, queries and addresses stand in such texts."""
    parts = ast.walk(node) if not module.is_test else ()
    if any(is_text_of_unexpected(module, part) for part in parts):
        yield node, ""


def is_text_of_unexpected(module: Module, node: ast.AST) -> bool:
    match node:
        case ast.Call(func=func, args=[ast.Attribute(attr="original_exception")]):
            return module.name(func) in TEXT_OF
        case ast.Call(func=func, args=[ast.Name() as name]):
            return module.name(func) in TEXT_OF and is_unexpected(module, name)
        case ast.FormattedValue(value=ast.Name() as name):
            return is_unexpected(module, name)
        case ast.Call(func=func):
            known = module.name(func) == "traceback.format_exc"
            return known and module.function(node) in module.views
    return False


def is_unexpected(module: Module, name: ast.Name) -> bool:
    """It is caught by a blanket `except` of a view, or handed to a blanket handler."""
    bindings = module.bindings(name)
    return any(
        isinstance(binding, ast.ExceptHandler)
        and module.name(binding.type) in CATCH_ALL
        and module.function(binding) in module.views
        for binding in bindings
    ) or any(
        one.kind in CATCH_ALL and binding in one.arguments
        for binding in bindings
        for one in module.error_handlers
    )


@rule(
    "QP506",
    "errorhandler-without-argument",
    Severity.ERROR,
    "an error handler is called with the error: without a parameter it fails and the "
    "client gets 500",
    on=ast.Module,
    runs='get("/nowhere") -> 500',
    example="""
          @app.errorhandler(404)
        - async def not_found():
        + async def not_found(error):
              return {"error": "not found"}, 404
    """,
)
def errorhandler_without_argument(module: Module, node: ast.Module) -> Found:
    """The TypeError comes up only when the first such error does."""
    for one in module.error_handlers:
        if one.function and not parameters(one.function):
            yield one.place, ""


@rule(
    "QP507",
    "routing-error-in-blueprint",
    Severity.ERROR,
    "a blueprint never sees {} for an address under its prefix, as no route matched; "
    "register the handler on the app",
    on=ast.Module,
    runs="(await get(\"/notes/7\")).mimetype -> 'text/html'",
    example="""
          notes = Blueprint("notes", __name__, url_prefix="/notes")
        - @notes.errorhandler(404)
        + @notes.app_errorhandler(404)
          async def not_found(error):  # here
              return {"error": "not found"}, 404
          app.register_blueprint(notes)
    """,
)
def routing_error_in_blueprint(module: Module, node: ast.Module) -> Found:
    """It handles only what its own views raise. A module that raises 404 itself is not
    reported."""
    for one in module.error_handlers:
        registered = ast.unparse(one.call.func).endswith(".app_errorhandler")
        if (
            one.kind in {"404", "405"}
            and module.kind(one.owner) == "quart.Blueprint"
            and not registered
            and not any(
                aborts_with(module, call, one.kind) for call in module.nodes(ast.Call)
            )
            and (one.kind == "405" or "NotFound" not in module.text)
        ):
            yield one.place, one.kind


def aborts_with(module: Module, call: ast.Call, status: str) -> bool:
    """Whether it is an `abort` with this status, or one that is not known."""
    if module.name(call.func) != "quart.abort":
        return False
    return not call.args or str(module.value(call.args[0])) in {status, "None"}


@rule(
    "QP508",
    "http-error-without-headers",
    Severity.WARNING,
    "this answer drops Allow, Retry-After and WWW-Authenticate; change the body of "
    "`error.get_response()` instead",
    on=ast.Module,
    runs='"Allow" in (await post("/notes")).headers -> False',
    example="""
        + from quart import Quart, json
          @app.errorhandler(HTTPException)
          async def problem(error: HTTPException):  # here
        -     return {"error": error.name}, error.code
        +     response = error.get_response()
        +     response.data = json.dumps({"error": error.name})
        +     response.content_type = "application/json"
        +     return response
          @app.get("/notes")
          async def notes():
              return {"notes": []}
    """,
)
def http_error_without_headers(module: Module, node: ast.Module) -> Found:
    """405 needs Allow, 401 WWW-Authenticate; both stand in the error's own response."""
    for one in module.error_handlers:
        if (
            one.kind == HTTP_ERROR
            and one.function
            and not module.is_test
            and not mentions(one.function, *HEADERS_KEPT)
            and not hands_on(module, one.function)
        ):
            yield one.place, ""


def hands_on(module: Module, function: Function) -> bool:
    """Whether the error is handed to a function that may do the work."""
    return any(
        isinstance(node, ast.Call)
        and any(isinstance(given, ast.Name) for given in node.args)
        and not module.name(node.func).startswith("builtins.")
        and not module.log_level(node)
        for node in module.body(function)
    )


@rule(
    "QP509",
    "logged-twice",
    Severity.NOTE,
    "Quart has logged this error with its traceback; this second entry has no cause; "
    "leave it out",
    on=ast.Module,
    runs='[await get("/crash"), len(logged())][1] -> 2',
    example="""
          @app.errorhandler(500)
          async def internal_error(error):
        -     app.logger.error(f"internal error: {error}")
              return {"error": "internal server error"}, 500
          @app.get("/crash")
          async def crash():
              raise RuntimeError("a bug")
    """,
)
def logged_twice(module: Module, node: ast.Module) -> Found:
    """The handler for 500 gets a bare InternalServerError; the cause is in its
    `original_exception`."""
    for one in module.error_handlers:
        body = module.body(one.function) if one.function else ()
        for call in body if one.kind in SERVER_ERRORS else ():
            if (
                isinstance(call, ast.Call)
                and module.log_level(call) in {"error", "exception", "critical"}
                and not mentions(call, "original_exception")
            ):
                yield call, ""


@rule(
    "QP510",
    "task-group-hides-error",
    Severity.ERROR,
    "the group wraps `{}` in an ExceptionGroup, which its error handler does not "
    "match: 500; catch it with `except*`, or handle ExceptionGroup",
    on=ast.Call,
    runs='get("/total/tea/pot") -> 500',
    example="""
          class UnknownProduct(Exception):
              pass
          @app.errorhandler(UnknownProduct)
          async def unknown(error):
              return {"error": "unknown product"}, 404
          async def price_of(name: str) -> int:
              raise UnknownProduct(name)
          @app.get("/total/<one>/<two>")
          async def total(one: str, two: str):
        -     async with asyncio.TaskGroup() as group:
        -         tasks = [group.create_task(price_of(name)) for name in (one, two)]
        -     return {"total": sum(task.result() for task in tasks)}
        +     prices = await asyncio.gather(price_of(one), price_of(two))
        +     return {"total": sum(prices)}
    """,
)
def task_group_hides_error(module: Module, node: ast.Call) -> Found:
    """`asyncio.gather` raises the first error as it is."""
    match node:
        case ast.Call(
            func=ast.Attribute(value=group, attr="create_task"),
            args=[ast.Call(func=func), *_],
        ) if module.kind(group) == "asyncio.TaskGroup":
            worker = module.local_function(func)
        case _:
            return
    handlers = module.error_handlers
    if (
        worker is None
        or module.function(node) not in module.views
        or module.within(node, *TRIES)
        or any(one.kind == "builtins.ExceptionGroup" for one in handlers)
    ):
        return
    handled = {module.local_class(one.error) for one in handlers} - {None}
    raised = [raised_class(module, part) for part in module.body(worker)]
    for error in raised:
        if error and error in handled:
            yield node, error.name


def raised_class(module: Module, node: ast.AST) -> ast.ClassDef | None:
    match node:
        case ast.Raise(exc=ast.Call(func=error)) | ast.Raise(exc=ast.Name() as error):
            return module.local_class(error)
    return None


@rule(
    "QP511",
    "exception-without-message",
    Severity.NOTE,
    "without `super().__init__(...)` the text of the error is the tuple of its "
    "arguments; pass a message on",
    on=ast.ClassDef,
    runs='str(NotInStock("tea", 3)) -> "(\'tea\', 3)"',
    example="""
          class NotInStock(Exception):
              def __init__(self, name: str, wanted: int) -> None:  # here
        +         super().__init__(name, wanted)
                  self.message = f"{wanted} {name} are not in stock"
        +
        +     def __str__(self) -> str:
        +         return self.message
    """,
)
def exception_without_message(module: Module, node: ast.ClassDef) -> Found:
    """The log then reads `('tea', 3)`. An error that passes `super()` other arguments
    than it got cannot be unpickled."""
    methods = {line.name: line for line in node.body if isinstance(line, FUNCTIONS)}
    start = methods.get("__init__")
    if (
        [module.name(base) for base in node.bases] == ["builtins.Exception"]
        and start
        and "__str__" not in methods
        and not node.decorator_list
        and len(parameters(start)) > 2
        and not mentions(start, *INIT_WORDS)
    ):
        yield start, ""


@rule(
    "QP519",
    "teardown-waits-for-error",
    Severity.WARNING,
    "`{}` is None here also when the view failed, except in tests, so this commits; "
    "commit in the view, and only close here",
    on=ast.Module,
    runs="[await get(\"/crash\"), saved][1] -> ['half an order']",
    example="""
          saved: list[str] = []
          class Session:
              def __init__(self) -> None:
                  self.new: list[str] = []

              def commit(self) -> None:
                  saved.extend(self.new)
          @app.before_request
          async def open_session():
              g.session = Session()
          @app.get("/crash")
          async def crash():
              g.session.new.append("half an order")
              raise RuntimeError("the rest of the order")
        +     g.session.commit()
        - @app.teardown_request
        - async def close_session(error):
        -     if error is None:
        -         g.session.commit()
    """,
)
def teardown_waits_for_error(module: Module, node: ast.Module) -> Found:
    """Quart has answered the error by then. Under TESTING and DEBUG the error is
    passed, so the tests do not see it."""
    for function, _ in module.hooks(*TEARDOWNS):
        error = next((one.arg for one in function.args.args), "")
        for part in module.body(function):
            if (
                isinstance(part, ast.If)
                and mentions(part.test, error)
                and mentions(part, "commit", "rollback")
            ):
                yield part, error


@rule(
    "QP904",
    "overridden-signature",
    Severity.ERROR,
    "Quart 0.23 passes the context first: `{}(self, ctx, ...)`; this override fails "
    "there; register an error handler or a hook",
    on=ast.ClassDef,
    runs='0.23: (await get("/crash")).status_code == 500 -> ExceptionGroup',
    example="""
        - class App(Quart):
        -     async def handle_exception(self, error: Exception):
        -         return await super().handle_exception(error)
        - app = App(__name__)
        + app = Quart(__name__)
        + @app.errorhandler(500)
        + async def internal_error(error: Exception):
        +     return {"error": "internal server error"}, 500
          @app.get("/crash")
          async def crash():
              raise RuntimeError("a bug")
    """,
)
def overridden_signature(module: Module, node: ast.ClassDef) -> Found:
    """No signature suits both 0.22 and 0.23."""
    if any(module.class_kind(base) == "quart.Quart" for base in node.bases):
        for line in node.body:
            if isinstance(line, FUNCTIONS) and line.name in CONTEXT_FIRST:
                named = [*line.args.posonlyargs, *line.args.args][1:2]
                takes_context = any("ctx" in one.arg for one in named)
                if not takes_context and not line.args.vararg:
                    yield line, line.name
