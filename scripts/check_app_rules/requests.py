"""QP1xx: requests, responses and what must be awaited."""

import ast
import builtins

from .awaiting import misused
from .module import CLIENT, CLIENT_VERBS, FUNCTIONS, TRIES, Function, Module
from .rule import Found, rule

RESPONSE = "quart.Response"
SESSION = "quart.session"
ADAPTERS = {"ensure_async", "iscoroutinefunction", "run_sync"}
BODY = {f"quart.request.{name}" for name in ("data", "files", "form", "json", "values")}
BODY_CALLS = {"quart.request.get_data", "quart.request.get_json"}
HELPERS = {
    "quart.flash",
    "quart.make_response",
    "quart.render_template",
    "quart.render_template_string",
    "quart.send_file",
    "quart.send_from_directory",
    "quart.stream_template",
    "quart.stream_template_string",
}
SYNC_CALLS = {
    "quart.abort",
    "quart.after_this_request",
    "quart.get_flashed_messages",
    "quart.get_template_attribute",
    "quart.jsonify",
    "quart.redirect",
    "quart.stream_with_context",
    "quart.url_for",
}
SYNC_VALUES = {
    f"quart.{proxy}.{attr}"
    for proxy in ("request", "websocket")
    for attr in ("args", "cookies", "headers", "host", "method", "path", "url")
}
FLASK_ARGUMENTS = {
    "quart.send_file": {"download_name", "etag", "max_age", "path_or_file"},
    "quart.send_from_directory": {"download_name", "etag", "max_age", "path"},
}
PATH_CALLS = {"aiofiles.open", "builtins.open", "os.path.join", "pathlib.Path"}
PATH_METHODS = {"joinpath", "save"}
CONTEXT_PROXIES = {"quart.current_app", "quart.g", "quart.request", "quart.session"}
LISTS = {"builtins.list", "builtins.set", "builtins.tuple", "typing.List"}
MUTATORS = {
    "add",
    "append",
    "clear",
    "discard",
    "extend",
    "insert",
    "pop",
    "remove",
    "setdefault",
    "update",
}
VALIDATED = {
    "quart_schema.validate_headers": "headers",
    "quart_schema.validate_querystring": "query_args",
    "quart_schema.validate_request": "data",
}
WRAPPING = (
    "quart_auth.basic_auth_required",
    "quart_auth.login_required",
    "quart_jwt_extended.",
    "quart_schema.validate_",
)


@rule(
    "QP101",
    "unawaited-request-body",
    "`{}` is a coroutine, not the body; write `await {}` in an `async def`",
    page="request_validation",
    wrong="""
        from quart import Quart, request

        app = Quart(__name__)


        @app.post("/notes")
        async def add_note():
            text = request.form["text"]  # QP101
            return {"text": text}
    """,
    right="""
        from quart import Quart, request

        app = Quart(__name__)


        @app.post("/notes")
        async def add_note():
            text = (await request.form)["text"]
            return {"text": text}
    """,
)
def unawaited_request_body(module: Module) -> Found:
    """Quart reads the body while the view runs, so `form`, `files`, `json`, `data`,
    `values`, `get_json()` and `get_data()` are awaited; in Flask they are not."""
    for node in module.nodes(ast.Attribute):
        name = module.name(node)
        if name in BODY and isinstance(node.ctx, ast.Load) and misused(module, node):
            yield node, name.removeprefix("quart.")
    for call in module.nodes(ast.Call):
        name = module.name(call.func)
        if name in BODY_CALLS and misused(module, call):
            yield call, f"{name.removeprefix('quart.')}()"


@rule(
    "QP102",
    "unawaited-helper",
    "`{}()` is a coroutine in Quart, so this gives no response; write `await {}(...)`",
    page="blueprints",
    wrong="""
        from quart import Quart, render_template

        app = Quart(__name__)


        @app.get("/")
        async def index():
            return render_template("index.html")  # QP102
    """,
    right="""
        from quart import Quart, render_template

        app = Quart(__name__)


        @app.get("/")
        async def index():
            return await render_template("index.html")
    """,
)
def unawaited_helper(module: Module) -> Found:
    """Templates, `make_response`, `send_file`, `send_from_directory` and `flash` are
    coroutines. A view that returns one answers 500: `The view function did not
    return a valid response`."""
    for call in module.nodes(ast.Call):
        name = module.name(call.func)
        if name in HELPERS and misused(module, call):
            yield call, name.removeprefix("quart.")


@rule(
    "QP103",
    "unawaited-client-call",
    "`{}()` of the test client is a coroutine: no request is sent; await it",
    page="testing",
    wrong="""
        from quart import Quart


        async def test_index_answers(app: Quart) -> None:
            client = app.test_client()
            response = client.get("/")  # QP103
            assert response.status_code == 200
    """,
    right="""
        from quart import Quart


        async def test_index_answers(app: Quart) -> None:
            client = app.test_client()
            response = await client.get("/")
            assert response.status_code == 200
    """,
)
def unawaited_client_call(module: Module) -> Found:
    """Each verb of the test client runs the app in the test's event loop."""
    for call in module.nodes(ast.Call):
        match call.func:
            case ast.Attribute(value=owner, attr=verb) if verb in CLIENT_VERBS:
                if module.kind(owner) == CLIENT and misused(module, call):
                    yield call, verb


@rule(
    "QP104",
    "unawaited-response-body",
    "`{}` of a Quart response is a coroutine, not the body; await it",
    page="testing",
    wrong="""
        from quart import Quart


        async def test_index_answers(app: Quart) -> None:
            response = await app.test_client().get("/")
            assert response.get_json() == {"status": "ok"}  # QP104
    """,
    right="""
        from quart import Quart


        async def test_index_answers(app: Quart) -> None:
            response = await app.test_client().get("/")
            assert await response.get_json() == {"status": "ok"}
    """,
)
def unawaited_response_body(module: Module) -> Found:
    """A body may still be streaming, so `data`, `json`, `get_data()` and `get_json()`
    of a response are awaited. A comparison with the coroutine is always false."""
    if not any(word in module.text for word in ("client", "Client", "Response")):
        return
    for node in module.nodes(ast.Attribute):
        if not isinstance(node.ctx, ast.Load) or module.kind(node.value) != RESPONSE:
            continue
        call = module.parent(node)
        if node.attr in {"data", "json"} and misused(module, node):
            yield node, node.attr
        elif (
            node.attr in {"get_data", "get_json"}
            and isinstance(call, ast.Call)
            and misused(module, call)
        ):
            yield call, f"{node.attr}()"


@rule(
    "QP105",
    "awaited-sync-api",
    "`{}` is not a coroutine, so awaiting it raises TypeError; drop the `await`",
    page="blueprints",
    wrong="""
        from quart import Quart, jsonify, request

        app = Quart(__name__)


        @app.get("/notes")
        async def notes():
            return await jsonify(request.args)  # QP105
    """,
    right="""
        from quart import Quart, jsonify, request

        app = Quart(__name__)


        @app.get("/notes")
        async def notes():
            return jsonify(request.args)
    """,
)
def awaited_sync_api(module: Module) -> Found:
    """Only what reads the body, renders a template or sends needs `await`; `jsonify`,
    `url_for`, `redirect`, `abort`, `request.args`, headers and cookies do not."""
    for node in module.nodes(ast.Await):
        match node.value:
            case ast.Call(func=func):
                name = module.name(func)
                read = name.removesuffix(".get").removesuffix(".getlist")
                if name in SYNC_CALLS or (read != name and read in SYNC_VALUES):
                    yield node, name.removeprefix("quart.") + "()"
            case value if module.name(value) in SYNC_VALUES:
                yield node, module.name(value).removeprefix("quart.")


@rule(
    "QP106",
    "flask-send-file-argument",
    "`{}` is Flask's and a TypeError here; Quart takes attachment_filename, add_etags, "
    "cache_timeout, and a path or BytesIO",
    page="blueprints",
    wrong="""
        from quart import Quart, send_file

        app = Quart(__name__)


        @app.get("/report")
        async def report():
            return await send_file("report.pdf", download_name="may.pdf")  # QP106
    """,
    right="""
        from quart import Quart, send_file

        app = Quart(__name__)


        @app.get("/report")
        async def report():
            return await send_file("report.pdf", attachment_filename="may.pdf")
    """,
)
def flask_send_file_argument(module: Module) -> Found:
    """Flask renamed the arguments of `send_file` and `send_from_directory` in 2.0 and
    takes an open file; Quart did neither."""
    for call in module.nodes(ast.Call):
        name = module.name(call.func)
        for keyword in call.keywords:
            if keyword.arg in FLASK_ARGUMENTS.get(name, ()):
                yield keyword.value, str(keyword.arg)
        match call.args:
            case [ast.Call(func=func) as opened, *_] if name == "quart.send_file":
                if module.name(func) == "builtins.open":
                    yield opened, "open()"


@rule(
    "QP107",
    "status-line",
    "a status is a number: `{}` raises ValueError and the client gets 500",
    page="error_handling",
    wrong="""
        from quart import Quart

        app = Quart(__name__)


        @app.post("/notes")
        async def add_note():
            return {"id": 7}, "201 CREATED"  # QP107
    """,
    right="""
        from quart import Quart

        app = Quart(__name__)


        @app.post("/notes")
        async def add_note():
            return {"id": 7}, 201
    """,
)
def status_line(module: Module) -> Found:
    """Flask takes a status line such as `201 CREATED`; Quart calls `int()` on it."""
    for node in module.nodes(ast.Return):
        match node.value:
            case ast.Tuple(elts=[_, ast.Constant(value=str(status)) as given, *_]):
                if module.function(node) in module.views and status[:3].isdecimal():
                    yield given, status


@rule(
    "QP108",
    "upload-filename",
    "the client chooses `filename`, `../` and all; pass it through `secure_filename`, "
    "or make a name of your own",
    page="request_validation",
    wrong="""
        from pathlib import Path

        from quart import Quart, request

        app = Quart(__name__)


        @app.post("/reports")
        async def add_report():
            upload = (await request.files)["report"]
            await upload.save(Path("reports") / upload.filename)  # QP108
            return "", 201
    """,
    right="""
        from pathlib import Path

        from quart import Quart, request
        from werkzeug.utils import secure_filename

        app = Quart(__name__)


        @app.post("/reports")
        async def add_report():
            upload = (await request.files)["report"]
            await upload.save(Path("reports") / secure_filename(upload.filename))
            return "", 201
    """,
)
def upload_filename(module: Module) -> Found:
    """The name arrives as sent: `../../etc/passwd` leaves the folder."""
    for node in module.nodes(ast.Attribute):
        if (
            node.attr == "filename"
            and from_files(module, node.value)
            and becomes_path(module, node)
        ):
            yield node, ""


def from_files(module: Module, node: ast.AST, depth: int = 3) -> bool:
    """Whether an expression, or what its names were assigned, is `request.files`."""
    for part in ast.walk(node):
        if module.name(part) == "quart.request.files":
            return True
        if isinstance(part, ast.Name) and depth:
            value = module.assigned(part) or loop_source(module, part)
            if value is not None and from_files(module, value, depth - 1):
                return True
    return False


def loop_source(module: Module, name: ast.Name) -> ast.expr | None:
    for binding in module.bindings(name):
        for ancestor in module.ancestors(binding):
            if isinstance(ancestor, ast.For | ast.comprehension):
                return ancestor.iter
            if isinstance(ancestor, ast.stmt):
                break
    return None


def becomes_path(module: Module, node: ast.AST) -> bool:
    parent = module.parent(node)
    match parent:
        case ast.BinOp(op=ast.Div()):
            return True
        case ast.JoinedStr() | ast.FormattedValue() | ast.BinOp():
            return becomes_path(module, parent)
        case ast.Call(func=ast.Attribute(attr=attr)) if attr in PATH_METHODS:
            return True
        case ast.Call(func=func):
            return module.name(func) in PATH_CALLS
        case ast.Assign(targets=[ast.Name() as target]):
            return any(becomes_path(module, use) for use in module.uses(target))
    return False


@rule(
    "QP109",
    "event-stream-timeout",
    "the stream is cut after RESPONSE_TIMEOUT (60 s); set `response.timeout = None`",
    page="lifespan",
    wrong="""
        from quart import Quart, make_response

        app = Quart(__name__)


        async def news():
            yield b"data: hello\\n\\n"


        @app.get("/news")
        async def stream():
            headers = {"Content-Type": "text/event-stream"}  # QP109
            return await make_response(news(), headers)
    """,
    right="""
        from quart import Quart, make_response

        app = Quart(__name__)


        async def news():
            yield b"data: hello\\n\\n"


        @app.get("/news")
        async def stream():
            headers = {"Content-Type": "text/event-stream"}
            response = await make_response(news(), headers)
            response.timeout = None
            return response
    """,
)
def event_stream_timeout(module: Module) -> Found:
    """Quart ends every response after RESPONSE_TIMEOUT seconds: 0.22 cuts the
    connection, 0.23 leaves the client waiting."""
    if "RESPONSE_TIMEOUT" in module.text:
        return
    for node in module.nodes(ast.Constant):
        if not isinstance(node.value, str) or "text/event-stream" not in node.value:
            continue
        function = module.function(node)
        if function not in module.views or module.within(node, ast.Compare):
            continue
        stores = (
            part for part in ast.walk(function) if isinstance(part, ast.Attribute)
        )
        if any(part.attr == "timeout" for part in stores):
            continue
        if is_content_type(module, node):
            yield node, ""


def is_content_type(module: Module, node: ast.Constant) -> bool:
    match module.parent(node):
        case ast.Dict(keys=keys, values=values) if node in values:
            key = keys[values.index(node)]
            return isinstance(key, ast.Constant) and str(key.value).lower() == (
                "content-type"
            )
        case ast.keyword(arg="content_type" | "mimetype"):
            return True
        case ast.Assign(targets=[ast.Attribute(attr="content_type" | "mimetype")]):
            return True
        case ast.Assign(targets=[ast.Subscript(slice=ast.Constant(value=str(key)))]):
            return key.lower() == "content-type"
    return False


@rule(
    "QP110",
    "stream-without-context",
    "`{}` is gone when Quart runs this generator (RuntimeError after the 200); "
    "decorate it with `@stream_with_context` or pass the values",
    page="background_tasks",
    wrong="""
        from quart import Quart, request

        app = Quart(__name__)


        @app.get("/lines")
        async def lines():
            async def generate():
                for word in request.args.getlist("word"):  # QP110
                    yield f"{word}\\n"

            return generate()
    """,
    right="""
        from quart import Quart, request, stream_with_context

        app = Quart(__name__)


        @app.get("/lines")
        async def lines():
            @stream_with_context
            async def generate():
                for word in request.args.getlist("word"):
                    yield f"{word}\\n"

            return generate()
    """,
)
def stream_without_context(module: Module) -> Found:
    """The body is sent after the view has returned and its contexts were popped."""
    for call in module.nodes(ast.Call):
        function = module.local_function(call.func)
        if function is None or function.decorator_list or not streamed(module, call):
            continue
        body = [*module.body(function)]
        if any(isinstance(node, ast.Yield | ast.YieldFrom) for node in body):
            for node in body:
                if isinstance(node, ast.Name) and module.name(node) in CONTEXT_PROXIES:
                    yield node, node.id
                    break


def streamed(module: Module, call: ast.Call) -> bool:
    """Whether a view answers with what the call returns."""
    parent = module.parent(call)
    if isinstance(parent, ast.Tuple):
        parent = module.parent(parent)
    match parent:
        case ast.Return():
            return module.function(parent) in module.views
        case ast.Call(func=func, args=[first, *_]) if first is call:
            return module.name(func) in {RESPONSE, "quart.make_response"}
    return False


@rule(
    "QP111",
    "after-request-returns-nothing",
    "this hook returns None instead of the response, which fails every request; end it "
    "with `return {}`",
    page="blueprints",
    wrong="""
        from quart import Quart

        app = Quart(__name__)


        @app.after_request
        async def add_header(response):  # QP111
            response.headers["X-Content-Type-Options"] = "nosniff"
    """,
    right="""
        from quart import Quart

        app = Quart(__name__)


        @app.after_request
        async def add_header(response):
            response.headers["X-Content-Type-Options"] = "nosniff"
            return response
    """,
)
def after_request_returns_nothing(module: Module) -> Found:
    """What `after_request` returns replaces the response; None has no headers, and the
    error comes too late for any error handler."""
    hooked = {
        function for function, _ in module.hooks("after_request", "after_app_request")
    }
    for function in module.functions:
        names = {module.decorator_name(node) for node in function.decorator_list}
        if function in hooked or "quart.after_this_request" in names:
            ends = [
                node
                for node in module.body(function)
                if isinstance(node, ast.Raise)
                or (isinstance(node, ast.Return) and node.value)
            ]
            arguments = [*function.args.posonlyargs, *function.args.args]
            if not ends and arguments:
                yield function, arguments[-1].arg


@rule(
    "QP112",
    "body-limit-in-view",
    "setting it here does not move the limit (still 413); set MAX_CONTENT_LENGTH or "
    "give the app a `request_class`",
    page="request_validation",
    wrong="""
        from quart import Quart, request

        app = Quart(__name__)


        @app.post("/reports")
        async def add_report():
            request.max_content_length = 100_000_000  # QP112
            return {"size": len(await request.get_data())}
    """,
    right="""
        from quart import Quart, request

        app = Quart(__name__)
        app.config["MAX_CONTENT_LENGTH"] = 100_000_000


        @app.post("/reports")
        async def add_report():
            return {"size": len(await request.get_data())}
    """,
)
def body_limit_in_view(module: Module) -> Found:
    """Flask reads the attribute when the body is read; Quart has passed the limit to
    the body before the view starts."""
    for node in module.nodes(ast.Attribute):
        if (
            isinstance(node.ctx, ast.Store)
            and module.name(node) == "quart.request.max_content_length"
        ):
            yield node, ""


@rule(
    "QP113",
    "sync-decorator-around-view",
    "this wrapper returns the coroutine of an async view, which answers 500; make it "
    "`async def` and await `current_app.ensure_async({})(...)`",
    page="blueprints",
    wrong="""
        from functools import wraps

        from quart import Quart

        app = Quart(__name__)


        def logged(view):
            @wraps(view)
            def wrapper(*args, **kwargs):  # QP113
                return view(*args, **kwargs)

            return wrapper


        @app.get("/")
        @logged
        async def index():
            return "hello"
    """,
    right="""
        from functools import wraps

        from quart import Quart, current_app

        app = Quart(__name__)


        def logged(view):
            @wraps(view)
            async def wrapper(*args, **kwargs):
                return await current_app.ensure_async(view)(*args, **kwargs)

            return wrapper


        @app.get("/")
        @logged
        async def index():
            return "hello"
    """,
)
def sync_decorator_around_view(module: Module) -> Found:
    """Quart runs a plain function in a thread and takes what it returns as the
    response, and a coroutine is none."""
    reported = set()
    for route in module.routes:
        if isinstance(route.function, ast.FunctionDef):
            continue
        for decorator in route.function.decorator_list:
            func = decorator.func if isinstance(decorator, ast.Call) else decorator
            maker = module.local_function(func)
            if maker is None or maker in reported:
                continue
            reported.add(maker)
            yield from sync_wrappers(module, maker)


def sync_wrappers(module: Module, maker: Function) -> Found:
    """Plain functions inside a decorator that return a call of what it decorates."""
    inner = [node for node in ast.walk(maker) if node is not maker]
    if any(isinstance(node, ast.AsyncFunctionDef) for node in inner):
        return
    if any(isinstance(node, ast.Attribute) and node.attr in ADAPTERS for node in inner):
        return
    for node in inner:
        match node:
            case ast.Return(value=ast.Call(func=ast.Name() as called)):
                wrapper = module.function(node)
                bound = [*map(type, module.bindings(called))]
                if (
                    isinstance(wrapper, ast.FunctionDef)
                    and wrapper is not maker
                    and bound == [ast.arg]
                    and called.id not in parameters(wrapper)
                ):
                    yield wrapper, called.id


def parameters(function: Function | ast.Lambda) -> set[str]:
    spec = function.args
    named = [*spec.posonlyargs, *spec.args, *spec.kwonlyargs]
    return {arg.arg for arg in [*named, spec.vararg, spec.kwarg] if arg}


@rule(
    "QP114",
    "decorator-above-route",
    "`{}` stands above the route, so the app serves the view without it; move it below",
    page="request_validation",
    wrong="""
        from quart import Quart
        from quart_auth import login_required

        app = Quart(__name__)


        @login_required  # QP114
        @app.get("/notes")
        async def notes():
            return {"notes": []}
    """,
    right="""
        from quart import Quart
        from quart_auth import login_required

        app = Quart(__name__)


        @app.get("/notes")
        @login_required
        async def notes():
            return {"notes": []}
    """,
)
def decorator_above_route(module: Module) -> Found:
    """The route registers the function it is given. What wraps it afterwards, such as
    a login check or a validation, never runs, and nothing says so."""
    for route in module.routes:
        decorators = route.function.decorator_list
        if route.call not in decorators:
            continue
        for decorator in decorators[: decorators.index(route.call)]:
            func = decorator.func if isinstance(decorator, ast.Call) else decorator
            maker = module.local_function(func)
            name = module.name(func)
            if name.startswith(WRAPPING) or (maker and wraps(maker)):
                yield decorator, ast.unparse(func).rpartition(".")[2]


def wraps(maker: Function) -> bool:
    """Whether a decorator returns a function of its own."""
    own = {
        node.name
        for node in ast.walk(maker)
        if isinstance(node, ast.FunctionDef | ast.AsyncFunctionDef)
        and node is not maker
    }
    return any(
        isinstance(node, ast.Return)
        and isinstance(node.value, ast.Name)
        and node.value.id in own
        for node in ast.walk(maker)
    )


@rule(
    "QP115",
    "validated-argument-missing",
    "the validated value is passed as `{}`, which this handler does not take "
    "(TypeError on every request); add the parameter",
    page="request_validation",
    wrong="""
        from dataclasses import dataclass

        from quart import Quart
        from quart_schema import validate_request

        app = Quart(__name__)


        @dataclass
        class Note:
            text: str


        @app.post("/notes")
        @validate_request(Note)
        async def add_note(note: Note):  # QP115
            return {"text": note.text}
    """,
    right="""
        from dataclasses import dataclass

        from quart import Quart
        from quart_schema import validate_request

        app = Quart(__name__)


        @dataclass
        class Note:
            text: str


        @app.post("/notes")
        @validate_request(Note)
        async def add_note(data: Note):
            return {"text": data.text}
    """,
)
def validated_argument_missing(module: Module) -> Found:
    """quart-schema passes by keyword: `data`, `query_args`, `headers`."""
    for function in module.functions:
        names = [module.decorator_name(node) for node in function.decorator_list]
        for position, name in enumerate(names):
            wanted = VALIDATED.get(name)
            below = names[position:]
            if (
                wanted
                and all(each.startswith("quart_schema.") for each in below)
                and not function.args.kwarg
                and wanted not in parameters(function)
            ):
                yield function, wanted


@rule(
    "QP116",
    "nested-session-change",
    "changing what the session holds does not save it; assign it anew or set "
    "`session.modified = True`",
    page="configuration",
    wrong="""
        from quart import Quart, session

        app = Quart(__name__)


        @app.post("/cart/<int:book>")
        async def add(book: int):
            session["cart"].append(book)  # QP116
            return {"cart": session["cart"]}
    """,
    right="""
        from quart import Quart, session

        app = Quart(__name__)


        @app.post("/cart/<int:book>")
        async def add(book: int):
            session["cart"] = [*session["cart"], book]
            return {"cart": session["cart"]}
    """,
)
def nested_session_change(module: Module) -> Found:
    """The session notices changes of its own keys only, so the cookie is not sent and
    the second change is lost."""
    if "session" not in module.text:
        return
    for call in module.nodes(ast.Call):
        match call.func:
            case ast.Attribute(value=held, attr=attr) if attr in MUTATORS:
                if in_session(module, held) and not saved(module, call):
                    yield call, ""
    for item in module.nodes(ast.Subscript):
        if (
            not isinstance(item.ctx, ast.Load)
            and in_session(module, item.value)
            and not saved(module, item)
        ):
            yield item, ""


def in_session(module: Module, node: ast.AST) -> bool:
    match node:
        case ast.Subscript(value=owner):
            return module.name(owner) == "quart.session" or in_session(module, owner)
        case ast.Call(func=ast.Attribute(value=owner, attr="get" | "setdefault")):
            return module.name(owner) == "quart.session" or in_session(module, owner)
    return False


def saved(module: Module, node: ast.AST) -> bool:
    """Whether the function assigns the session or marks it as changed."""
    function = module.function(node)
    for part in ast.walk(function or module.tree):
        match part:
            case ast.Attribute(attr="modified") if module.name(part.value) == SESSION:
                return True
            case ast.Subscript(value=owner, ctx=ast.Store()):
                if module.name(owner) == SESSION:
                    return True
    return False


@rule(
    "QP117",
    "unchecked-json-body",
    "without a JSON content type this is None, and reading it answers 500, not 400; "
    "validate the body with a model",
    page="request_validation",
    wrong="""
        from quart import Quart, request

        app = Quart(__name__)


        @app.post("/notes")
        async def add_note():
            body = await request.get_json()
            return {"text": body["text"]}  # QP117
    """,
    right="""
        from pydantic import BaseModel
        from quart import Quart
        from quart_schema import validate_request

        app = Quart(__name__)


        class Note(BaseModel):
            text: str


        @app.post("/notes")
        @validate_request(Note)
        async def add_note(data: Note):
            return {"text": data.text}
    """,
)
def unchecked_json_body(module: Module) -> Found:
    """Flask answers 415 when the content type is not JSON; Quart's `get_json()` gives
    None. A list or a missing key is 500 as well."""
    for node in module.nodes(ast.Await):
        if module.function(node) not in module.views or not is_json_body(module, node):
            continue
        parent = module.parent(node)
        uses: list[ast.AST] = [node]
        if isinstance(parent, ast.Assign) and isinstance(parent.targets[0], ast.Name):
            uses = [*module.uses(parent.targets[0])]
        if module.within(node, *TRIES) or any(module.within(u, *TRIES) for u in uses):
            continue
        read = [use for use in uses if is_read(module, use)]
        if read and len(read) == len(uses):
            yield read[0], ""


def is_json_body(module: Module, node: ast.Await) -> bool:
    match node.value:
        case ast.Call(func=func, args=[], keywords=[]):
            return module.name(func) == "quart.request.get_json"
        case ast.Attribute():
            return module.name(node.value) == "quart.request.json"
    return False


def is_read(module: Module, node: ast.AST) -> bool:
    match module.parent(node):
        case ast.Subscript(value=value):
            return value is node
        case ast.Attribute():
            return True
    return False


@rule(
    "QP118",
    "view-returns-nothing",
    "the view returns None, which is no response: TypeError and a 500; return a body, "
    'or `"", 204`',
    page="blueprints",
    wrong="""
        from quart import Quart

        app = Quart(__name__)
        notes: list[str] = []


        @app.delete("/notes")
        async def clear():  # QP118
            notes[:] = []
    """,
    right="""
        from quart import Quart

        app = Quart(__name__)
        notes: list[str] = []


        @app.delete("/notes")
        async def clear():
            notes[:] = []
            return "", 204
    """,
)
def view_returns_nothing(module: Module) -> Found:
    """`The view function did not return a valid response`."""
    if module.is_test:
        return
    for route in module.routes:
        function = route.function
        if route.is_websocket or len(function.decorator_list) > 1:
            continue
        answers = any(
            isinstance(node, ast.Raise | ast.Yield | ast.YieldFrom)
            or (isinstance(node, ast.Return) and node.value)
            for node in module.body(function)
        )
        if not answers and falls_off(function.body[-1]):
            yield function, ""


def falls_off(last: ast.stmt) -> bool:
    """Whether a body ends here: not in a call that may raise, nor in a stub."""
    match last:
        case ast.Expr(value=ast.Call() | ast.Constant(value=builtins.Ellipsis)):
            return False
    return isinstance(
        last, ast.Expr | ast.Pass | ast.Return | ast.Assign | ast.AugAssign
    )


@rule(
    "QP119",
    "list-in-query",
    "`?{}=a` alone is no list for quart-schema and answers 400; turn one value into a "
    "list with a BeforeValidator",
    page="request_validation",
    wrong="""
        from pydantic import BaseModel
        from quart import Quart
        from quart_schema import validate_querystring

        app = Quart(__name__)


        class Query(BaseModel):
            tag: list[str] = []  # QP119


        @app.get("/notes")
        @validate_querystring(Query)
        async def notes(query_args: Query):
            return {"tags": query_args.tag}
    """,
    right="""
        from typing import Annotated

        from pydantic import BaseModel, BeforeValidator
        from quart import Quart
        from quart_schema import validate_querystring

        app = Quart(__name__)


        def listed(value: object) -> object:
            return value if isinstance(value, list) else [value]


        class Query(BaseModel):
            tag: Annotated[list[str], BeforeValidator(listed)] = []


        @app.get("/notes")
        @validate_querystring(Query)
        async def notes(query_args: Query):
            return {"tags": query_args.tag}
    """,
)
def list_in_query(module: Module) -> Found:
    """Two values, or the name with `[]`, are taken as a list; one is not (0.25)."""
    for call in module.nodes(ast.Call):
        if module.name(call.func) != "quart_schema.validate_querystring":
            continue
        model = module.local_class(call.args[0] if call.args else None)
        if model is None or any(isinstance(line, FUNCTIONS) for line in model.body):
            continue
        for line in model.body:
            match line:
                case ast.AnnAssign(
                    target=ast.Name(id=name), annotation=ast.Subscript(value=kind)
                ) if module.name(kind) in LISTS:
                    yield line, name


@rule(
    "QP120",
    "json-provider-replaced",
    "QuartSchema puts its own JSON provider in place of this one; set `{}` after it",
    page="request_validation",
    wrong="""
        from quart import Quart
        from quart.json.provider import DefaultJSONProvider
        from quart_schema import QuartSchema


        class UnsortedJSON(DefaultJSONProvider):
            sort_keys = False


        def create_app() -> Quart:
            app = Quart(__name__)
            app.json = UnsortedJSON(app)  # QP120
            QuartSchema(app)
            return app
    """,
    right="""
        from quart import Quart
        from quart_schema import QuartSchema


        def create_app() -> Quart:
            app = Quart(__name__)
            QuartSchema(app)
            app.json.sort_keys = False
            return app
    """,
)
def json_provider_replaced(module: Module) -> Found:
    """Its provider knows pydantic models and writes ISO dates; yours is gone without a
    word."""
    schemas = [
        call
        for call in module.nodes(ast.Call)
        if module.name(call.func) == "quart_schema.QuartSchema" and call.args
    ]
    for target, _ in module.assignments:
        match target:
            case ast.Attribute(value=app, attr="json") if module.is_app(app):
                for call in schemas:
                    if (
                        module.function(call) is module.function(target)
                        and call.lineno > target.lineno
                    ):
                        yield target, ast.unparse(target)
                        break
