"""Background tasks, threads and streams, and what holds up the event loop."""

import ast
import re

from ..engine.quart import Module, argument, mentions
from ..engine.rule import Found, rule
from ..engine.words import SLOW_HASHES

REQUEST_PROXIES = {"quart.request", "quart.session", "quart.websocket"}
PROXIES = {*REQUEST_PROXIES, "quart.current_app", "quart.g"}
G_METHODS = {f"quart.g.{name}" for name in ("get", "pop", "setdefault")}
TASK = "add_background_task"
THREADS = {  # at which place, and by which name, they take a function
    "run_in_executor": (1, "func"),
    "submit": (0, "fn"),
    "threading.Thread": (1, "target"),
    "threading.Timer": (1, "function"),
}
OTHERS = (TASK, "asyncio.to_thread", "quart.utils.run_sync")
TAKES_FUNCTION = {**THREADS, **dict.fromkeys(OTHERS, (0, "func"))}
DATA = {"None", "bool", "bytes", "dict", "float", "int", "list", "str"}
CREATES_TASK = re.compile(r"(^asyncio|loop(\(\))?)\.(create_task|ensure_future)$")


def handed_on(module: Module, call: ast.Call, *takers: str) -> ast.expr | None:
    """What one of `takers` is given to run."""
    name = module.name(call.func)
    match call.func:
        case ast.Attribute(value=owner, attr="submit"):
            name = "submit" if module.kind(owner).endswith("PoolExecutor") else ""
        case ast.Attribute(value=owner, attr=method) if name not in TAKES_FUNCTION:
            name = method if method != TASK or module.is_app(owner) else ""
    given = argument(call, *TAKES_FUNCTION[name]) if name in takers else None
    if isinstance(given, ast.Call) and module.name(given.func) == "functools.partial":
        return argument(given, 0, "func")
    return given


def work(module: Module, call: ast.Call, *takers: str) -> ast.AST | None:
    """The undecorated function of this module that is handed on."""
    given = handed_on(module, call, *takers)
    function = given if isinstance(given, ast.Lambda) else module.local_function(given)
    own = function and "_context(" in ast.unparse(function)
    return None if own or getattr(function, "decorator_list", None) else function


def lost(module: Module, function: ast.AST | None, gone: set[str], *own: str) -> Found:
    """The first use of what is gone, or of what is not set in a `g` of its own."""
    nodes = [*ast.walk(function)] if function else []
    names = [node for node in nodes if isinstance(node, ast.Attribute | ast.Name)]
    stored = {module.name(one) for one in names if isinstance(one.ctx, ast.Store)}
    for node in names:
        name = module.name(node)
        if name in gone or (name.startswith(own) and name not in stored | G_METHODS):
            yield node, name.removeprefix("quart.")
            return


@rule("QP203 proxy-in-background-task error", on=ast.Call)
def proxy_in_background_task(module: Module, node: ast.Call) -> Found:
    """`{}` is not there in a background task: it has a `g` of its own and no request
    (on 0.22 a stale one); pass it the values

    The task runs in an app context of its own, after the request may have ended.

    runs: [await post("/members"), await app.shutdown(), len(logged())][2] -> 1

      @app.post("/members")
      async def add_member():
          g.user = "Ada"
    -     app.add_background_task(lambda: print(g.user))
    +     app.add_background_task(print, g.user)
          return "", 202
    """
    yield from lost(module, work(module, node, TASK), REQUEST_PROXIES, "quart.g.")


@rule("QP206 proxy-in-thread error", on=ast.Call)
def proxy_in_thread(module: Module, node: ast.Call) -> Found:
    """`{}` has no value in this thread (RuntimeError); pass the values, or use
    `asyncio.to_thread`, which carries the context

    `to_thread` and `run_sync` copy the context variables; threads start without.

    runs: get("/report") -> 500

      def render():
          return request.path.upper()  # here
      @app.get("/report")
      async def report():
    -     return await asyncio.get_running_loop().run_in_executor(None, render)
    +     return await asyncio.to_thread(render)
    """
    yield from lost(module, work(module, node, *THREADS), PROXIES)


@rule("QP110 stream-without-context error", on=ast.Call)
def stream_without_context(module: Module, node: ast.Call) -> Found:
    """`{}` is gone when this generator runs, after the view and its 200; pass the
    value (`stream_with_context` keeps `request` and `session`, not `g`)

    Quart iterates over the body after it has left the contexts of the request.

    runs: get("/lines?word=tea") -> RuntimeError | ExceptionGroup

    - async def lines():
    -     yield request.args["word"]
    + async def lines(word):
    +     yield word
      @app.get("/lines")
      async def stream():
    -     return lines()
    +     return lines(request.args["word"])
    """
    function = module.local_function(node.func)
    own = function and "_context(" in ast.unparse(function)
    if function and not own and module.yields(function) and streamed(module, node):
        match [module.decorator_name(one) for one in function.decorator_list]:
            case []:
                yield from lost(module, function, PROXIES)
            case ["quart.stream_with_context"]:
                yield from lost(module, function, set(), "quart.g.")


def streamed(module: Module, call: ast.Call) -> bool:
    """Whether a view answers with what the call returns."""
    outer = module.parent(call)
    outer = module.parent(outer) if isinstance(outer, ast.Tuple) else outer
    if isinstance(outer, ast.Call):
        return mentions(outer.func, "Response", "make_response", "response_class")
    return isinstance(outer, ast.Return) and module.function(outer) in module.views


@rule("QP702 blocking-client warning", on=ast.Call)
def blocking_client(module: Module, node: ast.Call) -> Found:
    """`{}` holds up everybody; use an asyncio library, or `asyncio.to_thread(...)`

    One event loop serves everybody. Quart runs plain `def` views in threads.

    runs: blocks(get("/load")) -> True

      @app.get("/load")
      async def load():
    -     done = subprocess.run(["sleep", "0.2"])
    +     done = await asyncio.to_thread(subprocess.run, ["sleep", "0.2"])
          return {"status": done.returncode}
    """
    if module.blocks(node) and module.runs_in_loop(node):
        yield node, ast.unparse(node.func)


@rule("QP705 called-instead-of-passed error", on=ast.Call)
def called_instead_of_passed(module: Module, node: ast.Call) -> Found:
    """`{}` is called here and its result passed on (TypeError later); pass the
    function

    The work is done at once, or is a coroutine that nobody awaits.

    runs: [await post("/members"), await app.shutdown(), len(logged())][2] -> 1

      async def send_mail(address):
          print(address)
      @app.post("/members")
      async def add_member():
    -     app.add_background_task(send_mail("ada@example.com"))
    +     app.add_background_task(send_mail, "ada@example.com")
          return "", 202
    """
    given = handed_on(module, node, *TAKES_FUNCTION)
    if isinstance(given, ast.Call) and gives_no_function(module, given):
        yield given, ast.unparse(given.func)


def gives_no_function(module: Module, call: ast.Call) -> bool:
    function = module.local_function(call.func)
    if function is None or function.decorator_list:
        return module.blocks(call) or module.calls_one_of(call, SLOW_HASHES)
    if isinstance(function, ast.FunctionDef) and function.returns:
        return ast.unparse(function.returns) in DATA
    returns = [one for one in module.body(function) if isinstance(one, ast.Return)]
    return isinstance(function, ast.AsyncFunctionDef) or not returns


@rule("QP714 bare-create-task warning", on=ast.Expr)
def bare_create_task(module: Module, node: ast.Expr) -> Found:
    """nobody keeps this task: it may be collected at work, a shutdown ends it, its
    error is logged late or never; `app.add_background_task(...)`, or keep it

    The event loop holds tasks weakly, and Quart waits for its own tasks alone.

    runs: [await post("/members"), await app.shutdown(), sent][2] -> []

      sent = []
      async def send_mail(address):
          await asyncio.sleep(0.1)
          sent.append(address)
      @app.post("/members")
      async def add_member():
    -     asyncio.create_task(send_mail("ada@example.com"))
    +     app.add_background_task(send_mail, "ada@example.com")
          return "", 202
    """
    if isinstance(node.value, ast.Call) and not module.is_test:
        func = node.value.func
        if CREATES_TASK.search(module.name(func) or ast.unparse(func)):
            yield node, ""


@rule("QP715 link-in-task error", on=ast.Call)
def link_in_task(module: Module, node: ast.Call) -> Found:
    """a background task has no request: on 0.23 this is a RuntimeError, with
    SERVER_NAME it says `http:`; build the link in the view, and pass it

    0.22 takes the host and the scheme from the request that started the task.

    runs: 0.23: [await post("/join"), await app.shutdown(), len(logged())][2] -> 1

      @app.post("/join")
      async def join():
    -     app.add_background_task(lambda: print(url_for("join", _external=True)))
    +     app.add_background_task(print, url_for("join", _external=True))
          return "", 202
    """
    function = None if "SERVER_NAME" in module.settings else work(module, node, TASK)
    for part in ast.walk(function) if function else []:
        match part:
            case ast.keyword(arg="_external", value=ast.Constant(value=True)):
                yield part, ""
