import asyncio
import os
import sys
from typing import Any

import httpx2
import pytest
from pydantic import ValidationError
from quart import Quart, websocket
from quart.cli import ScriptInfo
from quart.testing import WebsocketResponseError
from quart_schema import conversion

from examples.app_factory import create_app
from examples.app_factory.settings import Settings
from examples.dont import app_factory as dont
from tests.support.server import ROOT, hypercorn, start
from tests.support.versions import QUART_0_23

APP = "https://app.example.com"
ADMIN = "https://admin.example.com"
SECURITY = {
    "cache-control": "no-store",
    "content-security-policy": "default-src 'none'; frame-ancestors 'none'",
    "referrer-policy": "no-referrer",
    "strict-transport-security": "max-age=63072000; includeSubDomains",
    "x-content-type-options": "nosniff",
}


@pytest.fixture(autouse=True)
def plain_environment(monkeypatch: pytest.MonkeyPatch) -> None:
    for name in ("CENTS_PER_KG", "CORS_ORIGINS", "DOCS", "FLASK_DEBUG", "QUART_DEBUG"):
        monkeypatch.delenv(name, raising=False)


async def probe(
    app: Quart, path: str = "/quotes/900", origin: str | None = None
) -> tuple[int, str | None]:
    """The status, and the origin whose scripts may read the answer."""
    headers = {} if origin is None else {"Origin": origin}
    response = await app.test_client().get(path, headers=headers)
    return response.status_code, response.headers.get("Access-Control-Allow-Origin")


async def body(app: Quart, path: str = "/quotes/900") -> Any:
    response = await app.test_client().get(path)
    return await response.get_json()


# Settings and import


async def test_create_app_reads_the_environment(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setenv("CENTS_PER_KG", "1000")
    monkeypatch.setenv("CORS_ORIGINS", f"{APP}, {ADMIN}")
    app = create_app()
    assert await body(app) == {"grams": 900, "cents": 900}
    assert await probe(app, origin=ADMIN) == (200, ADMIN)


async def test_create_app_takes_an_instance(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("CENTS_PER_KG", "1000")
    app = create_app(Settings(cents_per_kg=2000))
    assert await body(app) == {"grams": 900, "cents": 1800}


@pytest.mark.parametrize(
    ("grams", "cents"), [(0, None), (1, 1), (999, 450), (30000, 13500), (30001, None)]
)
async def test_a_quote_rounds_up_and_knows_its_bounds(
    grams: int, cents: int | None
) -> None:
    response = await create_app(Settings()).test_client().get(f"/quotes/{grams}")
    if cents is None:
        assert response.status_code == 404
    else:
        assert await response.get_json() == {"grams": grams, "cents": cents}


async def test_importing_reads_no_settings() -> None:
    code = """
import asyncio, examples.app_factory
print("imported")
examples.app_factory.create_app()
"""
    process = await asyncio.create_subprocess_exec(
        sys.executable,
        "-c",
        code,
        cwd=ROOT,
        env={**os.environ, "CENTS_PER_KG": "much"},
        stdout=asyncio.subprocess.PIPE,
        stderr=asyncio.subprocess.PIPE,
    )
    output, errors = await process.communicate()
    assert (output, process.returncode) == (b"imported\n", 1)
    assert b"ValidationError: 1 validation error for Settings\ncents_per_kg" in errors


@pytest.mark.parametrize(
    "origins",
    [
        "*",
        "null",
        f"x{APP}",
        "app.example.com",
        f"{APP}/",
        f"{APP}:",
        r"https://.*",
        f"{APP}\n",
    ],
)
def test_only_exact_origins_are_settings(origins: str) -> None:
    with pytest.raises(ValidationError, match="String should match pattern"):
        Settings(cors_origins=(APP, origins))


async def test_two_apps_in_one_process_are_independent() -> None:
    parcels = create_app(Settings(cents_per_kg=450, docs=True))
    freight = create_app(Settings(cents_per_kg=90))
    for app, cents, docs in ((parcels, 405, 200), (freight, 81, 404)):
        client = app.test_client()
        quote = await client.get("/quotes/900")
        assert await quote.get_json() == {"grams": 900, "cents": cents}
        assert (await client.get("/openapi.json")).status_code == docs


async def test_dont_global_settings_of_the_last_app_rule_all() -> None:
    parcels = dont.global_settings(Settings(cents_per_kg=450))
    freight = dont.global_settings(Settings(cents_per_kg=90))
    assert await body(parcels) == {"grams": 900, "cents": 81}
    assert await body(freight) == {"grams": 900, "cents": 81}


# Debug


async def test_debug_stays_off(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("FLASK_DEBUG", "1")
    assert Quart(__name__).debug is True
    app = create_app()
    assert app.debug is False

    @app.get("/failing")
    async def failing() -> str:
        carrier_key = "ck-4711"
        return carrier_key + 1  # type: ignore[operator]

    response = await app.test_client().get("/failing")
    assert response.status_code == 500
    assert "ck-4711" not in await response.get_data(as_text=True)


def test_quart_debug_reaches_the_quart_command_only(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setenv("QUART_DEBUG", "1")
    assert Quart(__name__).debug is False
    assert create_app().debug is False
    assert ScriptInfo(create_app=create_app).load_app().debug is True


async def test_dont_development_by_default_shows_locals() -> None:
    response = await dont.development_by_default().test_client().get("/quotes/900")
    page = await response.get_data(as_text=True)
    assert response.status_code == 500
    assert "carrier_key" in page
    assert "ck-4711" in page


# Cross-origin requests


@pytest.mark.parametrize(
    ("origin", "allowed"),
    [
        (APP, APP),
        (ADMIN, ADMIN),
        (None, None),
        ("null", None),
        ("http://app.example.com", None),
        ("https://app.example.com:8443", None),
        ("https://app.example.com.evil.example", None),
        ("https://evil-app.example.com", None),
    ],
)
async def test_only_listed_origins_may_read(
    origin: str | None, allowed: str | None
) -> None:
    app = create_app(Settings(cors_origins=(APP, ADMIN)))
    assert await probe(app, origin=origin) == (200, allowed)
    preflight = await app.test_client().options(
        "/quotes/900",
        headers={"Access-Control-Request-Method": "GET"}
        | ({} if origin is None else {"Origin": origin}),
    )
    assert preflight.headers.get("Access-Control-Allow-Origin") == allowed
    assert preflight.headers["Vary"] == "Origin"
    credentials = "true" if allowed else None
    assert preflight.headers.get("Access-Control-Allow-Credentials") == credentials


@pytest.mark.parametrize(("path", "status"), [("/unknown", 404), ("/failing", 500)])
async def test_errors_carry_every_header(path: str, status: int) -> None:
    app = create_app(Settings(cors_origins=(APP,)))

    @app.get("/failing")
    async def failing() -> str:
        raise LookupError("no rate")

    response = await app.test_client().get(path, headers={"Origin": APP})
    assert response.status_code == status
    assert response.headers["Access-Control-Allow-Origin"] == APP
    assert {name: response.headers[name] for name in SECURITY} == SECURITY


async def test_dont_wildcard_with_credentials_breaks_every_request() -> None:
    app = dont.wildcard_with_credentials()
    assert await probe(app, origin=APP) == (500, None)
    assert await probe(app) == (500, None)


async def test_dont_origins_in_one_string_match_nothing() -> None:
    app = dont.origins_in_one_string()
    assert await probe(app, origin=APP) == (200, None)
    assert await probe(app, origin=ADMIN) == (200, None)


async def test_dont_open_ended_origin_admits_a_stranger() -> None:
    evil = "https://app.example.com.evil.example"
    assert await probe(dont.open_ended_origin(), origin=evil) == (200, evil)


async def test_dont_cors_per_route_fails_preflights_on_0_23() -> None:
    preflight = (
        await dont.cors_per_route()
        .test_client()
        .options(
            "/quotes/900",
            headers={"Origin": APP, "Access-Control-Request-Method": "GET"},
        )
    )
    assert preflight.status_code == (500 if QUART_0_23 else 200)


async def test_cors_rejects_websockets_without_a_listed_origin() -> None:
    app = create_app(Settings(cors_origins=(APP,)))

    @app.websocket("/tracking")
    async def tracking() -> None:
        await websocket.send("sorted")

    client = app.test_client()
    for headers in ({}, {"Origin": ADMIN}):
        with pytest.raises(WebsocketResponseError) as rejection:
            async with client.websocket("/tracking", headers=headers) as socket:
                await asyncio.wait_for(socket.receive(), 5)
        assert rejection.value.response.status_code == 400
        assert "Cache-Control" not in rejection.value.response.headers
    async with client.websocket("/tracking", headers={"Origin": APP}) as socket:
        assert await asyncio.wait_for(socket.receive(), 5) == "sorted"


# Headers


async def test_every_answer_carries_the_security_headers() -> None:
    response = await create_app(Settings()).test_client().get("/quotes/900")
    assert dict(response.headers.items(lower=True)) == SECURITY | {
        "content-type": "application/json",
        "content-length": "26",
    }


async def test_a_view_keeps_its_own_header() -> None:
    app = create_app(Settings())

    @app.get("/rates")
    async def rates() -> tuple[dict[str, int], dict[str, str]]:
        return {"no": 450}, {"Cache-Control": "public, max-age=600"}

    response = await app.test_client().get("/rates")
    assert response.headers.getlist("Cache-Control") == ["public, max-age=600"]
    assert response.headers["X-Content-Type-Options"] == "nosniff"


async def test_dont_trusted_hosts_admit_any_host() -> None:
    client = dont.trusted_hosts().test_client()
    response = await client.get("/quotes/900", headers={"Host": "evil.example"})
    assert response.status_code == 200


# OpenAPI


async def test_docs_are_off_unless_they_are_asked_for() -> None:
    paths = ("/openapi.json", "/docs", "/redocs", "/scalar")
    closed, opened = create_app(Settings()), create_app(Settings(docs=True))
    assert [await probe(closed, path) for path in paths] == [(404, None)] * 4
    assert [await probe(opened, path) for path in paths] == [(200, None)] * 4
    document = await body(opened, "/openapi.json")
    assert document["info"] == {"title": "Parcels", "version": "1.0.0"}
    assert list(document["paths"]) == ["/quotes/{grams}"]


async def test_docs_pages_may_load_their_scripts() -> None:
    client = create_app(Settings(docs=True)).test_client()
    page = await client.get("/docs")
    assert "Content-Security-Policy" not in page.headers
    assert page.headers["X-Content-Type-Options"] == "nosniff"
    assert "https://cdnjs.cloudflare.com" in await page.get_data(as_text=True)
    document = await client.get("/openapi.json")
    assert "Content-Security-Policy" in document.headers


async def test_dont_public_docs_answer_anyone() -> None:
    app = dont.public_docs()
    assert await probe(app, "/openapi.json") == (200, None)
    assert await probe(app, "/docs") == (200, None)


async def test_dont_shared_schema_documents_another_app() -> None:
    parcels, freight = dont.shared_schema("/parcels"), dont.shared_schema("/freight")
    assert list((await body(parcels, "/openapi.json"))["paths"]) == ["/freight"]
    assert list((await body(freight, "/openapi.json"))["paths"]) == ["/freight"]


def test_dont_titled_schema_cannot_start() -> None:
    with pytest.raises(TypeError, match="unexpected keyword argument 'title'"):
        dont.titled_schema()


async def test_a_model_needs_no_type_adapter_per_answer(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    built: list[type] = []

    class Counted(conversion.TypeAdapter[Any]):
        def __init__(self, type_: type) -> None:
            built.append(type_)
            super().__init__(type_)

    monkeypatch.setattr(conversion, "TypeAdapter", Counted)
    app = create_app(Settings())

    @app.get("/rates")
    async def rates() -> dict[str, int]:
        return {"no": 450}

    await body(app, "/quotes/900")
    assert built == []
    await body(app, "/rates")
    await body(app, "/rates")
    assert built == [dict, dict]


# Served


async def test_hypercorn_calls_the_factory() -> None:
    env = {"CENTS_PER_KG": "1000", "CORS_ORIGINS": f"{APP},{ADMIN}"}
    async with (
        hypercorn("examples.app_factory:create_app()", env=env) as server,
        httpx2.AsyncClient(headers={"Origin": ADMIN}) as client,
    ):
        response = await client.get(server.url("/quotes/900"))
    assert response.json() == {"grams": 900, "cents": 900}
    assert response.headers["Access-Control-Allow-Origin"] == ADMIN
    assert {name: response.headers[name] for name in SECURITY} == SECURITY


async def test_without_parentheses_every_request_fails() -> None:
    async with (
        hypercorn("examples.app_factory:create_app") as server,
        httpx2.AsyncClient() as client,
    ):
        response = await client.get(server.url("/quotes/900"))
    assert response.status_code == 500
    assert "create_app() takes from 0 to 1 positional arguments" in server.log


async def test_dont_forgotten_import_reads_as_a_missing_application() -> None:
    target = "examples.dont.app_factory:forgotten_import()"
    server = await start("hypercorn", "-w", "0", "-b", "127.0.0.1:0", target)
    assert await server.exit_code(20) == 1
    assert "NameError: name 'RequestSchemaValidationError' is not" in server.log
    assert server.log.splitlines()[-1] == (
        "hypercorn.utils.NoAppError: Cannot load application from "
        f"'{target}', application not found."
    )
    with pytest.raises(NameError, match="RequestSchemaValidationError"):
        dont.forgotten_import()
