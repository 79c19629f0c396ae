"""Background tasks, and what holds up the event loop."""

import ast

from ..engine.handed_on import REQUEST_PROXIES, TASK, lost, work
from ..engine.quart import Module, mentions
from ..engine.rule import Found, rule

COPIES = "quart.copy_current_request_context"


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
