import asyncio
import hashlib
import secrets
from asyncio import Event
from collections.abc import AsyncIterator
from datetime import UTC, datetime, timedelta
from typing import Any

import pytest
from argon2 import PasswordHasher
from flask.sessions import session_json_serializer
from itsdangerous import URLSafeTimedSerializer
from quart import Blueprint, Quart, g, request, session, url_for, websocket
from quart.testing import QuartClient, WebsocketResponseError
from quart_auth import AuthUser, QuartAuth, current_user, login_user, logout_user
from quart_auth import login_required as auth_required
from quart_cors import cors
from sqlalchemy import delete, select, update

from examples import password_hashing
from examples.authentication import (
    login_required,
    register_authentication,
    require_role,
)
from examples.configuration import load_settings
from examples.database_sessions import User, writing
from examples.dont import sessions as dont
from examples.plain import sessions as plain
from examples.server_sent_events import register_events
from examples.sessions import create_app, register_pages
from examples.sessions.account import (
    caller_by_login,
    own_path,
    require_cookie_login,
    set_page_headers,
)
from examples.sessions.logins import RENEWED_EVERY, Login
from tests.support.browser_pages import BrowserPages
from tests.support.chromium import chromium
from tests.support.serving import serving, until
from tests.support.versions import QUART_0_23

ADA = {"username": "ada", "password": "correct-horse"}
BOB = {"username": "bob", "password": "password123"}
OWN_PAGE = {"Sec-Fetch-Site": "same-origin"}
FOREIGN_PAGE = {"Sec-Fetch-Site": "cross-site", "Origin": "https://evil.example"}
NAVIGATION = {"Accept": "text/html,application/xhtml+xml,*/*;q=0.8"}
OURS = "https://app.example.com"
KEY = "s" * 32


@pytest.fixture
def environment(monkeypatch: pytest.MonkeyPatch, tmp_path: Any) -> pytest.MonkeyPatch:
    """What create_app reads; a database of SQLite, and hashes that cost nothing."""
    monkeypatch.setattr(password_hashing, "hasher", PasswordHasher(1, 8, 1))
    monkeypatch.setenv("DATABASE_URL", f"sqlite+aiosqlite:///{tmp_path}/test.sqlite3")
    monkeypatch.setenv("SECRET_KEY", KEY)
    monkeypatch.setenv("TOKEN_KEY", "t" * 32)
    monkeypatch.setenv("CORS_ORIGINS", OURS)
    return monkeypatch


@pytest.fixture
async def app(environment: pytest.MonkeyPatch) -> AsyncIterator[Quart]:
    app = create_app()
    async with app.test_app():
        await register(app, ADA)
        yield app


@pytest.fixture
async def browser(app: Quart) -> QuartClient:
    """Ada's."""
    return await logged_in(app)


async def register(app: Quart, user: dict[str, str]) -> None:
    answer = await app.test_client().post("/users", form=user)
    assert answer.status_code == 201


async def logged_in(app: Quart, user: dict[str, str] = ADA) -> QuartClient:
    client = app.test_client()
    answer = await client.post("/login", form=user, headers=OWN_PAGE)
    assert answer.status_code == 303
    return client


async def text_of(answer: Any) -> str:
    return (await answer.get_data()).decode()


async def session_of(client: QuartClient) -> dict[str, Any]:
    async with client.session_transaction() as stored:
        return dict(stored)


async def plant(client: QuartClient, **values: object) -> None:
    async with client.session_transaction() as stored:
        stored.update(values)


async def status_of(client: QuartClient) -> int:
    return (await client.get("/account")).status_code


async def logins(app: Quart) -> list[Login]:
    async with app.app_context(), writing() as database:
        return list(await database.scalars(select(Login)))


async def set_expiry(app: Quart, after: timedelta) -> datetime:
    """Let all logins end so long from now."""
    expires_at = datetime.now(UTC) + after
    async with app.app_context(), writing() as database:
        await database.execute(update(Login).values(expires_at=expires_at))
    return expires_at


# Logging in


async def test_a_form_logs_in_and_shows_the_account(app: Quart) -> None:
    client = app.test_client()
    form = await client.get("/login")
    assert '<form method="post">' in await text_of(form)
    answer = await client.post("/login", form=ADA, headers=OWN_PAGE)
    assert (answer.status_code, answer.headers["Location"]) == (303, "/account")
    assert "<title>ada</title>" in await text_of(await client.get("/account"))
    profile = await client.get("/account/profile")
    assert await profile.get_json() == {"username": "ada", "bio": None}


async def test_the_cookie_says_nothing_to_scripts_and_other_sites(app: Quart) -> None:
    answer = await app.test_client().post("/login", form=ADA, headers=OWN_PAGE)
    cookie = answer.headers["Set-Cookie"]
    assert cookie.startswith("__Host-session=")
    assert cookie.endswith("; Secure; HttpOnly; Path=/; SameSite=Lax")
    assert "Expires=" in cookie


async def test_a_wrong_login_shows_the_form_again(app: Quart) -> None:
    for form in (
        {"username": "ada", "password": "guess"},
        {"username": "eve", "password": "correct-horse"},
        {"username": "ada"},
        {"password": "correct-horse"},
        {},
    ):
        client = app.test_client()
        answer = await client.post("/login", form=form, headers=OWN_PAGE)
        assert answer.status_code == 401
        page = await text_of(answer)
        assert "<p>The username or the password is wrong.</p>" in page
        assert '<form method="post">' in page
        assert "login_id" not in await session_of(client)
        assert "wrong" not in await text_of(await client.get("/login"))


async def test_a_nul_in_the_name_is_no_error(anywhere: Quart) -> None:
    form = {"username": "ada\x00", "password": "correct-horse"}
    client = anywhere.test_client()
    answer = await client.post("/login", form=form, headers=OWN_PAGE)
    assert answer.status_code == 303  # it is ada's, without what PostgreSQL refuses


async def test_what_users_write_is_escaped(app: Quart, browser: QuartClient) -> None:
    async with app.app_context(), writing() as database:
        await database.execute(update(User).values(bio="<script>alert(1)</script>"))
    page = await text_of(await browser.get("/account"))
    assert "<p>&lt;script&gt;alert(1)&lt;/script&gt;</p>" in page


async def test_a_page_is_never_cached_nor_framed(
    app: Quart, browser: QuartClient
) -> None:
    for answer in (
        await browser.get("/account"),
        await browser.get("/account/profile"),
        await app.test_client().get("/account"),
        await app.test_client().get("/login"),
    ):
        assert answer.headers["Cache-Control"] == "no-store"
        assert "frame-ancestors 'none'" in answer.headers["Content-Security-Policy"]
        assert answer.headers["Referrer-Policy"] == "same-origin"


async def test_a_view_sends_a_policy_of_its_own(environment: Any) -> None:
    app = create_app()
    policy = "default-src 'self'; frame-ancestors 'none'"
    live = Blueprint("live", __name__)
    live.after_request(set_page_headers)

    @live.get("/live-page")
    async def live_page() -> tuple[str, dict[str, str]]:
        return "<script src=live.js></script>", {"Content-Security-Policy": policy}

    app.register_blueprint(live)
    answer = await app.test_client().get("/live-page")
    assert answer.headers.getlist("Content-Security-Policy") == [policy]
    assert answer.headers["Cache-Control"] == "no-store"


async def test_the_role_is_that_of_the_user_now(environment: Any) -> None:
    app = create_app()
    staff = Blueprint("staff", __name__, url_prefix="/staff")
    staff.before_request(require_cookie_login)

    @staff.get("")
    async def show_staff() -> dict[str, str]:
        require_role("admin")
        return {"username": g.caller.username}

    app.register_blueprint(staff)
    async with app.test_app():
        await register(app, ADA)
        browser = await logged_in(app)
        assert (await browser.get("/staff")).status_code == 403
        async with app.app_context(), writing() as database:
            await database.execute(update(User).values(role="admin"))
        answer = await browser.get("/staff")
        assert await answer.get_json() == {"username": "ada"}


async def test_pages_of_other_sites_log_nobody_in_or_out(
    app: Quart, browser: QuartClient
) -> None:
    await register(app, BOB)
    for path in ("/login", "/account/logout", "/account/logout-everywhere"):
        for client in (browser, app.test_client()):
            answer = await client.post(path, form=BOB, headers=FOREIGN_PAGE)
            assert answer.status_code == 403
    assert "<title>ada</title>" in await text_of(await browser.get("/account"))


# Behind the login


async def test_a_browser_is_sent_to_the_form_and_back(app: Quart) -> None:
    client = app.test_client()
    answer = await client.get("/account?tab=%C3%A6%26b", headers=NAVIGATION)
    assert answer.status_code == 303
    location = answer.headers["Location"]
    assert location == "/login?next=/account?tab%3D%C3%A6%2526b"
    answer = await client.post(
        "/login",
        query_string={"next": "/account?tab=æ%26b"},
        form=ADA,
        headers=OWN_PAGE,
    )
    assert answer.headers["Location"] == "/account?tab=æ%26b"


async def test_a_prefix_of_the_app_is_kept(app: Quart) -> None:
    client = app.test_client()
    answer = await client.get("/shop/account", headers=NAVIGATION, root_path="/shop")
    assert answer.headers["Location"] == "/shop/login?next=/shop/account"


async def test_a_strange_host_leads_nobody_away(app: Quart) -> None:
    for host in ("", "evil.example", "a/b", "[", "localhost:80", "x y"):
        headers = {**NAVIGATION, "Host": host}
        client = app.test_client(use_cookies=False)
        answer = await client.get("/account", headers=headers)
        assert answer.status_code == 303
        assert answer.headers["Location"] == "/login?next=/account"


async def test_a_script_gets_a_401(app: Quart) -> None:
    client = app.test_client()
    for accept in ("*/*", "application/json", ""):
        answer = await client.get("/account/profile", headers={"Accept": accept})
        assert answer.status_code == 401


async def test_a_form_without_login_gets_a_401(app: Quart) -> None:
    headers = {**NAVIGATION, **OWN_PAGE}
    answer = await app.test_client().post("/account/logout", headers=headers)
    assert answer.status_code == 401


async def test_a_preflight_passes_and_our_pages_read(environment: Any) -> None:
    app = create_app()
    cors(app, allow_origin=[OURS], allow_credentials=True)
    headers = {"Origin": OURS, "Access-Control-Request-Method": "GET"}
    async with app.test_app():
        await register(app, ADA)
        answer = await app.test_client().options("/account/profile", headers=headers)
        assert answer.status_code == 200
        client = await logged_in(app)
        answer = await client.get("/account/profile", headers={"Origin": OURS})
        assert answer.headers["Access-Control-Allow-Origin"] == OURS
        assert answer.headers["Access-Control-Allow-Credentials"] == "true"
        foreign = {"Origin": "https://evil.example"}
        answer = await client.get("/account/profile", headers=foreign)
        assert "Access-Control-Allow-Origin" not in answer.headers
        answer = await client.post("/account/logout", headers={"Origin": OURS})
        assert answer.status_code == 303


# Where a login leads


OWN_PATHS = ["/", "/account", "/account?tab=1&x=//evil.example", "/ø", "/a b", "/a//b"]
LEADING_AWAY = [
    "https://evil.example",
    "https:evil.example",
    "//evil.example",
    "///evil.example",
    "/\\evil.example",
    "\\\\evil.example",
    "/\t/evil.example",
    "/\n/evil.example",
    "\t//evil.example",
    " //evil.example",
    "javascript:alert(1)",
    "evil.example",
    "./account",
    "",
    "/\x00",
    "/\u2028/evil.example",
]


async def location_after_login(app: Quart, target: str) -> str:
    query = {"next": target}
    answer = await app.test_client().post(
        "/login", query_string=query, form=ADA, headers=OWN_PAGE
    )
    assert answer.status_code == 303
    return str(answer.headers["Location"])


async def test_a_login_leads_back_to_a_path_of_ours(app: Quart) -> None:
    async with app.test_request_context("/"):
        assert [own_path(path) for path in OWN_PATHS] == OWN_PATHS
    assert await location_after_login(app, "/users?page=2") == "/users?page=2"


async def test_a_login_leads_to_no_other_site(app: Quart) -> None:
    async with app.test_request_context("/"):
        assert {own_path(target) for target in LEADING_AWAY} == {"/account"}
    assert await location_after_login(app, "/\\evil.example") == "/account"


# A login in the database


async def test_a_login_keeps_nothing_that_was_planted(app: Quart) -> None:
    client = app.test_client()
    await plant(client, csrf_token="known to the attacker", login_id="x" * 43)
    answer = await client.post("/login", form=ADA, headers=OWN_PAGE)
    assert answer.status_code == 303
    stored = await session_of(client)
    assert set(stored) == {"login_id", "_permanent"}
    assert stored["login_id"] != "x" * 43


async def test_an_invented_id_opens_nothing(app: Quart) -> None:
    for login_id in ("", "x" * 43, "1"):
        client = app.test_client()
        await plant(client, login_id=login_id)
        assert await status_of(client) == 401


async def test_a_second_login_ends_the_first(app: Quart, browser: QuartClient) -> None:
    await register(app, BOB)
    copy = app.test_client()
    await plant(copy, **await session_of(browser))
    await browser.post("/login", form=BOB, headers=OWN_PAGE)
    assert "<title>bob</title>" in await text_of(await browser.get("/account"))
    assert await status_of(copy) == 401


@pytest.fixture
async def anywhere(
    database_url: str, environment: pytest.MonkeyPatch
) -> AsyncIterator[Quart]:
    """The app on each database."""
    environment.setenv("DATABASE_URL", database_url)
    app = create_app()
    async with app.test_app():
        await register(app, ADA)
        yield app


async def test_logging_out_ends_the_copies_too(anywhere: Quart) -> None:
    browser, other = await logged_in(anywhere), await logged_in(anywhere)
    copy = anywhere.test_client()
    await plant(copy, **await session_of(browser))
    assert await status_of(copy) == 200
    answer = await browser.post("/account/logout", headers=OWN_PAGE)
    assert answer.headers["Location"] == "/login"
    assert await session_of(browser) == {}
    assert [await status_of(client) for client in (browser, copy)] == [401, 401]
    assert await status_of(other) == 200


async def test_logging_out_everywhere_ends_all_of_one_user(anywhere: Quart) -> None:
    await register(anywhere, BOB)
    first, second = await logged_in(anywhere), await logged_in(anywhere)
    bob = await logged_in(anywhere, BOB)
    answer = await first.post("/account/logout-everywhere", headers=OWN_PAGE)
    assert answer.status_code == 303
    page = await text_of(await first.get("/login"))
    assert "<p>You are logged out everywhere.</p>" in page
    assert [await status_of(client) for client in (first, second)] == [401, 401]
    assert await status_of(bob) == 200


async def test_a_login_ends_after_its_lifetime(anywhere: Quart) -> None:
    browser = await logged_in(anywhere)
    await set_expiry(anywhere, timedelta(seconds=-1))
    assert await status_of(browser) == 401
    await logged_in(anywhere)
    assert len(await logins(anywhere)) == 1  # a login removes what has expired


async def test_each_request_prolongs_the_login(anywhere: Quart) -> None:
    browser = await logged_in(anywhere)
    await set_expiry(anywhere, timedelta(minutes=5))
    answer = await browser.get("/account")
    assert "Set-Cookie" in answer.headers
    [login] = await logins(anywhere)
    left = login.expires_at - datetime.now(UTC)
    assert timedelta(hours=11) < left <= timedelta(hours=12)


async def test_a_login_is_prolonged_once_a_minute(
    app: Quart, browser: QuartClient
) -> None:
    lifetime = app.permanent_session_lifetime
    recent = await set_expiry(app, lifetime - RENEWED_EVERY / 2)
    await browser.get("/account")
    [login] = await logins(app)
    assert login.expires_at == recent


async def test_a_deleted_user_is_logged_out(anywhere: Quart) -> None:
    browser = await logged_in(anywhere)
    async with anywhere.app_context(), writing() as database:
        await database.execute(delete(User))
    assert await logins(anywhere) == []
    assert await status_of(browser) == 401


async def test_a_slow_request_logs_nobody_in_again(environment: Any) -> None:
    app = create_app()
    started, go_on = asyncio.Event(), asyncio.Event()

    @app.get("/report")
    async def report() -> str:
        started.set()
        await go_on.wait()
        return "report"

    async with app.test_app():
        await register(app, ADA)
        browser = await logged_in(app)
        slow = asyncio.create_task(browser.get("/report"))
        await started.wait()
        await browser.post("/account/logout", headers=OWN_PAGE)
        go_on.set()
        assert "Set-Cookie" in (await slow).headers  # the session it began with
        assert "login_id" in await session_of(browser)
        assert await status_of(browser) == 401


# Websockets


async def hello(client: QuartClient, origin: str = OURS) -> str | int:
    headers = {"Origin": origin}
    async with asyncio.timeout(20), client.websocket("/ws", headers=headers) as socket:
        try:
            return str(await socket.receive())
        except WebsocketResponseError as refusal:
            return int(refusal.response.status_code)


async def test_a_page_opens_the_websockets_of_the_service(environment: Any) -> None:
    app = create_app()

    @app.websocket("/ws")
    @login_required
    async def greet() -> None:
        await websocket.send(f"Hello {g.caller.username}")

    async with app.test_app():
        await register(app, ADA)
        assert await hello(app.test_client()) == 401
        browser, copy = await logged_in(app), app.test_client()
        assert await hello(browser) == "Hello ada"
        assert await hello(browser, "https://evil.example") == 403
        await plant(copy, **await session_of(browser))
        assert await hello(copy) == "Hello ada"
        await browser.post("/account/logout-everywhere", headers=OWN_PAGE)
        assert [await hello(client) for client in (browser, copy)] == [401, 401]
        await plant(browser, access_token=app.extensions["tokens"].issue(1, "ada"))
        assert await hello(browser) == "Hello ada"  # as after /auth/login


async def test_the_pages_may_be_registered_before_the_tokens(
    environment: Any,
) -> None:
    app, settings = Quart("acme"), load_settings()
    register_pages(app)
    register_authentication(app, settings.token_keys)
    assert app.extensions["cookie_caller"] is caller_by_login


async def test_a_page_hears_events_as_long_as_its_login_lives(
    environment: Any,
) -> None:
    app = create_app()
    register_events(app)
    app.extensions["tokens"].lifetime = -60  # a stream ends at once, as after it
    async with app.test_app():
        await register(app, ADA)
        browser, copy = await logged_in(app), app.test_client()
        await plant(copy, **await session_of(browser))
        for client in (browser, browser, copy):
            assert (await client.get("/events")).status_code == 200
        await browser.get("/account")
        assert set(await session_of(browser)) == {"login_id", "_permanent"}
        await browser.post("/account/logout-everywhere", headers=OWN_PAGE)
        for client in (browser, copy):
            assert (await client.get("/events")).status_code == 401


async def test_what_only_listens_does_not_prolong_a_login(environment: Any) -> None:
    app = create_app()
    register_events(app)
    app.extensions["tokens"].lifetime = -60
    async with app.test_app():
        await register(app, ADA)
        browser = await logged_in(app)
        expires_at = await set_expiry(app, timedelta(minutes=5))
        assert (await browser.get("/events")).status_code == 200
        [login] = await logins(app)
        assert login.expires_at == expires_at


# Keys


async def test_a_session_gets_the_new_key_with_its_next_request(
    environment: pytest.MonkeyPatch,
) -> None:
    app = create_app()
    async with app.test_app():
        await register(app, ADA)
        answer = await app.test_client().post("/login", form=ADA, headers=OWN_PAGE)
    old = answer.headers["Set-Cookie"].partition(";")[0]

    environment.setenv("SECRET_KEY", "n" * 32)
    environment.setenv("SECRET_KEY_FALLBACKS", KEY)
    app = create_app()
    async with app.test_app():
        answer = await app.test_client().get("/account", headers={"Cookie": old})
    assert answer.status_code == 200
    new = answer.headers["Set-Cookie"].partition(";")[0]

    environment.delenv("SECRET_KEY_FALLBACKS")
    app = create_app()
    async with app.test_app():
        client = app.test_client(use_cookies=False)
        answers = [
            await client.get("/account", headers={"Cookie": cookie})
            for cookie in (old, new)
        ]
    assert [answer.status_code for answer in answers] == [401, 200]


# A real browser


async def test_a_browser_logs_in_and_out(environment: Any) -> None:
    """The `__Host-` cookie is kept over http, since this is a server on loopback."""
    app = create_app()
    page = BrowserPages(app)
    page.add(
        "/try",
        """
        const ada = new URLSearchParams({username: 'ada', password: 'correct-horse'});
        const post = path => fetch(path, {method: 'POST', body: ada});
        await post('/users');
        const answer = await post('/login?next=/account?tab=1');
        await report([answer.url, answer.status, document.cookie]);
        await post('/account/logout');
        await report((await fetch('/account')).status);
        """,
    )
    async with serving(app) as address, chromium(f"http://{address}/try"):
        assert await page.report() == [f"http://{address}/account?tab=1", 200, ""]
        assert await page.report() == 401


async def test_a_host_cookie_is_dropped_under_another_path() -> None:
    app = plain.create_app(KEY, find_user)
    app.config["APPLICATION_ROOT"] = "/shop"
    page = BrowserPages(app)
    page.add(
        "/shop/try",
        """
        const body = new URLSearchParams({username: 'ada', password: 'correct-horse'});
        const answer = await fetch('/login', {method: 'POST', body});
        await report([answer.status, await (await fetch('/shop/me')).text()]);
        """,
    )

    @app.get("/shop/me")
    async def me() -> str:
        return str(session.get("user_id"))

    async with serving(app) as address, chromium(f"http://{address}/shop/try"):
        assert await page.report() == [204, "None"]


# The plain form


async def find_user(username: str, password: str) -> int | None:
    return 7 if (username, password) == ("ada", "correct-horse") else None


async def test_plain_form_logs_in() -> None:
    client = plain.create_app(KEY, find_user).test_client()
    await plant(client, planted="by somebody else")
    answer = await client.post("/login", form=ADA)
    assert answer.status_code == 204
    assert answer.headers["Set-Cookie"].startswith("__Host-session=")
    flags = "; Secure; HttpOnly; Path=/; SameSite=Lax"
    assert answer.headers["Set-Cookie"].endswith(flags)
    assert "Expires" not in answer.headers["Set-Cookie"]
    assert await session_of(client) == {"user_id": 7}


@pytest.mark.parametrize(
    ("form", "status"),
    [({**ADA, "password": "guess"}, 401), ({"username": "ada"}, 400)],
)
async def test_plain_form_refuses_a_wrong_login(
    form: dict[str, str], status: int
) -> None:
    client = plain.create_app(KEY, find_user).test_client()
    answer = await client.post("/login", form=form)
    assert answer.status_code == status
    assert await session_of(client) == {}


# What Quart does


async def test_url_for_puts_what_has_no_place_into_the_query_string(app: Quart) -> None:
    async with app.test_request_context("/"):
        url = url_for("pages.show_login", **ADA)
    assert url == "/login?username=ada&password=correct-horse"


def remembering(**config: object) -> Quart:
    """An app that keeps a name; `?permanent` makes the session so."""
    app = Quart(__name__)
    app.config.from_mapping(SECRET_KEY=KEY, **config)

    @app.post("/name/<name>")
    async def keep(name: str) -> str:
        session.permanent = "permanent" in request.args
        session["name"] = name
        return "kept"

    @app.get("/name")
    async def show() -> str:
        return str(session.get("name"))

    @app.get("/static-like")
    async def untouched() -> str:
        return "nothing of the session"

    return app


@pytest.mark.parametrize(
    ("query", "config", "renewed"),
    [
        ("", {}, False),
        ("?permanent", {}, True),
        ("?permanent", {"SESSION_REFRESH_EACH_REQUEST": False}, False),
    ],
)
async def test_only_permanent_sessions_slide(
    query: str, config: dict[str, bool], renewed: bool
) -> None:
    client = remembering(**config).test_client()
    await client.post(f"/name/ada{query}")
    for path in ("/name", "/static-like"):
        assert ("Set-Cookie" in (await client.get(path)).headers) is renewed


@pytest.mark.parametrize("query", ["", "?permanent"])
async def test_the_lifetime_is_that_of_every_session(query: str) -> None:
    """It counts from the last time that the cookie was set."""
    app = remembering()
    client = app.test_client(use_cookies=False)
    answer = await client.post(f"/name/ada{query}")
    headers = {"Cookie": answer.headers["Set-Cookie"].partition(";")[0]}
    assert await text_of(await client.get("/name", headers=headers)) == "ada"
    app.permanent_session_lifetime = timedelta(seconds=-1)
    assert await text_of(await client.get("/name", headers=headers)) == "None"
    assert timedelta(days=31) == Quart(__name__).permanent_session_lifetime


async def test_vary_differs() -> None:
    client = remembering().test_client()
    written = await client.post("/name/ada")
    read, untouched = await client.get("/name"), await client.get("/static-like")
    assert written.headers["Vary"] == "Cookie"
    expected = "Cookie" if QUART_0_23 else None
    assert read.headers.get("Vary") == expected
    assert untouched.headers.get("Vary") == expected


async def test_parallel_requests_keep_the_change_of_the_last() -> None:
    app = Quart(__name__)
    app.secret_key = KEY
    together = asyncio.Barrier(2)

    @app.post("/<name>")
    async def change(name: str) -> str:
        await together.wait()
        session[name] = "changed"
        return ""

    client = app.test_client()
    async with asyncio.timeout(20), asyncio.TaskGroup() as requests:
        requests.create_task(client.post("/first"))
        requests.create_task(client.post("/second"))
    assert len(await session_of(client)) == 1


@pytest.mark.parametrize("key", [None, ""])
async def test_a_session_without_a_key_cannot_be_changed(
    key: str | None, caplog: pytest.LogCaptureFixture
) -> None:
    app = remembering()
    app.secret_key = key
    client = app.test_client()
    assert await text_of(await client.get("/name")) == "None"
    assert (await client.post("/name/ada")).status_code == 500
    assert "The session is unavailable because no secret key was set" in caplog.text


async def test_quart_auth_ends_no_copy_and_looks_at_no_origin() -> None:
    app = Quart(__name__)
    app.secret_key = KEY
    QuartAuth(app)

    @app.post("/login")
    async def log_in() -> str:
        login_user(AuthUser("7"), remember=True)
        return ""

    @app.post("/logout")
    async def log_out() -> str:
        logout_user()
        return ""

    @app.get("/me")
    @auth_required
    async def me() -> str:
        return str(current_user.auth_id)

    @app.websocket("/ws")
    @auth_required
    async def greet() -> None:
        await websocket.send(f"Hello {current_user.auth_id}")

    client = app.test_client()
    assert await hello(client) == 401
    answer = await client.post("/login", scheme="https")
    cookie = answer.headers["Set-Cookie"]
    assert "Max-Age=31536000; Secure; HttpOnly; Path=/; SameSite=Lax" in cookie
    assert await hello(client, "https://evil.example") == "Hello 7"
    await client.post("/logout", scheme="https")
    assert (await client.get("/me")).status_code == 401
    copy = {"Cookie": cookie.partition(";")[0]}
    assert (await client.get("/me", headers=copy)).status_code == 200
    with pytest.warns(UserWarning, match="Secure cookies will be ignored"):
        await client.post("/login")  # behind a proxy too, unless the app knows it


# The Don'ts


async def while_a_report_is_made(app: Quart, make: Event, made: Event) -> QuartClient:
    """Log in, ask for a slow report, log out, and get the report."""
    client = app.test_client()
    await client.post("/login", form=ADA)
    slow = asyncio.create_task(client.get("/report"))
    await make.wait()
    await client.post("/logout")
    assert await session_of(client) == {}
    made.set()
    assert await text_of(await slow) == "report"
    return client


async def test_dont_user_in_a_permanent_session_logs_in_again() -> None:
    make, made = asyncio.Event(), asyncio.Event()

    async def make_report() -> str:
        make.set()
        await made.wait()
        return "report"

    app = dont.user_in_a_permanent_session(make_report)
    client = await while_a_report_is_made(app, make, made)
    assert (await session_of(client))["user_id"] == 7


async def test_a_session_that_is_not_permanent_stays_logged_out() -> None:
    make, made = asyncio.Event(), asyncio.Event()
    app = plain.create_app(KEY, find_user)

    @app.post("/logout")
    async def log_out() -> str:
        session.clear()
        return ""

    @app.get("/report")
    async def show_report() -> str:
        make.set()
        await made.wait()
        return "report"

    client = await while_a_report_is_made(app, make, made)
    assert await session_of(client) == {}


@pytest.mark.filterwarnings("ignore:The 'session' cookie is too large")
async def test_dont_cart_in_the_session_loses_items_in_silence() -> None:
    app = dont.cart_in_the_session()
    page = BrowserPages(app)
    page.add(
        "/shop",
        """
        const added = [];
        for (let number = 0; number < 60; number++) {
          const item = [1, 2, 3, 4].map(() => crypto.randomUUID()).join('');
          const answer = await fetch('/cart/' + item, {method: 'POST'});
          added.push((await answer.json()).items);
        }
        const {items} = await (await fetch('/cart')).json();
        await report({last: added.at(-1), items});
        """,
    )
    async with serving(app) as address, chromium(f"http://{address}/shop"):
        seen = await page.report()
    assert seen["items"] < 60
    assert seen["last"] == seen["items"] + 1  # each answer says that it was added


@pytest.mark.filterwarnings("ignore:The 'session' cookie is too large")
async def test_dont_cart_in_the_session_passes_its_tests() -> None:
    client = dont.cart_in_the_session().test_client()
    for _ in range(60):
        answer = await client.post(f"/cart/{secrets.token_hex(72)}")
        assert answer.status_code == 200
    assert await (await client.get("/cart")).get_json() == {"items": 60}


async def test_dont_cart_in_the_session_warns_when_it_is_too_late() -> None:
    client = dont.cart_in_the_session().test_client()
    with pytest.warns(UserWarning, match="The 'session' cookie is too large"):
        await client.post(f"/cart/{secrets.token_hex(4_000)}")


async def test_dont_follow_any_path_leads_to_another_site() -> None:
    own, foreign = BrowserPages(dont.follow_any_path()), BrowserPages()
    foreign.add("/fake", "await report(location.origin)")
    own.add(
        "/start",
        """
        for (const prefix of ['/\\\\', '///']) {
          const next = prefix + parameters.foreign + '/fake';
          const form = makeForm('/login?' + new URLSearchParams({next}), {});
          await submitInFrame(form);
        }
        """,
    )
    async with (
        serving(foreign.app) as foreign_address,
        serving(own.app) as address,
        chromium(f"http://{address}/start?foreign={foreign_address}"),
    ):
        for _ in range(2):
            assert await foreign.report() == f"http://{foreign_address}"
    client = dont.follow_any_path().test_client()
    answer = await client.post("/login?next=//evil.example")
    assert answer.status_code == 400


def cookie_signed_with(key: str, **values: str) -> dict[str, str]:
    serializer = URLSafeTimedSerializer(
        key,
        salt="cookie-session",
        serializer=session_json_serializer,
        signer_kwargs={"key_derivation": "hmac", "digest_method": hashlib.sha1},
    )
    return {"Cookie": f"session={serializer.dumps(values)}"}


async def name_in(cookie: dict[str, str], app: Quart) -> str:
    async with app.test_request_context("/", headers=cookie):
        return str(session.get("username"))


async def test_dont_old_key_as_text_lets_anybody_sign() -> None:
    old_key = secrets.token_hex(32)
    app = dont.old_key_as_text(KEY, old_key)
    forged = [cookie_signed_with(sign, username="admin") for sign in set(old_key)]
    assert {await name_in(cookie, app) for cookie in forged} == {"admin"}
    honest = cookie_signed_with(old_key, username="ada")
    assert await name_in(honest, app) == "None"


async def test_old_keys_as_a_list_still_verify() -> None:
    old_key = secrets.token_hex(32)
    app = Quart(__name__)
    app.config.from_mapping(SECRET_KEY=KEY, SECRET_KEY_FALLBACKS=[old_key])
    assert await name_in(cookie_signed_with(old_key, username="ada"), app) == "ada"
    forged = [cookie_signed_with(sign, username="admin") for sign in set(old_key)]
    assert {await name_in(cookie, app) for cookie in forged} == {"None"}


async def test_dont_login_keeps_the_session_and_what_was_planted() -> None:
    client = dont.login_keeps_the_session().test_client()
    await plant(client, csrf_token="known to the attacker")
    await client.post("/login")
    answer = await client.get("/me")
    assert await answer.get_json() == {
        "csrf_token": "known to the attacker",
        "user_id": 7,
    }


@pytest.mark.parametrize(("permanent", "kept"), [(False, 2), (True, 3)])
async def test_dont_change_what_is_inside_saves_it_in_permanent_sessions_only(
    permanent: bool, kept: int
) -> None:
    client = dont.change_what_is_inside().test_client()
    await plant(client, _permanent=permanent)
    for topic in ("news", "music", "chess"):
        answer = await client.post(f"/topics/{topic}")
    assert len(await answer.get_json()) == kept


async def test_dont_change_the_session_in_a_websocket_loses_it(
    caplog: pytest.LogCaptureFixture,
) -> None:
    app = dont.change_the_session_in_a_websocket()
    client = app.test_client()
    async with asyncio.timeout(20), client.websocket("/ws") as socket:
        await socket.send("news")
        assert await socket.receive() == "followed"
        await until(lambda: "These modifications will be lost" in caplog.text)
    answer = await client.get("/topic")
    assert await answer.get_json() == {"topic": "none"}


async def test_dont_cached_page_is_shown_to_others_on_0_22() -> None:
    client = dont.cached_page().test_client()
    await client.post("/login/ada")
    answer = await client.get("/")
    assert await text_of(answer) == "Hello ada"
    assert answer.headers["Cache-Control"] == "public, max-age=60"
    assert answer.headers.get("Vary") == ("Cookie" if QUART_0_23 else None)
