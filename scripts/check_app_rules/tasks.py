"""QP7xx: background tasks, threads and what stops the event loop."""

import ast
from collections.abc import Iterator

from .awaiting import misused
from .module import FUNCTIONS, TRIES, Module
from .requests import from_files
from .rule import Found, rule

HASHING = {
    "bcrypt.checkpw",
    "bcrypt.hashpw",
    "hashlib.pbkdf2_hmac",
    "hashlib.scrypt",
    "werkzeug.security.check_password_hash",
    "werkzeug.security.generate_password_hash",
}
HASHERS = {
    "argon2.PasswordHasher",
    "passlib.context.CryptContext",
    "pwdlib.PasswordHash",
}
BLOCKING = {
    "MySQLdb.connect",
    "ftplib.FTP",
    "imaplib.IMAP4",
    "imaplib.IMAP4_SSL",
    "mysql.connector.connect",
    "psycopg.connect",
    "psycopg2.connect",
    "pymysql.connect",
    "smtplib.SMTP",
    "smtplib.SMTP_SSL",
    "sqlite3.connect",
    "sqlite3.dbapi2.connect",
    *(
        f"httpx2.{verb}"
        for verb in ("delete", "get", "patch", "post", "put", "request")
    ),
}
LIMITS = {"asyncio.BoundedSemaphore", "asyncio.Lock", "asyncio.Semaphore"}
PASSING = {"asyncio.to_thread", "quart.utils.run_sync"}


@rule(
    "QP701",
    "password-hash-blocks",
    "`{}` works for 100 ms and more, and every client waits; "
    "`await asyncio.to_thread({}, ...)`",
    page="background_tasks",
    wrong="""
        from quart import Quart, request
        from werkzeug.security import generate_password_hash

        app = Quart(__name__)


        @app.post("/members")
        async def add_member():
            password = (await request.form)["password"]
            return {"hash": generate_password_hash(password)}  # QP701
    """,
    right="""
        import asyncio

        from quart import Quart, request
        from werkzeug.security import generate_password_hash

        app = Quart(__name__)


        @app.post("/members")
        async def add_member():
            password = (await request.form)["password"]
            return {"hash": await asyncio.to_thread(generate_password_hash, password)}
    """,
)
def password_hash_blocks(module: Module) -> Found:
    """Slow is what these functions are for. A plain function that an `async def` of
    the same module calls is looked into."""
    for call in module.nodes(ast.Call):
        name = module.name(call.func)
        if name in HASHING:
            found = name
        elif isinstance(call.func, ast.Attribute) and hashes(module, call.func):
            found = ast.unparse(call.func)
        else:
            continue
        if module.runs_in_loop(call) and not module.is_test:
            yield call, found.rpartition(".")[2] if name else found


def hashes(module: Module, func: ast.Attribute) -> bool:
    verbs = {"hash", "verify", "verify_and_update"}
    return func.attr in verbs and module.kind(func.value) in HASHERS


@rule(
    "QP702",
    "blocking-client",
    "`{}` blocks the event loop; use an asyncio library, or run the function with "
    "`asyncio.to_thread`",
    page="background_tasks",
    wrong="""
        import sqlite3

        from quart import Quart

        app = Quart(__name__)


        @app.get("/notes")
        async def notes():
            with sqlite3.connect("notes.db") as database:  # QP702
                return {"notes": database.execute("select text from note").fetchall()}
    """,
    right="""
        import sqlite3

        from quart import Quart

        app = Quart(__name__)


        @app.get("/notes")
        def notes():
            with sqlite3.connect("notes.db") as database:
                return {"notes": database.execute("select text from note").fetchall()}
    """,
)
def blocking_client(module: Module) -> Found:
    """While it waits for the other side, no other request, websocket or health check
    of this worker is served. Quart runs plain `def` views in threads."""
    if module.is_test:
        return
    for call in module.nodes(ast.Call):
        name = module.name(call.func)
        func = call.func
        on_redis = isinstance(func, ast.Attribute) and (
            module.kind(func.value) == "redis.Redis"
        )
        if (name in BLOCKING or on_redis) and module.runs_in_loop(call):
            yield call, name or ast.unparse(func)


@rule(
    "QP703",
    "celery-publish-blocks",
    "`{}` talks to the broker while the event loop waits (seconds when it is down); "
    "`await asyncio.to_thread(...)`",
    page="background_tasks",
    wrong="""
        from quart import Quart

        from .jobs import send_report

        app = Quart(__name__)


        @app.post("/reports")
        async def order_report():
            send_report.delay("ada@example.com")  # QP703
            return "", 202
    """,
    right="""
        import asyncio

        from quart import Quart

        from .jobs import send_report

        app = Quart(__name__)


        @app.post("/reports")
        async def order_report():
            await asyncio.to_thread(send_report.delay, "ada@example.com")
            return "", 202
    """,
)
def celery_publish_blocks(module: Module) -> Found:
    """Celery's client is synchronous; the first call in a process also connects."""
    for call in module.nodes(ast.Call):
        match call.func:
            case ast.Attribute(attr="delay" | "apply_async" as attr):
                awaited = isinstance(module.parent(call), ast.Await)
                if not awaited and module.runs_in_loop(call) and not module.is_test:
                    yield call, attr


@rule(
    "QP704",
    "loop-in-loop",
    "`{}` starts an event loop, which RuntimeError forbids inside `async def`; await "
    "the coroutine, or `app.run_task()`",
    page="lifespan",
    wrong="""
        import asyncio

        from quart import Quart

        app = Quart(__name__)


        async def count() -> int:
            return 7


        @app.get("/notes")
        async def notes():
            return {"notes": asyncio.run(count())}  # QP704
    """,
    right="""
        from quart import Quart

        app = Quart(__name__)


        async def count() -> int:
            return 7


        @app.get("/notes")
        async def notes():
            return {"notes": await count()}
    """,
)
def loop_in_loop(module: Module) -> Found:
    """A thread runs one event loop at a time."""
    for call in module.nodes(ast.Call):
        if not isinstance(module.function(call), ast.AsyncFunctionDef):
            continue
        match call.func:
            case ast.Attribute(value=owner, attr="run") if module.is_app(owner):
                yield call, ast.unparse(call.func)
            case ast.Attribute(attr="run_until_complete"):
                yield call, "run_until_complete"
            case func if module.name(func) == "asyncio.run":
                yield call, "asyncio.run"


@rule(
    "QP705",
    "called-instead-of-passed",
    "`{}` is called here and its result passed on (TypeError in the task); pass the "
    "function and its arguments",
    page="background_tasks",
    wrong="""
        from quart import Quart

        app = Quart(__name__)


        async def send_mail(address: str) -> None:
            print(address)


        @app.post("/members")
        async def add_member():
            app.add_background_task(send_mail("ada@example.com"))  # QP705
            return "", 202
    """,
    right="""
        from quart import Quart

        app = Quart(__name__)


        async def send_mail(address: str) -> None:
            print(address)


        @app.post("/members")
        async def add_member():
            app.add_background_task(send_mail, "ada@example.com")
            return "", 202
    """,
)
def called_instead_of_passed(module: Module) -> Found:
    """`add_background_task`, `run_sync` and `to_thread` take a function. With a call,
    the work is done in the event loop, or is a coroutine that nothing awaits."""
    for call in module.nodes(ast.Call):
        match call:
            case ast.Call(
                func=ast.Attribute(attr="add_background_task"),
                args=[ast.Call() as given, *_],
            ):
                function = module.local_function(given.func)
                wrong = isinstance(function, ast.AsyncFunctionDef)
            case ast.Call(func=func, args=[ast.Call() as given, *_]) if (
                module.name(func) in PASSING
            ):
                wrong = gives_no_function(module, given)
            case _:
                continue
        if wrong:
            yield given, ast.unparse(given.func)


def gives_no_function(module: Module, call: ast.Call) -> bool:
    """A call of something known that does not look like it makes a function."""
    if function := module.local_function(call.func):
        inner = (node for node in ast.walk(function) if node is not function)
        makes = any(isinstance(node, (*FUNCTIONS, ast.Lambda)) for node in inner)
        return (not makes and function.returns is None) or is_data(function.returns)
    return module.name(call.func) in HASHING


def is_data(annotation: ast.expr | None) -> bool:
    match annotation:
        case ast.Constant(value=None):
            return True
        case ast.Name(id="str" | "bytes" | "int" | "float" | "bool" | "dict" | "list"):
            return True
    return False


@rule(
    "QP706",
    "awaited-background-task",
    "`add_background_task` is not a coroutine: awaiting it raises TypeError; drop the "
    "`await`",
    page="background_tasks",
    wrong="""
        from quart import Quart

        app = Quart(__name__)


        async def send_mail(address: str) -> None:
            print(address)


        @app.post("/members")
        async def add_member():
            await app.add_background_task(send_mail, "ada@example.com")  # QP706
            return "", 202
    """,
    right="""
        from quart import Quart

        app = Quart(__name__)


        async def send_mail(address: str) -> None:
            print(address)


        @app.post("/members")
        async def add_member():
            app.add_background_task(send_mail, "ada@example.com")
            return "", 202
    """,
)
def awaited_background_task(module: Module) -> Found:
    """The task has been started by then, so the work is done and the client gets
    500."""
    for node in module.nodes(ast.Await):
        match node.value:
            case ast.Call(func=ast.Attribute(value=owner, attr="add_background_task")):
                if module.is_app(owner):
                    yield node, ""


@rule(
    "QP707",
    "run-sync-misused",
    "`run_sync(f)` gives an async function: write `await run_sync(f)(...)`",
    page="background_tasks",
    wrong="""
        from quart import Quart
        from quart.utils import run_sync

        app = Quart(__name__)


        def count() -> int:
            return 7


        @app.get("/notes")
        async def notes():
            return {"notes": await run_sync(count)}  # QP707
    """,
    right="""
        from quart import Quart
        from quart.utils import run_sync

        app = Quart(__name__)


        def count() -> int:
            return 7


        @app.get("/notes")
        async def notes():
            return {"notes": await run_sync(count)()}
    """,
)
def run_sync_misused(module: Module) -> Found:
    """`asyncio.to_thread(f, ...)` does the same in one call."""
    for call in module.nodes(ast.Call):
        if module.name(call.func) == "quart.utils.run_sync":
            outer = module.parent(call)
            if isinstance(outer, ast.Await) or (
                isinstance(outer, ast.Call)
                and outer.func is call
                and misused(module, outer)
            ):
                yield outer, ""


@rule(
    "QP708",
    "upload-in-background-task",
    "the upload is closed when the request ends (`read of closed file`); read or save "
    "it first",
    page="background_tasks",
    wrong="""
        from quart import Quart, request

        app = Quart(__name__)


        async def count_lines(report) -> None:
            print(report.read().count(b"."))


        @app.post("/reports")
        async def add_report():
            report = (await request.files)["report"]
            app.add_background_task(count_lines, report)  # QP708
            return "", 202
    """,
    right="""
        from quart import Quart, request

        app = Quart(__name__)


        async def count_lines(report: bytes) -> None:
            print(report.count(b"."))


        @app.post("/reports")
        async def add_report():
            report = (await request.files)["report"].read()
            app.add_background_task(count_lines, report)
            return "", 202
    """,
)
def upload_in_background_task(module: Module) -> Found:
    """Quart closes the files of a request together with it."""
    for call in module.nodes(ast.Call):
        match call.func:
            case ast.Attribute(attr="add_background_task"):
                for given in call.args[1:]:
                    if is_upload(module, given):
                        yield given, ""


def is_upload(module: Module, node: ast.expr) -> bool:
    match module.assigned(node) or node:
        case ast.Subscript(value=files):
            return from_files(module, files)
        case ast.Call(func=ast.Attribute(value=files, attr="get")):
            return from_files(module, files)
    return False


@rule(
    "QP709",
    "endless-background-task",
    "`{}` never ends, so each shutdown waits BACKGROUND_TASK_SHUTDOWN_TIMEOUT for it; "
    "start it in `while_serving` and cancel it there",
    page="background_tasks",
    wrong="""
        import asyncio

        from quart import Quart

        app = Quart(__name__)


        async def tick() -> None:
            while True:
                try:
                    print("tick")
                except OSError:
                    app.logger.exception("no tick")
                await asyncio.sleep(60)


        @app.before_serving
        async def start() -> None:
            app.add_background_task(tick)  # QP709
    """,
    right="""
        import asyncio

        from quart import Quart

        app = Quart(__name__)


        async def tick() -> None:
            while True:
                try:
                    print("tick")
                except OSError:
                    app.logger.exception("no tick")
                await asyncio.sleep(60)


        @app.while_serving
        async def clock():
            task = asyncio.create_task(tick())
            try:
                yield
            finally:
                task.cancel()
    """,
)
def endless_background_task(module: Module) -> Found:
    """Background tasks are what a shutdown waits for, five seconds by default, before
    it cancels them."""
    for call in module.nodes(ast.Call):
        match call:
            case ast.Call(
                func=ast.Attribute(attr="add_background_task"), args=[given, *_]
            ):
                task = module.local_function(given)
                if task and any(map(is_endless, module.body(task))):
                    yield call, task.name


def is_endless(node: ast.AST) -> bool:
    """A `while True` with no way out but an error."""
    leaves = (ast.Break, ast.Return, ast.Raise)
    return (
        isinstance(node, ast.While)
        and isinstance(node.test, ast.Constant)
        and bool(node.test.value)
        and not any(isinstance(part, leaves) for part in ast.walk(node))
    )


@rule(
    "QP710",
    "unguarded-period",
    "the first error ends `{}` for good, and nobody notices; catch and log inside the "
    "loop",
    page="background_tasks",
    wrong="""
        import asyncio

        from quart import Quart

        app = Quart(__name__)


        async def send_digest() -> None:
            print("digest")


        async def every_hour() -> None:
            while True:
                await asyncio.sleep(3600)
                await send_digest()  # QP710


        @app.while_serving
        async def clock():
            task = asyncio.create_task(every_hour())
            try:
                yield
            finally:
                task.cancel()
    """,
    right="""
        import asyncio

        from quart import Quart

        app = Quart(__name__)


        async def send_digest() -> None:
            print("digest")


        async def every_hour() -> None:
            while True:
                await asyncio.sleep(3600)
                try:
                    await send_digest()
                except Exception:
                    app.logger.exception("no digest")


        @app.while_serving
        async def clock():
            task = asyncio.create_task(every_hour())
            try:
                yield
            finally:
                task.cancel()
    """,
)
def unguarded_period(module: Module) -> Found:
    """A task of `create_task` keeps its error until someone asks for the result, and an
    endless task nobody asks."""
    reported = set()
    for call in module.nodes(ast.Call):
        task = started(module, call)
        if task is None or task in reported or module.is_test:
            continue
        reported.add(task)
        for loop in filter(is_endless, module.body(task)):
            work = list(unguarded_work(module, loop))
            if work and sleeps(module, loop):
                yield work[0], task.name


def started(module: Module, call: ast.Call) -> ast.AsyncFunctionDef | None:
    """The coroutine function of this module that the call makes a task of."""
    found = None
    match call:
        case ast.Call(func=ast.Attribute(attr="add_background_task"), args=[task, *_]):
            found = module.local_function(task)
        case ast.Call(func=func, args=[ast.Call(func=task), *_]):
            if module.name(func) in {"asyncio.create_task", "asyncio.ensure_future"}:
                found = module.local_function(task)
    return found if isinstance(found, ast.AsyncFunctionDef) else None


def sleeps(module: Module, loop: ast.AST) -> bool:
    return any(
        isinstance(node, ast.Call) and module.name(node.func) == "asyncio.sleep"
        for node in ast.walk(loop)
    )


def unguarded_work(module: Module, loop: ast.AST) -> Iterator[ast.Await]:
    """What the loop awaits besides sleeping, outside any `try` or `with`."""
    for node in ast.walk(loop):
        if isinstance(node, ast.Await) and not module.within(
            node, *TRIES, ast.With, ast.AsyncWith
        ):
            name = module.name(getattr(node.value, "func", None))
            if not name.startswith(("asyncio.", "quart.websocket.")):
                yield node


@rule(
    "QP711",
    "signal-to-local-function",
    "signals hold receivers weakly, and `{}` is gone when this function returns; pass "
    "weak=False",
    page="background_tasks",
    wrong="""
        from quart import Quart
        from quart.signals import got_background_exception


        def create_app() -> Quart:
            app = Quart(__name__)

            async def report(app: Quart, exception: Exception) -> None:
                print(exception)

            got_background_exception.connect(report, app)  # QP711
            return app
    """,
    right="""
        from quart import Quart
        from quart.signals import got_background_exception


        def create_app() -> Quart:
            app = Quart(__name__)

            async def report(app: Quart, exception: Exception) -> None:
                print(exception)

            got_background_exception.connect(report, app, weak=False)
            return app
    """,
)
def signal_to_local_function(module: Module) -> Found:
    """The receiver is never called, and nothing says so."""
    for call in module.nodes(ast.Call):
        match call:
            case ast.Call(
                func=ast.Attribute(value=signal, attr="connect"), args=[given, *_]
            ):
                receiver = module.local_function(given)
                place = module.function(call)
                if (
                    module.name(signal).startswith("quart.")
                    and receiver
                    and isinstance(place, ast.FunctionDef)
                    and module.function(receiver) is place
                    and not any(each.arg == "weak" for each in call.keywords)
                    and len([*module.reads(receiver)]) == 1
                ):
                    yield call, receiver.name


@rule(
    "QP712",
    "error-without-traceback",
    "Quart logs a failed task with its traceback; caught and logged by `{}()`, that is "
    "lost: use `exception()`, or do not catch",
    page="background_tasks",
    wrong="""
        import logging

        from quart import Quart

        app = Quart(__name__)
        log = logging.getLogger(__name__)


        async def send_mail(address: str) -> None:
            try:
                print(address)
            except Exception as error:
                log.error(f"no mail: {error}")  # QP712


        @app.post("/members")
        async def add_member():
            app.add_background_task(send_mail, "ada@example.com")
            return "", 202
    """,
    right="""
        import logging

        from quart import Quart

        app = Quart(__name__)
        log = logging.getLogger(__name__)


        async def send_mail(address: str) -> None:
            try:
                print(address)
            except Exception:
                log.exception("no mail to %s", address)


        @app.post("/members")
        async def add_member():
            app.add_background_task(send_mail, "ada@example.com")
            return "", 202
    """,
)
def error_without_traceback(module: Module) -> Found:
    """Nothing else knows where a task failed: it has no request and no client."""
    tasks = {
        module.local_function(call.args[0])
        for call in module.nodes(ast.Call)
        if call.args and getattr(call.func, "attr", "") == "add_background_task"
    } - {None}
    for handler in module.nodes(ast.ExceptHandler):
        if (
            module.function(handler) in tasks
            and module.name(handler.type) == "builtins.Exception"
        ):
            for node in ast.walk(handler):
                match node:
                    case ast.Call(func=ast.Attribute(attr="error" as attr)):
                        if tells(node, handler.name):
                            yield node, attr


def tells(call: ast.Call, error: str | None) -> bool:
    """Whether a call of the log has the error's text and not its traceback."""
    named = any(isinstance(one, ast.Name) and one.id == error for one in ast.walk(call))
    return named and not any(given.arg == "exc_info" for given in call.keywords)


@rule(
    "QP713",
    "threads-in-task-group",
    "when one part fails the group cancels the rest, but their threads go on after "
    "`{}` is free again; wait for all with `gather(..., return_exceptions=True)`",
    page="background_tasks",
    wrong="""
        import asyncio

        from quart import Quart

        app = Quart(__name__)
        slots = asyncio.Semaphore(2)


        def render(part: str) -> None:
            print(part)


        async def write() -> None:
            async with slots, asyncio.TaskGroup() as group:
                for part in ("payments", "visits"):
                    group.create_task(asyncio.to_thread(render, part))  # QP713
    """,
    right="""
        import asyncio

        from quart import Quart

        app = Quart(__name__)
        slots = asyncio.Semaphore(2)


        def render(part: str) -> None:
            print(part)


        async def write() -> None:
            async with slots:
                parts = ("payments", "visits")
                work = (asyncio.to_thread(render, part) for part in parts)
                await asyncio.gather(*work, return_exceptions=True)
    """,
)
def threads_in_task_group(module: Module) -> Found:
    """A thread cannot be cancelled, so more of them run than the semaphore allows."""
    for call in module.nodes(ast.Call):
        match call:
            case ast.Call(
                func=ast.Attribute(value=group, attr="create_task"),
                args=[ast.Call(func=work), *_],
            ) if module.kind(group) == "asyncio.TaskGroup":
                if module.name(work) == "asyncio.to_thread":
                    for held in held_around(module, call):
                        yield call, held


def held_around(module: Module, node: ast.AST) -> Iterator[str]:
    """The semaphores that are held while `node` runs."""
    for block in module.ancestors(node):
        for item in block.items if isinstance(block, ast.AsyncWith) else ():
            if module.kind(item.context_expr) in LIMITS:
                yield ast.unparse(item.context_expr)
