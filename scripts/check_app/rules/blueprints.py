"""Views, hooks and decorators: what they are given and must return."""

import ast
import re
from itertools import pairwise

from ..engine.awaiting import misused
from ..engine.quart import Module
from ..engine.rule import Found, rule
from ..engine.scopes import Function

COROUTINES = {
    "quart": "flash make_response render_template render_template_string send_file "
    "send_from_directory stream_template stream_template_string"
}
SYNC = {
    "quart": "abort get_flashed_messages jsonify redirect session url_for",
    "quart.request": "args cookies headers host method path url",
    "quart.websocket": "args cookies headers host path url",
}
SENDING = {"quart": "send_file send_from_directory"}
FLASK_ARGUMENTS = "download_name etag max_age path path_or_file"
FALLS_OFF = ast.Assign, ast.Await, ast.Pass, ast.Return
ANSWERS = re.compile(r"\b(raise|return \S|yield)")
ADAPTS = re.compile("async def|ensure_async|coroutinefunction|run_sync")


@rule("QP102 unawaited-helper error", on=ast.Call)
def unawaited_helper(module: Module, node: ast.Call) -> Found:
    """`{}()` is a coroutine in Quart: nothing happens without `await {}(...)`

    Rendering, `make_response`, `send_file` and `flash` are synchronous in Flask.

    runs: get("/") -> 500

      @app.get("/")
      async def index():
    -     return make_response("hello", 202)
    +     return await make_response("hello", 202)
    """
    if module.calls_one_of(node, COROUTINES) and misused(module, node):
        yield node, ast.unparse(node.func)


@rule("QP105 awaited-sync-api error", on=ast.Await)
def awaited_sync_api(module: Module, node: ast.Await) -> Found:
    """`{}` is no coroutine: awaiting it raises TypeError; drop the `await`

    After `add_background_task` the work is done, and yet the client gets 500.

    runs: get("/notes") -> 500

      @app.get("/notes")
      async def notes():
    -     return await jsonify(request.args)
    +     return jsonify(request.args)
    """
    used = getattr(node.value, "func", node.value)
    name = module.name(used).removesuffix(".get").removesuffix(".getlist")
    owner, _, word = name.rpartition(".")
    wrong = word in SYNC.get(owner, "").split()
    match used:
        case ast.Attribute(value=app, attr="add_background_task"):
            wrong = module.is_app(app)
    if wrong:
        yield node, ast.unparse(used)


@rule("QP106 flask-send-file-argument error", on=ast.Call, word="send_")
def flask_send_file_argument(module: Module, node: ast.Call) -> Found:
    """`{}` is Flask's (TypeError); Quart: attachment_filename, add_etags, cache_timeout

    Flask renamed the arguments in 2.0, Quart did not.

    runs: get("/report") -> 500

      @app.get("/report")
      async def report():
    -     return await send_file(__file__, download_name="may.txt")
    +     return await send_file(__file__, attachment_filename="may.txt")
    """
    for given in node.keywords if module.calls_one_of(node, SENDING) else ():
        if given.arg in FLASK_ARGUMENTS.split():
            yield given.value, given.arg


@rule("QP111 after-request-returns-nothing error", on=ast.Module)
def after_request_returns_nothing(module: Module, node: ast.Module) -> Found:
    """without `return {}` at its end this hook fails every request

    None replaces the response; the error comes too late for any error handler.

    runs: get("/") -> AttributeError | ExceptionGroup

      @app.after_request
      async def add_header(response):  # here
          response.headers["X-Content-Type-Options"] = "nosniff"
    +     return response
    """
    for hook, _ in module.hooks("after_request", "after_app_request"):
        taken = [*hook.args.posonlyargs, *hook.args.args]
        if taken and not ANSWERS.search(ast.unparse(hook)):
            yield hook, taken[-1].arg


@rule("QP113 sync-decorator-around-view error", on=ast.Return)
def sync_decorator_around_view(module: Module, node: ast.Return) -> Found:
    """the view's coroutine is no answer: `await current_app.ensure_async({})(...)`

    What a plain function returns is the response. A decorator above may await it.

    runs: get("/") -> 500

      def logged(view):
    -     def wrapper():
    -         return view()
    +     async def wrapper():
    +         return await current_app.ensure_async(view)()

          return wrapper
      @app.get("/")
      @logged
      async def index():
          return "hello"
    """
    match node.value, module.function(node):
        case ast.Call(func=ast.Name() as called), ast.FunctionDef() as wrapper:
            given = [one for one in module.bindings(called) if isinstance(one, ast.arg)]
            passed = {*map(module.function, given)} - {wrapper}
            makers = {*module.ancestors(wrapper)} & around_views(module)
            adapts = any(ADAPTS.search(ast.unparse(one)) for one in makers)
            if passed and makers and not adapts:
                yield wrapper, called.id


def around_views(module: Module) -> set[Function | None]:
    """The decorators of async views directly below their route."""
    return {
        module.local_function(getattr(below, "func", below))
        for route in module.routes
        for above, below in pairwise([route.call, *route.function.decorator_list])
        if above is route.call and isinstance(route.function, ast.AsyncFunctionDef)
    }


@rule("QP118 view-returns-nothing error", on=(ast.FunctionDef, ast.AsyncFunctionDef))
def view_returns_nothing(module: Module, node: Function) -> Found:
    """the view returns None, a TypeError and a 500; return a body, or `"", 204`

    Left alone are views with other decorators, and with a call at the end.

    runs: post("/notes") -> 500

      @app.post("/notes")
      async def add_note():  # here
          app.note = await request.get_data()
    +     return "", 204
    """
    last = node.body[-1]
    ends = type(last.value if isinstance(last, ast.Expr) else last) in FALLS_OFF
    ends = ends and not (isinstance(last, ast.Return) and last.value)
    plain = node in module.views and len(node.decorator_list) == 1
    if ends and plain and not module.is_test and not ANSWERS.search(ast.unparse(node)):
        yield node, ""
