"""Background tasks, threads and streams, and what holds up the event loop."""

import ast

from ..engine.quart import Module, argument, mentions
from ..engine.rule import Found, rule

REQUEST_PROXIES = {"quart.request", "quart.session", "quart.websocket"}
PROXIES = {*REQUEST_PROXIES, "quart.current_app", "quart.g"}
G_METHODS = {f"quart.g.{name}" for name in ("get", "pop", "setdefault")}
COPIES = "quart.copy_current_request_context"
SENDING = ("Response", "make_response", "response_class")
TASK = "add_background_task"
THREADS = {  # at which place, and by which name, they take a function
    "run_in_executor": (1, "func"),
    "submit": (0, "fn"),
    "threading.Thread": (1, "target"),
    "threading.Timer": (1, "function"),
}
TAKES_FUNCTION = {**THREADS, TASK: (0, "func")}


def work(module: Module, call: ast.Call, *takers: str) -> ast.AST | None:
    """The undecorated function of this module that one of `takers` is to run."""
    name = module.name(call.func)
    match call.func:
        case ast.Attribute(value=owner, attr="submit"):
            name = "submit" if module.kind(owner).endswith("PoolExecutor") else ""
        case ast.Attribute(value=owner, attr=method) if name not in TAKES_FUNCTION:
            name = method if method != TASK or module.is_app(owner) else ""
    if name not in takers:
        return None
    given = argument(call, *TAKES_FUNCTION[name])
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


@rule("QP203 proxy-in-background-task error", on=(ast.Call, ast.AsyncFunctionDef))
def proxy_in_background_task(
    module: Module, node: ast.Call | ast.AsyncFunctionDef
) -> Found:
    """`{}` is not there in a task or copied context (or stale on 0.22); pass the value

    A task has an app context of its own; a copied context has no `g` on 0.23.

    runs: [await post("/members"), await app.shutdown(), len(logged())][2] -> 1

      @app.post("/members")
      async def add_member():
          g.user = "Ada"
    -     app.add_background_task(lambda: print(g.user))
    +     app.add_background_task(print, g.user)
          return "", 202
    """
    if isinstance(node, ast.Call):
        yield from lost(module, work(module, node, TASK), REQUEST_PROXIES, "quart.g.")
    elif COPIES in {module.decorator_name(one) for one in node.decorator_list}:
        yield from lost(module, node, set(), "quart.g.")


@rule("QP206 proxy-in-thread error", on=ast.Call)
def proxy_in_thread(module: Module, node: ast.Call) -> Found:
    """`{}` has no value in this thread (RuntimeError); pass it, or use `to_thread`

    `to_thread` and `run_sync` copy the context variables; threads start without.

    runs: get("/report") -> 500

      @app.get("/report")
      async def report():
    -     loop = asyncio.get_running_loop()
    -     return await loop.run_in_executor(None, lambda: request.path)
    +     return await asyncio.to_thread(lambda: request.path)
    """
    yield from lost(module, work(module, node, *THREADS), PROXIES)


@rule("QP110 stream-without-context error", on=ast.Call, word="yield")
def stream_without_context(module: Module, node: ast.Call) -> Found:
    """`{}` is gone when this generator runs, after the view and its 200; pass the value

    `stream_with_context` keeps `request` and `session` for it, but not `g`.

    runs: get("/lines?word=tea") -> RuntimeError | ExceptionGroup

      @app.get("/lines")
      async def stream():
    +     @stream_with_context
          async def lines():
              yield request.args["word"]  # here

          return lines()
    """
    function, outer = module.local_function(node.func), module.parent(node)
    if not function or not module.yields(function):
        return
    answers = isinstance(outer, ast.Return | ast.Tuple)
    streamed = answers and module.function(node) in module.views
    streamed |= isinstance(outer, ast.Call) and mentions(outer.func, *SENDING)
    if streamed and "_context(" not in ast.unparse(function):
        match [module.decorator_name(one) for one in function.decorator_list]:
            case []:
                yield from lost(module, function, PROXIES)
            case ["quart.stream_with_context"]:
                yield from lost(module, function, set(), "quart.g.")


@rule("QP702 blocking-client warning", on=ast.Call)
def blocking_client(module: Module, node: ast.Call) -> Found:
    """`{}` holds up everybody; use an asyncio library, or `asyncio.to_thread(...)`

    One event loop serves everybody. Quart runs plain `def` views in threads.

    runs: blocks(wait()) -> True

      async def wait():
    -     subprocess.run(["sleep", "0.2"])
    +     await asyncio.to_thread(subprocess.run, ["sleep", "0.2"])
    """
    if module.runs_in_loop(node) and module.blocks(node):
        yield node, ast.unparse(node.func)


@rule("QP714 bare-create-task warning", on=ast.Expr)
def bare_create_task(module: Module, node: ast.Expr) -> Found:
    """nobody keeps this task, a shutdown ends it; use `app.add_background_task(...)`

    The event loop holds tasks weakly, and Quart waits for its own tasks alone.

    runs: [await add_member(), await app.shutdown(), sent][2] -> []

      sent = []
      async def send_mail(address):
          await asyncio.sleep(0.1)
          sent.append(address)
      async def add_member():
    -     asyncio.create_task(send_mail("ada@example.com"))
    +     app.add_background_task(send_mail, "ada@example.com")
    """
    task = module.lost_task(node)
    if task and not mentions(task, "run_task") and not module.is_test:
        yield node, ""


@rule("QP715 link-in-task error", on=ast.Call, word=TASK)
def link_in_task(module: Module, node: ast.Call) -> Found:
    """no request in a background task: RuntimeError on 0.23; build the link in the view

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
