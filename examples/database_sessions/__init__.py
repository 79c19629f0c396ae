"""Read in plain sessions, write in begin(), one SQLite writer at a time.

Try:
    curl -s -d '{"email": "ada@example.com"}' http://127.0.0.1:8000/members
    curl -s -X POST http://127.0.0.1:8000/members/1/visits
    curl -s 'http://127.0.0.1:8000/members?after=0'
"""

import os
from collections.abc import AsyncGenerator
from http import HTTPStatus

from pydantic import BaseModel, Field, ValidationError
from quart import Blueprint, Quart, current_app, request
from quart.typing import ResponseReturnValue
from sqlalchemy import exc, select
from sqlalchemy.ext.asyncio import async_sessionmaker
from sqlalchemy.orm import selectinload

from .database import Base, Member, open_engine

members = Blueprint("members", __name__, url_prefix="/members")
STATUS = {
    ValidationError: 400,
    exc.NoResultFound: 404,
    exc.IntegrityError: 409,
    exc.OperationalError: 503,
    exc.TimeoutError: 503,
}


class NewMember(BaseModel, extra="forbid"):
    email: str = Field(max_length=254, pattern=r"^[^\s\x00@]+@[^\s\x00@]+$")
    friend_id: int | None = Field(None, ge=1, le=2147483647)


class Page(BaseModel, extra="forbid"):
    after: int = Field(0, ge=0, le=2147483647)


@members.post("")
async def create() -> ResponseReturnValue:
    data = NewMember.model_validate_json(await request.get_data())
    member = Member(**data.model_dump())
    async with current_app.extensions["writer"].begin() as session:
        session.add(member)
    return {"id": member.id}, 201


@members.get("/<int(min=1, max=2147483647):key>")
async def show(key: int) -> ResponseReturnValue:
    async with current_app.extensions["reader"]() as session:
        member = await session.get_one(Member, key)
    return {"id": key, "email": member.email, "visits": member.visits}


@members.get("")
async def browse() -> ResponseReturnValue:
    page = Page.model_validate(request.args.to_dict())
    query = select(Member).where(Member.id > page.after).order_by(Member.id)
    query = query.options(selectinload(Member.friend)).limit(100)
    async with current_app.extensions["reader"]() as session:
        found = await session.scalars(query)
        return [{"id": m.id, "friend": m.friend and m.friend.email} for m in found]


@members.post("/<int(min=1, max=2147483647):key>/visits")
async def visit(key: int) -> ResponseReturnValue:
    async with current_app.extensions["writer"].begin() as session:
        member = await session.get_one(Member, key, with_for_update=True)
        member.visits += 1
    return {"visits": member.visits}


async def answer(error: Exception) -> ResponseReturnValue:
    status = STATUS[type(error)]
    body = {"type": "about:blank", "title": HTTPStatus(status).phrase, "status": status}
    if status == 503:
        current_app.logger.exception("database unavailable")
    return body, status, {"Content-Type": "application/problem+json"}


def create_app(database_url: str | None = None) -> Quart:
    app = Quart(__name__)
    app.register_blueprint(members)
    url = database_url or os.environ["DATABASE_URL"]
    for kind in STATUS:
        app.register_error_handler(kind, answer)

    @app.while_serving
    async def database() -> AsyncGenerator[None, None]:
        reader, writer = open_engine(url, write=False), open_engine(url, write=True)
        app.extensions["reader"] = async_sessionmaker(reader)
        app.extensions["writer"] = async_sessionmaker(writer, expire_on_commit=False)
        try:
            async with writer.begin() as connection:
                await connection.run_sync(Base.metadata.create_all)
            yield
        finally:
            await reader.dispose()
            await writer.dispose()

    return app
