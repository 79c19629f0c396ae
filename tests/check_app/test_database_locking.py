"""SQLite's locks and settings: the rules of database_locking."""

import pytest
from check_app.rules import database_locking as rules
from sqlalchemy import make_url

from tests.check_app import PREAMBLE, cases, check, put_in


@cases("""
## a database in memory
from sqlalchemy.ext.asyncio import create_async_engine

MEMORY = "sqlite+aiosqlite:///:memory:"

async def one(path, url):
    create_async_engine(MEMORY)  # QP412
    create_async_engine(url="sqlite+aiosqlite:///")  # QP412
    create_async_engine(f"sqlite+aiosqlite:///{path}")
    create_async_engine("sqlite+aiosqlite:///" + path)
    create_async_engine(os.getenv("URL", "sqlite+aiosqlite://"))
    create_async_engine("sqlite+aiosqlite:///file::memory:?cache=shared&uri=true")
    create_async_engine("sqlite+aiosqlite:///a.db")
    create_async_engine(url)
    create_async_engine()
## a database in a file, named in two steps
from sqlalchemy.ext.asyncio import create_async_engine

def make(app: Quart):
    path = os.path.join(app.instance_path, "app.db")
    url = f"sqlite+aiosqlite:///{path}"
    return create_async_engine(url)
## a database in memory for a test
import pytest
from sqlalchemy import text
from sqlalchemy.ext.asyncio import create_async_engine

@pytest.fixture
async def engine():
    engine = create_async_engine("sqlite+aiosqlite://")
    async with engine.begin() as connection:
        await connection.execute(text("PRAGMA foreign_keys=ON"))
    return engine
## settings of one connection
import sqlalchemy
from sqlalchemy import text
from sqlalchemy.ext.asyncio import AsyncEngine, async_sessionmaker

async def one(engine: AsyncEngine, metadata):
    async with engine.begin() as connection:
        await connection.execute(text("PRAGMA journal_mode=WAL"))
        await connection.execute(text("pragma Foreign_Keys = ON"))  # QP414
        await connection.exec_driver_sql(f"PRAGMA busy_timeout={1}")  # QP414
        await connection.run_sync(metadata.create_all)

async def two(sessions: async_sessionmaker):
    async with sessions() as session:
        await session.execute(text("PRAGMA synchronous(1)"))  # QP414
        await session.commit()
## settings of a connection that is used
from sqlalchemy import text
from sqlalchemy.ext.asyncio import AsyncEngine

async def one(engine: AsyncEngine):
    async with engine.begin() as connection:
        await connection.execute(text("PRAGMA foreign_keys=ON"))
        yield connection

async def two(engine: AsyncEngine):
    async with engine.connect() as connection:
        await connection.execute(text("PRAGMA busy_timeout=10"))
        await connection.execute(text("DELETE FROM notes"))
    async with engine.connect() as connection:
        await connection.execute(text("PRAGMA synchronous"))

async def three(engine):
    async with engine.connect() as connection:
        await connection.execute(text("PRAGMA synchronous=OFF"))
## settings of each connection
from sqlalchemy import event, text
from sqlalchemy.ext.asyncio import AsyncEngine

async def one(engine: AsyncEngine):
    @event.listens_for(engine.sync_engine, "connect")
    def set_it(connection, record):
        connection.execute("PRAGMA foreign_keys=ON")

    async with engine.begin() as connection:
        await connection.execute(text("PRAGMA foreign_keys=ON"))
""")
def test_sqlite(code: str) -> None:
    check(PREAMBLE + code)


@pytest.mark.parametrize("url", sorted(rules.MEMORY))
def test_each_address_in_memory(url: str) -> None:
    assert make_url(url).database in {None, "", ":memory:"}
    assert "QP412" in put_in("QP412", "sqlite+aiosqlite://", url)


@pytest.mark.parametrize("word", ["busy_timeout", "foreign_keys", "synchronous"])
def test_each_setting(word: str) -> None:
    assert "QP414" in put_in("QP414", "PRAGMA foreign_keys=", f"PRAGMA {word}=")
