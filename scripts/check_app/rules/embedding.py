"""An app beside others in one event loop."""

import ast

from ..engine.quart import Module
from ..engine.rule import Found, rule


@rule("QP704 loop-in-loop error", on=ast.Call)
def loop_in_loop(module: Module, node: ast.Call) -> Found:
    """`{}` starts a loop in a loop, a RuntimeError; await the work, or `run_task()`

    A thread runs one event loop at a time.

    runs: wait() -> RuntimeError

      async def wait():
    -     asyncio.run(asyncio.sleep(0))
    +     await asyncio.sleep(0)
    """
    starts = module.name(node.func) == "asyncio.run"
    match node.func:
        case ast.Attribute(value=owner, attr="run" | "run_until_complete" as attr):
            starts |= attr != "run" or module.is_app(owner)
    inside = isinstance(module.function(node), ast.AsyncFunctionDef)
    if starts and inside and not module.imports_any("nest_asyncio"):
        yield node, ast.unparse(node.func)


@rule("QP822 app-run-task-on-foreign-loop warning", on=ast.Expr)
def app_run_task_on_foreign_loop(module: Module, node: ast.Expr) -> Found:
    """its failure goes unseen, and it takes the signals; run the bot in `while_serving`

    SIGINT and SIGTERM end the web page only; the process runs on.

    runs: (await asyncio.gather(main(), return_exceptions=True))[0] -> None

      async def bot():
          await asyncio.sleep(0.1)
    + @app.while_serving
    + async def run_bot():
    +     task = asyncio.create_task(bot())
    +     yield
    +     task.cancel()
      async def main():
    -     asyncio.create_task(app.run_task("fd://9999"))  # not open
    -     await bot()
    +     await app.run_task("fd://9999")
    """
    match module.lost_task(node):
        case ast.Call(func=ast.Attribute(value=app, attr="run_task")):
            if module.is_app(app):
                yield node, ""
