"""QP8xx: starting and stopping, the command line and tests."""

import ast
from collections.abc import Iterator

from .configuration import CACHES
from .module import CLIENT, CLIENT_VERBS, FUNCTIONS, TRIES, Module
from .rule import Found, rule

WSGI_CALLS = {
    "a2wsgi.WSGIMiddleware",
    "asgiref.wsgi.WsgiToAsgi",
    "gevent.pywsgi.WSGIServer",
    "serverless_wsgi.handle_request",
    "waitress.serve",
    "werkzeug.middleware.proxy_fix.ProxyFix",
    "werkzeug.serving.run_simple",
    "wsgiref.simple_server.make_server",
}
LETS_ERRORS_OUT = (
    "PROPAGATE_EXCEPTIONS",
    "after_request",
    "errorhandler",
    "register_error_handler",
)
SERVING_HOOKS = ("before_serving", "after_serving", "while_serving")
PLAIN_HOOKS = (
    "after_app_serving",
    "after_serving",
    "before_app_serving",
    "before_serving",
)


@rule(
    "QP801",
    "async-command",
    "click calls this, drops the coroutine and exits 0: nothing ran; make it `def` and "
    "`asyncio.run()` the work",
    page="testing",
    wrong="""
        from quart import Quart

        app = Quart(__name__)


        async def seed() -> None:
            print("seeded")


        @app.cli.command("seed")
        async def seed_command() -> None:  # QP801
            await seed()
    """,
    right="""
        import asyncio

        from quart import Quart

        app = Quart(__name__)


        async def seed() -> None:
            print("seeded")


        @app.cli.command("seed")
        def seed_command() -> None:
            asyncio.run(seed())
    """,
)
def async_command(module: Module) -> Found:
    """Neither click nor `quart` awaits a command. Python says `never awaited`, which is
    easily missed in a deployment."""
    for function in module.nodes(ast.AsyncFunctionDef):
        decorators = function.decorator_list
        for position, decorator in enumerate(decorators):
            below = [module.decorator_name(one) for one in decorators[position + 1 :]]
            if is_command(module, decorator) and all(
                name.startswith("click.") for name in below
            ):
                yield function, ""


def is_command(module: Module, decorator: ast.expr) -> bool:
    func = decorator.func if isinstance(decorator, ast.Call) else decorator
    match func:
        case ast.Attribute(value=ast.Attribute(attr="cli"), attr="command"):
            return True
        case ast.Attribute(value=group, attr="command"):
            owner = module.local_function(group)
            names = (
                [module.decorator_name(one) for one in owner.decorator_list]
                if owner
                else []
            )
            return "click.group" in names or module.name(func) == "click.command"
    return module.name(func) == "click.command"


@rule(
    "QP802",
    "event-loop-fixture",
    "pytest-asyncio 1.x has no `event_loop` fixture, so this has no effect; set "
    "`asyncio_default_fixture_loop_scope`",
    page="testing",
    wrong="""
        import asyncio

        import pytest
        from quart import Quart


        @pytest.fixture(scope="session")
        def event_loop():  # QP802
            loop = asyncio.new_event_loop()
            yield loop
            loop.close()


        @pytest.fixture
        def app() -> Quart:
            return Quart(__name__)
    """,
    right="""
        import pytest
        from quart import Quart


        @pytest.fixture
        def app() -> Quart:
            return Quart(__name__)
    """,
)
def event_loop_fixture(module: Module) -> Found:
    """The fixture was removed in 1.0; one of your own is a fixture like any other."""
    for fixture in module.fixtures:
        if fixture.name == "event_loop":
            yield fixture, ""


@rule(
    "QP803",
    "asyncio-mark-scope",
    "`scope=` of the asyncio mark is deprecated; write `loop_scope=`",
    page="testing",
    wrong="""
        import pytest
        from quart import Quart


        @pytest.mark.asyncio(scope="session")  # QP803
        async def test_index_answers(app: Quart) -> None:
            assert (await app.test_client().get("/")).status_code == 200
    """,
    right="""
        import pytest
        from quart import Quart


        @pytest.mark.asyncio(loop_scope="session")
        async def test_index_answers(app: Quart) -> None:
            assert (await app.test_client().get("/")).status_code == 200
    """,
)
def asyncio_mark_scope(module: Module) -> Found:
    """pytest-asyncio warns, and where warnings are errors no test is collected."""
    for call in module.nodes(ast.Call):
        if module.name(call.func) == "pytest.mark.asyncio" and any(
            given.arg == "scope" for given in call.keywords
        ):
            yield call, ""


@rule(
    "QP804",
    "async-fixture-in-strict-mode",
    "in strict mode `pytest.fixture` does not await this fixture; use "
    '`pytest_asyncio.fixture` or `asyncio_mode = "auto"`',
    page="testing",
    wrong="""
        import pytest
        from quart import Quart


        @pytest.fixture
        async def app():  # QP804
            app = Quart(__name__)
            async with app.test_app():
                yield app


        @pytest.mark.asyncio
        async def test_index_answers(app: Quart) -> None:
            assert (await app.test_client().get("/")).status_code == 404
    """,
    right="""
        import pytest
        import pytest_asyncio
        from quart import Quart


        @pytest_asyncio.fixture
        async def app():
            app = Quart(__name__)
            async with app.test_app():
                yield app


        @pytest.mark.asyncio
        async def test_index_answers(app: Quart) -> None:
            assert (await app.test_client().get("/")).status_code == 404
    """,
)
def async_fixture_in_strict_mode(module: Module) -> Found:
    """Strict is the default. The mode is looked up in the nearest pytest configuration
    above the file."""
    unknown = module.asyncio_mode is None
    evident = "pytest.mark.asyncio" in module.text or "pytest_asyncio" in module.text
    if module.asyncio_mode == "auto" or (unknown and not evident):
        return
    if "anyio" in module.text or "trio" in module.text:
        return
    for fixture in module.fixtures:
        names = {module.decorator_name(one) for one in fixture.decorator_list}
        if isinstance(fixture, ast.AsyncFunctionDef) and "pytest.fixture" in names:
            yield fixture, ""


@rule(
    "QP805",
    "client-without-lifespan",
    "the test client does not start the app, so its serving hooks never run; use "
    "`async with app.test_app():` around it",
    page="testing",
    wrong="""
        import pytest
        from quart import Quart

        app = Quart(__name__)


        @app.while_serving
        async def members():
            app.extensions["members"] = ["Ada"]
            yield


        @pytest.fixture
        def client():
            return app.test_client()  # QP805
    """,
    right="""
        import pytest
        from quart import Quart


        def create_app() -> Quart:
            app = Quart(__name__)

            @app.while_serving
            async def members():
                app.extensions["members"] = ["Ada"]
                yield

            return app


        @pytest.fixture
        async def client():
            app = create_app()
            async with app.test_app():
                yield app.test_client()
    """,
)
def client_without_lifespan(module: Module) -> Found:
    """What `before_serving` or `while_serving` makes is missing, and the view answers
    500. Reported where the app that the tests import has such hooks and neither the
    file nor a `conftest.py` above it uses `test_app`."""
    if not module.skips_lifespan or not module.is_test:
        return
    for call in module.nodes(ast.Call):
        if module.kind(call) == CLIENT:
            yield call, ""


@rule(
    "QP806",
    "raises-around-client",
    "the client gets a 500 response, no exception, with TESTING too (since 0.22); "
    "assert the status",
    page="testing",
    wrong="""
        import pytest
        from quart import Quart


        async def test_broken_report_raises(app: Quart) -> None:
            client = app.test_client()
            with pytest.raises(ZeroDivisionError):  # QP806
                await client.get("/report")
    """,
    right="""
        from quart import Quart


        async def test_broken_report_is_a_500(app: Quart) -> None:
            client = app.test_client()
            response = await client.get("/report")
            assert response.status_code == 500
    """,
)
def raises_around_client(module: Module) -> Found:
    """Only PROPAGATE_EXCEPTIONS lets an error of a view out, on 0.23 inside an
    ExceptionGroup. Files that set it, or that register handlers and hooks, whose own
    errors do come out, are left alone."""
    if any(word in module.text for word in LETS_ERRORS_OUT):
        return
    for block in module.nodes(ast.With):
        match block.items, block.body:
            case [ast.withitem(context_expr=ast.Call(func=raises))], [line]:
                if module.name(raises) == "pytest.raises" and is_request(module, line):
                    yield block, ""


def is_request(module: Module, line: ast.stmt) -> bool:
    match line:
        case (
            ast.Expr(value=ast.Await(value=ast.Call(func=func)))
            | ast.Assign(value=ast.Await(value=ast.Call(func=func)))
        ):
            return (
                isinstance(func, ast.Attribute)
                and func.attr in CLIENT_VERBS
                and module.kind(func.value) == CLIENT
            )
    return False


@rule(
    "QP807",
    "while-serving-without-yield",
    "`while_serving` takes a generator; without `yield` the app does not start",
    page="lifespan",
    wrong="""
        from quart import Quart

        app = Quart(__name__)


        @app.while_serving
        async def members():  # QP807
            app.extensions["members"] = ["Ada"]
    """,
    right="""
        from quart import Quart

        app = Quart(__name__)


        @app.while_serving
        async def members():
            app.extensions["members"] = ["Ada"]
            yield
    """,
)
def while_serving_without_yield(module: Module) -> Found:
    """`LifespanError: 'coroutine' object has no attribute '__anext__'`."""
    for function, _ in module.hooks("while_serving", "while_app_serving"):
        if not yields(module, function):
            yield function, ""


def yields(module: Module, function: ast.FunctionDef | ast.AsyncFunctionDef) -> bool:
    body = module.body(function)
    return any(isinstance(node, ast.Yield | ast.YieldFrom) for node in body)


@rule(
    "QP808",
    "serving-hook-with-yield",
    "a hook with `yield` is a generator that nothing runs: not a line of it happens; "
    "use `while_serving`",
    page="lifespan",
    wrong="""
        from quart import Quart

        app = Quart(__name__)


        @app.before_serving
        async def members():  # QP808
            app.extensions["members"] = ["Ada"]
            yield
            app.extensions["members"].clear()
    """,
    right="""
        from quart import Quart

        app = Quart(__name__)


        @app.while_serving
        async def members():
            app.extensions["members"] = ["Ada"]
            try:
                yield
            finally:
                app.extensions["members"].clear()
    """,
)
def serving_hook_with_yield(module: Module) -> Found:
    """Start-up succeeds in silence."""
    for function, _ in module.hooks(*PLAIN_HOOKS):
        if yields(module, function):
            yield function, ""


@rule(
    "QP809",
    "serving-hook-on-blueprint",
    "a blueprint has no `{}` (AttributeError at import); its hooks have `_app_` in the "
    "name: `while_app_serving`",
    page="lifespan",
    wrong="""
        from quart import Blueprint

        blueprint = Blueprint("members", __name__)


        @blueprint.before_serving  # QP809
        async def load() -> None:
            print("loading")
    """,
    right="""
        from quart import Blueprint

        blueprint = Blueprint("members", __name__)


        @blueprint.before_app_serving
        async def load() -> None:
            print("loading")
    """,
)
def serving_hook_on_blueprint(module: Module) -> Found:
    """Serving is a matter of the whole app, and the name says so."""
    for node in module.nodes(ast.Attribute):
        if node.attr in SERVING_HOOKS and module.kind(node.value) == "quart.Blueprint":
            yield node, node.attr


@rule(
    "QP810",
    "wsgi",
    "`{}` is WSGI, and Quart is an ASGI app; serve it with Hypercorn and wrap "
    "`app.asgi_app`",
    page="app_factory",
    wrong="""
        from quart import Quart
        from werkzeug.middleware.proxy_fix import ProxyFix


        def create_app() -> Quart:
            app = Quart(__name__)
            app.wsgi_app = ProxyFix(app.wsgi_app)  # QP810
            return app
    """,
    right="""
        from hypercorn.middleware import ProxyFixMiddleware
        from quart import Quart


        def create_app() -> Quart:
            app = Quart(__name__)
            app.asgi_app = ProxyFixMiddleware(app.asgi_app, mode="legacy")
            return app
    """,
)
def wsgi(module: Module) -> Found:
    """`__call__() missing 1 required positional argument: 'send'` is what a WSGI server
    gets from Quart. There is no `wsgi_app`."""
    for node in module.nodes(ast.Attribute):
        if (
            node.attr == "wsgi_app"
            and isinstance(node.ctx, ast.Load)
            and module.is_app(node.value)
        ):
            yield node, "wsgi_app"
    for call in module.nodes(ast.Call):
        name = module.name(call.func)
        given = [*call.args, *(keyword.value for keyword in call.keywords)]
        if name in WSGI_CALLS and any(module.is_app(one) for one in given):
            yield call, name.rpartition(".")[2]


@rule(
    "QP811",
    "shutdown-event-in-stream",
    "`app.shutdown_event` is set after the connections have ended, so this keeps the "
    "server from stopping; use an event of your own",
    page="lifespan",
    wrong="""
        from quart import Quart

        app = Quart(__name__)


        @app.get("/events")
        async def events():
            async def beats():
                yield "beat"
                await app.shutdown_event.wait()  # QP811
                yield "end"

            return beats()
    """,
    right="""
        import asyncio

        from quart import Quart

        app = Quart(__name__)
        closing = app.extensions["closing"] = asyncio.Event()


        @app.get("/events")
        async def events():
            async def beats():
                yield "beat"
                await closing.wait()
                yield "end"

            return beats()
    """,
)
def shutdown_event_in_stream(module: Module) -> Found:
    """The server waits for the stream, the stream for the event, and the event for the
    server. Set your own from the `shutdown_trigger` of `hypercorn.asyncio.serve`."""
    for node in module.nodes(ast.Attribute):
        if node.attr == "shutdown_event" and module.is_app(node.value):
            function = module.function(node)
            if isinstance(function, FUNCTIONS) and (
                yields(module, function) or function in module.websocket_handlers
            ):
                yield node, ""


@rule(
    "QP812",
    "signal-handler-in-app",
    "this replaces the server's own signal handler, and it no longer stops; set "
    "handlers where you call `serve()`",
    page="lifespan",
    wrong="""
        import asyncio
        import signal

        from quart import Quart

        app = Quart(__name__)
        closing = asyncio.Event()


        @app.before_serving
        async def listen() -> None:
            loop = asyncio.get_running_loop()
            loop.add_signal_handler(signal.SIGTERM, closing.set)  # QP812
    """,
    right="""
        import asyncio
        import signal

        from hypercorn.asyncio import serve
        from hypercorn.config import Config
        from quart import Quart

        app = Quart(__name__)


        async def run() -> None:
            closing = asyncio.Event()
            loop = asyncio.get_running_loop()
            loop.add_signal_handler(signal.SIGTERM, closing.set)
            await serve(app, Config(), shutdown_trigger=closing.wait)
    """,
)
def signal_handler_in_app(module: Module) -> Found:
    """One process has one handler for a signal, and the one set last wins."""
    if "signal" not in module.text:
        return
    hooked = {function for function, _ in module.hooks(*PLAIN_HOOKS, "while_serving")}
    for call in module.nodes(ast.Call):
        function = module.function(call)
        if function in hooked or module.builds_app(function):
            match call.func:
                case ast.Attribute(attr="add_signal_handler"):
                    yield call, ""
                case func if module.name(func) == "signal.signal":
                    yield call, ""


@rule(
    "QP813",
    "bare-yield",
    "what follows this `yield` does not run when the start fails elsewhere; put it in "
    "`finally`, or use `async with`",
    page="lifespan",
    wrong="""
        from quart import Quart

        app = Quart(__name__)


        @app.while_serving
        async def journal():
            file = app.extensions["journal"] = open("journal.txt", "a")
            yield  # QP813
            file.close()
    """,
    right="""
        from quart import Quart

        app = Quart(__name__)


        @app.while_serving
        async def journal():
            file = app.extensions["journal"] = open("journal.txt", "a")
            try:
                yield
            finally:
                file.close()
    """,
)
def bare_yield(module: Module) -> Found:
    """After a failed start the generators are only closed, which runs `finally` and
    leaves `with`, but nothing else."""
    if module.is_test:
        return
    for function, _ in module.hooks("while_serving", "while_app_serving"):
        for line in function.body[:-1]:
            if isinstance(line, ast.Expr) and isinstance(line.value, ast.Yield):
                yield line, ""


@rule(
    "QP814",
    "app-served-twice",
    "an app with `while_serving` starts once; the second start fails with "
    "LifespanError; make an app for each",
    page="testing",
    wrong="""
        import pytest
        from functools import cache

        from quart import Quart


        @cache
        def create_app() -> Quart:  # QP814
            app = Quart(__name__)

            @app.while_serving
            async def members():
                app.extensions["members"] = ["Ada"]
                yield

            return app
    """,
    right="""
        import pytest

        from quart import Quart


        def create_app() -> Quart:
            app = Quart(__name__)

            @app.while_serving
            async def members():
                app.extensions["members"] = ["Ada"]
                yield

            return app
    """,
)
def app_served_twice(module: Module) -> Found:
    """The generators are made when they are registered, and a generator runs once."""
    if not module.serves_generators:
        return
    for function in module.functions:
        names = {module.decorator_name(one) for one in function.decorator_list}
        if names & CACHES and module.builds_app(function):
            yield function, ""
    served: set[ast.AST] = set()
    for block in module.nodes(ast.AsyncWith):
        for item in block.items:
            match item.context_expr:
                case ast.Call(func=ast.Attribute(value=ast.Name() as app, attr=attr)):
                    if attr != "test_app":
                        continue
                    bound = module.bindings(app)[:1]
                    if not bound or module.function(bound[0]) is not module.function(
                        block
                    ):
                        continue
                    if bound[0] in served or in_loop(module, block, bound[0]):
                        yield block, ""
                    served.add(bound[0])


def in_loop(module: Module, block: ast.AST, bound: ast.AST) -> bool:
    """Whether a loop goes round the block and not round what binds the app."""
    loop = module.within(block, ast.For, ast.AsyncFor, ast.While)
    return loop is not None and loop not in module.ancestors(bound)


@rule(
    "QP815",
    "resource-after-close",
    "`after_serving` runs last, when `{}` of `while_serving` is closed; do it in the "
    "generator, after its `yield`",
    page="lifespan",
    wrong="""
        from quart import Quart

        app = Quart(__name__)


        @app.while_serving
        async def journal():
            with open("journal.txt", "a") as file:
                app.extensions["journal"] = file
                yield


        @app.after_serving
        async def say_goodbye() -> None:
            app.extensions["journal"].write("stopped")  # QP815
    """,
    right="""
        from quart import Quart

        app = Quart(__name__)


        @app.while_serving
        async def journal():
            with open("journal.txt", "a") as file:
                app.extensions["journal"] = file
                yield
                file.write("stopped")
    """,
)
def resource_after_close(module: Module) -> Found:
    """Up to 0.21 it was the other way round."""
    opened = {
        key
        for function, _ in module.hooks("while_serving", "while_app_serving")
        for key, node in extensions_in(module, function)
        if isinstance(node.ctx, ast.Store)
    }
    for function, _ in module.hooks("after_serving", "after_app_serving"):
        for key, node in extensions_in(module, function):
            if key in opened and isinstance(node.ctx, ast.Load):
                yield node, str(key)


def extensions_in(
    module: Module, function: ast.AST
) -> Iterator[tuple[object, ast.Subscript]]:
    for node in ast.walk(function):
        match node:
            case ast.Subscript(
                value=ast.Attribute(attr="extensions"), slice=ast.Constant(value=key)
            ):
                yield key, node


@rule(
    "QP816",
    "receive-without-limit",
    "on 0.23 this waits for ever once the server has closed; "
    "`await asyncio.wait_for(..., 1)`",
    page="testing",
    wrong="""
        import pytest
        from quart import Quart


        async def test_a_long_message_closes_the_socket(app: Quart) -> None:
            async with app.test_client().websocket("/chat") as ws:
                await ws.send("x" * 10_000)
                await ws.receive()  # QP816
    """,
    right="""
        import asyncio

        import pytest
        from quart import Quart


        async def test_a_long_message_closes_the_socket(app: Quart) -> None:
            async with app.test_client().websocket("/chat") as ws:
                await ws.send("x" * 10_000)
                with pytest.raises(TimeoutError):
                    await asyncio.wait_for(ws.receive(), 1)
    """,
)
def receive_without_limit(module: Module) -> Found:
    """0.22 raised WebsocketDisconnectError. Reported where the message is thrown away,
    so that the close is what the test waits for."""
    for call in module.nodes(ast.Call):
        match call.func:
            case ast.Attribute(value=ws, attr="receive" | "receive_json"):
                if (
                    module.kind(ws) == "quart.testing.TestWebsocket"
                    and isinstance(waits := module.parent(call), ast.Await)
                    and isinstance(module.parent(waits), ast.Expr)
                    and not has_limit(module, call)
                ):
                    yield call, ""


def has_limit(module: Module, node: ast.AST) -> bool:
    """Within a time limit, or where an error is expected: the refused handshake."""
    for ancestor in module.ancestors(node):
        if isinstance(ancestor, (*TRIES, ast.With)):
            return True
        if isinstance(ancestor, ast.AsyncWith):
            entered = [ast.unparse(item.context_expr) for item in ancestor.items]
            if any("timeout" in one for one in entered):
                return True
    return False


@rule(
    "QP817",
    "command-in-async-test",
    "a command that runs `asyncio.run` fails inside a running loop, and only the exit "
    "code says so; make the test `def`",
    page="testing",
    wrong="""
        import pytest
        from quart import Quart


        async def test_the_command_seeds(app: Quart) -> None:
            result = app.test_cli_runner().invoke(args=["seed"])  # QP817
            assert result.exit_code == 0
    """,
    right="""
        import pytest
        from quart import Quart


        def test_the_command_seeds(app: Quart) -> None:
            result = app.test_cli_runner().invoke(args=["seed"])
            assert result.exit_code == 0
    """,
)
def command_in_async_test(module: Module) -> Found:
    """The runner calls the command in the thread of the test."""
    for call in module.nodes(ast.Call):
        match call.func:
            case ast.Attribute(value=runner, attr="invoke"):
                if module.kind(runner) == "quart.testing.QuartCliRunner" and isinstance(
                    module.function(call), ast.AsyncFunctionDef
                ):
                    yield call, ""
