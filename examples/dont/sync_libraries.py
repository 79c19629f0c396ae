"""How not to keep libraries that block."""

import asyncio
from collections.abc import Awaitable, Callable
from typing import Any

from quart import Quart, g
from sqlalchemy import Engine, select
from sqlalchemy.orm import Session, scoped_session, sessionmaker

from ..database_sessions import User


def _user(name: str) -> User:
    return User(username=name, email=f"{name}@example.com", password_hash="-")


def session_of_the_thread(
    engine: Engine, check: Callable[[str], Awaitable[None]]
) -> Quart:
    app = Quart(__name__)
    session = scoped_session(sessionmaker(engine))

    @app.put("/users/<username>")
    async def create_user(username: str) -> tuple[str, int]:
        session.add(_user(username))
        await check(username)  # may raise: then nothing is to be stored
        session.commit()
        return "", 201

    @app.teardown_appcontext
    async def remove_session(error: BaseException | None) -> None:
        session.remove()

    return app


def removed_in_another_thread(engine: Engine) -> Quart:
    app = Quart(__name__)
    session = app.extensions["session"] = scoped_session(sessionmaker(engine))

    @app.get("/users")
    def list_users() -> list[str]:
        return [*session.scalars(select(User.username))]

    @app.teardown_appcontext
    async def remove_session(error: BaseException | None) -> None:
        session.remove()

    return app


def closed_in_a_teardown(engine: Engine) -> Quart:
    app = Quart(__name__)

    @app.get("/users")
    def list_users() -> list[str]:
        g.session = Session(engine)
        return [*g.session.scalars(select(User.username))]

    @app.teardown_appcontext
    def close_session(error: BaseException | None) -> None:
        g.session.close()

    return app


def all_in_the_default_threads(fetch: Callable[[], str]) -> Quart:
    app = Quart(__name__)

    @app.get("/report")
    async def report() -> str:
        return await asyncio.to_thread(fetch)  # slow

    @app.get("/live")
    def live() -> str:
        return "alive"

    return app


def task_from_a_plain_view(send_mail: Callable[[], Any]) -> Quart:
    app = Quart(__name__)

    @app.post("/users")
    def create_user() -> tuple[str, int]:
        app.add_background_task(send_mail)
        return "", 201

    return app
