"""Sending to many websockets."""

import ast
import re

from ..engine.keeping import is_kept, is_live
from ..engine.quart import Module, contains
from ..engine.rule import Found, rule

VALUES = (ast.Call, ast.Name, ast.Attribute)
THE_OBJECT = "quart.websocket._get_current_object"
STORES = {"add", "append", "setdefault"}
KEEPS = {*STORES, "connect", "register"}
SENDS = {"send", "send_as", "send_json"}
SENDS_ON = re.compile(r"\bwebsocket\.send|\byield\b")
NAMED = re.compile(r"(\w+)(: .*)? = ")
QUEUES = re.compile(r"\bQueue(?:\[.*?\])?\((?:maxsize=)?(\w*)")
UNBOUNDED = {"", "0"}


@rule("QP204 stored-websocket warning", on=VALUES, word="websocket")
def stored_websocket(module: Module, node: ast.expr) -> Found:
    """a websocket kept for others {}; keep a bounded queue for each client

    `websocket` is that of whoever asks, and `send` waits until the client reads.

    runs: (await asyncio.gather(visit(client, "/a"), post("/b")))[1] -> 500

      listeners = []
      @app.websocket("/a")
      async def listen():
    -     listeners.append(websocket)
    -     await websocket.receive()
    +     listeners.append(asyncio.Queue(100))
    +     await websocket.send(await listeners[0].get())
      @app.post("/b")
      async def publish():
    -     await listeners[0].send("tea")
    +     listeners[0].put_nowait("tea")
          return "", 204
    """
    made = module.name(getattr(node, "func", None))
    if made == THE_OBJECT and is_kept(module, node, KEEPS):
        yield node, "lets one slow client hold up who sends"
    if module.name(node) == "quart.websocket" and is_kept(module, node, STORES):
        yield node, "is a proxy and fails there"


@rule("QP304 broadcast-over-live-collection error", on=ast.For)
def broadcast_over_live_collection(module: Module, node: ast.For) -> Found:
    """`{}` may change while this waits: a RuntimeError, or one is left out; use a copy

    While an `await` suspends, another may join or leave.

    runs: [await say("a"), b := asyncio.create_task(say("b")), await asyncio.sleep(0),
    [one.get_nowait() for one in queues], join(1), await b] -> RuntimeError

      queues = {asyncio.Queue(1), asyncio.Queue(1)}
      async def say(text):
    -     for queue in queues:
    +     for queue in [*queues]:
              await queue.put(text)
      def join(queue):
          queues.add(queue)
    """
    waits = [one.value for one in ast.walk(node) if isinstance(one, ast.Await)]
    awaited = {getattr(getattr(one, "func", one), "attr", "") for one in waits}
    own = {function.name for function in module.functions}
    sizes = {*QUEUES.findall(module.text)} if "put" in awaited else {""}
    suspends = awaited & SENDS - own or (sizes and sizes.isdisjoint(UNBOUNDED))
    safe = contains(node, ast.Break, ast.Return) or module.within(node, ast.AsyncWith)
    if suspends and not safe and is_live(module, node.iter):
        yield node, ast.unparse(node.iter)


@rule("QP307 unbounded-client-queue note", on=ast.Call, word="Queue")
def unbounded_client_queue(module: Module, node: ast.Call) -> Found:
    """a client that stops reading fills this until memory is gone; give it `maxsize`

    Who publishes never waits for it, so nothing slows down the growth.

    runs: [await visit(client, "/a"), queues.pop().maxsize][-1] -> 0

      queues = set()
      @app.websocket("/a")
      async def listen():
    -     queue = asyncio.Queue()
    +     queue = asyncio.Queue(100)
          queues.add(queue)
          await websocket.send(await queue.get())
    """
    is_queue = module.kind(node) == "asyncio.Queue" and not module.is_test
    text = ast.unparse(module.parent(node) or node) if is_queue else ""
    named = NAMED.search(text)
    if named and UNBOUNDED & {*QUEUES.findall(text)}:
        functions = map(ast.unparse, module.functions)
        sent = any(SENDS_ON.search(f) for f in functions if f"{named[1]}.get(" in f)
        if sent and ("self." in text or is_kept(module, node, STORES)):
            yield node, ""
