"""Websocket handlers: the handshake, the end, and what a client sends."""

import ast
import re

from ..engine.awaiting import misused
from ..engine.quart import Module, argument, contains, mentions
from ..engine.rule import Found, rule
from ..engine.scopes import TRIES
from ..engine.words import BEFORE_REQUEST, BEFORE_WEBSOCKET

CLOSE, RECEIVE = "quart.websocket.close", "quart.websocket.receive"
RECEIVING = {RECEIVE, "quart.websocket.receive_as", "quart.websocket.receive_json"}
SENDING = {f"quart.websocket.{name}" for name in ("send", "send_as", "send_json")}
OPENING = {"quart.websocket.accept", *RECEIVING, *SENDING}
LOADS = {"json.loads", "quart.json.loads"}
CANCELLED = {"asyncio.CancelledError", "asyncio.exceptions.CancelledError"}
OTHER_ERRORS = {*CANCELLED, "quart_schema.SchemaValidationError"}  # than of bad JSON
LOGIN = re.compile(r"token|passw|secret|api_?key|credential|authenticat|authoriz", re.I)
REFUSAL = (LOGIN, re.compile(r"^not |!=|is None|not in"))
SURE = (ast.Expr, ast.Assign, ast.expr)  # in all cases run before what follows
BLOCKS = (*TRIES, ast.With, ast.AsyncWith)


@rule("QP301 request-in-websocket error", on=ast.Module)
def request_in_websocket(module: Module, node: ast.Module) -> Found:
    """a websocket has no `request` (500); `websocket` has args, headers and cookies

    It runs in a websocket context. `session` and `g` work in both.

    runs: visit(client, "/chat?name=ada") -> 500

      @app.websocket("/chat")
      async def chat():
    -     await websocket.send(request.args["name"])
    +     await websocket.send(websocket.args["name"])
    """
    hooks = {function for function, _ in module.hooks(*BEFORE_WEBSOCKET)}
    shared = {*module.views, *(one for one, _ in module.hooks(*BEFORE_REQUEST))}
    for handler in (hooks | module.websocket_handlers) - shared:
        uses = [one for one in ast.walk(handler) if module.name(one) == "quart.request"]
        if uses and not mentions(handler, "has_request_context"):
            yield uses[0], ""


@rule("QP302 close-before-accept warning", on=ast.Await)
def close_before_accept(module: Module, node: ast.Await) -> Found:
    """the client gets HTTP 403 and never this code; `abort(401)`, or `accept()` first

    Until the handshake is answered there is no websocket to close.

    runs: visit(client, "/chat") -> None | WebsocketDisconnectError(1008)

      @app.websocket("/chat")
      async def chat():
          if "token" not in websocket.headers:
    -         return await websocket.close(1008)
    +         abort(401)
          await websocket.send("hello")
    """
    if CLOSE in module.called([node.value]) and module.is_before_accept(node):
        yield node, ""


@rule("QP303 websocket-never-answered error", on=(ast.Return, ast.AsyncFunctionDef))
def websocket_never_answered(module: Module, node: ast.stmt) -> Found:
    """unanswered: 500 on 0.22, the client hangs on 0.23; `abort()`, or return a status

    `accept`, `send`, `receive`, an error or a returned response answer it.

    runs: visit(client, "/chat") -> 500 | None

      @app.websocket("/chat")
      async def chat():
          if "token" not in websocket.headers:
    -         return
    +         return {"error": "token required"}, 401
          await websocket.send("hello")
    """
    match node:
        case (
            ast.Return(value=None | ast.Constant(value=None))
            | ast.AsyncFunctionDef(body=[ast.Pass() | ast.Expr(value=ast.Constant())])
        ) if module.is_before_accept(node) and not module.is_test:
            handler = module.plain_websocket_handler(node) or node
            if CLOSE not in module.called(ast.walk(handler)):
                yield node, ""


@rule("QP305 swallowed-cancellation warning", on=ast.ExceptHandler)
def swallowed_cancellation(module: Module, node: ast.ExceptHandler) -> Found:
    """`{}` without `raise` is a good end to Quart, and in a loop no end; use `finally`

    Quart's documentation says to raise it again, in handlers and in streams.

    runs: [end := [], app.after_websocket(end.append), await visit(client, "/chat"),
    end][-1] -> [None]

      @app.websocket("/chat")
      async def chat():
          try:
              await websocket.receive()
    -     except asyncio.CancelledError:
    +     finally:
              print("the client has left")
    """
    function, caught = module.function(node), module.caught(node)
    if isinstance(function, ast.AsyncFunctionDef):
        tried, by_name = module.tried_for_ever(node), bool(caught & CANCELLED)
        handlers, outer = module.websocket_handlers, module.function(function)
        in_all = "builtins.BaseException" in caught and not tried & RECEIVING
        serves = {function, outer} & (module.views | handlers)
        bare = node.type is None and contains(module.parent(node) or node, ast.Await)
        ends = (bare and serves) or (by_name and function in handlers)
        ends = ends and not contains(node, ast.Raise)
        ends = ends or bool(tried and serves and (by_name or in_all))
        if ends and not mentions(function, "cancel"):
            yield node, ast.unparse(node).partition(":")[0]


@rule("QP306 unawaited-websocket-call error", on=ast.Call, word="websocket")
def unawaited_websocket_call(module: Module, node: ast.Call) -> Found:
    """`{}()` is a coroutine: nothing is sent, received or closed; await it

    Every method of `websocket` that touches the connection is a coroutine.

    runs: visit(client, "/chat") -> 500 | None

      @app.websocket("/chat")
      async def chat():
    -     websocket.send("hello")
    +     await websocket.send("hello")
    """
    name = module.name(node.func)
    if name in {CLOSE, *OPENING} and misused(module, node):
        yield node, name.removeprefix("quart.")


@rule("QP309 unguarded-json-message warning", on=ast.Call, word="websocket")
def unguarded_json_message(module: Module, node: ast.Call) -> Found:
    """what is no JSON ends the connection with 1000 (OK); catch ValueError and answer

    An error after the handshake closes the websocket as if all were well.

    runs: visit(client, "/chat", "x") -> None | WebsocketDisconnectError(1000)

      @app.websocket("/chat")
      async def chat():
          while True:
    -         message = await websocket.receive_json()
    +         try:
    +             message = json.loads(await websocket.receive())
    +         except ValueError:
    +             message = {"error": "not JSON"}
              await websocket.send_json(message)
    """
    name, text = module.name(node.func), argument(node, 0, "s")
    if name in LOADS | RECEIVING - {RECEIVE} and module.plain_websocket_handler(node):
        source = getattr(module.assigned(text) or text, "value", node)
        parses = name not in LOADS or RECEIVE in module.called([source])
        caught = any(module.caught(way) - OTHER_ERRORS for way in module.guards(node))
        safe = caught or module.within(node, ast.With, ast.AsyncWith) or module.is_test
        if parses and not safe and module.within(node, ast.While):
            yield node, ""


@rule("QP312 task-group-around-websocket warning", on=ast.Call, word="TaskGroup")
def task_group_around_websocket(module: Module, node: ast.Call) -> Found:
    """on 0.23 `{}` fails the group when the client leaves; await it in the handler

    The handler, and a task that waits for something else, is cancelled instead.

    runs: 0.23: [await visit(client, "/chat"), len(logged())][-1] -> 1

      async def read():
          await websocket.receive()
      @app.websocket("/chat")
      async def chat():
          async with asyncio.TaskGroup() as tasks:
    -         tasks.create_task(read())
    +         await read()
    """
    group = module.kind(getattr(node.func, "value", None)) == "asyncio.TaskGroup"
    call = argument(node, 0, "coro") if group else None
    task = module.local_function(getattr(call, "func", None))
    if task and module.function(node) in module.websocket_handlers:
        blocks = [one for one in module.ancestors(node) if isinstance(one, BLOCKS)]
        waits = [one.value for one in module.body(task) if isinstance(one, ast.Await)]
        awaited = module.called(waits)
        only_sends = waits and awaited <= SENDING and contains(task, ast.While)
        guarded = len(blocks) > 1 or contains(task, *BLOCKS)
        if not guarded and (awaited & RECEIVING or only_sends):
            yield node, task.name


@rule("QP313 return-after-accept warning", on=ast.If)
def return_after_accept(module: Module, node: ast.If) -> Found:
    """this refusal is 1000 (OK) to the client; `await websocket.close(1008)` first

    What is returned, or raised by `abort`, is dropped once the websocket is open.

    runs: 0.22: visit(client, "/chat", "x") -> WebsocketDisconnectError(1000)

      tokens = set()
      @app.websocket("/chat")
      async def chat():
          if await websocket.receive() not in tokens:
    +         await websocket.close(1008, "token required")
              return  # here
          await websocket.send("hello")
    """
    handler, last = module.plain_websocket_handler(node), node.body[-1]
    if handler and node in handler.body:
        lines = [*handler.body[: handler.body.index(node)], node.test]
        sure = [one for one in lines if isinstance(one, SURE)]
        opened = module.called(part for one in sure for part in ast.walk(one)) & OPENING
        waits = any(contains(one, ast.Await) for one in node.body)
        refused = all(one.search(ast.unparse(node.test)) for one in REFUSAL)
        aborts = "quart.abort" in module.called(ast.walk(last))
        ends = aborts or (refused and isinstance(last, ast.Return))
        if opened and ends and not waits:
            yield last, ""


@rule("QP314 continue-after-errors warning", on=ast.ExceptHandler)
def continue_after_errors(module: Module, node: ast.ExceptHandler) -> Found:
    """when the client is gone this spins, or never ends; receive before the `try`

    In what is gathered or awaited, only what catches cancellations goes on.

    runs: 0.23: [app.logger.addFilter(lambda _: 1 / (len(logged()) < 99)), await
    visit(client, "/chat"), len(logged()) > 98][-1] -> True

      async def read():
          while True:
    +         text = await websocket.receive()
              try:
    -             print(int(await websocket.receive()))
    +             print(int(text))
              except Exception:  # here
                  app.logger.exception("a message failed")
      @app.websocket("/chat")
      async def chat():
          await asyncio.wait([asyncio.create_task(read())])
    """
    caught, tried = module.caught(node), module.tried_for_ever(node)
    own = "builtins.Exception" in caught and module.is_own_task(module.function(node))
    pauses = contains(node, ast.Await) or any(one[:8] == "asyncio." for one in tried)
    if tried & RECEIVING and not pauses and (own or "builtins.BaseException" in caught):
        yield node, ""
