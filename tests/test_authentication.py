import asyncio
import base64
import hashlib
import hmac
import json
import logging
import time
from collections.abc import Callable, Mapping
from typing import Any

import jwt
import pytest
from quart import Blueprint, Quart, websocket
from quart.testing import QuartClient, WebsocketResponseError
from quart_cors import cors
from websockets.asyncio.client import connect

from examples.authentication import (
    Tokens,
    create_app,
    login_required,
    register_authentication,
    require_login,
    require_websocket_login,
)
from examples.dont import authentication as dont
from examples.plain import authentication as plain
from tests.support.serving import serving

KEY = "0123456789abcdef" * 2
OLD_KEY = "an older key of 32 bytes or more"
ORIGIN = "https://app.example.com"
PREFLIGHT = {
    "Origin": ORIGIN,
    "Access-Control-Request-Method": "GET",
    "Access-Control-Request-Headers": "Authorization",
}
CLAIMS = ["iss", "aud", "sub", "name", "role", "iat", "exp"]


@pytest.fixture
def app() -> Quart:
    return create_app([KEY])


@pytest.fixture
def client(app: Quart) -> QuartClient:
    return app.test_client()


def bearer(token: str, scheme: str = "Bearer") -> dict[str, str]:
    return {"Authorization": f"{scheme} {token}"}


def issue(user_id: int = 1, username: str = "ada", role: str = "user") -> str:
    return Tokens([KEY]).issue(user_id, username, role)


def forge(key: str = KEY, algorithm: str = "HS256", **changes: Any) -> str:
    """A good token for ada, but for `changes`; a claim that is None is left out."""
    claims = jwt.decode(issue(), options={"verify_signature": False})
    claims = {k: v for k, v in (claims | changes).items() if v is not None}
    return jwt.encode(claims, key, algorithm)


def sign(header: bytes, payload: bytes) -> str:
    """A token that is signed right, whatever its header says."""
    parts = [base64.urlsafe_b64encode(part).rstrip(b"=") for part in (header, payload)]
    signature = hmac.digest(KEY.encode(), b".".join(parts), hashlib.sha256)
    parts.append(base64.urlsafe_b64encode(signature).rstrip(b"="))
    return b".".join(parts).decode()


def with_header(header: Mapping[str, Any]) -> str:
    claims = jwt.decode(issue(), options={"verify_signature": False})
    return sign(json.dumps(header).encode(), json.dumps(claims).encode())


async def greeting(
    client: QuartClient, headers: Mapping[str, str], path: str = "/ws/me"
) -> str | int:
    """What the websocket says, or the status that its handshake is refused with."""
    async with asyncio.timeout(20), client.websocket(path, headers=headers) as socket:
        try:
            return str(await socket.receive())
        except WebsocketResponseError as refusal:
            return int(refusal.response.status_code)


async def test_one_token_opens_http_and_websockets(client: QuartClient) -> None:
    answer = await client.get("/me", headers=bearer(issue()))
    assert await answer.get_json() == {"id": 1, "username": "ada"}
    assert await greeting(client, bearer(issue())) == "Hello ada"


async def test_a_refusal_names_the_scheme(client: QuartClient) -> None:
    answer = await client.get("/me")
    assert answer.status_code == 401
    assert answer.headers["WWW-Authenticate"] == "Bearer"
    with pytest.raises(WebsocketResponseError) as refusal:
        async with client.websocket("/ws/me", headers=bearer("x")) as socket:
            await asyncio.wait_for(socket.receive(), 20)
    assert refusal.value.response.status_code == 401
    assert refusal.value.response.headers["WWW-Authenticate"] == "Bearer"


@pytest.mark.parametrize("claim", CLAIMS)
async def test_a_token_without_a_claim_is_refused(
    client: QuartClient, claim: str
) -> None:
    headers = bearer(forge(**{claim: None}))
    assert (await client.get("/me", headers=headers)).status_code == 401
    assert await greeting(client, headers) == 401


FORGED: dict[str, Callable[[], str]] = {
    "empty": lambda: "",
    "junk": lambda: "a.b.c",
    "not ASCII": lambda: "\xff",
    "expired": lambda: forge(exp=int(time.time()) - 60),
    "not valid yet": lambda: forge(nbf=int(time.time()) + 60),
    "issued in the future": lambda: forge(iat=int(time.time()) + 60),
    "for another audience": lambda: forge(aud="shop"),
    "of another issuer": lambda: forge(iss="shop"),
    "of a user without a number": lambda: forge(sub="ada"),
    "of a user that is no text": lambda: forge(sub=7),
    "unsigned": lambda: forge("", "none"),
    "signed with another key": lambda: forge(OLD_KEY),
    "signed with another algorithm": lambda: forge(KEY * 2, "HS512"),
    "another algorithm with the key": lambda: with_header({"alg": "HS384"}),
    "an unknown extension": lambda: with_header(
        {"alg": "HS256", "crit": ["shop"], "shop": 1}
    ),
    "a key id that is no text": lambda: with_header({"alg": "HS256", "kid": 7}),
    "a key id that is a file": lambda: jwt.encode(
        {}, OLD_KEY, "HS256", headers={"kid": "/dev/null"}
    ),
    "a key of its own": lambda: jwt.encode(
        {}, OLD_KEY, "HS256", headers={"jwk": {"kty": "oct", "k": OLD_KEY}}
    ),
    "a deep header": lambda: sign(b'{"alg":' + b"[" * 5_000 + b"]" * 5_000 + b"}", b""),
    "no object": lambda: sign(b'{"alg": "HS256"}', b"[]"),
    "of quart-jwt-extended": lambda: jwt.encode(
        {
            "iat": int(time.time()),
            "nbf": int(time.time()),
            "jti": "fc5c14e0-b3e0-41bf-a15e-980d6d642191",
            "exp": int(time.time()) + 900,
            "identity": "ada",
            "fresh": False,
            "type": "access",
        },
        KEY,
        "HS256",
    ),
}


@pytest.mark.filterwarnings("ignore::jwt.warnings.InsecureKeyLengthWarning")
@pytest.mark.parametrize("forged", FORGED.values(), ids=FORGED)
async def test_a_forged_token_is_refused(
    client: QuartClient, forged: Callable[[], str]
) -> None:
    headers = bearer(forged())
    answer = await client.get("/me", headers=headers)
    assert answer.status_code == 401
    assert answer.headers["WWW-Authenticate"] == "Bearer"
    if forged():
        assert await greeting(client, headers) == 401


@pytest.mark.parametrize("scheme", ["Bearer", "bearer", "BEARER", "Bearer "])
async def test_the_scheme_is_bearer_in_any_case(
    client: QuartClient, scheme: str
) -> None:
    answer = await client.get("/me", headers=bearer(issue(), scheme))
    assert answer.status_code == 200


@pytest.mark.parametrize("scheme", ["Foo", "Token", "Digest", "Basic", "", "Bearerx"])
async def test_another_scheme_is_refused(client: QuartClient, scheme: str) -> None:
    answer = await client.get("/me", headers=bearer(issue(), scheme))
    assert answer.status_code == 401


async def test_a_token_in_the_url_is_refused(client: QuartClient) -> None:
    answer = await client.get(f"/me?token={issue()}&access_token={issue()}")
    assert answer.status_code == 401
    assert await greeting(client, {}, f"/ws/me?token={issue()}") == 403


@pytest.mark.parametrize("claim", ["iat", "exp"])
async def test_clocks_may_differ_by_a_few_seconds(
    client: QuartClient, claim: str
) -> None:
    shift = {"iat": 8, "exp": -2}[claim]
    headers = bearer(forge(**{claim: int(time.time()) + shift}))
    assert (await client.get("/me", headers=headers)).status_code == 200


async def test_the_first_key_signs_and_all_verify() -> None:
    before, during, after = Tokens([OLD_KEY]), Tokens([KEY, OLD_KEY]), Tokens([KEY])
    old, new = before.issue(1, "ada"), during.issue(1, "ada")
    assert during.read(old).username == "ada"
    assert during.read(new) == after.read(new)
    for tokens, token in ((before, new), (after, old)):
        with pytest.raises(Exception, match="Send a valid token"):
            tokens.read(token)


def test_the_caller_has_what_the_token_says() -> None:
    caller = Tokens([KEY], lifetime=60).read(issue(7, "grace", "admin"))
    assert (caller.user_id, caller.username, caller.role) == (7, "grace", "admin")
    lifetime = Tokens([KEY], lifetime=60).read(Tokens([KEY], 60).issue(1, "ada"))
    assert caller.expires - lifetime.expires > 800


@pytest.mark.parametrize(
    "keys", [[], [""], ["31 bytes are one too few, Ada.."], [KEY, "x"]]
)
def test_short_keys_are_refused_at_start(keys: list[str]) -> None:
    with pytest.raises(ValueError, match="each token key needs 32 bytes or more"):
        register_authentication(Quart(__name__), keys)


def test_the_key_is_read_from_the_environment(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.delenv("TOKEN_KEY", raising=False)
    with pytest.raises(KeyError, match="TOKEN_KEY"):
        create_app()
    monkeypatch.setenv("TOKEN_KEY", KEY)
    assert create_app().extensions["tokens"].keys == [KEY]


async def test_only_the_role_may(client: QuartClient) -> None:
    answers = [
        await client.delete("/users/2", headers=bearer(issue(role=role)))
        for role in ("user", "Admin", "admin")
    ]
    assert [answer.status_code for answer in answers] == [403, 403, 204]
    assert (await client.delete("/users/2")).status_code == 401


def guarded_blueprint() -> Quart:
    """An app that guards as `api` in blueprints, and its websockets too."""
    app = Quart(__name__)
    app.secret_key = "a secret key"
    register_authentication(app, [KEY], [ORIGIN])
    api = Blueprint("api", __name__, url_prefix="/api")
    api.before_request(require_login)
    api.before_websocket(require_websocket_login)

    @api.get("/users")
    async def list_users() -> list[str]:
        return ["ada"]

    @api.websocket("/ws")
    async def chat() -> None:
        await websocket.send("hello")

    app.register_blueprint(api)
    return app


async def test_hooks_guard_a_blueprint() -> None:
    client = guarded_blueprint().test_client()
    assert (await client.get("/api/users")).status_code == 401
    assert await greeting(client, {}, "/api/ws") == 403
    good = bearer(issue())
    assert (await client.get("/api/users", headers=good)).status_code == 200
    assert await greeting(client, good, "/api/ws") == "hello"


async def test_a_preflight_passes_the_guard() -> None:
    client = cors(guarded_blueprint(), allow_origin=[ORIGIN]).test_client()
    answer = await client.options("/api/users", headers=PREFLIGHT)
    assert answer.status_code == 200
    assert answer.headers["Access-Control-Allow-Headers"] == "Authorization"


async def test_a_preflight_passes_the_decorator(app: Quart) -> None:
    client = cors(app, allow_origin=[ORIGIN]).test_client()
    assert (await client.options("/me", headers=PREFLIGHT)).status_code == 200


async def test_a_view_of_options_is_guarded_by_the_decorator() -> None:
    app = Quart(__name__)
    register_authentication(app, [KEY])

    @app.route("/me", methods=["GET", "OPTIONS"])
    @login_required
    async def me() -> str:
        return "secret"

    assert (await app.test_client().options("/me")).status_code == 401


@pytest.fixture
async def browser() -> QuartClient:
    """A client whose session has the token, as after /auth/login."""
    client = guarded_blueprint().test_client()
    async with client.session_transaction() as session:
        session["access_token"] = issue()
    return client


async def test_a_page_opens_a_websocket_with_its_session(browser: QuartClient) -> None:
    assert await greeting(browser, {"Origin": ORIGIN}, "/api/ws") == "hello"


@pytest.mark.parametrize(
    "origin",
    [
        "https://evil.example",
        "https://app.example.com.evil.example",
        "https://app.example.com:8443",
        "http://app.example.com",
        "null",
        "",
    ],
)
async def test_another_page_may_not_use_the_session(
    browser: QuartClient, origin: str
) -> None:
    assert await greeting(browser, {"Origin": origin}, "/api/ws") == 403
    assert await greeting(browser, {}, "/api/ws") == 403


@pytest.mark.parametrize("origin", ["https://localhost", "http://localhost"])
async def test_a_page_of_the_own_host_needs_no_list(
    browser: QuartClient, origin: str
) -> None:
    assert await greeting(browser, {"Origin": origin}, "/api/ws") == "hello"
    assert await greeting(browser, {"Origin": f"{origin}:8443"}, "/api/ws") == 403


async def test_a_page_without_a_login_is_refused() -> None:
    client = guarded_blueprint().test_client()
    assert await greeting(client, {"Origin": ORIGIN}, "/api/ws") == 401


async def test_a_token_needs_no_origin(client: QuartClient) -> None:
    headers = {**bearer(issue()), "Origin": "https://evil.example"}
    assert await greeting(client, headers) == "Hello ada"


async def test_http_routes_do_not_take_the_session(browser: QuartClient) -> None:
    assert (await browser.get("/api/users")).status_code == 401


async def test_plain_form_needs_a_valid_token() -> None:
    client = plain.create_app(KEY).test_client()
    good = jwt.encode({"sub": "ada", "exp": int(time.time()) + 60}, KEY, "HS256")
    answer = await client.get("/me", headers=bearer(good, "bearer"))
    assert await answer.get_json() == {"username": "ada"}
    for headers in (
        {},
        bearer(good, "Foo"),
        bearer("junk"),
        bearer(jwt.encode({"sub": "ada"}, KEY, "HS256")),
        bearer(jwt.encode({"sub": "ada", "exp": 1}, KEY, "HS256")),
        bearer(jwt.encode({"exp": int(time.time()) + 60}, KEY, "HS256")),
        bearer(forge(OLD_KEY)),
    ):
        assert (await client.get("/me", headers=headers)).status_code == 401


async def test_dont_guard_requests_only_lets_any_websocket_in() -> None:
    client = dont.guard_requests_only().test_client()
    assert await greeting(client, {}, "/ws/chat") == "ada: call 555-0100"


@pytest.mark.parametrize(
    "claims",
    [{"exp": None}, {"aud": None, "iss": "shop"}, {"aud": None, "scope": "reset"}],
)
async def test_dont_take_any_claims_opens_to_tokens_for_something_else(
    claims: dict[str, Any],
) -> None:
    token = forge(**{"aud": None, **claims})
    client = dont.take_any_claims(KEY).test_client()
    answer = await client.get("/me", headers=bearer(token))
    assert await answer.get_json() == {"username": "1"}


async def test_dont_split_the_header_takes_any_scheme_and_fails_without() -> None:
    client = dont.split_the_header(KEY).test_client()
    token = forge(aud=None)
    answer = await client.get("/me", headers=bearer(token, "Foo"))
    assert answer.status_code == 200
    expired = forge(aud=None, exp=1)
    for header in ("Bearer", token, f"Bearer {expired}"):
        answer = await client.get("/me", headers={"Authorization": header})
        assert answer.status_code == 500
    assert (await client.get("/me")).status_code == 400


async def test_dont_token_in_the_url_writes_it_into_the_access_log(
    caplog: pytest.LogCaptureFixture,
) -> None:
    caplog.set_level(logging.INFO)
    access_log = logging.getLogger("hypercorn.access")
    token = forge(aud=None)
    app = dont.token_in_the_url(KEY)
    async with (
        asyncio.timeout(20),
        serving(app, accesslog=access_log, access_log_format="%(R)s") as address,
        connect(f"ws://{address}/ws/chat?token={token}") as socket,
    ):
        assert await socket.recv() == "hello"
    assert token in caplog.text


async def test_dont_guard_a_websocket_with_request_is_a_500() -> None:
    client = dont.guard_a_websocket_with_request().test_client()
    assert await greeting(client, bearer(issue()), "/ws/chat") == 500
