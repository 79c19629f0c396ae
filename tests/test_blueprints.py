import asyncio
import base64
import json
import threading
import time
from collections.abc import AsyncIterator, Awaitable, Callable
from concurrent.futures import ThreadPoolExecutor
from types import SimpleNamespace
from typing import Any

import jwt
import pytest
from argon2.exceptions import VerifyMismatchError
from quart import Blueprint, Quart, abort, g
from quart.testing import WebsocketResponseError
from quart_cors import cors
from websockets.asyncio.client import connect
from websockets.exceptions import ConnectionClosedError, InvalidStatus
from werkzeug.exceptions import HTTPException

from examples.blueprints import auth, chat, create_app
from examples.dont import blueprints as dont
from tests.support.server import hypercorn
from tests.support.versions import QUART_0_23

SECRET = "0123456789abcdef" * 2
PASSWORD = "correct horse"
PROBLEM = "application/problem+json"
MEMBERS = {"ada": auth.hasher.hash(PASSWORD), "grace": auth.hasher.hash("battery")}
PREFLIGHT = {
    "Origin": "https://app.example.com",
    "Access-Control-Request-Method": "GET",
    "Access-Control-Request-Headers": "Authorization",
}


@pytest.fixture
async def app() -> AsyncIterator[Quart]:
    app = create_app(MEMBERS, SECRET)
    async with app.test_app():
        yield app


def token(key: str = SECRET, algorithm: str = "HS256", **changes: Any) -> str:
    """A good token for ada, but for `changes`; a claim that is None is left out."""
    now = int(time.time())
    claims = {"iss": "auth", "aud": "api", "sub": "ada", "iat": now, "exp": now + 60}
    claims = {k: v for k, v in (claims | changes).items() if v is not None}
    return jwt.encode(claims, key, algorithm)


def bearer(value: str) -> dict[str, str]:
    return {"Authorization": f"Bearer {value}"}


async def log_in(app: Quart, name: str, password: str) -> Any:
    body = {"name": name, "password": password}
    return await app.test_client().post("/auth/login", json=body)


async def rejection(app: Quart, path: str, headers: dict[str, str]) -> Any:
    with pytest.raises(WebsocketResponseError) as caught:
        async with app.test_client().websocket(path, headers=headers) as connection:
            await asyncio.wait_for(connection.receive(), 5)
    return caught.value.response


class Gate:
    """A hasher that stays in `verify` until it is opened, and counts who is inside."""

    def __init__(self) -> None:
        self.entered = threading.Semaphore(0)
        self.opened = threading.Event()
        self.inside = self.most = 0
        self.threads: set[int] = set()

    def verify(self, known: str, password: str) -> None:
        self.inside += 1
        self.most = max(self.most, self.inside)
        self.threads.add(threading.get_ident())
        self.entered.release()
        assert self.opened.wait(10)
        self.inside -= 1
        raise VerifyMismatchError

    async def someone_is_in(self) -> None:
        assert await asyncio.to_thread(self.entered.acquire, timeout=10)


async def leave_while_hashing(
    app: Quart, gate: Gate, second_has_come: Callable[[], Awaitable[object]]
) -> None:
    """Two clients log in; the first one leaves while its password is being hashed."""
    client = app.test_client()
    body = json.dumps({"name": "ada", "password": "guess"}).encode()
    headers = {"Content-Type": "application/json"}
    async with client.request("/auth/login", method="POST", headers=headers) as first:
        await first.send(body)
        await first.send_complete()
        await gate.someone_is_in()
        await first.disconnect()
    second = asyncio.create_task(log_in(app, "ada", "guess"))
    await second_has_come()
    gate.opened.set()
    assert (await second).status_code == 401


class Recorder(ThreadPoolExecutor):
    """The one hashing thread; `came` is set when a second hash has been asked for."""

    def __init__(self) -> None:
        super().__init__(1)
        self.ran: list[str] = []
        self.came = asyncio.Event()

    def submit(self, function: Any, /, *args: Any, **kwargs: Any) -> Any:
        self.ran.append(function.__name__)
        if len(self.ran) == 2:
            self.came.set()
        return super().submit(function, *args, **kwargs)


async def test_guard_of_the_parent_covers_requests_and_websockets() -> None:
    client = create_app({}, "a secret key of 32 bytes or more").test_client()
    assert (await client.get("/api/members")).status_code == 401
    with pytest.raises(WebsocketResponseError) as caught:
        async with client.websocket("/api/chat") as socket:
            await asyncio.wait_for(socket.receive(), 5)
    assert caught.value.response.status_code == 401


async def test_login_opens_the_api(app: Quart) -> None:
    response = await log_in(app, "ada", PASSWORD)
    assert response.status_code == 200
    assert response.headers["Cache-Control"] == "no-store"
    headers = bearer((await response.get_json())["access_token"])
    members = await app.test_client().get("/api/members", headers=headers)
    assert await members.get_json() == {"members": ["ada", "grace"]}


async def test_chat_speaks_in_the_name_of_the_token(app: Quart) -> None:
    client = app.test_client()
    async with (
        asyncio.timeout(5),
        client.websocket("/api/chat", headers=bearer(token())) as connection,
    ):
        await connection.send("hello")
        assert await connection.receive_json() == {"from": "ada", "text": "hello"}
        await connection.send("x" * 501)
        assert await connection.receive_json() == {"from": "ada", "text": "x" * 500}
        await connection.send(b"\xff")
        assert await connection.receive_json() == {"from": "ada", "text": "b'\\xff'"}
        await connection.send("")


async def test_refusal_is_a_problem_that_names_the_scheme(app: Quart) -> None:
    response = await app.test_client().get("/api/members")
    assert (response.status_code, response.content_type) == (401, PROBLEM)
    assert response.headers["WWW-Authenticate"] == "Bearer"
    assert await response.get_json() == {
        "title": "Unauthorized",
        "status": 401,
        "detail": "Send a valid token.",
    }
    handshake = await rejection(app, "/api/chat", {})
    assert (handshake.status_code, handshake.content_type) == (401, PROBLEM)


@pytest.mark.parametrize("claim", ["iss", "aud", "sub", "iat", "exp"])
async def test_token_without_a_claim_is_refused(app: Quart, claim: str) -> None:
    headers = bearer(token(**{claim: None}))
    response = await app.test_client().get("/api/members", headers=headers)
    assert response.status_code == 401
    assert (await rejection(app, "/api/chat", headers)).status_code == 401


FORGED = {
    "expired": lambda: token(exp=int(time.time()) - 1),
    "for another audience": lambda: token(aud="shop"),
    "of another issuer": lambda: token(iss="shop"),
    "not valid yet": lambda: token(nbf=int(time.time()) + 60),
    "with a subject that is no text": lambda: token(sub=7),
    "signed with another key": lambda: token("another key of 32 bytes or more!"),
    "signed with another algorithm": lambda: token(SECRET * 2, "HS512"),
    "not signed": lambda: token("", "none"),
    "with an unknown critical header": lambda: jwt.encode(
        jwt.decode(token(), options={"verify_signature": False}),
        SECRET,
        headers={"crit": ["shop"], "shop": 1},
    ),
    "deeply nested": lambda: (
        base64.urlsafe_b64encode(b"[" * 12_000).decode() + ".e30.e30"
    ),
    "not a token": lambda: "of-ada",
    "not ASCII": lambda: "\xff",
    "empty": lambda: "",
}


@pytest.mark.parametrize("forge", FORGED.values(), ids=FORGED)
async def test_forged_token_is_refused(app: Quart, forge: Callable[[], str]) -> None:
    headers = bearer(forge())
    response = await app.test_client().get("/api/members", headers=headers)
    assert response.status_code == 401


async def test_another_scheme_is_refused(app: Quart) -> None:
    client = app.test_client()
    response = await client.get("/api/members", headers={"Authorization": "Basic YTpi"})
    assert response.status_code == 401


@pytest.mark.parametrize("secret", ["", "31 bytes are one too few, Ada.."])
async def test_short_secret_is_refused_at_start(
    secret: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("SECRET_KEY", secret)
    with pytest.raises(ValueError, match="SECRET_KEY needs 32 bytes or more"):
        create_app()


async def test_missing_secret_is_refused_at_start(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.delenv("SECRET_KEY", raising=False)
    with pytest.raises(KeyError, match="SECRET_KEY"):
        create_app()


async def test_without_members_in_the_environment_nobody_may_log_in(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setenv("SECRET_KEY", SECRET)
    monkeypatch.delenv("MEMBERS", raising=False)
    app = create_app()
    async with app.test_app():
        assert (await log_in(app, "ada", PASSWORD)).status_code == 401


async def test_wrong_name_and_wrong_password_get_one_answer(app: Quart) -> None:
    wrong_name = await log_in(app, "mallory", PASSWORD)
    wrong_password = await log_in(app, "ada", "guess")
    assert await wrong_name.get_data() == await wrong_password.get_data()
    assert wrong_name.status_code == wrong_password.status_code == 401
    assert await wrong_name.get_json() == {
        "title": "Unauthorized",
        "status": 401,
        "detail": "The name or the password is wrong.",
    }


async def test_unknown_name_costs_one_hash_as_a_known_one_does(app: Quart) -> None:
    with Recorder() as app.extensions["hashing"]:
        await log_in(app, "mallory", PASSWORD)
        await log_in(app, "ada", "guess")
    assert app.extensions["hashing"].ran == ["hash", "verify"]


async def test_hash_is_argon2id_with_the_cost_that_owasp_names() -> None:
    assert MEMBERS["ada"].startswith("$argon2id$v=19$m=19456,t=2,p=1$")


@pytest.mark.parametrize(
    "body",
    [
        b"",
        b"{bad",
        b'{"name": "\xff", "password": "guess"}',
        b"[" * 60_000,
        b'{"name": "ada"}',
        b'{"name": "ada", "password": 7}',
        b'{"name": "ada", "password": "guess", "admin": true}',
        json.dumps({"name": "ada", "password": "x" * 129}).encode(),
    ],
)
async def test_invalid_login_is_answered_by_the_blueprints_handler(
    app: Quart, body: bytes
) -> None:
    response = await app.test_client().post("/auth/login", data=body)
    assert (response.status_code, response.content_type) == (400, PROBLEM)
    assert await response.get_json() == {
        "title": "Bad Request",
        "status": 400,
        "detail": "Send your credentials.",
    }


async def test_too_large_login_is_refused(app: Quart) -> None:
    response = await app.test_client().post("/auth/login", data=b" " * 65_537)
    assert (response.status_code, response.content_type) == (413, PROBLEM)


async def test_login_hashes_in_a_thread_of_its_own(
    app: Quart, monkeypatch: pytest.MonkeyPatch
) -> None:
    gate = Gate()
    monkeypatch.setattr(auth, "hasher", gate)
    logins = [asyncio.create_task(log_in(app, "ada", "guess")) for _ in range(3)]
    await gate.someone_is_in()
    assert (await app.test_client().get("/api/members")).status_code == 401
    gate.opened.set()
    assert {(await login).status_code for login in logins} == {401}
    assert gate.most == 1
    assert len(gate.threads) == 1
    assert threading.get_ident() not in gate.threads


async def test_client_that_leaves_does_not_free_the_thread(
    app: Quart, monkeypatch: pytest.MonkeyPatch
) -> None:
    gate = Gate()
    monkeypatch.setattr(auth, "hasher", gate)
    with Recorder() as app.extensions["hashing"]:
        await leave_while_hashing(app, gate, app.extensions["hashing"].came.wait)
    assert gate.most == 1


async def test_login_that_waits_too_long_is_a_503(
    app: Quart, monkeypatch: pytest.MonkeyPatch
) -> None:
    gate = Gate()
    monkeypatch.setattr(auth, "hasher", gate)
    monkeypatch.setattr(auth, "PATIENCE", 0.01)
    response = await log_in(app, "ada", PASSWORD)
    gate.opened.set()
    assert (response.status_code, response.content_type) == (503, PROBLEM)


async def test_unknown_url_under_the_prefix_is_the_apps_and_not_guarded(
    app: Quart,
) -> None:
    client = app.test_client()
    for response in (
        await client.get("/api/nothing"),
        await client.delete("/api/members"),
        await client.get("/auth/nothing"),
    ):
        assert response.status_code in (404, 405)
        assert response.content_type == PROBLEM


async def test_wrong_method_is_the_apps_too() -> None:
    app = Quart(__name__)
    notes = Blueprint("notes", __name__, url_prefix="/notes")

    @notes.errorhandler(405)
    async def of_the_blueprint(error: HTTPException) -> tuple[str, int]:
        return "never", 405

    @notes.get("")
    async def list_notes() -> list[str]:
        return []

    app.register_blueprint(notes)
    response = await app.test_client().delete("/notes")
    assert response.status_code == 405
    assert await response.get_data() != b"never"


async def test_rule_without_a_slash_answers_a_slash_with_404(app: Quart) -> None:
    assert (await app.test_client().get("/api/members/")).status_code == 404


async def test_rule_with_a_slash_redirects_and_skips_the_guard() -> None:
    app = Quart(__name__)
    notes = Blueprint("notes", __name__, url_prefix="/notes")

    @notes.before_request
    async def guard() -> None:
        abort(401)

    @notes.get("/")
    async def list_notes() -> list[str]:
        return []

    app.register_blueprint(notes)
    client = app.test_client()
    response = await client.get("/notes")
    assert response.status_code == 308
    assert response.headers["Location"].endswith("/notes/")
    assert (await client.get("/notes/")).status_code == 401


async def test_preflight_passes_the_guard() -> None:
    app = cors(create_app(MEMBERS, SECRET), allow_origin=["https://app.example.com"])
    response = await app.test_client().options("/api/members", headers=PREFLIGHT)
    assert response.status_code == 200
    assert response.headers["Access-Control-Allow-Headers"] == "Authorization"


async def test_two_apps_share_the_blueprints() -> None:
    create_app({"ada": MEMBERS["ada"]}, SECRET)
    app = create_app({}, SECRET)
    client = app.test_client()
    response = await client.get("/api/members", headers=bearer(token()))
    assert await response.get_json() == {"members": []}


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
    await app.test_client().get("/parent/child/")
    assert order == [
        "before app",
        "before parent",
        "before child",
        "after child",
        "after parent",
        "after app",
    ]
    order.clear()
    assert (await rejection(app, "/parent/child/", {})).status_code == 503
    assert order == ["before socket app", "before socket parent", "before socket child"]


async def test_app_handler_of_a_code_beats_the_blueprints_handler_of_a_class() -> None:
    app = Quart(__name__)
    notes = Blueprint("notes", __name__, url_prefix="/notes")

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


def app_whose_tokens_end_soon() -> Quart:
    chat.time = SimpleNamespace(time=lambda: g.token["exp"] - 0.5)  # type: ignore
    return create_app()


async def test_served_socket_ends_with_its_token() -> None:
    target = f"{__name__}:{app_whose_tokens_end_soon.__name__}()"
    env = {"SECRET_KEY": SECRET, "MEMBERS": json.dumps(MEMBERS)}
    async with hypercorn(target, env=env) as server, asyncio.timeout(15):
        url = server.ws_url("/api/chat")
        with pytest.raises(InvalidStatus) as refused:
            await connect(url)
        assert refused.value.response.status_code == 401
        async with connect(url, additional_headers=bearer(token())) as connection:
            with pytest.raises(ConnectionClosedError):
                await connection.recv()
            assert connection.close_code == 1008
            assert connection.close_reason == "token expired"


async def test_dont_guard_requests_only_lets_any_websocket_in() -> None:
    client = dont.guard_requests_only().test_client()
    assert (await client.get("/api/members")).status_code == 401
    async with client.websocket("/api/chat") as connection:
        message = await asyncio.wait_for(connection.receive(), 5)
    assert message == "ada: call 555-0100"


async def test_dont_handle_404_in_the_blueprint_misses_unknown_urls() -> None:
    client = dont.handle_404_in_the_blueprint().test_client()
    seen = await client.get("/api/members/mallory")
    assert await seen.get_json() == {"detail": "There is no such member."}
    missed = await client.get("/api/nothing")
    assert (missed.status_code, missed.mimetype) == (404, "text/html")


async def test_dont_guard_the_preflight_shuts_browsers_out() -> None:
    client = dont.guard_the_preflight().test_client()
    response = await client.options("/api/members", headers=PREFLIGHT)
    assert response.status_code == 401


def test_dont_nest_in_the_factory_fails_for_the_second_app() -> None:
    dont.nest_in_the_factory()
    with pytest.raises(AssertionError, match="can no longer be called"):
        dont.nest_in_the_factory()


async def test_dont_leave_the_body_empty_is_a_500() -> None:
    client = dont.leave_the_body_empty().test_client()
    assert (await client.get("/api/members")).status_code == 500


async def test_dont_leave_the_body_empty_never_opens_a_websocket() -> None:
    target = f"{dont.__name__}:{dont.leave_the_body_empty.__name__}()"
    async with hypercorn(target) as server:
        if QUART_0_23:
            with pytest.raises(TimeoutError):
                await connect(server.ws_url("/api/chat"), open_timeout=1)
        else:
            with pytest.raises(InvalidStatus) as caught:
                await connect(server.ws_url("/api/chat"), open_timeout=5)
            assert caught.value.response.status_code == 500


async def test_dont_tell_who_is_a_member_answers_differently() -> None:
    app = dont.tell_who_is_a_member(MEMBERS)
    wrong_name = await log_in(app, "mallory", "guess")
    wrong_password = await log_in(app, "ada", "guess")
    assert await wrong_name.get_data() != await wrong_password.get_data()
    assert (await log_in(app, "ada", PASSWORD)).status_code == 200


async def test_dont_hash_in_the_event_loop_holds_everybody_up() -> None:
    threads = []

    def check(known: str, password: str) -> None:
        threads.append(threading.get_ident())

    await log_in(dont.hash_in_the_event_loop(MEMBERS, check), "ada", PASSWORD)
    assert threads == [threading.get_ident()]


async def test_dont_hash_behind_a_semaphore_hashes_twice_when_a_client_leaves() -> None:
    gate = Gate()
    app = dont.hash_behind_a_semaphore(MEMBERS, gate.verify)
    await leave_while_hashing(app, gate, gate.someone_is_in)
    assert gate.most == 2


@pytest.mark.parametrize("claims", [{"exp": None}, {"iss": "shop"}, {"sub": None}])
async def test_dont_trust_any_claims_accepts_a_token_for_ever(
    claims: dict[str, Any],
) -> None:
    client = dont.trust_any_claims(SECRET).test_client()
    headers = bearer(token(aud=None, **claims))
    assert (await client.get("/api/members", headers=headers)).status_code == 200
