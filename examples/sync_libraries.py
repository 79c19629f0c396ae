"""Libraries that block, in threads: SQLAlchemy's sync sessions, Flask's extensions.

Try:
    curl -s -i -X PUT http://127.0.0.1:8000/users/ada
    curl -s -i http://127.0.0.1:8000/users/ada
    curl -s -i http://127.0.0.1:8000/users
"""

import asyncio
import os
from collections.abc import AsyncGenerator, Awaitable, Callable
from concurrent.futures import ThreadPoolExecutor
from contextlib import AbstractContextManager
from contextvars import ContextVar, copy_context
from functools import partial, wraps
from typing import Concatenate, ParamSpec, Protocol, TypeVar

from quart import Quart, abort, current_app
from sqlalchemy import create_engine, make_url, select
from sqlalchemy.orm import Session, sessionmaker

from .database_sessions import Base, User

CONNECTIONS = 10
WORKERS = 32  # for plain views and `to_thread`; the default is CPUs + 4
P = ParamSpec("P")
R = TypeVar("R")
session_here: ContextVar[Session] = ContextVar("session_here")


class SyncDatabase:
    """As many threads as connections, so no call waits for one in a thread."""

    def __init__(self, url: str, connections: int = CONNECTIONS) -> None:
        if is_in_memory(url):
            raise ValueError("Name a file: each thread would have a database.")
        self.engine = create_engine(url, pool_size=connections, max_overflow=0)
        self.sessions = sessionmaker(self.engine, expire_on_commit=False)
        self._threads = ThreadPoolExecutor(connections, "database")

    async def lend(self, work: Callable[[Session], R]) -> R:
        """Call `work(session)` in a thread, which commits or what it did is undone."""

        def call() -> R:
            with self.sessions() as session:
                session_here.set(session)
                return work(session)

        loop = asyncio.get_running_loop()
        with_request = partial(copy_context().run, call)
        return await loop.run_in_executor(self._threads, with_request)

    async def run(
        self,
        work: Callable[Concatenate[Session, P], R],
        *args: P.args,
        **kwargs: P.kwargs,
    ) -> R:
        """Call `work(session, ...)` in a thread; commit when it returns."""

        def committed(session: Session) -> R:
            result = work(session, *args, **kwargs)
            session.commit()
            return result

        return await self.lend(committed)

    async def close(self) -> None:
        await asyncio.to_thread(self._threads.shutdown)
        self.engine.dispose()


def is_in_memory(url: str) -> bool:
    """Whether it is SQLite's, as `sqlite://` is."""
    made = make_url(url)
    nameless = made.database in (None, "", ":memory:")
    return nameless and made.get_backend_name() == "sqlite"


def register_sync_database(app: Quart, url: str) -> None:
    database = app.extensions["sync_database"] = SyncDatabase(url)

    @app.while_serving
    async def serve_database() -> AsyncGenerator[None, None]:
        loop = asyncio.get_running_loop()
        loop.set_default_executor(ThreadPoolExecutor(WORKERS, "worker"))
        await asyncio.to_thread(Base.metadata.create_all, database.engine)
        try:
            yield
        finally:
            await database.close()


def sync_database() -> SyncDatabase:
    database: SyncDatabase = current_app.extensions["sync_database"]
    return database


def current_session() -> Session:
    """That of the thread's work, as `db.session` was that of the request."""
    return session_here.get()


def in_session(view: Callable[P, R]) -> Callable[P, Awaitable[R]]:
    """For a plain view that commits by itself: below its route."""

    @wraps(view)
    async def wrapper(*args: P.args, **kwargs: P.kwargs) -> R:
        return await sync_database().lend(lambda session: view(*args, **kwargs))

    return wrapper


class FlaskApp(Protocol):
    """What of a Flask app its extensions need."""

    def app_context(self) -> AbstractContextManager[object]: ...


async def in_flask(
    flask_app: FlaskApp, work: Callable[P, R], *args: P.args, **kwargs: P.kwargs
) -> R:
    """Call what uses an extension in a thread, in the context of a Flask app."""

    def run() -> R:
        with flask_app.app_context():
            return work(*args, **kwargs)

    return await asyncio.to_thread(run)


def add_user(session: Session, username: str) -> User:
    email = f"{username}@example.com"
    user = User(username=username, email=email, password_hash="-")
    session.add(user)
    session.flush()
    return user


def create_app(database_url: str = "") -> Quart:
    app = Quart(__name__)
    url = make_url(database_url or os.environ["DATABASE_URL"])
    plain_url = url.set(drivername=url.get_backend_name())  # without +aiosqlite
    register_sync_database(app, plain_url.render_as_string(hide_password=False))

    @app.put("/users/<username>")
    async def create_user(username: str) -> tuple[dict[str, int], int]:
        user = await sync_database().run(add_user, username)
        return {"id": user.id}, 201

    @app.get("/users/<username>")
    @in_session
    def show_user(username: str) -> dict[str, str | None]:
        by_name = select(User).where(User.username == username)
        user = current_session().scalar(by_name)
        if user is None:
            abort(404)
        return {"username": user.username, "bio": user.bio}

    @app.get("/users")
    @in_session
    def list_users() -> list[str]:
        return [*current_session().scalars(select(User.username))]

    return app


if __name__ == "__main__":
    from .serving import run

    run(create_app())
