"""Engines and sessions of SQLAlchemy's asyncio side."""

import ast
import re

from ..engine.awaiting import misused
from ..engine.quart import Module, argument, mentions
from ..engine.rule import Found, rule
from ..engine.scoped import sends_query
from ..engine.scopes import FUNCTIONS, Function
from ..engine.words import ASYNC_CONNECTION, ASYNC_ENGINE, ASYNC_MAKER, ASYNC_SESSION

ASYNCIO = "sqlalchemy.ext.asyncio."
SYNC_URL = re.compile(  # as `ast.unparse` writes it
    r"f?['\"]((mariadb|mysql|postgres|sqlite|\w+\+(mysqldb|psycopg2|py\w+))://)"
)
TEARDOWNS = ("teardown_app_request", "teardown_appcontext", "teardown_request")
ENDS = ("close", "commit", "remove")
COROUTINES = dict.fromkeys(
    (ASYNC_CONNECTION, ASYNC_SESSION),
    "close commit connection delete execute flush get get_one merge refresh rollback "
    "run_sync scalar scalars stream",
)


@rule("QP401 engine-outside-serving warning", on=ast.Call, word="create_async_engine")
def engine_outside_serving(module: Module, node: ast.Call) -> Found:
    """an engine made before the app serves is never closed; use `while_serving`

    Its connections stay with the first loop, and each test has a loop of its own.

    runs: [p := app.db.pool, await app.shutdown(), app.db.pool is p][-1] -> True

    - app.db = create_async_engine("sqlite+aiosqlite:///a.db")
    + @app.while_serving
    + async def database():
    +     app.db = create_async_engine("sqlite+aiosqlite:///a.db")
    +     try:
    +         yield
    +     finally:
    +         await app.db.dispose()
    """
    if module.name(node.func) != ASYNC_ENGINE or argument(node, None, "poolclass"):
        return
    function = module.function(node)
    makes_app = isinstance(function, ast.FunctionDef) and module.builds_app(function)
    disposed = any(".dispose(" in one.text for one in [module, *module.neighbours])
    serves = not (module.is_test or disposed or module.imports_any("alembic"))
    if serves and (makes_app or module.at_import(node)):
        yield node, ""


@rule("QP402 shared-session error", on=ast.Module)
def shared_session(module: Module, node: ast.Module) -> Found:
    """one session for all requests fails when two run at once; open one in each

    And they share a transaction: one rolls back the work of another.

    runs: together(show_time(), show_time()) -> InvalidRequestError

      engine = create_async_engine("sqlite+aiosqlite:///a.db", poolclass=NullPool)
    - session = AsyncSession(engine)
      async def show_time():
    -     async with session.begin():
    +     async with AsyncSession(engine) as session:
              return await session.scalar(text("SELECT CURRENT_TIMESTAMP"))
    """
    for target, value in module.assignments:
        if module.kind(value) == ASYNC_SESSION and not module.is_test:
            in_app = any(map(module.is_app, ast.walk(target)))
            if in_app or module.at_import(target):
                yield target, ""


@rule("QP405 sync-database-driver error", on=ast.Call, word="create_async_engine")
def sync_database_driver(module: Module, node: ast.Call) -> Found:
    """`{}` has no asyncio driver; use postgresql+asyncpg://, sqlite+aiosqlite://

    create_async_engine raises. `postgres://` is no dialect since SQLAlchemy 1.4.

    runs: open_database() -> InvalidRequestError

      def open_database():
    -     return create_async_engine("sqlite:///a.db", echo=app.debug)
    +     return create_async_engine("sqlite+aiosqlite:///a.db", echo=app.debug)
    """
    url = argument(node, 0, "url") if module.name(node.func) == ASYNC_ENGINE else None
    found = url and SYNC_URL.match(ast.unparse(module.fallback(url)))
    if url and found:
        yield url, found[1]


@rule("QP406 commit-in-teardown warning", on=ast.Module)
def commit_in_teardown(module: Module, node: ast.Module) -> Found:
    """a teardown gets no error when the view failed, except in tests, so this {}

    Quart has answered the error by then, unless TESTING or DEBUG is set.

    runs: [await get("/crash"), session.commit.called][1] -> True

      from unittest.mock import Mock
      session = Mock()
      @app.get("/crash")
      async def crash():
          session.add("half an order", request.args["the rest"])
    +     session.commit()
    - @app.teardown_request
    - async def close_session(error):
    -     if error is None:
    -         session.commit()
    """
    for function, _ in module.hooks(*TEARDOWNS):
        error = next((one.arg for one in function.args.args), "")
        for part in module.body(function):
            match part:
                case ast.Call(func=ast.Attribute(value=owner, attr="commit")):
                    name = ast.unparse(owner).rpartition(".")[2]
                    up = module.ancestors(part)
                    tests = [one.test for one in up if isinstance(one, ast.If)]
                    if all(mentions(t, error) or name in ast.unparse(t) for t in tests):
                        yield part, "commits what is half done; commit in the view"
                case ast.If(test=ast.Name() | ast.Compare(ops=[ast.IsNot()]) as test):
                    if mentions(test, error) and not mentions(function, *ENDS):
                        yield part, "does not run"


@rule("QP408 unawaited-session-call error", on=ast.Call)
def unawaited_session_call(module: Module, node: ast.Call) -> Found:
    """`{}()` is a coroutine here, and nothing reaches the database; await it

    `add` and `add_all` are plain methods; what may reach the database is not.

    runs: count() -> TypeError

      engine = create_async_engine("sqlite+aiosqlite:///a.db", poolclass=NullPool)
      async def count():
          async with AsyncSession(engine) as session:
    -         return 1 + session.scalar(text("SELECT 1"))
    +         return 1 + await session.scalar(text("SELECT 1"))
    """
    if module.calls_one_of(node, COROUTINES) and misused(module, node):
        yield node, ast.unparse(node.func).rpartition(".")[2]


@rule("QP409 metadata-on-async-engine error", on=ast.Call)
def metadata_on_async_engine(module: Module, node: ast.Call) -> Found:
    """`{}` needs a sync connection; write `await connection.run_sync(metadata.{})`

    MetaData knows the synchronous interface only and raises AttributeError.

    runs: create_tables() -> AttributeError

      class Base(DeclarativeBase):
          pass
      engine = create_async_engine("sqlite+aiosqlite:///a.db", poolclass=NullPool)
      async def create_tables():
          async with engine.begin() as connection:
    -         Base.metadata.create_all(connection)
    +         await connection.run_sync(Base.metadata.create_all)
    """
    match node.func:
        case ast.Attribute(attr="create_all" | "drop_all" | "reflect" as attr):
            if module.kind(argument(node, 0, "bind")).startswith(ASYNCIO):
                yield node, attr


@rule("QP410 sync-session-in-async warning", on=(ast.Call, *FUNCTIONS))
def sync_session_in_async(module: Module, node: ast.Call | Function) -> Found:
    """a sync session in `async def` blocks the loop{}

    All wait for its queries. Quart runs a plain `def` view in a thread. Of a
    `scoped_session`, which is that of a thread, one commits the work of another.

    runs: await (await get("/thread")).get_data() -> b'MainThread'

      engine = create_engine("sqlite:///a.db", poolclass=NullPool)
      @app.get("/thread")
    - async def show_thread():
    + def show_thread():
          with Session(engine):  # here
              return threading.current_thread().name
    """
    if isinstance(node, ast.Call):
        is_session = module.kind(node) == "sqlalchemy.orm.Session"
        is_awaited = isinstance(module.within(node, ast.stmt), ast.AsyncWith)
        if is_session and module.runs_in_loop(node) and not is_awaited:
            yield node, "; use AsyncSession, or plain `def`"
        return
    for part in module.body(node) if node not in module.turned else ():
        is_called = isinstance(part, ast.Call) and sends_query(module, part)
        if is_called and module.runs_in_loop(part):
            yield part, ", and all share this one; use AsyncSession, `SyncDatabase`"
            return


@rule("QP413 expiring-sessions error", on=ast.AsyncFunctionDef, word="sessionmaker")
def expiring_sessions(module: Module, node: ast.AsyncFunctionDef) -> Found:
    """`{}` is expired by `commit()` (MissingGreenlet); pass expire_on_commit=False

    To load it anew is a query, and nothing awaits that.

    runs: add_note() -> MissingGreenlet

      class Base(DeclarativeBase):
          pass
      class Note(Base):
          __tablename__ = "notes"
          id: Mapped[int] = mapped_column(primary_key=True)
      engine = create_async_engine("sqlite+aiosqlite:///a.db", poolclass=NullPool)
    - sessions = async_sessionmaker(engine)
    + sessions = async_sessionmaker(engine, expire_on_commit=False)
      async def add_note():
          note = Note()
          async with sessions() as session:
              await (await session.connection()).run_sync(Base.metadata.create_all)
              session.add(note)
              await session.commit()
              return note.id  # here
    """
    makers = [m for m in module.nodes(ast.Call) if module.kind(m) == ASYNC_MAKER]
    options = {given.arg for maker in makers for given in maker.keywords}
    if not makers or options & {"expire_on_commit", None} or mentions(node, "refresh"):
        return
    added, end = set(), 0
    for part in module.body(node):
        match part:
            case ast.Call(func=ast.Attribute(value=owner, attr="add"), args=[given]):
                if module.kind(owner) == ASYNC_SESSION:
                    added.add(ast.unparse(given))
            case ast.Attribute(attr="commit", lineno=end):
                pass
            case ast.Attribute(value=owner, ctx=ast.Load(), lineno=line) if end:
                if line > end and ast.unparse(owner) in added:
                    yield part, ast.unparse(part)
                    return
