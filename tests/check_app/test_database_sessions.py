"""Engines and sessions: the rules of database_sessions."""

import inspect
from pathlib import Path

import pytest
import quart
from check_app.engine import words
from check_app.engine.project import Project
from check_app.engine.report import report_on
from check_app.rules import database_sessions as rules
from sqlalchemy import MetaData, make_url
from sqlalchemy.exc import NoSuchModuleError
from sqlalchemy.ext.asyncio import AsyncConnection, AsyncSession

from tests.check_app import PREAMBLE, cases, check, put_in


@cases("""
## engines
from sqlalchemy.ext.asyncio import create_async_engine
from sqlalchemy.pool import NullPool

class Database:
    engine = create_async_engine(url)  # QP401

without_pool = create_async_engine(url, poolclass=NullPool)

def create_app():
    app = Quart(__name__)
    engine = create_async_engine(url)  # QP401
    return app

def make():
    return create_async_engine(url)

async def started():
    app = Quart(__name__)
    return create_async_engine(url)

if __name__ == "__main__":
    engine = create_async_engine(url)
## engines that are closed
from sqlalchemy.ext.asyncio import create_async_engine

engine = create_async_engine(url)

@app.after_serving
async def close():
    await engine.dispose()
## migrations
from alembic import context
from sqlalchemy.ext.asyncio import create_async_engine

engine = create_async_engine(url)
## shared sessions
from sqlalchemy.ext.asyncio import AsyncSession, async_sessionmaker
from sqlalchemy.orm import sessionmaker

sessions = async_sessionmaker(engine, expire_on_commit=False)
older = sessionmaker(engine, expire_on_commit=False, class_=AsyncSession)
shared = sessions()  # QP402
also: AsyncSession = AsyncSession(engine)  # QP402
app.session = sessions()  # QP402
app.extensions["session"] = older()  # QP402

async def one():
    g.session = sessions()
    g.extensions["session"] = sessions()
    current_app.session = sessions()  # QP402
    local = sessions()
## sessions
from sqlalchemy.ext.asyncio import AsyncSession, async_sessionmaker
from sqlalchemy.ext.asyncio.session import AsyncSession as Session

async def one(given: AsyncSession, sessions: async_sessionmaker[AsyncSession]):
    async with sessions.begin() as opened, sessions() as other:
        opened.commit()  # QP408
        other.execute(1).scalars()  # QP408
        opened.add(1)
        await opened.flush()
    await asyncio.gather(given.execute(1), opened.execute(1))

async def two(session: Session):
    session.commit()  # QP408
    return await asyncio.gather(session.get(User, 1), other())
## sessions in tests
import pytest
from sqlalchemy.ext.asyncio import AsyncSession, create_async_engine

ENGINE = create_async_engine("sqlite+aiosqlite://")
SESSION = AsyncSession(ENGINE)
## addresses
from sqlalchemy.ext.asyncio import create_async_engine

URL = os.getenv("URL", "sqlite:///a.db")
REPLACED = os.environ["URL"].replace("postgres://", "postgresql+asyncpg://")

async def one(url):
    create_async_engine(URL)  # QP405
    create_async_engine(REPLACED)
    create_async_engine(url=f"mysql://{url}")  # QP405
    create_async_engine(os.environ.get("URL") or "sqlite:///a.db")  # QP405
    create_async_engine(app.config.get("URL", "sqlite:///a.db"))  # QP405
    create_async_engine("sqlite:///" + url)  # QP405
    create_async_engine(f"{url}")
    create_async_engine("postgresql+asyncpg://localhost")
    create_async_engine("postgresql://localhost")
    create_async_engine(url.replace("postgres://", "postgresql+asyncpg://"))
    create_async_engine(url)
    create_async_engine()
    create_engine("sqlite:///a.db")
## teardown
@blueprint.teardown_app_request
async def one(error):
    await g.session.close()
    commit()

@app.teardown_appcontext
async def two(error):
    if error:
        await g.session.rollback()
    elif error is None and g.session.dirty:
        await g.session.commit()  # QP406
    await g.session.close()

@app.teardown_request
def three(e):
    if (session := g.pop("session", None)) is not None:
        session.commit()  # QP406

@app.teardown_request
def four(e):
    if g.worked:
        g.session.commit()

@app.teardown_request
def five(*errors):
    if errors:
        log.error(errors)
    g.session.commit()  # QP406

@app.teardown_request
async def six(exception):
    if exception:  # QP406
        print(exception)
    if exception is not None:  # QP406
        g.session.rollback()
    if exception is None:
        print("a")
    if isinstance(exception, asyncio.CancelledError):
        print("left")
    if g.session:
        g.session.rollback()
## tables
from sqlalchemy.ext.asyncio import create_async_engine

async def one(Base):
    engine = create_async_engine(url)
    Base.metadata.create_all(engine)  # QP409
    Base.metadata.drop_all(bind=engine)  # QP409
    async with engine.connect() as connection:
        Base.metadata.create_all(connection)  # QP409
        await connection.run_sync(Base.metadata.create_all)
        connection.run_sync(Base.metadata.create_all)  # QP408
    Base.metadata.create_all(other)
    Base.metadata.create_all()
## scoped sessions
from sqlalchemy.orm import scoped_session, sessionmaker
from sqlalchemy.orm.scoping import scoped_session as scoped

members = scoped(sessionmaker(engine))

def create(session):
    other = scoped_session(sessionmaker(engine))

    @app.get("/a")
    async def one():
        other.add(1)
        other.commit()  # QP410
        other.commit()
        members.commit()

@app.get("/b")
async def two():
    members.remove()
    await members.commit()
    given.commit()
    made = members()  # QP410
    return count()

def count():
    return members.query(User).count()  # QP410

@app.get("/c")
def three():
    members.commit()
    User.query.first()

@app.get("/d")
async def four():
    return User.query.first()

async def test():
    User.query.filter().update({})
## the property of a scoped session
Base.query = members.query_property()

@app.get("/a")
async def one():
    query = User.query.filter_by(name="ada")
    return User.query.filter_by(name="ada").one_or_none()  # QP410

@app.get("/b")
async def two():
    return await User.query.first()
## plain sessions
from sqlalchemy.ext.asyncio import AsyncSession
from sqlalchemy.orm import Session, sessionmaker

sessions = sessionmaker(engine)
older = sessionmaker(engine, class_=AsyncSession, expire_on_commit=False)
unknown = sessionmaker(engine, class_=made())

def helper():
    with sessions() as session:  # QP410
        return session

def unused():
    return sessions()

@app.before_serving
async def start():
    with sessions() as session:
        session.commit()

@app.get("/a")
async def one(given: sessionmaker[AsyncSession]):
    helper()
    async with older() as session, given() as another:
        await session.commit()
    session = unknown()
    session = sessions()  # QP410
    with sessions.begin() as session:  # QP410
        return "a"

@app.get("/b")
def two():
    with Session(engine) as session:
        return "a"
## plain sessions in tests
import pytest
from sqlalchemy.orm import Session

async def test_one():
    Session(engine)
## expired
from sqlalchemy.ext.asyncio import AsyncSession, async_sessionmaker

sessions = async_sessionmaker(engine)

async def one(note, tag, session: AsyncSession):
    session.add(note)
    await session.commit()
    note.text = "a"
    print(tag.id)
    return note.text, note.id  # QP413

async def two(note, session: AsyncSession):
    session.add(note)
    await session.commit()
    await session.refresh(note)
    return note.id

async def three(note, session: AsyncSession):
    session.add(note)
    print(note.id)
    await session.commit()

async def four(note, seen):
    seen.add(note)
    await seen.commit()
    return note.id
## not expired
from sqlalchemy.ext.asyncio import AsyncSession, async_sessionmaker

sessions = async_sessionmaker(engine, **options)

async def one(note, session: AsyncSession):
    session.add(note)
    await session.commit()
    return note.id
""")
def test_databases(code: str) -> None:
    check(PREAMBLE + code)


APP = """
from quart import Quart
from db import close, engine

app = Quart(__name__)


@app.after_serving
async def end():
    await {end}
"""
DB = """
from sqlalchemy.ext.asyncio import create_async_engine
{more}
engine = create_async_engine("sqlite+aiosqlite:///a.db")
"""
CLOSE = """
async def close(engine):
    await engine.dispose()
"""


@pytest.mark.parametrize(
    ("files", "found"),
    [
        ({"app": APP.format(end="engine.dispose()"), "db": DB.format(more="")}, []),
        (
            {
                "app": APP.format(end="close(engine)"),
                "db": DB.format(more="from closing import close\n"),
                "closing": CLOSE,
            },
            [],
        ),
        (
            {
                "app": APP.format(end="close()"),
                "db": DB.format(more=""),
                "test_db": f"import db\n{CLOSE}",
                "other": CLOSE,
            },
            ["QP401"],
        ),
    ],
    ids=["by who imports it", "by what it imports", "by nobody"],
)
def test_an_engine_is_closed(
    files: dict[str, str], found: list[str], tmp_path: Path
) -> None:
    for name, code in files.items():
        (tmp_path / f"{name}.py").write_text(code)
    report = report_on(Project([tmp_path]), lambda code, path: code == "QP401")
    assert [one.id for one in report.findings] == found


@pytest.mark.parametrize(
    "driver",
    [
        "mariadb",
        "mysql",
        "mysql+mysqldb",
        "mysql+pymysql",
        "postgres",
        "postgresql+psycopg2",
        "sqlite",
        "sqlite+pysqlite",
    ],
)
def test_each_driver_without_asyncio(driver: str) -> None:
    try:
        assert not make_url(f"{driver}://").get_dialect().is_async
    except NoSuchModuleError:
        assert driver == "postgres"
    assert "QP405" in put_in("QP405", "sqlite://", f"{driver}://")


@pytest.mark.parametrize("name", sorted(rules.TEARDOWNS))
def test_each_teardown(name: str) -> None:
    assert hasattr(quart.Blueprint if "_app_" in name else quart.Quart, name)
    assert "QP406" in put_in("QP406", "teardown_request", name)


@pytest.mark.parametrize("name", rules.ENDS)
def test_each_end(name: str) -> None:
    waits = "if error:\n        log(error)"
    old = "if error is None:\n        session.commit()"
    assert "QP406" in put_in("QP406", old, waits)
    assert "QP406" not in put_in("QP406", old, f"{waits}\n    self.{name}")


@pytest.mark.parametrize("name", rules.COROUTINES[words.ASYNC_SESSION].split())
def test_each_coroutine(name: str) -> None:
    kinds = [one for one in (AsyncSession, AsyncConnection) if hasattr(one, name)]
    assert any(inspect.iscoroutinefunction(getattr(kind, name)) for kind in kinds)
    assert "QP408" in put_in("QP408", "session.scalar", f"session.{name}")


@pytest.mark.parametrize("name", ["create_all", "drop_all", "reflect"])
def test_each_method_of_metadata(name: str) -> None:
    assert hasattr(MetaData, name)
    assert "QP409" in put_in("QP409", "create_all", name)
