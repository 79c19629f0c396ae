"""QP4xx: SQLAlchemy's asyncio side and what else is bound to an event loop."""

import ast
from collections.abc import Iterator

from .awaiting import misused
from .module import ASYNC_CONNECTION, ASYNC_ENGINE, ASYNC_SESSION, Module, argument
from .rule import Found, rule

ENGINES = {ASYNC_ENGINE, "sqlalchemy.ext.asyncio.AsyncEngine"}
LOOP_BOUND = {
    ASYNC_ENGINE,
    "aiohttp.ClientSession",
    "asyncpg.create_pool",
    "sqlalchemy.ext.asyncio.async_engine_from_config",
}
SESSION_METHODS = {
    "close",
    "commit",
    "delete",
    "execute",
    "flush",
    "get",
    "get_one",
    "merge",
    "refresh",
    "rollback",
    "scalar",
    "scalars",
    "stream",
    "stream_scalars",
}
SYNC_DRIVERS = (
    "mysql://",
    "mysql+mysqldb://",
    "mysql+pymysql://",
    "postgres://",
    "postgresql+psycopg2://",
    "sqlite://",
)
POOL_SIZES = {"max_overflow", "pool_size", "pool_timeout"}
TEARDOWN = (
    "teardown_app_request",
    "teardown_app_websocket",
    "teardown_appcontext",
    "teardown_request",
    "teardown_websocket",
)


@rule(
    "QP401",
    "engine-outside-serving",
    "made before the app serves, `{}` stays with the first event loop and is never "
    "closed; make it in `while_serving`",
    page="database_sessions",
    wrong="""
        from quart import Quart
        from sqlalchemy.ext.asyncio import create_async_engine

        app = Quart(__name__)
        engine = create_async_engine("sqlite+aiosqlite:///notes.db")  # QP401
    """,
    right="""
        from quart import Quart
        from sqlalchemy.ext.asyncio import create_async_engine

        app = Quart(__name__)


        @app.while_serving
        async def database():
            engine = create_async_engine("sqlite+aiosqlite:///notes.db")
            app.extensions["engine"] = engine
            try:
                yield
            finally:
                await engine.dispose()
    """,
)
def engine_outside_serving(module: Module) -> Found:
    """A pool hands out connections of another loop: the second test fails with
    `attached to a different loop`. The address is fixed before any configuration, so
    tests reach the development database."""
    if module.is_test or module.imports_any("alembic"):
        return
    for call in module.nodes(ast.Call):
        name = module.name(call.func)
        if name in LOOP_BOUND:
            function = module.function(call)
            in_factory = isinstance(function, ast.FunctionDef) and (
                module.builds_app(function) and ".dispose(" not in module.text
            )
            if in_factory or module.at_import(call):
                yield call, name.rpartition(".")[2]


@rule(
    "QP402",
    "shared-session",
    "one session for all requests mixes their transactions and fails when two run at "
    "once; open one in each request",
    page="database_sessions",
    wrong="""
        from quart import Quart
        from sqlalchemy.ext.asyncio import AsyncEngine, async_sessionmaker


        def create_app(engine: AsyncEngine) -> Quart:
            app = Quart(__name__)
            sessions = async_sessionmaker(engine, expire_on_commit=False)
            app.extensions["session"] = sessions()  # QP402
            return app
    """,
    right="""
        from quart import Quart
        from sqlalchemy.ext.asyncio import AsyncEngine, async_sessionmaker


        def create_app(engine: AsyncEngine) -> Quart:
            app = Quart(__name__)
            sessions = async_sessionmaker(engine, expire_on_commit=False)
            app.extensions["sessions"] = sessions
            return app
    """,
)
def shared_session(module: Module) -> Found:
    """An AsyncSession serves one task: `concurrent operations are not permitted`. What
    one request rolls back is the work of another."""
    if module.is_test or not module.imports_any("sqlalchemy.ext.asyncio"):
        return
    for target, value in module.assignments:
        if module.kind(value) == ASYNC_SESSION and (
            module.at_import(target) or kept_by_app(module, target)
        ):
            yield target, ""


def kept_by_app(module: Module, target: ast.expr) -> bool:
    match target:
        case ast.Attribute(value=owner):
            return module.is_app(owner)
        case ast.Subscript(value=ast.Attribute(value=owner)):
            return module.is_app(owner)
    return False


@rule(
    "QP403",
    "session-in-gather",
    "one session cannot work for several tasks at once (InvalidRequestError); open a "
    "session in each",
    page="database_sessions",
    wrong="""
        import asyncio

        from quart import Quart, current_app
        from sqlalchemy import text
        from sqlalchemy.ext.asyncio import AsyncSession

        app = Quart(__name__)


        async def counts(session: AsyncSession) -> None:
            await asyncio.gather(  # QP403
                session.execute(text("select count(*) from members")),
                session.execute(text("select count(*) from notes")),
            )
    """,
    right="""
        from quart import Quart, current_app
        from sqlalchemy import text
        from sqlalchemy.ext.asyncio import AsyncSession

        app = Quart(__name__)


        async def counts(session: AsyncSession) -> None:
            await session.execute(text("select count(*) from members"))
            await session.execute(text("select count(*) from notes"))
    """,
)
def session_in_gather(module: Module) -> Found:
    """A session has one connection, and a connection runs one statement at a time."""
    for call in module.nodes(ast.Call):
        if module.name(call.func) == "asyncio.gather":
            shared: set[str] = set()
            for given in call.args:
                names = set(sessions_in(module, given))
                if names & shared or (names and isinstance(given, ast.Starred)):
                    yield call, ""
                    break
                shared |= names


def sessions_in(module: Module, node: ast.AST) -> Iterator[str]:
    """Names of sessions that `node` uses and does not open itself."""
    for part in ast.walk(node):
        if isinstance(part, ast.Name) and module.kind(part) == ASYNC_SESSION:
            yield part.id


@rule(
    "QP404",
    "filter-by-after-join",
    "`filter_by()` after a join is ambiguous in SQLAlchemy 2.1; name the column: "
    "`.where(Note.id == ...)`",
    page="database_sessions",
    wrong="""
        from quart import Quart
        from sqlalchemy import select

        from .models import Member, Note

        app = Quart(__name__)


        def notes_of(name: str):
            return select(Note).join(Member).filter_by(name=name)  # QP404
    """,
    right="""
        from quart import Quart
        from sqlalchemy import select

        from .models import Member, Note

        app = Quart(__name__)


        def notes_of(name: str):
            return select(Note).join(Member).where(Member.name == name)
    """,
)
def filter_by_after_join(module: Module) -> Found:
    """2.0 took the column of the entity joined last; 2.1 looks in all and raises
    AmbiguousColumnError where two have it."""
    for call in module.nodes(ast.Call):
        match call.func:
            case ast.Attribute(attr="filter_by", value=chain):
                methods, root = chain_of(module, chain)
                if root == "sqlalchemy.select" and methods & {"join", "outerjoin"}:
                    yield call, ""


def chain_of(module: Module, node: ast.expr) -> tuple[set[str], str]:
    """The methods of a chain of calls and the name of what it starts with."""
    methods: set[str] = set()
    while isinstance(node, ast.Call):
        if root := module.name(node.func):
            return methods, root
        if not isinstance(node.func, ast.Attribute):
            break
        methods.add(node.func.attr)
        node = node.func.value
    return methods, ""


@rule(
    "QP405",
    "sync-database-driver",
    "`{}` names no asyncio driver, so create_async_engine raises; use "
    "postgresql+asyncpg://, sqlite+aiosqlite:// or the like",
    page="database_sessions",
    wrong="""
        from quart import Quart
        from sqlalchemy.ext.asyncio import create_async_engine

        app = Quart(__name__)


        @app.while_serving
        async def database():
            engine = create_async_engine("sqlite:///notes.db")  # QP405
            try:
                yield
            finally:
                await engine.dispose()
    """,
    right="""
        from quart import Quart
        from sqlalchemy.ext.asyncio import create_async_engine

        app = Quart(__name__)


        @app.while_serving
        async def database():
            engine = create_async_engine("sqlite+aiosqlite:///notes.db")
            try:
                yield
            finally:
                await engine.dispose()
    """,
)
def sync_database_driver(module: Module) -> Found:
    """`postgres://` is no dialect at all since SQLAlchemy 1.4."""
    for call in module.nodes(ast.Call):
        if module.name(call.func) == ASYNC_ENGINE:
            url = argument(call, 0, "url")
            for text in texts(module, url):
                if text.startswith(SYNC_DRIVERS) and url is not None:
                    yield url, text.partition("//")[0] + "//"


def texts(module: Module, node: ast.expr | None) -> Iterator[str]:
    """What a string may be: a constant, the start of an f-string, a default."""
    match module.assigned(node) or node:
        case ast.Constant(value=str(text)):
            yield text
        case ast.JoinedStr(values=[ast.Constant(value=str(text)), *_]):
            yield text
        case ast.Call(args=[_, ast.Constant(value=str(text))]) as call:
            if module.name(call.func) in {"os.getenv", "os.environ.get"}:
                yield text


@rule(
    "QP406",
    "commit-in-teardown",
    "teardown gets `exc=None` even after an error in the view, so this commits failed "
    "requests; commit in the view: `async with sessions.begin()`",
    page="database_sessions",
    wrong="""
        from quart import Quart, g

        app = Quart(__name__)


        @app.teardown_request
        async def finish(exc: BaseException | None) -> None:
            if exc is None:
                await g.session.commit()  # QP406
            await g.session.close()
    """,
    right="""
        from quart import Quart, g

        app = Quart(__name__)


        @app.teardown_request
        async def finish(exc: BaseException | None) -> None:
            await g.session.close()
    """,
)
def commit_in_teardown(module: Module) -> Found:
    """Quart handles the error before it tears down, and passes on that none is left.
    Flask passes the error."""
    for function, _ in module.hooks(*TEARDOWN):
        for node in module.body(function):
            match node:
                case ast.Call(func=ast.Attribute(attr="commit")):
                    yield node, ""


@rule(
    "QP407",
    "pool-size-in-memory",
    "SQLite in memory keeps one connection: `{}` is a TypeError; leave it out or use a "
    "file",
    page="database_sessions",
    wrong="""
        import pytest
        from quart import Quart
        from sqlalchemy.ext.asyncio import create_async_engine

        MEMORY = "sqlite+aiosqlite:///:memory:"


        @pytest.fixture
        def app() -> Quart:
            app = Quart(__name__)
            app.extensions["engine"] = create_async_engine(MEMORY, pool_size=5)  # QP407
            return app
    """,
    right="""
        import pytest
        from quart import Quart
        from sqlalchemy.ext.asyncio import create_async_engine

        MEMORY = "sqlite+aiosqlite:///:memory:"


        @pytest.fixture
        def app() -> Quart:
            app = Quart(__name__)
            app.extensions["engine"] = create_async_engine(MEMORY)
            return app
    """,
)
def pool_size_in_memory(module: Module) -> Found:
    """Such an engine gets StaticPool, which takes no sizes."""
    for call in module.nodes(ast.Call):
        if module.name(call.func) == ASYNC_ENGINE:
            urls = texts(module, argument(call, 0, "url"))
            memory = any(map(in_memory, urls))
            given = [each.arg for each in call.keywords if each.arg]
            sizes = sorted(POOL_SIZES.intersection(given))
            if memory and sizes and "poolclass" not in given:
                yield call, sizes[0]


@rule(
    "QP408",
    "unawaited-session-call",
    "`{}()` of an AsyncSession is a coroutine: nothing reaches the database; await it",
    page="database_sessions",
    wrong="""
        from quart import Quart
        from sqlalchemy.ext.asyncio import AsyncSession

        app = Quart(__name__)


        async def add(session: AsyncSession, note: object) -> None:
            session.add(note)
            session.commit()  # QP408
    """,
    right="""
        from quart import Quart
        from sqlalchemy.ext.asyncio import AsyncSession

        app = Quart(__name__)


        async def add(session: AsyncSession, note: object) -> None:
            session.add(note)
            await session.commit()
    """,
)
def unawaited_session_call(module: Module) -> Found:
    """`add` and `add_all` are plain methods; what may reach the database is not."""
    for call in module.nodes(ast.Call):
        match call.func:
            case ast.Attribute(value=owner, attr=attr) if attr in SESSION_METHODS:
                if module.kind(owner) == ASYNC_SESSION and misused(module, call):
                    yield call, attr


@rule(
    "QP409",
    "metadata-on-async-engine",
    "`{}` needs a sync connection; write `await connection.run_sync(metadata.{})`",
    page="database_sessions",
    wrong="""
        from quart import Quart
        from sqlalchemy.ext.asyncio import AsyncEngine

        from .models import Base

        app = Quart(__name__)


        async def make_tables(engine: AsyncEngine) -> None:
            async with engine.begin() as connection:
                Base.metadata.create_all(connection)  # QP409
    """,
    right="""
        from quart import Quart
        from sqlalchemy.ext.asyncio import AsyncEngine

        from .models import Base

        app = Quart(__name__)


        async def make_tables(engine: AsyncEngine) -> None:
            async with engine.begin() as connection:
                await connection.run_sync(Base.metadata.create_all)
    """,
)
def metadata_on_async_engine(module: Module) -> Found:
    """MetaData knows the synchronous interface only and raises AttributeError."""
    for call in module.nodes(ast.Call):
        match call.func:
            case ast.Attribute(attr="create_all" | "drop_all" as attr):
                bind = module.kind(argument(call, 0, "bind"))
                if bind in ENGINES or bind == ASYNC_CONNECTION:
                    yield call, attr


@rule(
    "QP410",
    "sync-session-in-async",
    "a synchronous session stops the event loop for every query; use AsyncSession, or "
    "run the function with `run_sync`",
    page="database_sessions",
    wrong="""
        from quart import Quart
        from sqlalchemy import create_engine, text
        from sqlalchemy.orm import Session

        app = Quart(__name__)
        engine = create_engine("sqlite:///notes.db")


        @app.get("/notes")
        async def notes():
            with Session(engine) as session:  # QP410
                return {"notes": session.scalar(text("select count(*) from notes"))}
    """,
    right="""
        from quart import Quart
        from sqlalchemy import create_engine, text
        from sqlalchemy.orm import Session

        app = Quart(__name__)
        engine = create_engine("sqlite:///notes.db")


        @app.get("/notes")
        def notes():
            with Session(engine) as session:
                return {"notes": session.scalar(text("select count(*) from notes"))}
    """,
)
def sync_session_in_async(module: Module) -> Found:
    """Quart runs a plain `def` view in a thread; in an `async def` the wait for the
    database is everybody's."""
    if module.is_test or not module.imports_any("sqlalchemy.orm"):
        return
    for call in module.nodes(ast.Call):
        if module.kind(call) == "sqlalchemy.orm.Session" and module.runs_in_loop(call):
            yield call, ""


def in_memory(url: str) -> bool:
    return url in {"sqlite+aiosqlite://", "sqlite+aiosqlite:///"} or ":memory:" in url


@rule(
    "QP411",
    "begin-deferred",
    "a plain BEGIN takes the write lock late, so two writers that have read fail with "
    "`database is locked`; send BEGIN IMMEDIATE",
    page="database_sessions",
    wrong="""
        from quart import Quart
        from sqlalchemy import Connection, event
        from sqlalchemy.ext.asyncio import AsyncEngine

        app = Quart(__name__)


        def begin_ourselves(engine: AsyncEngine) -> None:
            @event.listens_for(engine.sync_engine, "begin")
            def begin(connection: Connection) -> None:
                connection.exec_driver_sql("BEGIN")  # QP411
    """,
    right="""
        from quart import Quart
        from sqlalchemy import Connection, event
        from sqlalchemy.ext.asyncio import AsyncEngine

        app = Quart(__name__)


        def begin_ourselves(engine: AsyncEngine) -> None:
            @event.listens_for(engine.sync_engine, "begin")
            def begin(connection: Connection) -> None:
                connection.exec_driver_sql("BEGIN IMMEDIATE")
    """,
)
def begin_deferred(module: Module) -> Found:
    """SQLite cannot wait there: neither writer could go on. A busy timeout does not
    help."""
    for call in module.nodes(ast.Call):
        match call:
            case ast.Call(
                func=ast.Attribute(attr="exec_driver_sql"),
                args=[ast.Constant(value=str(text)), *_],
            ) if text.strip(" ;").upper() in {"BEGIN", "BEGIN DEFERRED"}:
                yield call, ""


@rule(
    "QP412",
    "memory-database",
    "SQLite in memory is one connection: all requests share one transaction, and a "
    "restart loses all; use a file",
    page="database_sessions",
    wrong="""
        from quart import Quart
        from sqlalchemy.ext.asyncio import AsyncEngine, create_async_engine

        app = Quart(__name__)


        def make_engine() -> AsyncEngine:
            return create_async_engine("sqlite+aiosqlite://")  # QP412
    """,
    right="""
        from quart import Quart
        from sqlalchemy.ext.asyncio import AsyncEngine, create_async_engine

        app = Quart(__name__)


        def make_engine() -> AsyncEngine:
            return create_async_engine("sqlite+aiosqlite:///notes.db")
    """,
)
def memory_database(module: Module) -> Found:
    """What one request rolls back may be what another has just written. Tests that run
    one request at a time may use it, and are not reported."""
    if module.is_test:
        return
    for call in module.nodes(ast.Call):
        if module.name(call.func) == ASYNC_ENGINE:
            url = argument(call, 0, "url")
            if url is not None and any(map(in_memory, texts(module, url))):
                yield url, ""


@rule(
    "QP413",
    "expiring-sessions",
    "after `commit()` each attribute is loaded anew, which asyncio forbids "
    "(MissingGreenlet); pass expire_on_commit=False",
    page="database_sessions",
    wrong="""
        from quart import Quart
        from sqlalchemy.ext.asyncio import AsyncEngine, async_sessionmaker

        app = Quart(__name__)


        def use(engine: AsyncEngine) -> None:
            app.extensions["sessions"] = async_sessionmaker(engine)  # QP413
    """,
    right="""
        from quart import Quart
        from sqlalchemy.ext.asyncio import AsyncEngine, async_sessionmaker

        app = Quart(__name__)


        def use(engine: AsyncEngine) -> None:
            sessions = async_sessionmaker(engine, expire_on_commit=False)
            app.extensions["sessions"] = sessions
    """,
)
def expiring_sessions(module: Module) -> Found:
    """The object that was just saved is the one that the view answers with. Sessions
    kept under a name with `read` in it never commit, and are not reported."""
    if module.is_test or "async_sessionmaker" not in module.text:
        return
    readers = {
        value for target, value in module.assignments if "read" in ast.unparse(target)
    }
    for call in module.nodes(ast.Call):
        if module.name(call.func) == "sqlalchemy.ext.asyncio.async_sessionmaker":
            given = {keyword.arg for keyword in call.keywords}
            if given.isdisjoint({"expire_on_commit", None}) and call not in readers:
                yield call, ""
