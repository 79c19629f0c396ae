"""Databases in memory, and settings of SQLite."""

import ast
import re

from ..engine.quart import Module, argument
from ..engine.rule import Found, rule
from ..engine.words import ASYNC_CONNECTION, ASYNC_ENGINE, ASYNC_SESSION

MEMORY = {f"sqlite+aiosqlite://{rest}" for rest in ("", "/", "/:memory:")}
SETS = re.compile(r"PRAGMA\s+(busy_timeout|foreign_keys|synchronous)\s*[=(]", re.I)
SETS_UP = re.compile(r"PRAGMA|\brun_sync\(|\bcommit\(", re.I)


@rule("QP412 memory-database warning", on=ast.Call, word="aiosqlite")
def memory_database(module: Module, node: ast.Call) -> Found:
    """SQLite in memory is one connection: all requests share a transaction; use a file

    A test that runs one request at a time may use it.

    runs: type(open_database().pool).__name__ -> 'StaticPool'

      def open_database():
    -     return create_async_engine("sqlite+aiosqlite://", echo=app.debug)
    +     return create_async_engine("sqlite+aiosqlite:///a.db", echo=app.debug)
    """
    is_made = module.name(node.func) == ASYNC_ENGINE and not module.is_test
    if is_made and module.value(argument(node, 0, "url")) in MEMORY:
        yield node, ""


@rule("QP414 pragma-once warning", on=ast.Constant)
def pragma_once(module: Module, node: ast.Constant) -> Found:
    """`{}` is set on one connection of the pool; set it in a `connect` listener

    `journal_mode=WAL` is kept in the file. A block that goes on sets its own.

    runs: [c := await engine.connect(), (await c.exec_driver_sql("PRAGMA
    foreign_keys")).scalar(), await c.close()][1] -> 0

      engine = create_async_engine("sqlite+aiosqlite:///a.db", poolclass=NullPool)
    - @app.before_serving
    - async def check_references():
    -     async with engine.begin() as connection:
    -         await connection.execute(text("PRAGMA foreign_keys=ON"))
    + @event.listens_for(engine.sync_engine, "connect")
    + def check_references(connection, record):
    +     connection.execute("PRAGMA foreign_keys=ON")
    """
    found = SETS.match(str(node.value))
    block = module.within(node, ast.AsyncWith) if found else None
    if found and block and not module.is_test:
        opened = {module.kind(item.context_expr) for item in block.items}
        only_sets = all(SETS_UP.search(ast.unparse(line)) for line in block.body)
        once = SETS.findall(module.text).count(found[1]) == 1
        if once and only_sets and opened <= {ASYNC_CONNECTION, ASYNC_SESSION}:
            yield node, found[1]
