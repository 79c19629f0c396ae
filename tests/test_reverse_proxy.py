"""Behind an nginx that ends TLS: what the app knows of a client, and from whom."""

import asyncio
import logging
import re
from collections.abc import AsyncIterator, Callable, Mapping
from contextlib import asynccontextmanager
from datetime import timedelta
from typing import Any

import httpx2
import pytest
from hypercorn.middleware import HTTPToHTTPSRedirectMiddleware, ProxyFixMiddleware
from quart import Quart, Response, request, session, websocket
from quart_rate_limiter import RateLimiter, rate_limit
from websockets.asyncio.client import connect
from websockets.exceptions import InvalidStatus

from examples.dont import reverse_proxy as dont
from examples.lifespan import register_health
from examples.plain import reverse_proxy as plain
from examples.reverse_proxy import BehindProxy, create_app, register_proxy
from examples.streaming.responses import stream_response
from tests.support.machine import free_port
from tests.support.nginx import (
    CLIENT,
    HOST,
    SITE,
    Site,
    nginx,
    nginx_with_tls,
    serving_site,
    temporary_folder,
)
from tests.support.server import ROOT
from tests.support.serving import serving
from tests.support.websocket_client import ending, rejection

HERE = {"address": CLIENT, "link": f"https://{HOST}/client"}
FORGED = {
    "X-Forwarded-For": "198.51.100.1",
    "X-Forwarded-Proto": "http",
    "X-Forwarded-Host": "evil.example",
    "Forwarded": "for=198.51.100.1;host=evil.example;proto=http",
    "Sec-WebSocket-Extensions": "permessage-deflate",
}
APPEND = {"X-Forwarded-For $remote_addr": "X-Forwarded-For $proxy_add_x_forwarded_for"}
PAGE = (ROOT / "patterns" / "reverse_proxy.md").read_text(encoding="utf-8")
PRINTED = PAGE.partition("```conf\n")[2].partition("```")[0]
FORWARDED_SCHEME = {
    "X-Forwarded-Proto $scheme": "X-Forwarded-Proto $http_x_forwarded_proto"
}
PASS_UPGRADES = {
    "Upgrade $acme_upgrade": "Upgrade $http_upgrade",
    "Connection $acme_connection": "Connection upgrade",
}


def plain_app() -> Quart:
    app = create_app(trusted_hops=0)
    plain.trust_proxy(app)
    return app


@asynccontextmanager
async def site_before(
    app: Any, changes: Mapping[str, str] | None = None
) -> AsyncIterator[tuple[Site, httpx2.AsyncClient]]:
    """The app behind nginx, and a client of it."""
    async with (
        serving(app) as upstream,
        nginx_with_tls(upstream, changes) as site,
        site.client() as client,
    ):
        yield site, client


async def greeting(site: Site, path: str, headers: Mapping[str, str]) -> str:
    async with asyncio.timeout(20), site.websocket(path, headers) as ws:
        assert ws.protocol.extensions == []  # no compression
        return str(await ws.recv())


@pytest.mark.parametrize("make_app", [create_app, plain_app])
async def test_the_app_sees_the_client_of_nginx_whatever_that_claims(
    make_app: Callable[[], Quart],
) -> None:
    app = make_app()
    app.add_url_rule("/folder/", "folder", lambda: "folder")
    async with site_before(app) as (site, client), site.client(http2=True) as newer:
        for one, version in ((client, "HTTP/1.1"), (newer, "HTTP/2")):
            for headers in ({}, FORGED):
                answer = await one.get("/client", headers=headers)
                assert (answer.http_version, answer.json()) == (version, HERE)
        moved = await client.get("/folder")
        assert moved.headers["Location"] == f"https://{HOST}/folder/"
        for headers in ({}, FORGED):
            assert await greeting(site, "/ws/client", headers) == f"wss {CLIENT}"


async def test_nginx_keeps_to_its_host_and_hides_the_probes() -> None:
    app = create_app()
    register_health(app)
    async with site_before(app) as (site, client):
        answer = await client.get("/client")
        assert answer.headers["Strict-Transport-Security"] == "max-age=31536000"
        assert answer.headers["Server"] == "nginx"
        for path in ("/live", "/ready"):
            assert (await client.get(path)).status_code == 404
        foreign = await client.get("/client", headers={"Host": "evil.example"})
        assert foreign.status_code == 421
        many = [client.get("/client") for _ in range(150)]
        statuses = {answer.status_code for answer in await asyncio.gather(*many)}
        assert statuses == {200, 429}
        async with asyncio.timeout(20):
            reader, writer = await asyncio.open_connection("127.0.0.1", site.http_port)
            writer.write(f"GET /a?b=c HTTP/1.0\r\nHost: {HOST}\r\n\r\n".encode())
            line, _, moved = (await reader.read()).partition(b"\r\n")
            writer.close()
    assert line.startswith(b"HTTP/1.1 308 ")
    assert f"\r\nLocation: https://{HOST}/a?b=c\r\n".encode() in moved


async def test_without_a_trusted_proxy_the_headers_say_nothing() -> None:
    client = create_app(trusted_hops=0).test_client()
    headers = {"X-Forwarded-For": "198.51.100.1", "X-Forwarded-Proto": "https"}
    peer = {"client": ("127.0.0.1", 40_000)}
    answer = await client.get("/client", headers=headers, scope_base=peer)
    plain = {"address": "127.0.0.1", "link": "http://localhost/client"}
    assert await answer.get_json() == plain


def handled(app: Any, kind: str, path: str, *headers: tuple[bytes, bytes]) -> Any:
    """The scope that an app behind the layer gets."""
    scope = {
        "type": kind,
        "scheme": "ws" if kind == "websocket" else "http",
        "path": path,
        "root_path": "",
        "client": ("127.0.0.1", 40_000),
        "headers": [*headers],
    }
    with pytest.raises(StopIteration):
        app(scope, None, None).send(None)
    return scope


async def ignore(scope: Any, receive: Any, send: Any) -> None:
    pass


@pytest.mark.parametrize(
    ("hops", "lines", "address"),
    [
        (1, ["203.0.113.9"], "203.0.113.9"),
        (1, ["198.51.100.1, 203.0.113.9"], "203.0.113.9"),
        (1, ["198.51.100.1", "203.0.113.9"], "203.0.113.9"),
        (1, ["2001:db8::9"], "2001:db8::9"),
        (1, [], "127.0.0.1"),
        (2, ["198.51.100.1, 203.0.113.9, 10.0.0.2"], "203.0.113.9"),
        (2, ["203.0.113.9"], "127.0.0.1"),  # who came past the first proxy
    ],
)
def test_hops_are_counted_from_the_end(
    hops: int, lines: list[str], address: str
) -> None:
    headers = [(b"x-forwarded-for", line.encode()) for line in lines]
    scope = handled(BehindProxy(ignore, hops), "http", "/", *headers)
    assert scope["client"][0] == address


@pytest.mark.parametrize(
    ("kind", "protos", "scheme"),
    [
        ("http", ["https"], "https"),
        ("websocket", ["https"], "wss"),
        ("http", ["http"], "http"),
        ("websocket", ["http"], "ws"),
        ("http", ["https, http"], "http"),
        ("http", ["http", "https"], "https"),
        ("http", ["gopher"], "http"),
        ("http", [], "http"),
    ],
)
def test_the_nearest_proxy_tells_the_scheme(
    kind: str, protos: list[str], scheme: str
) -> None:
    headers = [(b"x-forwarded-proto", proto.encode()) for proto in protos]
    assert handled(BehindProxy(ignore, 1), kind, "/", *headers)["scheme"] == scheme


@pytest.mark.parametrize(
    ("path", "root_path"),
    [("/shop/users", "/shop"), ("/shop/", "/shop"), ("/shop", ""), ("/shopping", "")],
)
def test_a_prefix_ends_at_a_slash(path: str, root_path: str) -> None:
    scope = handled(BehindProxy(ignore, 1, "/shop"), "http", path)
    assert scope["root_path"] == root_path


async def test_the_lifespan_passes() -> None:
    seen = []

    async def app(scope: Any, receive: Any, send: Any) -> None:
        seen.append(scope)

    await BehindProxy(app, 1)({"type": "lifespan"}, None, None)
    assert seen == [{"type": "lifespan"}]


async def test_below_a_prefix_links_redirects_and_websockets_have_it() -> None:
    app = create_app(prefix="/shop")
    register_health(app)
    app.secret_key = "s" * 32

    @app.get("/cart/")
    async def cart() -> str:
        session["cart"] = 1
        return request.path

    below = "location = /shop { return 308 /shop/; }\n    location /shop/ {"
    async with site_before(app, {"location / {": below}) as (site, client):
        answer = await client.get("/shop/client")
        assert answer.json()["link"] == f"https://{HOST}/shop/client"
        moved = await client.get("/shop/cart")
        assert moved.headers["Location"] == f"https://{HOST}/shop/cart/"
        answer = await client.get("/shop/cart/")
        assert answer.text == "/cart/"
        assert answer.headers["Set-Cookie"].endswith("; Path=/")  # the whole host's
        assert await greeting(site, "/shop/ws/client", {}) == f"wss {CLIENT}"
        assert (await client.get("/shopping")).status_code == 404
        bare = await client.get("/shop")
        assert bare.headers["Location"] == f"https://{HOST}:{site.port}/shop/"
        assert (await client.get("/shop/live")).status_code == 200
    hidden = {"~ ^/(live|ready)$": "~ ^/shop/(live|ready)$"}
    async with site_before(app, {"location / {": below, **hidden}) as (_, client):
        for path in ("/shop/live", "/shop/ready"):
            assert (await client.get(path)).status_code == 404
        assert (await client.get("/shop/client")).status_code == 200
    probe = await app.test_client().get("/client")
    assert probe.status_code == 200  # a health check needs no prefix


async def test_a_prefix_counts_without_a_trusted_proxy() -> None:
    client = create_app(trusted_hops=0, prefix="/shop").test_client()
    answer = await client.get("/shop/client", headers=FORGED)
    seen = {"address": "<local>", "link": "http://localhost/shop/client"}
    assert await answer.get_json() == seen


@pytest.mark.parametrize(
    ("hops", "prefix"), [(-1, ""), (1, "shop"), (1, "/shop/"), (0, "/"), (0, "//a")]
)
def test_what_cannot_be_is_refused_at_the_start(hops: int, prefix: str) -> None:
    with pytest.raises(ValueError, match=f"not {hops} and '{prefix}'"):
        create_app(hops, prefix)


def test_a_prefix_may_have_several_parts() -> None:
    app = Quart(__name__)
    app.asgi_app = ignore  # type: ignore[method-assign]
    register_proxy(app, 1, "/shop/v1")
    assert handled(app.asgi_app, "http", "/shop/v1/a")["root_path"] == "/shop/v1"


async def test_a_root_path_takes_longer_names_too() -> None:
    """What `hypercorn --root-path /shop` tells Quart: /shopclient is /client."""
    client = create_app(trusted_hops=0).test_client()
    statuses = [
        (await client.get(path, root_path="/shop")).status_code
        for path in ("/shop/client", "/shopclient", "/client")
    ]
    assert statuses == [200, 200, 404]


async def test_the_access_log_has_the_client(caplog: pytest.LogCaptureFixture) -> None:
    log = logging.getLogger("hypercorn.access")
    caplog.set_level(logging.INFO, log.name)
    headers = {"X-Forwarded-For": "203.0.113.9"}
    for app in (create_app(), plain_app()):
        async with (
            serving(app, accesslog=log, access_log_format="%(h)s") as upstream,
            httpx2.AsyncClient(base_url=f"http://{upstream}") as client,
        ):
            await client.get("/client", headers=headers)
    addresses = [record.getMessage().partition(":")[0] for record in caplog.records]
    assert addresses == ["203.0.113.9", "127.0.0.1"]


async def test_events_pass_at_once() -> None:
    app = create_app()
    heard = asyncio.Event()

    @app.get("/events")
    async def events() -> Response:
        async def parts() -> AsyncIterator[str]:
            yield "data: 1\n\n"
            await heard.wait()

        return stream_response(parts(), "text/event-stream")

    async with site_before(app) as (_, client), client.stream("GET", "/events") as got:
        lines = got.aiter_lines()
        assert await asyncio.wait_for(anext(lines), 20) == "data: 1"
        heard.set()
        assert [line async for line in lines] == [""]


async def test_pings_keep_a_silent_websocket_open() -> None:
    """The launcher sends one each 20 seconds; `proxy_read_timeout` is of silence."""
    app = create_app()

    @app.websocket("/ws/echo")
    async def echo() -> None:
        while True:
            await websocket.send(await websocket.receive())

    impatient = {"proxy_read_timeout 75s": "proxy_read_timeout 3s"}
    async with (
        serving(app, websocket_ping_interval=0.2) as pinging,
        serving(app) as silent,
        nginx_with_tls(pinging, impatient) as kept,
        nginx_with_tls(silent, impatient) as cut,
        kept.websocket("/ws/echo", ping_interval=None) as alive,
        cut.websocket("/ws/echo", ping_interval=None) as dead,
    ):
        assert await ending(dead) == (1006, "")
        await alive.send("still here")
        assert await asyncio.wait_for(alive.recv(), 20) == "still here"


# What nginx is asked for


async def test_a_body_over_the_limit_of_nginx_is_413() -> None:
    app = create_app()
    app.config["MAX_CONTENT_LENGTH"] = 65_536

    @app.post("/bodies")
    async def take() -> str:
        return str(len(await request.get_data()))

    async with site_before(app) as (_, client):
        whole = await client.post("/bodies", content=b"a" * 65_536)
        larger = await client.post("/bodies", content=b"a" * 65_537)
    assert (whole.text, larger.status_code) == ("65536", 413)


async def test_dont_answer_a_large_body_from_the_app() -> None:
    """Hypercorn answers and resets; where nginx is still sending it sees no answer."""
    larger = {"max_body_size 64k": "max_body_size 16m"}
    async with site_before(create_app(), larger) as (_, client):
        statuses = set()
        for _ in range(100):
            answer = await client.post("/nowhere", content=b"a" * 5_000_000)
            statuses.add(answer.status_code)
            if 502 in statuses:
                break
    assert 502 in statuses
    assert statuses <= {404, 502}


async def switched(site: Site) -> bytes:
    """The status line for a client that asks for HTTP/2 without TLS (h2c)."""
    async with asyncio.timeout(20):
        reader, writer = await asyncio.open_connection(
            "127.0.0.1", site.port, ssl=site.context, server_hostname=HOST
        )
        writer.write(
            f"GET /client HTTP/1.1\r\nHost: {HOST}\r\nConnection: Upgrade\r\n"
            "Upgrade: h2c\r\nHTTP2-Settings: AAMAAABkAAQAAP__\r\n\r\n".encode()
        )
        line = await reader.readline()
        writer.close()
    return line


async def test_only_websockets_are_upgraded() -> None:
    async with serving(create_app()) as upstream:
        async with nginx_with_tls(upstream) as site:
            assert await switched(site) == b"HTTP/1.1 200 \r\n"
        async with nginx_with_tls(upstream, PASS_UPGRADES) as site:
            assert (await switched(site)).startswith(b"HTTP/1.1 101 ")


async def test_a_newcomers_nginx_upgrades_no_websocket() -> None:
    async with serving(create_app()) as upstream, nginx(upstream) as address:
        assert await rejection(address, "/ws/client") == 400


# Don'ts


async def test_dont_proxy_fix_alone_refuses_every_websocket() -> None:
    async with site_before(dont.proxy_fix_alone()) as (site, _):
        with pytest.raises(InvalidStatus) as refused:
            await site.websocket("/ws/echo")
    assert refused.value.response.status_code == 400


async def test_dont_middleware_around_the_app_leaves_no_app() -> None:
    app = dont.middleware_around_the_app()
    async with site_before(app) as (_, client):
        assert (await client.get("/")).text == f"https://{HOST}/"
    for name in ("run", "test_client", "cli"):
        with pytest.raises(AttributeError):
            getattr(app, name)


async def test_dont_first_forwarded_address_counts_invented_clients() -> None:
    async with site_before(dont.first_forwarded_address(), APPEND) as (_, client):
        invented = [
            (await client.post("/login", headers={"X-Forwarded-For": f"192.0.2.{n}"}))
            for n in range(8)
        ]
        assert {answer.status_code for answer in invented} == {200}
        honest = [(await client.post("/login")).status_code for n in range(8)]
        assert honest == [200] * 5 + [429] * 3


async def client_address() -> str | None:
    return request.remote_addr


@pytest.mark.parametrize(
    ("key_function", "statuses"),
    [(None, [200, 200, 200]), (client_address, [200, 200, 429])],
)
async def test_a_rate_limiter_has_to_ask_for_the_address_of_the_app(
    key_function: Any, statuses: list[int]
) -> None:
    app = Quart(__name__)

    @app.post("/login")
    @rate_limit(2, timedelta(hours=1))
    async def log_in() -> str:
        return "tried"

    options = {"key_function": key_function} if key_function else {}
    RateLimiter(app, **options)
    register_proxy(app, trusted_hops=1)
    async with site_before(app, APPEND) as (_, client):
        answers = [
            await client.post(
                "/login", headers={"X-Forwarded-For": f"192.0.2.{number}"}
            )
            for number in range(3)
        ]
    assert [answer.status_code for answer in answers] == statuses


async def test_an_appended_address_is_found_from_the_end() -> None:
    async with site_before(create_app(), APPEND) as (_, client):
        assert (await client.get("/client", headers=FORGED)).json() == HERE


@asynccontextmanager
async def balanced(app: Quart) -> AsyncIterator[tuple[int, httpx2.AsyncClient]]:
    """The site of the page, and a balancer that asks it without TLS."""
    maps, *_, server = SITE.read_text(encoding="utf-8").split("server {")
    server = re.sub(r"^ +ssl_.*\n", "", server, flags=re.MULTILINE)
    server = re.sub(r"listen 443 .*", "listen 80;", server)
    [(old, new)] = FORWARDED_SCHEME.items()
    printed = PRINTED.replace("10.0.0.0/8", f"{CLIENT}/32")
    site = f"{maps}{printed}server {{{server.replace(old, new)}"
    port = free_port()
    async with serving(app) as upstream:
        site = site.replace("127.0.0.1:8000", upstream)
        site = site.replace("listen 80", f"listen 127.0.0.1:{port}")
        async with (
            serving_site(temporary_folder(), site, port),
            client_from(CLIENT, port) as balancer,
        ):
            yield port, balancer


def client_from(address: str, port: int) -> httpx2.AsyncClient:
    transport = httpx2.AsyncHTTPTransport(local_address=address)
    return httpx2.AsyncClient(
        transport=transport, base_url=f"http://127.0.0.1:{port}", timeout=30
    )


PASSED_ON = FORGED | {  # by the balancer, for 203.0.113.9
    "Host": HOST,
    "X-Forwarded-For": "198.51.100.1, 203.0.113.9",
    "X-Forwarded-Proto": "https",
}


@pytest.mark.parametrize("make_app", [create_app, plain_app])
async def test_behind_a_balancer_nginx_and_its_limits_know_the_client(
    make_app: Callable[[], Quart],
) -> None:
    async with balanced(make_app()) as (port, balancer):
        answer = await balancer.get("/client", headers=PASSED_ON)
        assert answer.json() == HERE | {"address": "203.0.113.9"}
        headers = {n: v for n, v in PASSED_ON.items() if n != "Host"}
        async with connect(
            f"ws://{HOST}/ws/client",
            host="127.0.0.1",
            port=port,
            local_addr=(CLIENT, 0),
            additional_headers=headers,
        ) as ws:
            assert await asyncio.wait_for(ws.recv(), 20) == "wss 203.0.113.9"
        plain = PASSED_ON | {"X-Forwarded-Proto": "http"}
        answer = await balancer.get("/client", headers=plain)
        assert answer.json()["link"] == f"http://{HOST}/client"
        assert await statuses_of_150_clients(balancer) == {200}


async def test_behind_a_balancer_only_its_probe_comes_by_an_address() -> None:
    app = create_app()
    register_health(app)
    async with balanced(app) as (port, balancer):
        asked = {
            "probe": await balancer.get("/ready"),
            "elsewhere": await balancer.get("/client"),
            "client by address": await balancer.get(
                "/ready", headers=PASSED_ON | {"Host": f"127.0.0.1:{port}"}
            ),
            "client by name": await balancer.get("/ready", headers=PASSED_ON),
        }
        async with client_from("127.0.0.3", port) as neighbour:
            asked["neighbour"] = await neighbour.get("/ready")
    assert {name: answer.status_code for name, answer in asked.items()} == {
        "probe": 200,
        "elsewhere": 421,
        "client by address": 403,
        "client by name": 404,
        "neighbour": 403,
    }


async def statuses_of_150_clients(client: httpx2.AsyncClient) -> set[int]:
    asked = (
        client.get("/client", headers=PASSED_ON | {"X-Forwarded-For": f"192.0.2.{n}"})
        for n in range(150)
    )
    return {answer.status_code for answer in await asyncio.gather(*asked)}


async def test_behind_a_balancer_an_nginx_that_appends_is_a_second_hop() -> None:
    """Its limits take the balancer for a client."""
    changes = APPEND | FORWARDED_SCHEME
    async with site_before(create_app(trusted_hops=2), changes) as (_, client):
        headers = {
            "X-Forwarded-For": "198.51.100.1, 203.0.113.9",
            "X-Forwarded-Proto": "https",
        }
        answer = await client.get("/client", headers=headers)
        assert answer.json() == HERE | {"address": "203.0.113.9"}
        assert await statuses_of_150_clients(client) == {200, 429}


async def test_a_balancer_may_pass_a_forged_host_to_the_plain_form_alone() -> None:
    links = []
    for app in (plain_app(), create_app()):
        answer = await app.test_client().get(
            "/client", headers={"X-Forwarded-Host": "evil.example"}
        )
        links.append((await answer.get_json())["link"])
    assert links == ["http://evil.example/client", "http://localhost/client"]


async def test_dont_trust_more_hops_than_there_are() -> None:
    async with site_before(create_app(trusted_hops=2), APPEND) as (_, client):
        answer = await client.get("/client", headers=FORGED)
    assert answer.json()["address"] == FORGED["X-Forwarded-For"]


@pytest.mark.parametrize("kind", ["view", "middleware"])
async def test_dont_redirect_to_https_goes_in_a_circle(kind: str) -> None:
    app = dont.redirect_to_https()
    if kind == "middleware":
        app = dont.preferred_url_scheme()
        app.asgi_app = HTTPToHTTPSRedirectMiddleware(app.asgi_app, HOST)  # type: ignore
    async with site_before(app) as (_, client):
        answer = await client.get("/")
        assert answer.is_redirect
        assert answer.headers["Location"] == f"https://{HOST}/"
    register_proxy(app, 1)
    if kind == "view":
        headers = {"X-Forwarded-Proto": "https"}
        response = await app.test_client().get("/", headers=headers)
        assert response.status_code == 200


async def test_dont_preferred_url_scheme_is_not_read() -> None:
    async with site_before(dont.preferred_url_scheme()) as (_, client):
        assert (await client.get("/")).text == f"http://{HOST}/"


@pytest.mark.parametrize(
    ("mode", "header"), [("legacy", "X-Forwarded-Host"), ("modern", "Forwarded")]
)
async def test_dont_every_host_is_ours_mails_links_to_another(
    mode: Any, header: str
) -> None:
    app = dont.every_host_is_ours()
    if mode == "modern":
        app.asgi_app = ProxyFixMiddleware(app.asgi_app.app, mode)  # type: ignore
    as_it_came = {f'proxy_set_header {header} "";': ""}
    links = []
    async with serving(app) as upstream:
        for changes in (as_it_came, {}):
            async with (
                nginx_with_tls(upstream, changes) as site,
                site.client() as client,
            ):
                answer = await client.post("/passwords", headers=FORGED)
                links.append(answer.text.partition("://")[2])
    assert links == [
        "evil.example/passwords?token=t",
        f"{HOST}/passwords?token=t",
    ]
