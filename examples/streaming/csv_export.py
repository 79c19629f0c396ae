"""All users as CSV: /users.csv."""

import csv
import io
from collections.abc import AsyncGenerator, Iterable, Sequence
from datetime import datetime

from quart import Blueprint, Response, current_app
from sqlalchemy import Row, select

from ..authentication import login_required, require_role
from ..database_sessions import Database, User
from .responses import stream_response

PAGE = 1_000
COLUMNS = (User.id, User.username, User.email, User.created_at)
UserRow = Row[int, str, str, datetime]
exports = Blueprint("exports", __name__)


@exports.get("/users.csv")
@login_required
async def export_users() -> Response:
    require_role("admin")
    database: Database = current_app.extensions["database"]
    first = await users_after(database, 0)  # what fails here still has a status
    response = stream_response(users_as_csv(database, first), "text/csv; charset=utf-8")
    response.headers["Content-Disposition"] = 'attachment; filename="users.csv"'
    return response


async def users_as_csv(
    database: Database, users: Sequence[UserRow]
) -> AsyncGenerator[str, None]:
    """A page of rows at a time: a slow reader holds no connection and no lock."""
    yield csv_lines([[column.key for column in COLUMNS]])
    while users:
        yield csv_lines(users)
        users = await users_after(database, users[-1].id)


async def users_after(database: Database, user_id: int) -> Sequence[UserRow]:
    query = select(*COLUMNS).where(User.id > user_id).order_by(User.id).limit(PAGE)
    async with database.reading() as session:
        return (await session.execute(query)).all()


def csv_lines(rows: Iterable[Iterable[object]]) -> str:
    lines = io.StringIO()
    csv.writer(lines).writerows(rows)
    return lines.getvalue()
