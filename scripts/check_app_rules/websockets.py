"""QP3xx: websockets."""

import ast
from itertools import takewhile

from .awaiting import misused
from .contexts import proxy_used
from .module import TRIES, Function, Module, argument
from .requests import MUTATORS
from .rule import Found, rule

METHODS = {
    f"quart.websocket.{name}"
    for name in (
        "accept",
        "close",
        "receive",
        "receive_as",
        "receive_json",
        "send",
        "send_as",
        "send_json",
    )
}
OPENING = METHODS - {"quart.websocket.close"}
BEFORE_WEBSOCKET = ("before_websocket", "before_app_websocket")
BEFORE_REQUEST = ("before_request", "before_app_request")
RECEIVE_JSON = {"quart.websocket.receive_as", "quart.websocket.receive_json"}
SCHEMA_ERROR = "quart_schema.SchemaValidationError"
VIEWS = {"items", "keys", "values"}
SENDING = {"put", "send", "send_as", "send_json"}
CONTAINERS = (ast.Set, ast.Dict, ast.List, ast.SetComp, ast.DictComp, ast.ListComp)
CONTAINER_CALLS = {
    "builtins.dict",
    "builtins.list",
    "builtins.set",
    "collections.defaultdict",
}
CANCELLATION = {
    "asyncio.CancelledError",
    "asyncio.exceptions.CancelledError",
    "builtins.BaseException",
}


@rule(
    "QP301",
    "request-in-websocket",
    "a websocket handler has no `request` (the handshake answers 500); `websocket` has "
    "args, headers and cookies",
    page="websockets",
    wrong="""
        from quart import Quart, request, websocket

        app = Quart(__name__)


        @app.websocket("/chat")
        async def chat():
            name = request.args["name"]  # QP301
            await websocket.send(f"hello {name}")
    """,
    right="""
        from quart import Quart, websocket

        app = Quart(__name__)


        @app.websocket("/chat")
        async def chat():
            name = websocket.args["name"]
            await websocket.send(f"hello {name}")
    """,
)
def request_in_websocket(module: Module) -> Found:
    """A websocket runs in a websocket context, not in a request context. `session` and
    `g` work in both."""
    handlers = {
        *module.websocket_handlers,
        *(function for function, _ in module.hooks(*BEFORE_WEBSOCKET)),
    } - {
        *module.views,
        *(function for function, _ in module.hooks(*BEFORE_REQUEST)),
    }
    for function in [*handlers, *only_called_from(module, handlers)]:
        names = {module.name(node) for node in ast.walk(function)}
        if "quart.has_request_context" not in names and (
            proxy := proxy_used(module, function, {"quart.request"})
        ):
            yield proxy, ""


def only_called_from(module: Module, callers: set[Function]) -> set[Function]:
    """Functions that are used nowhere but in calls by `callers`."""
    if not callers:
        return set()
    called: set[Function] = set()
    elsewhere: set[Function] = set()
    for name in module.nodes(ast.Name):
        if isinstance(name.ctx, ast.Load) and (used := module.local_function(name)):
            call = module.parent(name)
            is_call = isinstance(call, ast.Call) and call.func is name
            inside = is_call and module.function(name) in callers
            (called if inside else elsewhere).add(used)
    return called - elsewhere - callers


def position(node: ast.AST) -> tuple[int, int]:
    return getattr(node, "lineno", 0), getattr(node, "col_offset", 0)


def may_have_opened(module: Module, handler: Function, before: ast.AST) -> bool:
    """Whether something earlier in the handler may have accepted the websocket."""
    if module.within(before, ast.For, ast.AsyncFor, ast.While):
        return True
    for node in module.body(handler):
        if isinstance(node, ast.Call) and position(node) < position(before):
            name = module.name(node.func)
            if name in OPENING or (not name and opens(module, node)):
                return True
        if isinstance(node, ast.AsyncWith) and position(node) < position(before):
            return True
    return False


def opens(module: Module, call: ast.Call) -> bool:
    """A call that is awaited and whose body is not known to leave the socket alone."""
    if function := module.local_function(call.func):
        return any(module.name(node) in OPENING for node in ast.walk(function))
    return isinstance(module.parent(call), ast.Await)


@rule(
    "QP302",
    "close-before-accept",
    "closed before it was accepted, so the client gets HTTP 403 and never the code; "
    "`abort(401)`, or `accept()` first",
    page="websockets",
    wrong="""
        from quart import Quart, websocket

        app = Quart(__name__)


        @app.websocket("/chat")
        async def chat():
            if "token" not in websocket.args:
                await websocket.close(1008, "token required")  # QP302
                return
            await websocket.send("hello")
    """,
    right="""
        from quart import Quart, abort, websocket

        app = Quart(__name__)


        @app.websocket("/chat")
        async def chat():
            if "token" not in websocket.args:
                abort(401)
            await websocket.send("hello")
    """,
)
def close_before_accept(module: Module) -> Found:
    """Until the handshake is answered there is no websocket to close: the server turns
    the close into an empty 403."""
    for handler in module.websocket_handlers:
        for node in module.body(handler):
            if (
                isinstance(node, ast.Call)
                and not may_have_opened(module, handler, node)
            ) and module.name(node.func) == "quart.websocket.close":
                yield node, ""


@rule(
    "QP303",
    "websocket-never-answered",
    "the handler ends before it accepts: 500 on 0.22, the client hangs on 0.23; "
    "`abort()` or return a response to refuse",
    page="websockets",
    wrong="""
        from quart import Quart, websocket

        app = Quart(__name__)


        @app.websocket("/chat")
        async def chat():
            if "token" not in websocket.args:
                return  # QP303
            await websocket.send("hello")
    """,
    right="""
        from quart import Quart, websocket

        app = Quart(__name__)


        @app.websocket("/chat")
        async def chat():
            if "token" not in websocket.args:
                return {"error": "token required"}, 401
            await websocket.send("hello")
    """,
)
def websocket_never_answered(module: Module) -> Found:
    """`accept`, `send` and `receive` answer the handshake, and so does an error or a
    returned response. None does not."""
    for handler in module.websocket_handlers:
        body = [*module.body(handler)]
        closes = any(
            isinstance(node, ast.Call)
            and module.name(node.func) == "quart.websocket.close"
            for node in body
        )
        for node in body:
            if (
                isinstance(node, ast.Return)
                and node.value is None
                and not closes
                and not may_have_opened(module, handler, node)
            ):
                yield node, ""
        if not any(
            isinstance(node, ast.Call | ast.Return | ast.Raise) for node in body
        ):
            yield handler, ""


@rule(
    "QP304",
    "broadcast-over-live-collection",
    "`{}` may change while this waits (RuntimeError), and one slow client delays the "
    "rest; give each client a bounded queue",
    page="websocket_broadcast",
    wrong="""
        import asyncio

        from quart import Quart, websocket

        app = Quart(__name__)
        queues: set[asyncio.Queue[str]] = set()


        async def publish(text: str) -> None:
            for queue in queues:  # QP304
                await queue.put(text)


        @app.websocket("/news")
        async def news():
            queue: asyncio.Queue[str] = asyncio.Queue(maxsize=100)
            queues.add(queue)
            while True:
                await websocket.send(await queue.get())
    """,
    right="""
        import asyncio
        from contextlib import suppress

        from quart import Quart, websocket

        app = Quart(__name__)
        queues: set[asyncio.Queue[str]] = set()


        def publish(text: str) -> None:
            for queue in queues:
                with suppress(asyncio.QueueFull):
                    queue.put_nowait(text)


        @app.websocket("/news")
        async def news():
            queue: asyncio.Queue[str] = asyncio.Queue(maxsize=100)
            queues.add(queue)
            while True:
                await websocket.send(await queue.get())
    """,
)
def broadcast_over_live_collection(module: Module) -> Found:
    """At every `await` other handlers run, and one that joins or leaves changes the
    collection: `Set changed size during iteration`."""
    for loop in module.nodes(ast.For):
        collection = shared_collection(module, loop.iter, module.function(loop))
        if (
            collection
            and changes(module, collection)
            and any(sends(part) for part in ast.walk(loop))
        ):
            yield loop, ast.unparse(loop.iter)


def sends(node: ast.AST) -> bool:
    match node:
        case ast.Await(value=ast.Call(func=ast.Attribute(attr=attr))):
            return attr in SENDING
    return False


def shared_collection(module: Module, node: ast.expr, user: ast.AST | None) -> str:
    """The name of a collection that lives outside the function that uses it."""
    match node:
        case ast.Call(func=ast.Attribute(value=value, attr=attr)) if attr in VIEWS:
            return shared_collection(module, value, user)
        case ast.Subscript(value=value):
            return shared_collection(module, value, user)
        case ast.Attribute(value=ast.Name(), attr=attr):
            return attr
        case ast.Name(id=name):
            given = module.assigned(node)
            if given is None:
                return ""
            if module.function(given) is user:
                return shared_collection(module, given, user)
            if isinstance(given, ast.Call):
                return name if module.name(given.func) in CONTAINER_CALLS else ""
            return name if isinstance(given, CONTAINERS) else ""
    return ""


def changes(module: Module, collection: str) -> bool:
    """Whether the module adds to or removes from the collection or one inside it."""
    for node in module.nodes(ast.Call):
        match node.func:
            case ast.Attribute(value=changed, attr=attr) if attr in MUTATORS:
                if last_name(changed) == collection:
                    return True
    return any(
        last_name(node.value) == collection
        for node in module.nodes(ast.Subscript)
        if not isinstance(node.ctx, ast.Load)
    )


def last_name(node: ast.expr) -> str:
    match node:
        case ast.Subscript(value=value):
            return last_name(value)
        case ast.Attribute(attr=name) | ast.Name(id=name):
            return name
    return ""


@rule(
    "QP305",
    "swallowed-cancellation",
    "`except {}` without `raise` hides from Quart that the client left or the server "
    "stops, and a loop goes on; clean up in `finally`",
    page="websockets",
    wrong="""
        import asyncio

        from quart import Quart, websocket

        app = Quart(__name__)
        members: set[str] = set()


        @app.websocket("/chat/<name>")
        async def chat(name: str):
            members.add(name)
            try:
                while True:
                    await websocket.receive()
            except asyncio.CancelledError:  # QP305
                members.discard(name)
    """,
    right="""
        from quart import Quart, websocket

        app = Quart(__name__)
        members: set[str] = set()


        @app.websocket("/chat/<name>")
        async def chat(name: str):
            members.add(name)
            try:
                while True:
                    await websocket.receive()
            finally:
                members.discard(name)
    """,
)
def swallowed_cancellation(module: Module) -> Found:
    """Quart cancels the handler when the client leaves. Swallowed, the handler counts
    as finished well, and a loop around it never ends. Waiting for a task that this
    function cancelled is fine."""
    for handler in module.nodes(ast.ExceptHandler):
        function = module.function(handler)
        caught = [
            module.name(kind)
            for kind in exception_types(handler)
            if module.name(kind) in CANCELLATION
        ]
        if not caught or not isinstance(function, ast.AsyncFunctionDef):
            continue
        around = module.parent(handler)
        if any(isinstance(part, ast.Raise) for part in ast.walk(handler)):
            continue
        if around and cancels(module, function, around):
            continue
        if function in module.websocket_handlers or goes_round(module, handler):
            yield handler, caught[0].rpartition(".")[2]


def exception_types(handler: ast.ExceptHandler) -> list[ast.expr]:
    match handler.type:
        case None:
            return []
        case ast.Tuple(elts=kinds):
            return kinds
        case kind:
            return [kind]


def cancels(module: Module, function: Function, before: ast.AST) -> bool:
    """Whether the function cancels a task before or in a `try`."""
    return any(
        isinstance(node, ast.Call)
        and isinstance(node.func, ast.Attribute)
        and node.func.attr == "cancel"
        and position(node) < (getattr(before, "end_lineno", 0), 0)
        for node in module.body(function)
    )


def goes_round(module: Module, handler: ast.ExceptHandler) -> bool:
    """Whether the handler stays in a loop of its function."""
    loop = module.within(handler, ast.While, ast.For, ast.AsyncFor)
    if loop is None or module.function(loop) is not module.function(handler):
        return False
    leaves = (ast.Return, ast.Break)
    return not any(isinstance(part, leaves) for part in ast.walk(handler))


@rule(
    "QP306",
    "unawaited-websocket-call",
    "`{}()` is a coroutine: nothing is sent, received or closed; await it",
    page="websockets",
    wrong="""
        from quart import Quart, websocket

        app = Quart(__name__)


        @app.websocket("/chat")
        async def chat():
            while True:
                text = await websocket.receive()
                websocket.send(text)  # QP306
    """,
    right="""
        from quart import Quart, websocket

        app = Quart(__name__)


        @app.websocket("/chat")
        async def chat():
            while True:
                text = await websocket.receive()
                await websocket.send(text)
    """,
)
def unawaited_websocket_call(module: Module) -> Found:
    """Every method of `websocket` that touches the connection is a coroutine."""
    for call in module.nodes(ast.Call):
        name = module.name(call.func)
        if name in METHODS and misused(module, call):
            yield call, name.removeprefix("quart.")


@rule(
    "QP307",
    "unbounded-client-queue",
    "a client that stops reading fills this queue until the memory is gone; give it "
    "`maxsize` and say what happens when it is full",
    page="websocket_broadcast",
    wrong="""
        import asyncio

        from quart import Quart, websocket

        app = Quart(__name__)
        queues: set[asyncio.Queue[str]] = set()


        @app.websocket("/news")
        async def news():
            queue: asyncio.Queue[str] = asyncio.Queue()  # QP307
            queues.add(queue)
            try:
                while True:
                    await websocket.send(await queue.get())
            finally:
                queues.discard(queue)
    """,
    right="""
        import asyncio

        from quart import Quart, websocket

        app = Quart(__name__)
        queues: set[asyncio.Queue[str]] = set()


        @app.websocket("/news")
        async def news():
            queue: asyncio.Queue[str] = asyncio.Queue(maxsize=100)
            queues.add(queue)
            try:
                while True:
                    await websocket.send(await queue.get())
            finally:
                queues.discard(queue)
    """,
)
def unbounded_client_queue(module: Module) -> Found:
    """Whoever publishes never waits on an unbounded queue, so nothing slows down the
    growth."""
    if not module.websocket_handlers or module.is_test:
        return
    for call in module.nodes(ast.Call):
        func = call.func
        made = module.name(func.value if isinstance(func, ast.Subscript) else func)
        function = module.function(call)
        if made == "asyncio.Queue" and function and function not in module.views:
            size = argument(call, 0, "maxsize")
            if size is None or module.value(size) == 0:
                yield call, ""


@rule(
    "QP308",
    "websocket-skips-before-request",
    "`before_request` does not run for websockets, so this one is open to all; add the "
    "check with `before_websocket`",
    page="blueprints",
    wrong="""
        from quart import Blueprint, abort, request, websocket

        blueprint = Blueprint("chat", __name__)


        @blueprint.before_request
        async def check_token():
            if "Authorization" not in request.headers:
                abort(401)


        @blueprint.websocket("/chat")
        async def chat():  # QP308
            while True:
                await websocket.send(await websocket.receive())
    """,
    right="""
        from quart import Blueprint, abort, request, websocket

        blueprint = Blueprint("chat", __name__)


        @blueprint.before_request
        async def check_token():
            if "Authorization" not in request.headers:
                abort(401)


        @blueprint.before_websocket
        async def check_websocket_token():
            if "Authorization" not in websocket.headers:
                abort(401)


        @blueprint.websocket("/chat")
        async def chat():
            while True:
                await websocket.send(await websocket.receive())
    """,
)
def websocket_skips_before_request(module: Module) -> Found:
    """Each kind of hook has a twin for websockets, and only that one runs."""
    if any(module.hooks(*BEFORE_WEBSOCKET)):
        return
    guarded = {
        owner_of(decorator)
        for function, decorator in module.hooks("before_request")
        if refuses(module, function)
    }
    for route in module.routes:
        if route.is_websocket and owner_of(route.call) in guarded:
            checks = len(route.function.decorator_list) > 1
            if not checks and not refuses(module, route.function):
                yield route.function, ""


def owner_of(decorator: ast.expr) -> str:
    func = decorator.func if isinstance(decorator, ast.Call) else decorator
    return ast.unparse(func).rpartition(".")[0]


def refuses(module: Module, function: Function) -> bool:
    """Whether a function aborts, raises, closes or answers."""
    for node in module.body(function):
        match node:
            case ast.Raise():
                return True
            case ast.Return(value=ast.expr()):
                return True
            case ast.Call(func=func):
                if module.name(func) in {"quart.abort", "quart.websocket.close"}:
                    return True
    return False


@rule(
    "QP309",
    "unguarded-json-message",
    "a message that is no JSON ends the connection with code 1000 (OK); catch "
    "ValueError and answer the client",
    page="websockets",
    wrong="""
        from quart import Quart, websocket

        app = Quart(__name__)


        @app.websocket("/chat")
        async def chat():
            while True:
                message = await websocket.receive_json()  # QP309
                await websocket.send_json(message)
    """,
    right="""
        import json

        from quart import Quart, websocket

        app = Quart(__name__)


        @app.websocket("/chat")
        async def chat():
            while True:
                text = await websocket.receive()
                try:
                    message = json.loads(text)
                except ValueError:
                    await websocket.send_json({"error": "not JSON"})
                    continue
                await websocket.send_json(message)
    """,
)
def unguarded_json_message(module: Module) -> Found:
    """An error after the handshake closes the websocket as if all were well."""
    if module.is_test:
        return
    for function in module.websocket_handlers:
        for node in module.body(function):
            if (
                isinstance(node, ast.Await)
                and parses(module, node)
                and module.within(node, ast.While)
                and not guarded(module, node)
            ):
                yield node, ""


def parses(module: Module, node: ast.Await) -> bool:
    """Whether it takes a message and reads it as JSON."""
    call, outer = node.value, module.parent(node)
    received = module.name(call.func) if isinstance(call, ast.Call) else ""
    return received in RECEIVE_JSON or (
        received == "quart.websocket.receive"
        and isinstance(outer, ast.Call)
        and module.name(outer.func) in {"json.loads", "quart.json.loads"}
    )


def guarded(module: Module, node: ast.AST) -> bool:
    """Whether something within the loop may catch what bad JSON raises."""
    loop = module.within(node, ast.While)
    for ancestor in takewhile(lambda one: one is not loop, module.ancestors(node)):
        if isinstance(ancestor, TRIES):
            caught = {
                module.name(kind)
                for handler in ancestor.handlers
                for kind in exception_types(handler)
            }
            bare = any(handler.type is None for handler in ancestor.handlers)
            if bare or caught - {SCHEMA_ERROR}:
                return True
        if isinstance(ancestor, ast.With | ast.AsyncWith):
            return True
    return False


@rule(
    "QP310",
    "session-change-in-websocket",
    "a websocket sends no cookie once it is open, so this change is lost; change the "
    "session in a view",
    page="websockets",
    wrong="""
        from quart import Quart, session, websocket

        app = Quart(__name__)


        @app.websocket("/chat")
        async def chat():
            await websocket.accept()
            session["joined"] = True  # QP310
            await websocket.send("hello")
    """,
    right="""
        from quart import Quart, session, websocket

        app = Quart(__name__)


        @app.post("/join")
        async def join():
            session["joined"] = True
            return "", 204


        @app.websocket("/chat")
        async def chat():
            await websocket.accept()
            await websocket.send("hello" if "joined" in session else "join first")
    """,
)
def session_change_in_websocket(module: Module) -> Found:
    """The cookie travels with the handshake only. Quart logs that the session was
    modified and drops it."""
    for function in module.websocket_handlers - module.views:
        for node in module.body(function):
            match node:
                case ast.Subscript(value=owner, ctx=ast.Store() | ast.Del()):
                    changed = module.name(owner) == "quart.session"
                case ast.Call(func=ast.Attribute(value=owner, attr=attr)):
                    changed = attr in MUTATORS and module.name(owner) == "quart.session"
                case _:
                    changed = False
            if changed:
                yield node, ""


@rule(
    "QP311",
    "queue-full-unhandled",
    "one client whose queue is full raises QueueFull here, in the sender: the others "
    "get nothing; catch it for each client",
    page="websocket_broadcast",
    wrong="""
        import asyncio

        from quart import Quart, websocket

        app = Quart(__name__)
        queues: set[asyncio.Queue[str]] = set()


        @app.websocket("/news")
        async def news():
            queues.add(asyncio.Queue(maxsize=100))
            while True:
                text = await websocket.receive()
                for queue in queues:
                    queue.put_nowait(text)  # QP311
    """,
    right="""
        import asyncio
        from contextlib import suppress

        from quart import Quart, websocket

        app = Quart(__name__)
        queues: set[asyncio.Queue[str]] = set()


        @app.websocket("/news")
        async def news():
            queues.add(asyncio.Queue(maxsize=100))
            while True:
                text = await websocket.receive()
                for queue in queues:
                    with suppress(asyncio.QueueFull):
                        queue.put_nowait(text)
    """,
)
def queue_full_unhandled(module: Module) -> Found:
    """A bound says that a slow client is expected, so say as well what happens to
    it."""
    if not module.websocket_handlers:
        return
    bounded = any(
        module.name(call.func) == "asyncio.Queue" and (call.args or call.keywords)
        for call in module.nodes(ast.Call)
    )
    for call in module.nodes(ast.Call):
        match call.func:
            case ast.Attribute(value=ast.Name(id=name), attr="put_nowait") if bounded:
                loop = module.within(call, ast.For)
                caught = module.within(call, *TRIES, ast.With)
                if (
                    loop
                    and name in stored_names(loop.target)
                    and not (
                        caught and module.function(caught) is module.function(call)
                    )
                ):
                    yield call, ""


def stored_names(target: ast.expr) -> set[str]:
    return {node.id for node in ast.walk(target) if isinstance(node, ast.Name)}


@rule(
    "QP312",
    "task-group-around-websocket",
    "when the client leaves, `{}` fails and 0.23 reports an error for each leaver; end "
    "the sending task quietly",
    page="websocket_broadcast",
    wrong="""
        import asyncio

        from quart import Quart, websocket

        app = Quart(__name__)


        async def tick() -> None:
            while True:
                await websocket.send("tick")
                await asyncio.sleep(1)


        @app.websocket("/clock")
        async def clock():
            async with asyncio.TaskGroup() as tasks:
                tasks.create_task(tick())  # QP312
                while True:
                    await websocket.receive()
    """,
    right="""
        import asyncio
        from contextlib import suppress

        from quart import Quart, websocket

        app = Quart(__name__)


        async def tick() -> None:
            with suppress(Exception):
                while True:
                    await websocket.send("tick")
                    await asyncio.sleep(1)


        @app.websocket("/clock")
        async def clock():
            async with asyncio.TaskGroup() as tasks:
                tasks.create_task(tick())
                while True:
                    await websocket.receive()
    """,
)
def task_group_around_websocket(module: Module) -> Found:
    """There `send` raises ClientDisconnectedError, which is no cancellation: the group
    wraps it, and Quart logs the group with its traceback."""
    for call in module.nodes(ast.Call):
        match call:
            case ast.Call(
                func=ast.Attribute(attr="create_task"), args=[ast.Call(func=func)]
            ):
                sender = module.local_function(func)
                group = module.within(call, ast.AsyncWith)
                if (
                    sender
                    and group
                    and module.function(call) in module.websocket_handlers
                    and is_task_group(module, group)
                    and sends_unguarded(module, sender)
                    and not module.within(group, *TRIES)
                ):
                    yield call, sender.name


def is_task_group(module: Module, block: ast.AsyncWith) -> bool:
    return any(
        module.kind(item.context_expr) == "asyncio.TaskGroup" for item in block.items
    )


def sends_unguarded(module: Module, sender: Function) -> bool:
    """Whether an error of `websocket.send` leaves the function."""
    for node in module.body(sender):
        if isinstance(node, ast.Call) and module.name(node.func) in METHODS:
            caught = module.within(node, *TRIES, ast.With)
            if caught is None or module.function(caught) is not sender:
                return True
    return False
