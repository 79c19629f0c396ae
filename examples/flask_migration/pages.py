"""The pages of a Flask app, moved: what differs is `async`, `await` and threads."""

import asyncio
from collections.abc import Callable
from functools import wraps
from pathlib import Path
from typing import Any

from quart import (
    Blueprint,
    Response,
    abort,
    current_app,
    flash,
    g,
    redirect,
    render_template_string,
    request,
    send_from_directory,
    session,
    url_for,
)
from quart.typing import ResponseReturnValue
from sqlalchemy.exc import IntegrityError
from werkzeug.security import check_password_hash, generate_password_hash

from ..sync_libraries import sync_database
from .queries import add_user, find_user, set_bio, user_named, usernames

PAGE = """\
<!doctype html>
<title>Members</title>
{% for message in get_flashed_messages() %}<p>{{ message }}</p>{% endfor %}
<ul>{% for name in names %}<li>{{ name }}</li>{% endfor %}</ul>
"""
NOT_JSON = (
    "Did not attempt to load JSON data because the request Content-Type was not "
    "'application/json'."
)

members = Blueprint("members", __name__)


def photos() -> Path:
    return Path(current_app.config["PHOTOS"])


@members.before_request
async def load_user() -> None:
    g.user = None
    if "user_id" in session:
        g.user = await sync_database().run(find_user, session["user_id"])


@members.after_request
def add_header(response: Response) -> Response:
    response.headers["X-Content-Type-Options"] = "nosniff"
    return response


def login_required(view: Callable[..., Any]) -> Callable[..., Any]:
    @wraps(view)
    async def wrapper(*args: Any, **kwargs: Any) -> Any:
        if g.user is None:
            abort(401)
        return await current_app.ensure_async(view)(*args, **kwargs)

    return wrapper


@members.get("/members/")
async def show_members() -> str:
    names = await sync_database().run(usernames)
    return await render_template_string(PAGE, names=names)


@members.post("/members/")
async def add_member() -> ResponseReturnValue:
    form = await request.form
    hashed = await asyncio.to_thread(generate_password_hash, form["password"])
    try:
        await sync_database().run(add_user, form["username"], hashed)
    except IntegrityError:
        abort(409)
    await flash(f"Welcome, {form['username']}!")
    return redirect(url_for("members.show_members"))


@members.post("/login")
async def log_in() -> ResponseReturnValue:
    form = await request.form
    user = await sync_database().run(user_named, form["username"])
    if user is None or not await asyncio.to_thread(
        check_password_hash, user.password_hash, form["password"]
    ):
        abort(401)
    session.clear()
    session["user_id"] = user.id
    return redirect(url_for("members.show_me"))


@members.get("/me")
@login_required
def show_me() -> dict[str, str | None]:
    return {"username": g.user.username, "bio": g.user.bio}


@members.patch("/me")
@login_required
async def change_me() -> ResponseReturnValue:
    if not request.is_json:
        abort(415, NOT_JSON)  # Flask's get_json() does; Quart's gives None
    bio = (await request.get_json())["bio"]
    await sync_database().run(set_bio, g.user.id, bio)
    return "", 204


@members.put("/me/photo")
@login_required
async def replace_photo() -> ResponseReturnValue:
    photo = (await request.files)["photo"]
    await photo.save(photos() / f"{g.user.id}.png")
    return "", 204


@members.get("/members/<int:user_id>/photo")
async def show_photo(user_id: int) -> Response:
    return await send_from_directory(photos(), f"{user_id}.png")
