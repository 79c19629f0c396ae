"""QP2xx: the request and app contexts, and where they are not."""

import ast

from .awaiting import misused
from .module import CLIENT, Function, Module, argument
from .rule import Found, rule

REQUEST_PROXIES = {"quart.request", "quart.session", "quart.websocket"}
PROXIES = {*REQUEST_PROXIES, "quart.current_app", "quart.g"}
BEFORE_HOOKS = (
    "before_app_request",
    "before_app_websocket",
    "before_request",
    "before_websocket",
)
CONTEXTS = {
    "quart.AppContext",
    "quart.RequestContext",
    "quart.WebsocketContext",
    "quart.testing.TestApp",
    CLIENT,
}


def proxy_used(
    module: Module, function: Function | ast.Lambda, proxies: set[str]
) -> ast.expr | None:
    """The first proxy that a function reads."""
    for node in ast.walk(function):
        if isinstance(node, ast.Name | ast.Attribute) and module.name(node) in proxies:
            return node
    return None


@rule(
    "QP201",
    "sync-with",
    "`{}` needs `async with`: plain `with` raises TypeError",
    page="testing",
    wrong="""
        from quart import Quart


        def seed(app: Quart) -> None:
            with app.app_context():  # QP201
                print(app.name)
    """,
    right="""
        from quart import Quart


        async def seed(app: Quart) -> None:
            async with app.app_context():
                print(app.name)
    """,
)
def sync_with(module: Module) -> Found:
    """Contexts, `test_app()`, the test client and what it opens are asynchronous; in
    Flask they are not."""
    for node in module.nodes(ast.With):
        for item in node.items:
            match item.context_expr:
                case ast.Call(
                    func=ast.Attribute(
                        value=owner, attr="session_transaction" | "websocket"
                    )
                ):
                    wrong = module.kind(owner) == CLIENT
                case value:
                    wrong = module.kind(value) in CONTEXTS
            if wrong:
                yield item.context_expr, ast.unparse(item.context_expr)


@rule(
    "QP202",
    "unawaited-push",
    "`{}()` is a coroutine, so nothing happens; use `async with app.app_context()`",
    page="testing",
    wrong="""
        from quart import Quart


        def create_app() -> Quart:
            app = Quart(__name__)
            app.app_context().push()  # QP202
            return app
    """,
    right="""
        from quart import Quart


        def create_app() -> Quart:
            return Quart(__name__)


        async def show_name() -> None:
            app = create_app()
            async with app.app_context():
                print(app.name)
    """,
)
def unawaited_push(module: Module) -> Found:
    """Flask's `app.app_context().push()` at start-up has no counterpart: in Quart the
    context belongs to the task that entered it."""
    for call in module.nodes(ast.Call):
        match call.func:
            case ast.Attribute(value=owner, attr="push" | "pop" as attr):
                if module.kind(owner) in CONTEXTS and misused(module, call):
                    yield call, attr


@rule(
    "QP203",
    "proxy-in-background-task",
    "`{}` is gone in a background task (RuntimeError on 0.23, stale on 0.22); pass the "
    "values it needs",
    page="background_tasks",
    wrong="""
        from quart import Quart, current_app, request

        app = Quart(__name__)


        async def welcome() -> None:
            current_app.logger.warning("welcome %s", request.args["name"])  # QP203


        @app.post("/members")
        async def add_member():
            current_app.add_background_task(welcome)
            return "", 202
    """,
    right="""
        from quart import Quart, current_app, request

        app = Quart(__name__)


        async def welcome(name: str) -> None:
            current_app.logger.warning("welcome %s", name)


        @app.post("/members")
        async def add_member():
            current_app.add_background_task(welcome, request.args["name"])
            return "", 202
    """,
)
def proxy_in_background_task(module: Module) -> Found:
    """The task runs in an app context of its own, after the request may have ended."""
    for call in module.nodes(ast.Call):
        match call:
            case ast.Call(
                func=ast.Attribute(attr="add_background_task"), args=[task, *_]
            ):
                yield from used_in(module, task, REQUEST_PROXIES)


def used_in(module: Module, task: ast.expr, proxies: set[str]) -> Found:
    if isinstance(task, ast.Call) and module.name(task.func) == "functools.partial":
        task = task.args[0] if task.args else task
    function = task if isinstance(task, ast.Lambda) else module.local_function(task)
    if function is None or getattr(function, "decorator_list", []):
        return
    if proxy := proxy_used(module, function, proxies):
        yield proxy, module.name(proxy).removeprefix("quart.")


@rule(
    "QP204",
    "stored-websocket",
    "a websocket kept for others to send to lets one slow client hold up the sender; "
    "keep a bounded queue for each client",
    page="websocket_broadcast",
    wrong="""
        from quart import Quart, websocket

        app = Quart(__name__)
        clients = set()


        @app.websocket("/news")
        async def news():
            clients.add(websocket._get_current_object())  # QP204
            while True:
                await websocket.receive()
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
def stored_websocket(module: Module) -> Found:
    """`send` waits until the client reads. The object also outlives its context, and
    the name begins with an underscore."""
    for call in module.nodes(ast.Call):
        if module.name(call.func) == "quart.websocket._get_current_object" and stored(
            module, call
        ):
            yield call, ""


def stored(module: Module, node: ast.expr) -> bool:
    match module.parent(node):
        case ast.Call(func=ast.Attribute(attr=attr)):
            return attr in {"add", "append", "setdefault"}
        case ast.Assign(targets=[ast.Name() as name]):
            return any(stored(module, use) for use in module.uses(name))
        case ast.Assign(targets=[ast.Attribute() | ast.Subscript()]):
            return True
    return False


@rule(
    "QP205",
    "proxy-at-import",
    "`{}` has no value while the module is imported (RuntimeError); read it inside a "
    "function that runs in a request",
    page="app_factory",
    wrong="""
        from quart import Blueprint, current_app

        blueprint = Blueprint("notes", __name__)
        PAGE_SIZE = current_app.config["PAGE_SIZE"]  # QP205
    """,
    right="""
        from quart import Blueprint, current_app

        blueprint = Blueprint("notes", __name__)


        def page_size() -> int:
            return current_app.config["PAGE_SIZE"]
    """,
)
def proxy_at_import(module: Module) -> Found:
    """Class bodies, decorators and default values run at import as well."""
    uses = [
        *((node, node.value) for node in module.nodes(ast.Attribute)),
        *((node, node.value) for node in module.nodes(ast.Subscript)),
    ]
    for node, proxy in uses:
        if (
            module.name(proxy) in PROXIES
            and module.function(node) is None
            and not module.within(node, ast.AsyncWith, ast.AnnAssign)
        ):
            yield node, module.name(proxy).removeprefix("quart.")


@rule(
    "QP206",
    "proxy-in-thread",
    "`{}` has no value in this thread (RuntimeError); pass the values, or use "
    "`asyncio.to_thread`, which carries the context",
    page="background_tasks",
    wrong="""
        import asyncio

        from quart import Quart, request

        app = Quart(__name__)


        def render() -> str:
            return request.path.upper()  # QP206


        @app.get("/report")
        async def report():
            return await asyncio.get_running_loop().run_in_executor(None, render)
    """,
    right="""
        import asyncio

        from quart import Quart, request

        app = Quart(__name__)


        def render(path: str) -> str:
            return path.upper()


        @app.get("/report")
        async def report():
            return await asyncio.to_thread(render, request.path)
    """,
)
def proxy_in_thread(module: Module) -> Found:
    """`asyncio.to_thread` and `run_sync` copy the context variables; `run_in_executor`,
    `Thread` and an executor's `submit` start with none."""
    if "Thread" not in module.text and "run_in_executor" not in module.text:
        return
    for call in module.nodes(ast.Call):
        task = None
        if module.name(call.func) == "threading.Thread":
            task = argument(call, 1, "target")
        elif isinstance(call.func, ast.Attribute):
            if call.func.attr == "run_in_executor":
                task = argument(call, 1, "func")
            elif module.kind(call.func.value).endswith(".ThreadPoolExecutor"):
                task = argument(call, 0, "fn") if call.func.attr == "submit" else None
        if task is not None:
            yield from used_in(module, task, PROXIES)


@rule(
    "QP207",
    "contextvar-in-sync-hook",
    "a plain `def` hook runs in a thread, where `{}.set()` is lost with the thread's "
    "copy of the context; make it `async def`",
    page="error_handling",
    wrong="""
        from contextvars import ContextVar

        from quart import Quart, request

        app = Quart(__name__)
        request_id: ContextVar[str] = ContextVar("request_id")


        @app.before_request
        def take_request_id() -> None:
            request_id.set(request.headers["X-Request-Id"])  # QP207
    """,
    right="""
        from contextvars import ContextVar

        from quart import Quart, request

        app = Quart(__name__)
        request_id: ContextVar[str] = ContextVar("request_id")


        @app.before_request
        async def take_request_id() -> None:
            request_id.set(request.headers["X-Request-Id"])
    """,
)
def contextvar_in_sync_hook(module: Module) -> Found:
    """The view and the log then see the default."""
    for function, _ in module.hooks(*BEFORE_HOOKS):
        if isinstance(function, ast.FunctionDef):
            for node in module.body(function):
                match node:
                    case ast.Call(func=ast.Attribute(value=owner, attr="set")):
                        if module.kind(owner) == "contextvars.ContextVar":
                            yield node, ast.unparse(owner)
