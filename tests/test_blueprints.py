import asyncio
import json
import subprocess
import sys
from collections.abc import AsyncIterator, Callable
from pathlib import Path
from typing import Any

import pytest
from quart import Blueprint, Quart, abort, g, render_template, url_for, websocket
from quart.testing import WebsocketResponseError
from sqlalchemy import update
from websockets.asyncio.client import connect
from websockets.exceptions import InvalidStatus
from werkzeug.exceptions import HTTPException

from examples.authentication import login_required
from examples.blueprints import create_app
from examples.configuration import Settings
from examples.database_sessions import User, writing
from examples.dont import blueprints as dont
from examples.plain import blueprints as plain
from tests.support.serving import serving
from tests.support.versions import QUART_0_23

ORIGIN = "https://app.example.com"
PROBLEM = "application/problem+json"
ADA = {"username": "ada", "email": "ada@example.com", "password": "password123"}
CREDENTIALS = {"username": "ada", "password": "password123"}


def make_app(database_url: str) -> Quart:
    return create_app(
        Settings.model_validate(
            {
                "secret_key": "s" * 32,
                "token_key": "t" * 32,
                "database_url": database_url,
                "cors_origins": ORIGIN,
                "secure_cookies": False,
            }
        )
    )


@pytest.fixture
async def app(database_url: str) -> AsyncIterator[Quart]:
    """On SQLite and on PostgreSQL."""
    app = make_app(database_url)
    async with app.test_app():
        yield app


@pytest.fixture
async def small_app(sqlite_url: str) -> AsyncIterator[Quart]:
    """For what no database can change."""
    app = make_app(sqlite_url)
    async with app.test_app():
        yield app


async def register(app: Quart, username: str = "ada", **fields: object) -> Any:
    user = {**ADA, "username": username, "email": f"{username}@example.com", **fields}
    answer = await app.test_client().post("/users", json=user)
    assert answer.status_code == 201
    return await answer.get_json()


async def log_in(app: Quart, **changes: str) -> Any:
    return await app.test_client().post("/auth/login", json=CREDENTIALS | changes)


def bearer(app: Quart, user_id: int, role: str = "user") -> dict[str, str]:
    token = app.extensions["tokens"].issue(user_id, "ada", role)
    return {"Authorization": f"Bearer {token}"}


async def test_the_seeds_own_requests_are_answered(app: Quart) -> None:
    client = app.test_client()
    answer = await client.post(
        "/users",
        json={
            "username": "test",
            "email": "test@example.com",
            "password": "password123",
        },
    )
    assert answer.status_code == 201
    user = await answer.get_json()
    created_at = user.pop("created_at")
    assert user == {
        "id": 1,
        "username": "test",
        "email": "test@example.com",
        "bio": None,
    }
    answer = await log_in(app, username="test")
    assert answer.status_code == 200
    token = await answer.get_json()
    assert token["token_type"] == "bearer"
    assert token["expires_in"] == 900
    headers = {"Authorization": f"Bearer {token['access_token']}"}
    answer = await client.get("/api/users", headers=headers)
    seen = {**user, "created_at": created_at}
    assert await answer.get_json() == {"users": [seen], "next_after": None}
    answer = await client.get("/users/1", headers=headers)
    assert await answer.get_json() == seen


async def test_wrong_name_and_wrong_password_get_one_answer(small_app: Quart) -> None:
    await register(small_app)
    wrong_name = await log_in(small_app, username="mallory")
    wrong_password = await log_in(small_app, password="guess")
    assert await wrong_name.get_data() == await wrong_password.get_data()
    assert wrong_name.status_code == wrong_password.status_code == 401
    assert wrong_name.headers["WWW-Authenticate"] == "Bearer"
    assert wrong_name.content_type == PROBLEM
    problem = await wrong_name.get_json()
    assert problem["detail"] == "The username or the password is wrong."


async def test_a_broken_stored_hash_is_a_failed_login(
    small_app: Quart, caplog: pytest.LogCaptureFixture
) -> None:
    await register(small_app)
    async with small_app.app_context(), writing() as session:
        await session.execute(update(User).values(password_hash="broken"))
    assert (await log_in(small_app)).status_code == 401
    assert "a stored password hash cannot be verified" in caplog.text


@pytest.mark.parametrize(
    "body",
    [
        b"",
        b"{bad",
        b'{"username": "\xff", "password": "guess"}',
        b"[" * 60_000,
        b'{"username": "ada"}',
        b'{"username": "ada", "password": 7}',
        b'{"username": "ada", "password": "guess", "admin": true}',
        b'{"username": "a\\u0000", "password": "guess"}',
        json.dumps({"username": "x" * 31, "password": "guess"}).encode(),
        json.dumps({"username": "ada", "password": "x" * 129}).encode(),
    ],
)
async def test_an_invalid_login_is_a_400(small_app: Quart, body: bytes) -> None:
    answer = await small_app.test_client().post(
        "/auth/login", data=body, headers={"Content-Type": "application/json"}
    )
    assert (answer.status_code, answer.content_type) == (400, PROBLEM)
    assert b"guess" not in await answer.get_data()


async def test_a_form_of_another_site_cannot_log_in(small_app: Quart) -> None:
    client = small_app.test_client()
    for content_type in ("text/plain", "application/x-www-form-urlencoded"):
        answer = await client.post(
            "/auth/login",
            data=json.dumps(CREDENTIALS),
            headers={"Content-Type": content_type},
        )
        assert (answer.status_code, answer.content_type) == (415, PROBLEM)


async def test_a_login_of_a_megabyte_is_refused(small_app: Quart) -> None:
    answer = await small_app.test_client().post(
        "/auth/login",
        data=b" " * 2**20,
        headers={"Content-Type": "application/json"},
    )
    assert (answer.status_code, answer.content_type) == (413, PROBLEM)


async def test_the_login_of_a_page_opens_its_websockets(sqlite_url: str) -> None:
    app = make_app(sqlite_url)

    @app.websocket("/ws/me")
    @login_required
    async def me() -> None:
        await websocket.send(g.caller.username)

    client = app.test_client()

    async def answer(origin: str) -> str | int:
        async with client.websocket("/ws/me", headers={"Origin": origin}) as socket:
            try:
                return str(await asyncio.wait_for(socket.receive(), 20))
            except WebsocketResponseError as refusal:
                return int(refusal.response.status_code)

    async with app.test_app():
        await register(app)
        assert await answer(ORIGIN) == 401
        assert (await client.post("/auth/login", json=CREDENTIALS)).status_code == 200
        assert await answer(ORIGIN) == "ada"
        assert await answer("https://evil.example") == 403
        assert (await client.get("/api/users")).status_code == 401
        assert (await client.post("/auth/logout")).status_code == 204
        assert await answer(ORIGIN) == 401


async def test_a_login_starts_a_new_session(small_app: Quart) -> None:
    await register(small_app)
    client = small_app.test_client()
    async with client.session_transaction() as session:
        session["planted"] = "by somebody else"
    await client.post("/auth/login", json=CREDENTIALS)
    async with client.session_transaction() as session:
        assert list(session) == ["access_token"]


async def test_two_users_of_one_name_are_a_409(app: Quart) -> None:
    await register(app)
    answer = await app.test_client().post("/users", json=ADA)
    assert (answer.status_code, answer.content_type) == (409, PROBLEM)


async def test_pages_neither_skip_nor_repeat(app: Quart) -> None:
    for username in ("ada", "bob", "cleo", "dan", "eve"):
        await register(app, username)
    client = app.test_client()
    admin = bearer(app, 1, "admin")
    seen, after = [], 0
    while after is not None:
        answer = await client.get(f"/api/users?limit=2&after={after}", headers=admin)
        page = await answer.get_json()
        seen.append([user["username"] for user in page["users"]])
        after = page["next_after"]
        if len(seen) == 1:  # an offset would skip cleo now
            deleted = await client.delete("/users/1", headers=admin)
            assert deleted.status_code == 204
    assert seen == [["ada", "bob"], ["cleo", "dan"], ["eve"]]


async def test_an_empty_page_is_the_last(small_app: Quart) -> None:
    headers = bearer(small_app, 1)
    answer = await small_app.test_client().get("/api/users", headers=headers)
    assert await answer.get_json() == {"users": [], "next_after": None}


@pytest.mark.parametrize("query", ["limit=0", "limit=101", "after=-1", "page=2"])
async def test_a_wrong_query_is_a_400(small_app: Quart, query: str) -> None:
    headers = bearer(small_app, 1)
    answer = await small_app.test_client().get(f"/api/users?{query}", headers=headers)
    assert (answer.status_code, answer.content_type) == (400, PROBLEM)


async def test_users_change_themselves_only(app: Quart) -> None:
    ada, bob = await register(app, bio="Counts."), await register(app, "bob")
    client = app.test_client()
    change = {"email": "countess@example.com"}
    answer = await client.patch("/users/1", json=change, headers=bearer(app, 1))
    assert await answer.get_json() == ada | change
    answer = await client.patch("/users/1", json={"bio": None}, headers=bearer(app, 1))
    assert await answer.get_json() == ada | change | {"bio": None}
    answer = await client.patch("/users/2", json=change, headers=bearer(app, 1))
    assert (answer.status_code, answer.content_type) == (403, PROBLEM)
    answer = await client.patch("/users/2", json=change, headers=bearer(app, 2))
    assert answer.status_code == 409
    answer = await client.get("/users/2", headers=bearer(app, 1))
    assert await answer.get_json() == bob
    answer = await client.patch("/users/3", json=change, headers=bearer(app, 3))
    assert (answer.status_code, answer.content_type) == (404, PROBLEM)


async def test_a_login_comes_before_the_body(small_app: Quart) -> None:
    answer = await small_app.test_client().patch("/users/1", json={"role": "admin"})
    assert answer.status_code == 401
    answer = await small_app.test_client().patch(
        "/users/1", json={"role": "admin"}, headers=bearer(small_app, 1)
    )
    assert answer.status_code == 400


async def test_an_admin_deletes_even_who_invited_others(app: Quart) -> None:
    await register(app)
    await register(app, "bob", invited_by=1)
    client = app.test_client()
    refused = await client.delete("/users/1", headers=bearer(app, 1))
    assert (refused.status_code, refused.content_type) == (403, PROBLEM)
    deleted = await client.delete("/users/1", headers=bearer(app, 2, "admin"))
    assert (deleted.status_code, await deleted.get_data()) == (204, b"")
    again = await client.delete("/users/1", headers=bearer(app, 2, "admin"))
    assert (again.status_code, again.content_type) == (404, PROBLEM)
    bob = await client.get("/users/2", headers=bearer(app, 2))
    assert bob.status_code == 200


async def test_no_id_is_a_500(app: Quart) -> None:
    client, headers = app.test_client(), bearer(app, 1)
    for user_id in (0, -1, 2**31 - 1, 2**31, 2**63, 1.0, "x"):
        answer = await client.get(f"/users/{user_id}", headers=headers)
        assert (answer.status_code, answer.content_type) == (404, PROBLEM)


async def test_what_is_nested_has_the_guard_of_its_parent(small_app: Quart) -> None:
    client = small_app.test_client()
    assert (await client.post("/api/reports/july")).status_code == 401
    headers = bearer(small_app, 1)
    answer = await client.post("/api/reports/july", headers=headers)
    assert answer.status_code == 202


async def test_unknown_urls_and_wrong_methods_are_the_apps(small_app: Quart) -> None:
    client = small_app.test_client()
    for answer, status in (
        (await client.get("/api/nothing"), 404),
        (await client.delete("/api/users"), 405),
        (await client.get("/auth/nothing"), 404),
    ):
        assert (answer.status_code, answer.content_type) == (status, PROBLEM)


async def test_two_apps_share_the_blueprints(tmp_path: Path) -> None:
    first = make_app(f"sqlite+aiosqlite:///{tmp_path}/first.sqlite3")
    second = make_app(f"sqlite+aiosqlite:///{tmp_path}/second.sqlite3")
    async with first.test_app(), second.test_app():
        await register(first)
        assert (await log_in(first)).status_code == 200
        assert (await log_in(second)).status_code == 401


def test_a_missing_key_stops_the_start(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("TOKEN_KEY", "t" * 32)
    monkeypatch.setenv("DATABASE_URL", "sqlite+aiosqlite:///unused.sqlite3")
    monkeypatch.delenv("SECRET_KEY", raising=False)
    with pytest.raises(SystemExit, match="SECRET_KEY"):
        create_app()


def blueprint_app() -> tuple[Quart, Blueprint]:
    """An app, and a blueprint that is to be registered."""
    return Quart(__name__), Blueprint("notes", __name__, url_prefix="/notes")


async def test_a_rule_without_a_slash_answers_a_slash_with_404() -> None:
    app, notes = blueprint_app()
    notes.add_url_rule("", view_func=lambda: "listed", endpoint="list")
    app.register_blueprint(notes)
    assert (await app.test_client().get("/notes")).status_code == 200
    assert (await app.test_client().get("/notes/")).status_code == 404


async def test_a_rule_with_a_slash_redirects_and_skips_the_guard() -> None:
    app, notes = blueprint_app()
    notes.before_request(lambda: abort(401))
    notes.add_url_rule("/", view_func=lambda: "listed", endpoint="list")
    app.register_blueprint(notes)
    answer = await app.test_client().get("/notes")
    assert answer.status_code == 308
    assert answer.headers["Location"].endswith("/notes/")
    assert (await app.test_client().get("/notes/")).status_code == 401


async def test_hooks_run_from_the_outside_in_and_back() -> None:
    app, order = Quart(__name__), []
    parent = Blueprint("parent", __name__, url_prefix="/parent")
    child = Blueprint("child", __name__, url_prefix="/child")

    def note(name: str) -> Callable[..., Any]:
        async def hook(response: Any = None) -> Any:
            order.append(name)
            return response

        return hook

    for scaffold, name in ((app, "app"), (parent, "parent"), (child, "child")):
        scaffold.before_request(note(f"before {name}"))
        scaffold.before_websocket(note(f"before socket {name}"))
        scaffold.after_request(note(f"after {name}"))

    @child.get("/")
    async def show() -> str:
        return "shown"

    @child.websocket("/")
    async def stream() -> tuple[str, int]:
        return "full", 503

    parent.register_blueprint(child)
    app.register_blueprint(parent)
    client = app.test_client()
    await client.get("/parent/child/")
    assert order == [
        "before app",
        "before parent",
        "before child",
        "after child",
        "after parent",
        "after app",
    ]
    for path, method in (
        ("/parent/child/no", "GET"),
        ("/parent/child/", "PUT"),
        ("/parent/child", "GET"),
    ):
        order.clear()
        await client.open(path, method=method)
        assert order == ["before app", "after app"]
    order.clear()
    with pytest.raises(WebsocketResponseError):
        async with client.websocket("/parent/child/") as socket:
            await asyncio.wait_for(socket.receive(), 20)
    assert order == ["before socket app", "before socket parent", "before socket child"]


async def test_the_apps_handler_of_a_code_beats_the_blueprints_of_a_class() -> None:
    app, notes = blueprint_app()

    @notes.errorhandler(HTTPException)
    async def of_the_blueprint(error: HTTPException) -> tuple[str, int | None]:
        return "blueprint", error.code

    @app.errorhandler(404)
    async def of_the_app(error: HTTPException) -> tuple[str, int]:
        return "app", 404

    @notes.get("/<int:status>")
    async def show(status: int) -> None:
        abort(status)

    app.register_blueprint(notes)
    client = app.test_client()
    assert await (await client.get("/notes/404")).get_data() == b"app"
    assert await (await client.get("/notes/403")).get_data() == b"blueprint"


async def test_endpoints_have_the_names_of_all_blueprints_around_them() -> None:
    app = Quart(__name__)
    api = Blueprint("api", __name__, url_prefix="/api")
    users = Blueprint("users", __name__, url_prefix="/users")

    @users.get("/<int:user_id>")
    async def show_user(user_id: int) -> str:
        return url_for(".show_user", user_id=user_id + 1)

    api.register_blueprint(users)
    app.register_blueprint(api)
    app.register_blueprint(users, name="users_v2", url_prefix="/v2/users")
    async with app.test_request_context("/"):
        assert url_for("api.users.show_user", user_id=7) == "/api/users/7"
        assert url_for("users_v2.show_user", user_id=7) == "/v2/users/7"
    client = app.test_client()
    for path, linked in (
        ("/api/users/7", b"/api/users/8"),
        ("/v2/users/7", b"/v2/users/8"),
    ):
        assert await (await client.get(path)).get_data() == linked


async def test_the_apps_template_beats_the_blueprints(tmp_path: Path) -> None:
    for folder in ("app", "notes", "static"):
        (tmp_path / folder).mkdir()
        (tmp_path / folder / "page.html").write_text(folder)
    (tmp_path / "notes" / "own.html").write_text("own")
    app = Quart(__name__, template_folder=str(tmp_path / "app"))
    notes = Blueprint(
        "notes",
        __name__,
        url_prefix="/notes",
        template_folder=str(tmp_path / "notes"),
        static_folder=str(tmp_path / "static"),
    )

    @notes.get("/<name>")
    async def show(name: str) -> str:
        return await render_template(name)

    app.register_blueprint(notes)
    client = app.test_client()
    assert await (await client.get("/notes/page.html")).get_data() == b"app"
    assert await (await client.get("/notes/own.html")).get_data() == b"own"
    assert await (await client.get("/notes/static/page.html")).get_data() == b"static"


async def test_plain_form_guards_what_is_nested() -> None:
    client = plain.create_app("a secret key").test_client()
    assert (await client.get("/api/users")).status_code == 401
    async with client.session_transaction() as session:
        session["user_id"] = 1
    answer = await client.get("/api/users")
    assert await answer.get_json() == {"users": ["ada"]}


def test_dont_import_the_app_into_a_blueprint(tmp_path: Path) -> None:
    package = tmp_path / "acme"
    package.mkdir()
    (package / "__init__.py").write_text(
        "from quart import Quart\nfrom .users import users\n\n"
        "app = Quart(__name__)\napp.register_blueprint(users)\n"
    )
    (package / "users.py").write_text(
        "from quart import Blueprint\nfrom . import app\n\n"
        'users = Blueprint("users", __name__)\n'
    )
    command = [sys.executable, "-c", "import acme"]
    run = subprocess.run(command, cwd=tmp_path, capture_output=True, text=True)
    assert "cannot import name 'app' from partially initialized module" in run.stderr


async def test_dont_decorator_above_the_route_has_no_effect() -> None:
    client = dont.decorator_above_the_route().test_client()
    answer = await client.get("/users")
    assert await answer.get_json() == ["ada"]


@pytest.mark.filterwarnings("ignore:coroutine .* was never awaited:RuntimeWarning")
@pytest.mark.filterwarnings("ignore::pytest.PytestUnraisableExceptionWarning")
async def test_dont_sync_decorator_is_a_500() -> None:
    client = dont.sync_decorator().test_client()
    assert (await client.get("/users")).status_code == 401
    answer = await client.get("/users", headers={"X-Api-Key": "1"})
    assert answer.status_code == 500


async def test_dont_handle_404_in_the_blueprint_misses_unknown_urls() -> None:
    client = dont.handle_404_in_the_blueprint().test_client()
    answer = await client.get("/api/nothing")
    assert (answer.status_code, answer.mimetype) == (404, "text/html")


def test_dont_register_twice_fails_at_start() -> None:
    with pytest.raises(ValueError, match="already registered for this blueprint"):
        dont.register_twice()


def test_dont_decorate_without_wraps_fails_at_start() -> None:
    message = "View function mapping is overwriting an existing endpoint function"
    with pytest.raises(AssertionError, match=message):
        dont.decorate_without_wraps()


def test_dont_nest_in_the_factory_fails_for_the_second_app() -> None:
    dont.nest_in_the_factory()
    with pytest.raises(AssertionError, match="can no longer be called"):
        dont.nest_in_the_factory()


async def test_dont_leave_the_body_empty_is_a_500() -> None:
    client = dont.leave_the_body_empty().test_client()
    assert (await client.post("/auth/login")).status_code == 500


async def test_dont_leave_the_body_empty_never_opens_a_websocket() -> None:
    async with serving(dont.leave_the_body_empty()) as address:
        url = f"ws://{address}/ws/chat"
        if QUART_0_23:
            with pytest.raises(TimeoutError):
                await connect(url, open_timeout=1)
        else:
            with pytest.raises(InvalidStatus) as refusal:
                await connect(url, open_timeout=20)
            assert refusal.value.response.status_code == 500
