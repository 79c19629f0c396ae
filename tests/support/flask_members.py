"""The Flask app that examples/flask_migration is the port of."""

from collections.abc import Callable
from functools import wraps
from pathlib import Path
from typing import Any

import click
from flask import (
    Blueprint,
    Flask,
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
from flask.typing import ResponseReturnValue
from sqlalchemy import create_engine
from sqlalchemy.exc import IntegrityError
from sqlalchemy.orm import scoped_session, sessionmaker
from werkzeug.exceptions import HTTPException
from werkzeug.security import check_password_hash, generate_password_hash

from examples.database_sessions import Base
from examples.flask_migration.pages import PAGE
from examples.flask_migration.queries import (
    add_user,
    find_user,
    set_bio,
    user_named,
    usernames,
)

database = scoped_session(sessionmaker())
members = Blueprint("members", __name__)


def photos() -> Path:
    return Path(current_app.config["PHOTOS"])


@members.before_request
def load_user() -> None:
    g.user = None
    if "user_id" in session:
        g.user = find_user(database(), session["user_id"])


@members.after_request
def add_header(response: Response) -> Response:
    response.headers["X-Content-Type-Options"] = "nosniff"
    return response


def login_required(view: Callable[..., Any]) -> Callable[..., Any]:
    @wraps(view)
    def wrapper(*args: Any, **kwargs: Any) -> Any:
        if g.user is None:
            abort(401)
        return view(*args, **kwargs)

    return wrapper


@members.get("/members/")
def show_members() -> str:
    return render_template_string(PAGE, names=usernames(database()))


@members.post("/members/")
def add_member() -> ResponseReturnValue:
    form = request.form
    hashed = generate_password_hash(form["password"])
    try:
        add_user(database(), form["username"], hashed)
    except IntegrityError:
        abort(409)
    database.commit()
    flash(f"Welcome, {form['username']}!")
    return redirect(url_for("members.show_members"))


@members.post("/login")
def log_in() -> ResponseReturnValue:
    form = request.form
    user = user_named(database(), form["username"])
    if user is None or not check_password_hash(user.password_hash, form["password"]):
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
def change_me() -> ResponseReturnValue:
    set_bio(database(), g.user.id, request.get_json()["bio"])
    database.commit()
    return "", 204


@members.put("/me/photo")
@login_required
def replace_photo() -> ResponseReturnValue:
    request.files["photo"].save(photos() / f"{g.user.id}.png")
    return "", 204


@members.get("/members/<int:user_id>/photo")
def show_photo(user_id: int) -> Response:
    return send_from_directory(photos(), f"{user_id}.png")


def create_app(url: str, photos: str, secret_key: str) -> Flask:
    app = Flask("examples.flask_migration")
    app.config.from_mapping(
        SECRET_KEY=secret_key, MAX_CONTENT_LENGTH=1024 * 1024, PHOTOS=photos
    )
    engine = app.extensions["engine"] = create_engine(url)
    Base.metadata.create_all(engine)
    database.remove()
    database.configure(bind=engine)
    app.register_blueprint(members)

    @app.teardown_appcontext
    def close_session(error: BaseException | None) -> None:
        database.remove()

    @app.errorhandler(404)
    def not_found(error: HTTPException) -> tuple[dict[str, str | None], int]:
        return {"error": error.description}, 404

    @app.cli.command("add-member")
    @click.argument("username")
    @click.password_option()
    def add_member(username: str, password: str) -> None:
        add_user(database(), username, generate_password_hash(password))
        database.commit()
        click.echo(f"Added {username}.")

    return app
