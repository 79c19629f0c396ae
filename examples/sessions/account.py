"""Pages for browsers: a login form, and what is behind it."""

import time

from quart import (
    Blueprint,
    Response,
    abort,
    flash,
    g,
    redirect,
    render_template_string,
    request,
    session,
    url_for,
)
from quart.typing import ResponseReturnValue
from sqlalchemy import select

from ..authentication import Caller, caller_by_token, tokens, unauthorized
from ..csrf import require_own_page
from ..database_sessions import User, reading
from ..password_hashing import password_hashing
from .logins import current_login, end_all_logins, end_login, renew_login, start_login

LOGIN_PAGE = """\
<!doctype html>
<title>Log in</title>
{% for message in get_flashed_messages() %}<p>{{ message }}</p>{% endfor %}
<form method="post">
  <input name="username" autocomplete="username" placeholder="Username">
  <input name="password" type="password" autocomplete="current-password">
  <button>Log in</button>
</form>
"""
ACCOUNT_PAGE = """\
<!doctype html>
<title>{{ user.username }}</title>
<p>{{ user.bio or "Nothing yet." }}</p>
<form method="post" action="{{ url_for('pages.account.log_out') }}">
  <button>Log out</button>
</form>
<form method="post" action="{{ url_for('pages.account.log_out_everywhere') }}">
  <button>Log out everywhere</button>
</form>
"""


async def set_page_headers(response: Response) -> Response:
    """A page with scripts, EventSource or websockets sends a policy of its own."""
    policy = "default-src 'none'; form-action 'self'; frame-ancestors 'none'"
    response.headers["Cache-Control"] = "no-store"
    response.headers.setdefault("Content-Security-Policy", policy)
    response.headers["Referrer-Policy"] = "same-origin"
    return response


async def require_cookie_login() -> ResponseReturnValue | None:
    """For `before_request`: set `g.user`, `g.caller`; else show the form, or 401."""
    if request.method == "OPTIONS":  # a CORS preflight carries no cookie
        return None
    login = await current_login()
    if login is None:
        if request.method == "GET" and request.accept_mimetypes.best == "text/html":
            here = "/" + request.url.removeprefix(request.host_url)
            return redirect(url_for("pages.show_login", next=here), 303)
        abort(401, "Log in.")
    await renew_login(login)
    g.user, g.caller = login.user, caller_of(login.user)
    return None


def caller_of(user: User) -> Caller:
    expires = time.time() + tokens().lifetime
    return Caller(user.id, user.username, user.role, expires)


async def caller_by_login() -> Caller:
    """Who opens a websocket or a stream of a page: looked up anew each time."""
    if "login_id" not in session:  # logged in by /auth/login, perhaps
        return await caller_by_token()
    login = await current_login()
    if login is None:
        raise unauthorized("Log in.")
    return caller_of(login.user)


def own_path(target: str) -> str:
    """`target` if it is a path of this site, else that of the account."""
    leaves = target.startswith("//") or "\\" in target  # a browser reads \ as /
    if target.startswith("/") and target.isprintable() and not leaves:
        return target
    return url_for("pages.account.show_account")


pages = Blueprint("pages", __name__)
pages.before_request(require_own_page)
pages.after_request(set_page_headers)


@pages.get("/login")
async def show_login() -> ResponseReturnValue:
    return await render_template_string(LOGIN_PAGE)


@pages.post("/login")
async def log_in() -> ResponseReturnValue:
    form = await request.form
    username = form.get("username", "").replace("\0", "")  # PostgreSQL refuses NUL
    by_name = select(User).where(User.username == username)
    async with reading() as database:
        user = await database.scalar(by_name)
    right = await password_hashing().verify(
        user.password_hash if user else None,
        form.get("password", ""),
        client=request.remote_addr or "",
    )
    if user is None or not right:
        await flash("The username or the password is wrong.")
        return await render_template_string(LOGIN_PAGE), 401
    await start_login(user.id)
    return redirect(own_path(request.args.get("next", "")), 303)


account = Blueprint("account", __name__, url_prefix="/account")
account.before_request(require_cookie_login)


@account.get("")
async def show_account() -> ResponseReturnValue:
    return await render_template_string(ACCOUNT_PAGE, user=g.user)


@account.get("/profile")
async def show_profile() -> ResponseReturnValue:
    return {"username": g.user.username, "bio": g.user.bio}


@account.post("/logout")
async def log_out() -> ResponseReturnValue:
    await end_login()
    return redirect(url_for("pages.show_login"), 303)


@account.post("/logout-everywhere")
async def log_out_everywhere() -> ResponseReturnValue:
    await end_all_logins(g.user.id)
    session.clear()
    await flash("You are logged out everywhere.")
    return redirect(url_for("pages.show_login"), 303)


pages.register_blueprint(account)
