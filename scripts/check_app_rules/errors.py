"""QP5xx: error handlers and what clients learn from an error."""

import ast

from .module import FUNCTIONS, TRIES, Function, Module
from .requests import parameters
from .rule import Found, rule

HANDLERS = ("errorhandler", "app_errorhandler")
CATCH_ALL = {"builtins.Exception", "builtins.BaseException"}
PYDANTIC_ERROR = {
    "pydantic.ValidationError",
    "pydantic.error_wrappers.ValidationError",
    "pydantic_core.ValidationError",
}
SCHEMA_ERROR = "quart_schema.RequestSchemaValidationError"
SERVER_ERROR = "werkzeug.exceptions.InternalServerError"
HTTP_ERROR = "werkzeug.exceptions.HTTPException"
BY_HAND = {"model_validate", "parse_obj", "TypeAdapter"}
INIT_WORDS = ("super", "args", "__init__")
LOGGING = {"debug", "info", "warning", "error", "exception", "critical", "log"}


def error_classes(module: Module, decorator: ast.expr) -> set[str]:
    """The dotted names (or the status) that an error handler is registered for."""
    match decorator:
        case ast.Call(args=[ast.Constant(value=int(status))]):
            return {str(status)}
        case ast.Call(args=[kind]):
            return {module.name(kind)}
    return set()


def mentions(node: ast.AST, *words: str) -> bool:
    return any(
        getattr(part, "id", getattr(part, "attr", None)) in words
        for part in ast.walk(node)
    )


@rule(
    "QP501",
    "errorhandler-exception",
    "this turns every 404, 401 and 405 into its own answer; handle 500 instead, or "
    "HTTPException as well",
    page="error_handling",
    wrong="""
        from quart import Quart

        app = Quart(__name__)


        @app.errorhandler(Exception)
        async def unexpected(error):  # QP501
            return {"error": "internal server error"}, 500
    """,
    right="""
        from quart import Quart

        app = Quart(__name__)


        @app.errorhandler(500)
        async def unexpected(error):
            return {"error": "internal server error"}, 500
    """,
)
def errorhandler_exception(module: Module) -> Found:
    """HTTPException is an Exception, so unknown addresses, `abort()`, bad JSON and
    failed validation all arrive here."""
    registered = [
        (function, decorator, error_classes(module, decorator))
        for function, decorator in module.hooks(*HANDLERS)
    ]
    others = [one for _, one, kinds in registered if HTTP_ERROR in kinds]
    for function, decorator, kinds in registered:
        if (
            kinds & CATCH_ALL
            and not mentions(function, "HTTPException", "code")
            and not any(may_be_same_app(module, decorator, other) for other in others)
        ):
            yield function, ""


def may_be_same_app(module: Module, one: ast.expr, other: ast.expr) -> bool:
    """Unless both decorators belong to apps that different functions made."""
    made = [app_of(module, decorator) for decorator in (one, other)]
    return made[0] is made[1] or None in made


def app_of(module: Module, decorator: ast.expr) -> ast.AST | None:
    """What binds the app of `@app.errorhandler(...)`, when that is an assignment."""
    match decorator:
        case ast.Call(func=ast.Attribute(value=ast.Name() as app)):
            match module.bindings(app):
                case [ast.Name() as bound]:
                    return bound
    return None


@rule(
    "QP502",
    "errorhandler-validation-error",
    "quart-schema never raises pydantic's ValidationError into the app; handle "
    "RequestSchemaValidationError",
    page="request_validation",
    wrong="""
        from pydantic import ValidationError
        from quart import Quart
        from quart_schema import QuartSchema

        app = Quart(__name__)
        QuartSchema(app)


        @app.errorhandler(ValidationError)
        async def invalid(error):  # QP502
            return {"error": "invalid"}, 422
    """,
    right="""
        from quart import Quart
        from quart_schema import QuartSchema, RequestSchemaValidationError

        app = Quart(__name__)
        QuartSchema(app)


        @app.errorhandler(RequestSchemaValidationError)
        async def invalid(error):
            return {"error": "invalid"}, 422
    """,
)
def errorhandler_validation_error(module: Module) -> Found:
    """The library wraps the error in a BadRequest; pydantic's own stands in its
    `validation_error`. Without a handler the client gets an HTML page."""
    if not module.imports_any("quart_schema"):
        return
    if any(word in module.text for word in BY_HAND):
        return
    handlers = [*module.hooks(*HANDLERS)]
    right = [one for _, one in handlers if SCHEMA_ERROR in error_classes(module, one)]
    for function, decorator in handlers:
        if error_classes(module, decorator) & PYDANTIC_ERROR and not any(
            may_be_same_app(module, decorator, other) for other in right
        ):
            yield function, ""


@rule(
    "QP503",
    "errors-leak-input",
    "`{}()` repeats the input, passwords too; pass include_input=False, "
    "include_context=False, include_url=False",
    page="error_handling",
    wrong="""
        from quart import Quart
        from quart_schema import RequestSchemaValidationError

        app = Quart(__name__)


        @app.errorhandler(RequestSchemaValidationError)
        async def invalid(error):
            return {"errors": error.validation_error.errors()}, 422  # QP503
    """,
    right="""
        from quart import Quart
        from quart_schema import RequestSchemaValidationError

        app = Quart(__name__)


        @app.errorhandler(RequestSchemaValidationError)
        async def invalid(error):
            errors = error.validation_error.errors(
                include_url=False, include_context=False, include_input=False
            )
            return {"errors": errors}, 422
    """,
)
def errors_leak_input(module: Module) -> Found:
    """Each entry of pydantic's list holds `input` and `ctx`. The context may also hold
    an exception, which is no JSON: the answer is then 500."""
    names = validation_errors(module)
    for call in module.nodes(ast.Call):
        match call.func:
            case ast.Attribute(value=owner, attr="errors" | "json" as attr):
                named = owner.value if isinstance(owner, ast.Attribute) else owner
                if not isinstance(named, ast.Name) or not told(module, call):
                    continue
                if names.intersection(module.bindings(named)) and not any(
                    each.arg == "include_input" for each in call.keywords
                ):
                    yield call, attr


def validation_errors(module: Module) -> set[ast.AST]:
    """What binds a validation error: a handler's argument, `except ... as error`."""
    kinds = {*PYDANTIC_ERROR, SCHEMA_ERROR}
    found: set[ast.AST] = set()
    for function, decorator in module.hooks(*HANDLERS):
        if error_classes(module, decorator) & kinds:
            found |= {*function.args.posonlyargs, *function.args.args}
    for handler in module.nodes(ast.ExceptHandler):
        caught = handler.type.elts if isinstance(handler.type, ast.Tuple) else []
        names = {module.name(kind) for kind in [handler.type, *caught]}
        if names & kinds:
            found.add(handler)
    return found


def told(module: Module, call: ast.Call) -> bool:
    """Whether the whole list is used, and not for the log."""
    match module.parent(call):
        case ast.Subscript() | ast.comprehension() | ast.For():
            return False
    outer = module.within(call, ast.Call)
    return not (
        outer is not None
        and isinstance(outer.func, ast.Attribute)
        and outer.func.attr in LOGGING
    )


@rule(
    "QP504",
    "abort-swallowed",
    "`except {}` below catches the HTTPException that this raises, so the status is "
    "lost; abort outside the `try`",
    page="error_handling",
    wrong="""
        from quart import Quart, abort

        app = Quart(__name__)
        members = {7: "Ada"}


        @app.get("/members/<int:number>")
        async def member(number: int):
            try:
                if number not in members:
                    abort(404)  # QP504
                return {"name": members[number]}
            except Exception:
                return {"error": "failed"}, 500
    """,
    right="""
        from quart import Quart, abort

        app = Quart(__name__)
        members = {7: "Ada"}


        @app.get("/members/<int:number>")
        async def member(number: int):
            if number not in members:
                abort(404)
            return {"name": members[number]}
    """,
)
def abort_swallowed(module: Module) -> Found:
    """`abort` works by raising; whoever catches Exception catches it."""
    raising: list[ast.AST] = [
        call
        for call in module.nodes(ast.Call)
        if module.name(call.func) == "quart.abort"
    ]
    for node in module.nodes(ast.Raise):
        error = node.exc.func if isinstance(node.exc, ast.Call) else node.exc
        if module.name(error).startswith("werkzeug.exceptions."):
            raising.append(node)
    for one in raising:
        if caught := catcher(module, one):
            yield one, caught


def catcher(module: Module, node: ast.AST) -> str:
    """The blanket `except` that catches what `node` raises, or an empty string."""
    inner = node
    for ancestor in module.ancestors(node):
        caught = ""
        if isinstance(ancestor, ast.FunctionDef | ast.AsyncFunctionDef | ast.Lambda):
            break
        if isinstance(ancestor, ast.Try) and inner in ancestor.body:
            caught = blanket(module, ancestor)
        elif isinstance(ancestor, ast.With | ast.AsyncWith) and inner in ancestor.body:
            caught = boundary(module, ancestor)
        if caught:
            return caught.removeprefix("let through")
        inner = ancestor
    return ""


def blanket(module: Module, block: ast.Try) -> str:
    """The class that catches an HTTPException and keeps it, if one does."""
    for handler in block.handlers:
        if handler.type and mentions(handler.type, "HTTPException"):
            return "let through"
        kind = module.name(handler.type)
        if kind in CATCH_ALL:
            return "let through" if passes_on(handler) else kind[len("builtins.") :]
    return ""


def passes_on(handler: ast.ExceptHandler) -> bool:
    return mentions(handler, "HTTPException") or any(
        isinstance(part, ast.Raise)
        and (part.exc is None or getattr(part.exc, "id", "") == handler.name)
        for part in ast.walk(handler)
    )


def boundary(module: Module, block: ast.With | ast.AsyncWith) -> str:
    """What a context manager of this module catches around its `yield`."""
    for item in block.items:
        call = item.context_expr
        manager = module.local_function(
            call.func if isinstance(call, ast.Call) else None
        )
        for node in module.body(manager) if manager else ():
            if isinstance(node, ast.Yield):
                for guard in module.ancestors(node):
                    if isinstance(guard, ast.Try) and (
                        caught := blanket(module, guard)
                    ):
                        return caught
    return ""


@rule(
    "QP505",
    "exception-text-to-client",
    "the text of an unexpected error tells clients about the inside; log it and answer "
    "with fixed words",
    page="error_handling",
    wrong="""
        from quart import Quart

        app = Quart(__name__)


        @app.get("/report")
        async def report():
            try:
                return {"lines": open("report.txt").read()}
            except Exception as error:
                return {"error": str(error)}, 500  # QP505
    """,
    right="""
        from quart import Quart, current_app

        app = Quart(__name__)


        @app.get("/report")
        async def report():
            try:
                return {"lines": open("report.txt").read()}
            except OSError:
                current_app.logger.exception("no report")
                return {"error": "the report is not available"}, 500
    """,
)
def exception_text_to_client(module: Module) -> Found:
    """Paths, queries and addresses stand in such texts."""
    if module.is_test:
        return
    unexpected: set[ast.AST] = set()
    for function, decorator in module.hooks(*HANDLERS):
        if error_classes(module, decorator) & CATCH_ALL:
            unexpected |= {*function.args.posonlyargs, *function.args.args}
    for handler in module.nodes(ast.ExceptHandler):
        if (
            module.name(handler.type) in CATCH_ALL
            and module.function(handler) in module.views
        ):
            unexpected.add(handler)
    if not unexpected and "format_exc" not in module.text:
        return
    for answer in module.nodes(ast.Return):
        for node in ast.walk(answer):
            if text_of(module, node, unexpected):
                yield node, ""
                break


def text_of(module: Module, node: ast.AST, errors: set[ast.AST]) -> bool:
    match node:
        case ast.Call(func=ast.Name(id="str" | "repr"), args=[ast.Name() as name]):
            return not errors.isdisjoint(module.bindings(name))
        case ast.FormattedValue(value=ast.Name() as name):
            return not errors.isdisjoint(module.bindings(name))
        case ast.Call(func=func):
            return module.name(func) == "traceback.format_exc" and (
                module.function(node) in module.views
            )
    return False


@rule(
    "QP506",
    "errorhandler-without-argument",
    "an error handler is called with the error: without a parameter it fails and the "
    "client gets 500",
    page="error_handling",
    wrong="""
        from quart import Quart

        app = Quart(__name__)


        @app.errorhandler(404)
        async def not_found():  # QP506
            return {"error": "not found"}, 404
    """,
    right="""
        from quart import Quart

        app = Quart(__name__)


        @app.errorhandler(404)
        async def not_found(error):
            return {"error": "not found"}, 404
    """,
)
def errorhandler_without_argument(module: Module) -> Found:
    """The TypeError comes up only when the first such error does."""
    for function, decorator in module.hooks(*HANDLERS):
        if isinstance(decorator, ast.Call) and not parameters(function):
            yield function, ""


@rule(
    "QP507",
    "routing-error-in-blueprint",
    "a blueprint never sees {} for an address under its prefix, as no route matched; "
    "register the handler on the app",
    page="blueprints",
    wrong="""
        from quart import Blueprint

        blueprint = Blueprint("notes", __name__, url_prefix="/notes")


        @blueprint.errorhandler(404)
        async def not_found(error):  # QP507
            return {"error": "no such note"}, 404
    """,
    right="""
        from quart import Blueprint

        blueprint = Blueprint("notes", __name__, url_prefix="/notes")


        @blueprint.app_errorhandler(404)
        async def not_found(error):
            return {"error": "no such page"}, 404
    """,
)
def routing_error_in_blueprint(module: Module) -> Found:
    """It handles only what its own views raise. A module that raises 404 itself is not
    reported."""
    for function, decorator in module.hooks("errorhandler"):
        match decorator:
            case ast.Call(
                func=ast.Attribute(value=owner), args=[ast.Constant(value=404 | 405)]
            ) if module.kind(owner) == "quart.Blueprint":
                status = error_classes(module, decorator).pop()
                if not any(
                    raises(module, call, status) for call in aborts(module)
                ) and (status == "405" or "NotFound" not in module.text):
                    yield function, status


def aborts(module: Module) -> list[ast.Call]:
    calls = module.nodes(ast.Call)
    return [call for call in calls if module.name(call.func) == "quart.abort"]


def raises(module: Module, call: ast.Call, status: str) -> bool:
    """Whether an `abort` has this status, or one that is not known."""
    return not call.args or str(module.value(call.args[0])) in {status, "None"}


@rule(
    "QP508",
    "http-error-without-headers",
    "this answer drops Allow, Retry-After and WWW-Authenticate; change the body of "
    "`error.get_response()` instead",
    page="error_handling",
    wrong="""
        from quart import Quart
        from werkzeug.exceptions import HTTPException

        app = Quart(__name__)


        @app.errorhandler(HTTPException)
        async def problem(error: HTTPException):  # QP508
            return {"error": error.name}, error.code
    """,
    right="""
        from quart import Quart, json
        from werkzeug.exceptions import HTTPException

        app = Quart(__name__)


        @app.errorhandler(HTTPException)
        async def problem(error: HTTPException):
            response = error.get_response()
            response.data = json.dumps({"error": error.name})
            response.content_type = "application/json"
            return response
    """,
)
def http_error_without_headers(module: Module) -> Found:
    """405 needs Allow, 401 WWW-Authenticate; both stand in the error's own response."""
    if module.is_test:
        return
    words = ("get_response", "get_headers", "headers", "response")
    for function, decorator in module.hooks(*HANDLERS):
        if (
            HTTP_ERROR in error_classes(module, decorator)
            and not mentions(function, *words)
            and not calls_on(module, function)
        ):
            yield function, ""


def calls_on(module: Module, function: Function) -> bool:
    """Whether the error is handed to a function that may do the work."""
    return any(
        isinstance(node, ast.Call)
        and any(isinstance(given, ast.Name) for given in node.args)
        and not module.name(node.func).startswith("builtins.")
        for node in module.body(function)
    )


@rule(
    "QP509",
    "logged-twice",
    "Quart has logged this error with its traceback; this second entry has no cause; "
    "leave it out",
    page="error_handling",
    wrong="""
        from quart import Quart

        app = Quart(__name__)


        @app.errorhandler(500)
        async def internal_error(error):
            app.logger.error(f"internal error: {error}")  # QP509
            return {"error": "internal server error"}, 500
    """,
    right="""
        from quart import Quart

        app = Quart(__name__)


        @app.errorhandler(500)
        async def internal_error(error):
            return {"error": "internal server error"}, 500
    """,
)
def logged_twice(module: Module) -> Found:
    """The handler for 500 gets a bare InternalServerError; the cause is in its
    `original_exception`."""
    for function, decorator in module.hooks(*HANDLERS):
        if error_classes(module, decorator) & {"500", SERVER_ERROR}:
            for node in module.body(function):
                match node:
                    case ast.Call(
                        func=ast.Attribute(value=log, attr="error" | "exception")
                    ) if "original_exception" not in ast.unparse(node):
                        if ast.unparse(log).endswith(("logger", "log", "logging")):
                            yield node, ""


@rule(
    "QP510",
    "task-group-hides-error",
    "the group wraps `{}` in an ExceptionGroup, which its error handler does not "
    "match: 500; catch it with `except*`",
    page="error_handling",
    wrong="""
        import asyncio

        from quart import Quart

        app = Quart(__name__)


        class UnknownProduct(Exception):
            pass


        @app.errorhandler(UnknownProduct)
        async def unknown(error):
            return {"error": "unknown product"}, 404


        async def price_of(name: str) -> int:
            raise UnknownProduct(name)


        @app.get("/price/<name>")
        async def price(name: str):
            async with asyncio.TaskGroup() as group:
                found = group.create_task(price_of(name))  # QP510
            return {"price": found.result()}
    """,
    right="""
        from quart import Quart

        app = Quart(__name__)


        class UnknownProduct(Exception):
            pass


        @app.errorhandler(UnknownProduct)
        async def unknown(error):
            return {"error": "unknown product"}, 404


        async def price_of(name: str) -> int:
            raise UnknownProduct(name)


        @app.get("/price/<name>")
        async def price(name: str):
            return {"price": await price_of(name)}
    """,
)
def task_group_hides_error(module: Module) -> Found:
    """`asyncio.gather` raises the first error as it is."""
    handled = {
        module.local_class(decorator.args[0])
        for _, decorator in module.hooks(*HANDLERS)
        if isinstance(decorator, ast.Call) and decorator.args
    } - {None}
    for call in module.nodes(ast.Call):
        match call:
            case ast.Call(
                func=ast.Attribute(value=group, attr="create_task"),
                args=[ast.Call(func=func), *_],
            ) if handled and module.kind(group) == "asyncio.TaskGroup":
                worker = module.local_function(func)
                for node in module.body(worker) if worker else ():
                    error = raised(module, node)
                    if (
                        error in handled
                        and module.function(call) in module.views
                        and error
                        and not module.within(call, *TRIES)
                    ):
                        yield call, error.name


def raised(module: Module, node: ast.AST) -> ast.ClassDef | None:
    match node:
        case ast.Raise(exc=ast.Call(func=error)) | ast.Raise(exc=ast.Name() as error):
            return module.local_class(error)
    return None


@rule(
    "QP511",
    "exception-without-message",
    "without `super().__init__(...)` the text of the error is the tuple of its "
    "arguments; pass a message on",
    page="error_handling",
    wrong="""
        from quart import Quart

        app = Quart(__name__)


        class NotInStock(Exception):
            def __init__(self, name: str, wanted: int) -> None:  # QP511
                self.message = f"{wanted} {name} are not in stock"
    """,
    right="""
        from quart import Quart

        app = Quart(__name__)


        class NotInStock(Exception):
            def __init__(self, name: str, wanted: int) -> None:
                super().__init__(name, wanted)
                self.message = f"{wanted} {name} are not in stock"

            def __str__(self) -> str:
                return self.message
    """,
)
def exception_without_message(module: Module) -> Found:
    """The log then reads `('tea', 3)`. An error that passes `super()` other arguments
    than it got cannot be unpickled."""
    for owner in module.nodes(ast.ClassDef):
        methods = {
            line.name: line for line in owner.body if isinstance(line, FUNCTIONS)
        }
        start = methods.get("__init__")
        plain = [module.name(base) for base in owner.bases] == ["builtins.Exception"]
        if (
            plain
            and start
            and "__str__" not in methods
            and not owner.decorator_list
            and len(parameters(start)) > 2
            and not mentions(start, *INIT_WORDS)
        ):
            yield start, ""


@rule(
    "QP512",
    "filter-on-app-logger",
    "a filter of a logger misses the records of all others, its children too, so a "
    "format that needs `{}` fails; put it on the handlers",
    page="error_handling",
    wrong="""
        import logging

        from quart import Quart, request


        def add_path(record: logging.LogRecord) -> bool:
            record.path = request.path if request else "-"
            return True


        def create_app() -> Quart:
            app = Quart(__name__)
            app.logger.addFilter(add_path)  # QP512
            return app
    """,
    right="""
        import logging

        from quart import Quart, request


        def add_path(record: logging.LogRecord) -> bool:
            record.path = request.path if request else "-"
            return True


        def create_app() -> Quart:
            app = Quart(__name__)
            for handler in logging.getLogger().handlers:
                handler.addFilter(add_path)
            return app
    """,
)
def filter_on_app_logger(module: Module) -> Found:
    """Only a filter that sets attributes is reported: dropping records of one logger is
    what its filters are for."""
    for call in module.nodes(ast.Call):
        match call:
            case ast.Call(
                func=ast.Attribute(
                    value=ast.Attribute(value=app, attr="logger"), attr="addFilter"
                ),
                args=[given],
            ) if module.is_app(app):
                stamp = module.local_function(given)
                for node in module.body(stamp) if stamp else ():
                    if isinstance(node, ast.Attribute) and isinstance(
                        node.ctx, ast.Store
                    ):
                        yield call, node.attr
                        break


@rule(
    "QP513",
    "unused-default-handler",
    "`app.logger` uses Flask's handler, so changing Quart's `default_handler` does "
    "nothing; configure logging with `dictConfig`",
    page="error_handling",
    wrong="""
        import logging

        from quart import Quart
        from quart.logging import default_handler

        app = Quart(__name__)
        default_handler.setFormatter(logging.Formatter("%(message)s"))  # QP513
    """,
    right="""
        import logging

        from quart import Quart

        logging.basicConfig(format="%(message)s")
        app = Quart(__name__)
    """,
)
def unused_default_handler(module: Module) -> Found:
    """The name is left over from the time when Quart logged by itself."""
    for call in module.nodes(ast.Call):
        match call.func:
            case ast.Attribute(
                value=handler, attr="addFilter" | "setFormatter" | "setLevel"
            ) if module.name(handler) == "quart.logging.default_handler":
                yield call, ""
