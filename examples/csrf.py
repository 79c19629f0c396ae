"""Let only pages of ours change what belongs to a cookie.

Try:
    curl -s -i http://127.0.0.1:8000/bio
    curl -s -i http://127.0.0.1:8000/bio -X PUT -H 'Content-Type: application/json' -d '{"bio": "Counts."}' -H 'Origin: http://127.0.0.1:8000'
    curl -s -i http://127.0.0.1:8000/bio -X PUT -H 'Content-Type: application/json' -d '{"bio": "Hacked."}' -H 'Origin: https://evil.example'
"""  # noqa: E501

import os
import secrets
from collections.abc import Sequence

from pydantic import BaseModel, Field
from quart import (
    Blueprint,
    Quart,
    abort,
    current_app,
    redirect,
    render_template_string,
    request,
    session,
    url_for,
)
from quart.typing import ResponseReturnValue
from quart_cors import cors
from quart_schema import QuartSchema, validate_request

SAFE_METHODS = {"GET", "HEAD", "OPTIONS"}  # a preflight carries no cookie


def register_csrf(app: Quart, origins: Sequence[str] = ()) -> None:
    """`origins` are those of other pages of ours, such as https://app.example.com."""
    app.extensions["page_origins"] = frozenset(origins)
    app.add_template_global(csrf_token)


def sent_by_own_page() -> bool:
    """Whether the browser says so. Who says nothing is no browser, and is refused."""
    origin = request.headers.get("Origin")
    if origin in current_app.extensions["page_origins"]:
        return True
    site = request.headers.get("Sec-Fetch-Site")
    if site is not None:
        return site in {"same-origin", "none"}  # none: the user, not a page
    return origin in {f"https://{request.host}", f"http://{request.host}"}


async def require_own_page() -> None:
    """For `before_request`, of routes that know their user by a cookie."""
    if request.method not in SAFE_METHODS and not sent_by_own_page():
        abort(403, "A page of another site sent this.")


def csrf_token() -> str:
    """For `<input type="hidden" name="csrf_token" value="{{ csrf_token() }}">`."""
    token: str = session.setdefault("csrf_token", secrets.token_urlsafe(32))
    return token


async def require_csrf_token() -> None:
    """For `before_request`: the form or the X-CSRF-Token header has the token."""
    if request.method in SAFE_METHODS:
        return
    sent = request.headers.get("X-CSRF-Token")
    if sent is None:
        sent = (await request.form).get("csrf_token", "")
    expected = session.get("csrf_token", "")
    same = secrets.compare_digest(sent.encode(), expected.encode())
    if not expected or not same:
        abort(403, "Open the page again, and send its form then.")


BIO_PAGE = """\
<!doctype html>
<title>Bio</title>
<form method="post">
  <input name="bio" value="{{ session.bio }}">
  <input type="hidden" name="csrf_token" value="{{ csrf_token() }}">
  <button>Save</button>
</form>
"""
forms = Blueprint("forms", __name__)
forms.before_request(require_own_page)
forms.before_request(require_csrf_token)
api = Blueprint("api", __name__, url_prefix="/api")
api.before_request(require_own_page)


class Bio(BaseModel):
    bio: str = Field(max_length=500)


@forms.get("/bio")
async def show_form() -> ResponseReturnValue:
    return await render_template_string(BIO_PAGE)


@forms.post("/bio")
async def save_form() -> ResponseReturnValue:
    bio = (await request.form).get("bio", "")
    session["bio"] = bio[:500]
    return redirect(url_for("forms.show_form"), 303)


@api.get("/bio")
async def show_bio() -> ResponseReturnValue:
    return {"bio": session.get("bio", "")}


@api.post("/bio")
@validate_request(Bio)  # takes application/json only
async def save_bio(data: Bio) -> ResponseReturnValue:
    session["bio"] = data.bio
    return "", 204


def create_app(secret_key: str | None = None, origins: Sequence[str] = ()) -> Quart:
    app = Quart(__name__)
    app.config.from_mapping(
        SECRET_KEY=secret_key or os.environ["SECRET_KEY"],
        SESSION_COOKIE_NAME="__Host-session",
        SESSION_COOKIE_SAMESITE="Lax",
        SESSION_COOKIE_SECURE=True,
    )
    QuartSchema(app, openapi_path=None)
    register_csrf(app, origins)
    app.register_blueprint(forms)
    app.register_blueprint(api)
    if origins:
        cors(
            app,
            allow_origin=origins,
            allow_credentials=True,
            allow_headers=["Content-Type", "X-CSRF-Token"],
        )
    return app


if __name__ == "__main__":
    from .serving import run

    run(create_app())
