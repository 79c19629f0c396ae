import asyncio
import gc
import json
from contextlib import AsyncExitStack
from typing import Any
from urllib.parse import urlencode

import pytest
from quart import Blueprint, Quart, render_template_string, request
from quart.testing import QuartClient
from quart_cors import cors

from examples.csrf import (
    create_app,
    register_csrf,
    require_csrf_token,
    require_own_page,
)
from examples.dont import csrf as dont
from examples.plain import csrf as plain
from tests.support.browser_pages import BrowserPages
from tests.support.chromium import chromium
from tests.support.serving import serving

KEY = "k" * 32
OURS = "https://app.example.com"
EVIL = "https://evil.example"
OWN_PAGE = {"Sec-Fetch-Site": "same-origin"}
TEXT = {"Content-Type": "text/plain"}
PREFLIGHT = {
    "Origin": OURS,
    "Access-Control-Request-Method": "POST",
    "Access-Control-Request-Headers": "content-type",
}


@pytest.fixture
def client() -> QuartClient:
    return create_app(KEY, [OURS]).test_client()


async def bio_of(client: QuartClient) -> str:
    answer = await client.get("/api/bio")
    return str((await answer.get_json())["bio"])


# Whose page it is

FROM_OUR_PAGES: list[dict[str, str]] = [
    {"Sec-Fetch-Site": "same-origin"},
    {"Sec-Fetch-Site": "same-origin", "Origin": "http://localhost"},
    {"Sec-Fetch-Site": "same-origin", "Origin": "null"},  # Referrer-Policy: no-referrer
    {"Sec-Fetch-Site": "none"},  # sent again by the user
    {"Sec-Fetch-Site": "same-site", "Origin": OURS},
    {"Sec-Fetch-Site": "cross-site", "Origin": OURS},
    {"Origin": OURS},  # a browser of before 2023, or http
    {"Origin": "http://localhost"},
    {"Origin": "https://localhost"},  # the proxy speaks https
]
FROM_OTHERS: list[dict[str, str]] = [
    {},
    {"Sec-Fetch-Site": "cross-site", "Origin": EVIL},
    {"Sec-Fetch-Site": "same-site", "Origin": "https://blog.example.com"},
    {"Sec-Fetch-Site": "same-site", "Origin": "http://localhost:8001"},
    {"Sec-Fetch-Site": "cross-site", "Origin": "http://localhost"},
    {"Sec-Fetch-Site": "cross-site"},
    {"Sec-Fetch-Site": "same-site"},
    {"Sec-Fetch-Site": ""},
    {"Sec-Fetch-Site": "Same-Origin"},
    {"Origin": EVIL},
    {"Origin": "null"},
    {"Origin": ""},
    {"Origin": "http://localhost.evil.example"},
    {"Origin": "http://localhost:8001"},
    {"Origin": "http://evil.example/http://localhost"},
    {"Origin": f"{OURS}.evil.example"},
    {"Origin": "http://app.example.com"},
    {"Origin": "http://[", "Referer": "http://localhost/"},
    {"Host": "", "Origin": "null"},
]


@pytest.mark.parametrize("headers", FROM_OUR_PAGES)
async def test_our_pages_change_what_they_like(
    client: QuartClient, headers: dict[str, str]
) -> None:
    answer = await client.post("/api/bio", json={"bio": "Counts."}, headers=headers)
    assert answer.status_code == 204
    assert await bio_of(client) == "Counts."


@pytest.mark.parametrize("headers", FROM_OTHERS)
async def test_other_pages_change_nothing(
    client: QuartClient, headers: dict[str, str]
) -> None:
    for path, body in (
        ("/api/bio", {"json": {"bio": "Hacked."}}),
        ("/bio", {"form": {"bio": "Hacked."}}),
    ):
        answer = await client.post(path, headers=headers, **body)
        assert answer.status_code == 403
    assert await bio_of(client) == ""


@pytest.mark.parametrize(
    ("method", "status"),
    [
        *[(method, 200) for method in ("GET", "HEAD", "OPTIONS")],
        *[(method, 403) for method in ("POST", "PUT", "PATCH", "DELETE", "TRACE")],
    ],
)
async def test_every_method_that_changes_something_is_guarded(
    method: str, status: int
) -> None:
    app = Quart(__name__)
    app.secret_key = KEY
    register_csrf(app)
    methods = ["GET", "HEAD", "OPTIONS", "POST", "PUT", "PATCH", "DELETE", "TRACE"]

    for hook in (require_own_page, require_csrf_token):
        guarded = Blueprint(hook.__name__, __name__, url_prefix=f"/{hook.__name__}")
        guarded.before_request(hook)
        guarded.add_url_rule("/", "view", lambda: "seen", methods=methods)
        app.register_blueprint(guarded)
        answer = await app.test_client().open(f"/{hook.__name__}/", method=method)
        assert answer.status_code == status


# JSON


@pytest.mark.parametrize(
    ("kind", "status"),
    [
        ("application/json", 204),
        ("text/plain", 400),
        ("text/plain; application/json", 400),
        ("application/x-www-form-urlencoded", 400),
        ("multipart/form-data; boundary=x", 400),
        ("", 400),
    ],
)
async def test_json_of_another_type_is_refused(
    client: QuartClient, kind: str, status: int
) -> None:
    """What a page of another origin may send without a preflight."""
    headers = {**OWN_PAGE, "Content-Type": kind}
    body = json.dumps({"bio": "Counts."})
    answer = await client.post("/api/bio", data=body, headers=headers)
    assert answer.status_code == status
    assert await bio_of(client) == ("Counts." if status == 204 else "")


# Tokens


async def token_on(client: QuartClient, path: str = "/bio") -> str:
    page = (await (await client.get(path)).get_data()).decode()
    _, _, rest = page.partition('name="csrf_token" value="')
    return rest.partition('"')[0]


async def test_a_form_sends_the_token_of_its_page(client: QuartClient) -> None:
    form = {"bio": "<b>Counts.</b>", "csrf_token": await token_on(client)}
    answer = await client.post("/bio", form=form, headers=OWN_PAGE)
    assert (answer.status_code, answer.headers["Location"]) == (303, "/bio")
    page = (await (await client.get("/bio")).get_data()).decode()
    assert 'value="&lt;b&gt;Counts.&lt;/b&gt;"' in page


async def test_a_long_bio_is_cut(client: QuartClient) -> None:
    form = {"bio": "x" * 3_000, "csrf_token": await token_on(client)}
    answer = await client.post("/bio", form=form, headers=OWN_PAGE)
    assert answer.status_code == 303
    assert await bio_of(client) == "x" * 500


async def test_a_session_has_one_token(client: QuartClient) -> None:
    first, second = await token_on(client), await token_on(client)
    assert first == second
    assert len(first) == 43
    assert await token_on(create_app(KEY).test_client()) != first


async def test_the_token_may_come_in_a_header(client: QuartClient) -> None:
    headers = {**OWN_PAGE, "X-CSRF-Token": await token_on(client)}
    answer = await client.post("/bio", headers=headers)
    assert answer.status_code == 303


WRONG_TOKENS: list[dict[str, Any]] = [
    {},
    {"form": {"csrf_token": ""}},
    {"form": {"csrf_token": "another"}},
    {"form": {"csrf_token": "é"}},
    {
        "data": b"csrf_token=%FF%FE",
        "headers": {"Content-Type": "application/x-www-form-urlencoded"},
    },
    {"headers": {"X-CSRF-Token": ""}},
    {"headers": {"X-CSRF-Token": "\xff"}},
    {"json": {"csrf_token": ""}},
]


@pytest.mark.parametrize("wrong", WRONG_TOKENS)
@pytest.mark.parametrize("visited", [True, False])
async def test_a_wrong_token_is_refused(
    client: QuartClient, wrong: dict[str, Any], visited: bool
) -> None:
    if visited:
        await client.get("/bio")
    headers = {**OWN_PAGE, **wrong.get("headers", {})}
    answer = await client.post("/bio", **{**wrong, "headers": headers})
    assert answer.status_code == 403


async def test_a_header_keeps_the_body_for_the_view() -> None:
    """A hook that asks for the form would read a long upload before the view does."""
    app = Quart(__name__)
    app.secret_key = KEY
    register_csrf(app)
    app.before_request(require_csrf_token)

    @app.post("/upload")
    async def upload() -> dict[str, int]:
        return {"bytes": sum([len(chunk) async for chunk in request.body])}

    client = app.test_client()
    async with client.session_transaction() as stored:
        stored["csrf_token"] = "a token"
    headers = {"X-CSRF-Token": "a token", "Content-Type": "application/octet-stream"}
    answer = await client.post("/upload", data=b"x" * 10_000, headers=headers)
    assert await answer.get_json() == {"bytes": 10_000}


# CORS


async def test_a_preflight_passes_the_guards(client: QuartClient) -> None:
    answer = await client.options("/api/bio", headers=PREFLIGHT)
    assert answer.status_code == 200
    assert answer.headers["Access-Control-Allow-Origin"] == OURS
    assert answer.headers["Access-Control-Allow-Credentials"] == "true"
    assert answer.headers["Access-Control-Allow-Headers"] == "content-type"


async def test_a_preflight_may_ask_for_the_token_header(client: QuartClient) -> None:
    names = "content-type,x-csrf-token"
    headers = {**PREFLIGHT, "Access-Control-Request-Headers": names}
    answer = await client.options("/bio", headers=headers)
    assert answer.headers["Access-Control-Allow-Origin"] == OURS
    allowed = answer.headers["Access-Control-Allow-Headers"].split(", ")
    assert sorted(allowed) == ["content-type", "x-csrf-token"]


@pytest.mark.parametrize(("origin", "allowed"), [(OURS, OURS), (EVIL, None)])
async def test_only_listed_origins_read(
    client: QuartClient, origin: str, allowed: str | None
) -> None:
    answer = await client.get("/api/bio", headers={"Origin": origin})
    assert answer.headers.get("Access-Control-Allow-Origin") == allowed
    foreign = await client.options("/api/bio", headers={**PREFLIGHT, "Origin": origin})
    assert foreign.headers.get("Access-Control-Allow-Origin") == allowed


async def test_without_origins_nobody_else_reads() -> None:
    client = create_app(KEY).test_client()
    answer = await client.get("/api/bio", headers={"Origin": OURS})
    assert "Access-Control-Allow-Origin" not in answer.headers
    answer = await client.post("/api/bio", json={"bio": "x"}, headers={"Origin": OURS})
    assert answer.status_code == 403


async def test_a_refusal_can_be_read_by_our_pages(client: QuartClient) -> None:
    answer = await client.post("/api/bio", json={}, headers={"Origin": OURS})
    assert answer.status_code == 400
    assert answer.headers["Access-Control-Allow-Origin"] == OURS


def test_the_key_is_read_from_the_environment(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("SECRET_KEY", "from the environment")
    assert create_app().secret_key == "from the environment"
    monkeypatch.delenv("SECRET_KEY")
    with pytest.raises(KeyError, match="SECRET_KEY"):
        create_app()


# A real browser

ATTACK = """
const {target, next} = parameters;
const anyway = {method: 'POST', mode: 'no-cors', credentials: 'include'};
const json = {method: 'POST', credentials: 'include', body: '{"bio": "JSON"}',
              headers: {'Content-Type': 'application/json'}};
const seen = {
  read: await attempt(target, {credentials: 'include'}),
  json: await attempt(target, json),
  text: await attempt(target, {...anyway, body: '{"bio": "Text"}'}),
};
await submitInFrame(makeForm(target, {'{"bio": "Form", "x": "': '"}'}, 'text/plain'));
await report(seen);
if (next) location = next;
"""
OUR_OTHER_PAGE = """
const {target, next} = parameters;
const json = {method: 'POST', credentials: 'include', body: '{"bio": "Counts."}',
              headers: {'Content-Type': 'application/json'}};
await report([await attempt(target, next ? json : {credentials: 'include'}),
              await attempt(target, {credentials: 'include'})]);
if (next) location = next;
"""
OUR_OWN_PAGE = """
const page = new DOMParser().parseFromString(
  await (await fetch('/bio')).text(), 'text/html');
const csrf_token = page.querySelector('[name=csrf_token]').value;
await submitInFrame(makeForm('/bio', {bio: 'Formed.', csrf_token}));
await report(document.querySelector('iframe').contentDocument
  .querySelector('[name=bio]').value);
location = parameters.next;
"""
BLOCKED = {"read": "TypeError", "json": "TypeError", "text": "opaque"}


def link(page: str, **parameters: str) -> str:
    return f"{page}?{urlencode(parameters)}"


def other_site(address: str) -> str:
    """The same server, under a name that cookies take for another site."""
    return f"http://localhost:{address.rpartition(':')[2]}"


async def test_a_browser_lets_only_our_pages_read_and_change() -> None:
    ours, foreign = BrowserPages(), BrowserPages()
    ours.add("/", OUR_OTHER_PAGE)
    foreign.add("/", ATTACK)
    async with AsyncExitStack() as stack:
        our_address = await stack.enter_async_context(serving(ours.app))
        foreign_address = await stack.enter_async_context(serving(foreign.app))
        app = create_app(KEY, [f"http://{our_address}"])
        own = BrowserPages(app)
        own.add(
            "/own",
            OUR_OWN_PAGE,
            **{
                "Referrer-Policy": "no-referrer",
                "Set-Cookie": "third=1; SameSite=None; Secure; Path=/",
            },
        )
        arrived = []

        @app.before_request
        async def watch() -> None:
            origin = request.headers.get("Origin")
            arrived.append(
                (origin, request.headers["Sec-Fetch-Site"], sorted(request.cookies))
            )

        address = await stack.enter_async_context(serving(app))
        api = f"http://{address}/api/bio"
        at_last = link(f"http://{our_address}/", target=api)
        other = link(other_site(foreign_address), target=api, next=at_last)
        sibling = link(f"http://{foreign_address}/", target=api, next=other)
        own_page = link(f"http://{address}/own", next=sibling)
        start = link(f"http://{our_address}/", target=api, next=own_page)
        await stack.enter_async_context(chromium(start))

        assert await ours.report() == ["", '{"bio":"Counts."}\n']
        assert await own.report() == "Formed."
        assert await foreign.report() == BLOCKED  # the same site, another origin
        assert await foreign.report() == BLOCKED
        assert await ours.report() == ['{"bio":"Formed."}\n'] * 2

    both = ["__Host-session", "third"]
    assert ("null", "same-origin", both) in arrived  # our form, without a referrer
    assert (f"http://{foreign_address}", "same-site", both) in arrived
    foreign_site = [cookies for _, site, cookies in arrived if site == "cross-site"]
    assert foreign_site == [[]] * 4  # read, preflight, text, form: not even `third`


# The plain form


@pytest.mark.parametrize("site", [None, "cross-site", "same-site", "none"])
async def test_plain_form_refuses_what_other_pages_send(site: str | None) -> None:
    client = plain.create_app(KEY).test_client()
    headers = {} if site is None else {"Sec-Fetch-Site": site}
    answer = await client.post("/bio", form={"bio": "Hacked."}, headers=headers)
    assert answer.status_code == 403
    assert "Set-Cookie" not in answer.headers


async def test_plain_form_takes_its_own_pages() -> None:
    client = plain.create_app(KEY).test_client()
    answer = await client.post("/bio", form={"bio": "Counts."}, headers=OWN_PAGE)
    assert answer.status_code == 204
    assert "Secure; HttpOnly; Path=/; SameSite=Lax" in answer.headers["Set-Cookie"]
    async with client.session_transaction() as stored:
        assert stored["bio"] == "Counts."
    assert (await client.options("/bio")).status_code == 200


# Templates


async def test_a_template_calls_async_functions() -> None:
    app = Quart(__name__)
    app.secret_key = KEY
    register_csrf(app)

    async def unread_messages() -> int:
        return 7

    @app.context_processor
    async def values() -> dict[str, object]:
        return {"unread_messages": unread_messages, "now": await unread_messages()}

    @app.get("/")
    async def index() -> str:
        return await render_template_string(
            "{{ unread_messages() }} {{ now }} {{ csrf_token() }}"
        )

    client = app.test_client()
    page = (await (await client.get("/")).get_data()).decode()
    async with client.session_transaction() as stored:
        assert page == f"7 7 {stored['csrf_token']}"


# The Don'ts


async def attacked(app: Quart) -> tuple[object, str]:
    """What a page of the same site, but another origin, sees; and the bio after it."""
    own, foreign = BrowserPages(app), BrowserPages()
    foreign.add("/", ATTACK)
    own.add(
        "/start",
        """
        await attempt('/bio', {method: 'POST', body: '{"bio": "Counts."}'});
        location = parameters.next;
        """,
    )
    own.add("/end", "await report(await (await fetch('/bio')).json())")
    async with (
        serving(foreign.app) as foreign_address,
        serving(app) as address,
        chromium(
            link(
                f"http://{address}/start",
                next=link(
                    f"http://{foreign_address}/",
                    target=f"http://{address}/bio",
                    next=f"http://{address}/end",
                ),
            )
        ),
    ):
        seen = await foreign.report()
        return seen, (await own.report())["bio"]


async def test_dont_json_of_any_type_lets_a_form_of_another_origin_save() -> None:
    assert await attacked(dont.json_of_any_type()) == (BLOCKED, "Form")


async def test_dont_answer_any_origin_lets_any_page_read() -> None:
    seen, _ = await attacked(dont.answer_any_origin())
    assert seen == {**BLOCKED, "read": '{"bio":"Counts."}\n'}


@pytest.mark.parametrize(("samesite", "user"), [(None, "ada"), ("Lax", "nobody")])
async def test_dont_cookie_without_samesite_sends_it_with_foreign_forms(
    samesite: str | None, user: str
) -> None:
    """For two minutes after it was set, in Chromium."""
    app = dont.cookie_without_samesite()
    app.config["SESSION_COOKIE_SAMESITE"] = samesite
    posted = asyncio.Queue[str]()

    @app.after_request
    async def watch(response: Any) -> Any:
        if request.method == "POST":
            posted.put_nowait((await response.get_data()).decode())
        return response

    own, foreign = BrowserPages(app), BrowserPages()
    own.add("/start", "await fetch('/login'); location = parameters.next;")
    foreign.add("/", "makeForm(parameters.target, {}).submit();")
    async with serving(foreign.app) as foreign_address, serving(app) as address:
        attack = link(other_site(foreign_address), target=f"http://{address}/bio")
        async with chromium(link(f"http://{address}/start", next=attack)):
            assert await asyncio.wait_for(posted.get(), 60) == user


async def test_dont_only_the_origin_refuses_the_forms_of_its_own_page() -> None:
    app = dont.only_the_origin()
    own = BrowserPages(app)
    own.add(
        "/own",
        """
        await submitInFrame(makeForm('/bio', {bio: 'Counts.'}));
        await report(document.querySelector('iframe').contentDocument.title);
        """,
    )
    async with serving(app) as address, chromium(f"http://{address}/own"):
        assert await own.report() == "403 Forbidden"


async def test_dont_only_the_origin_refuses_what_came_through_a_proxy() -> None:
    """It ended https, so Quart sees http."""
    client = dont.only_the_origin().test_client()
    answer = await client.post("/bio", headers={"Origin": "https://localhost"})
    assert answer.status_code == 403
    answer = await client.post("/bio", headers={"Origin": "http://localhost"})
    assert answer.status_code == 200


async def test_dont_login_before_the_preflight_refuses_it() -> None:
    app = dont.login_before_the_preflight()
    cors(app, allow_origin=[OURS], allow_credentials=True)
    client = app.test_client()
    answer = await client.options("/bio", headers=PREFLIGHT)
    assert answer.status_code == 401


async def test_dont_compare_as_text_takes_none_and_fails_on_others() -> None:
    client = dont.compare_as_text().test_client()
    assert (await client.post("/bio")).status_code == 200
    answer = await client.post("/bio", form={"csrf_token": "é"})
    assert answer.status_code == 500
    answer = await client.post("/bio", form={"csrf_token": "e"})
    assert answer.status_code == 403


@pytest.mark.filterwarnings("ignore:coroutine .* was never awaited")
async def test_dont_called_in_the_context_processor_shows_a_coroutine() -> None:
    client = dont.called_in_the_context_processor().test_client()
    answer = await client.get("/")
    assert answer.status_code == 200
    assert b"&lt;coroutine object" in await answer.get_data()
    gc.collect()
