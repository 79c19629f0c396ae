import asyncio
import importlib
import logging
import signal
import sys
from collections.abc import AsyncIterator, Mapping
from contextlib import asynccontextmanager
from pathlib import Path
from typing import Any

import httpx2
import pytest
from pydantic import BaseModel
from quart import Quart, Response, websocket
from quart.testing import WebsocketResponseError
from quart_schema import QuartSchema, conversion
from websockets.asyncio.client import connect
from websockets.exceptions import InvalidStatus

from examples.app_factory import (
    create_app,
    register_cors,
    register_schema,
    set_security_headers,
)
from examples.configuration import Settings
from examples.dont import app_factory as dont
from examples.plain import app_factory as plain
from tests.support.machine import free_port
from tests.support.server import Server, hypercorn, spawn, start
from tests.support.serving import until
from tests.support.versions import QUART_0_23

APP = "https://app.example.com"
ADMIN = "https://admin.example.com"
DOCS = ("/openapi.json", "/docs", "/redocs", "/scalar")
SECURITY = {
    "cache-control": "no-store",
    "content-security-policy": "default-src 'none'; frame-ancestors 'none'",
    "referrer-policy": "no-referrer",
    "x-content-type-options": "nosniff",
}
NEEDED = {
    "SECRET_KEY": "s" * 32,
    "TOKEN_KEY": "t" * 32,
    "DATABASE_URL": "sqlite+aiosqlite:///unused.sqlite3",
}


@pytest.fixture(autouse=True)
def environment(monkeypatch: pytest.MonkeyPatch) -> None:
    others = ("FLASK_DEBUG", "QUART_DEBUG", "TITLE")
    for name in (*map(str.upper, Settings.model_fields), *others):
        monkeypatch.delenv(name, raising=False)
    for name, value in NEEDED.items():
        monkeypatch.setenv(name, value)


def crossing(**settings: Any) -> Quart:
    """The app that the pages of APP and ADMIN may use."""
    return create_app(Settings(cors_origins=(APP, ADMIN), **settings))


async def get(app: Quart, path: str, **headers: str) -> Response:
    return await app.test_client().get(path, headers=headers)


async def reader(app: Quart, origin: str, path: str = "/users/1") -> str | None:
    """The origin whose scripts may read the answer."""
    response = await get(app, path, Origin=origin)
    return response.headers.get("Access-Control-Allow-Origin")


async def refused(app: Quart, path: str, **headers: str) -> int:
    """The status of a refused handshake, and 0 where it was accepted."""
    client = app.test_client()
    try:
        async with client.websocket(path, headers=headers) as socket:
            await socket.send("hello")
            assert "hello" in await asyncio.wait_for(socket.receive(), 20)
    except WebsocketResponseError as refusal:
        return int(refusal.response.status_code)
    return 0


def with_echo(app: Quart) -> Quart:
    @app.websocket("/ws/echo")
    async def echo() -> None:
        await websocket.send(await websocket.receive())

    return app


def lower(response: Response) -> Mapping[str, str]:
    return dict(response.headers.items(lower=True))


# The factory


def test_create_app_reads_the_environment(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("CORS_ORIGINS", APP)
    assert create_app().extensions["settings"].cors_origins == (APP,)
    monkeypatch.delenv("TOKEN_KEY")
    with pytest.raises(SystemExit, match="TOKEN_KEY: Field required"):
        create_app()


async def test_two_apps_in_one_process_are_independent() -> None:
    internal = create_app(Settings(api_docs=True))
    public = crossing()
    assert (await get(internal, "/openapi.json")).status_code == 200
    assert (await get(public, "/openapi.json")).status_code == 404
    assert await reader(internal, APP) is None
    assert await reader(public, APP) == APP
    assert await reader(public, ADMIN) == ADMIN


def test_every_part_has_its_routes() -> None:
    paths = {rule.rule for rule in create_app().url_map.iter_rules()}
    assert paths >= {
        "/users",
        "/auth/login",
        "/api/users",
        "/ws/echo",
        "/ws/chat",
        "/ws/pubsub",
        "/live",
        "/ready",
    }


async def test_debug_stays_off(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("FLASK_DEBUG", "1")
    app = create_app()
    assert app.debug is False

    @app.get("/failing")
    async def failing() -> str:
        mail_password = "hunter2"
        return mail_password + 1  # type: ignore[operator]

    response = await get(app, "/failing")
    assert (response.status_code, response.mimetype) == (
        500,
        "application/problem+json",
    )
    assert "hunter2" not in await response.get_data(as_text=True)


def test_lines_carry_the_request_id_whatever_was_configured() -> None:
    logging.basicConfig(format="%(message)s", force=True)
    create_app()
    (handler,) = logging.getLogger().handlers
    record = logging.makeLogRecord({"name": "acme", "msg": "hello"})
    assert handler.filter(record)
    assert handler.format(record).endswith(" - acme: hello")


# Cross-origin requests


@pytest.mark.parametrize(
    ("origin", "allowed"),
    [
        (APP, APP),
        (ADMIN, ADMIN),
        ("", None),
        ("null", None),
        ("http://app.example.com", None),
        ("https://app.example.com:8443", None),
        ("https://app.example.com.evil.example", None),
        ("https://evil-app.example.com", None),
    ],
)
async def test_only_listed_origins_may_read(origin: str, allowed: str | None) -> None:
    app = crossing()
    assert await reader(app, origin) == allowed
    preflight = await app.test_client().options(
        "/api/users",
        headers={
            "Origin": origin,
            "Access-Control-Request-Method": "GET",
            "Access-Control-Request-Headers": "Authorization, X-Other",
        },
    )
    headers = {
        name: value
        for name, value in lower(preflight).items()
        if name.startswith("access-control-")
    }
    assert preflight.status_code == 200
    assert "Origin" in preflight.vary
    if allowed is None:
        assert headers == {}
    else:
        assert headers.pop("access-control-allow-methods")
        assert headers == {
            "access-control-allow-origin": origin,
            "access-control-allow-credentials": "true",
            "access-control-allow-headers": "authorization",
            "access-control-expose-headers": "X-Request-Id",
            "access-control-max-age": "3600",
        }


async def test_without_origins_there_is_no_cors() -> None:
    headers = lower(await get(create_app(), "/live", Origin=APP))
    assert not {name for name in headers if name.startswith("access-control-")}


@pytest.mark.parametrize(
    ("path", "status"), [("/unknown", 404), ("/failing", 500), ("/api/users", 401)]
)
async def test_errors_carry_every_header(path: str, status: int) -> None:
    app = crossing()

    @app.get("/failing")
    async def failing() -> str:
        raise LookupError("no such name")

    response = await get(app, path, Origin=APP)
    assert response.status_code == status
    assert response.headers["Access-Control-Allow-Origin"] == APP
    assert lower(response).items() >= SECURITY.items()


async def test_websockets_check_origins_themselves() -> None:
    app = with_echo(Quart(__name__))
    register_cors(app, [APP])
    assert await refused(app, "/ws/echo") == 0
    assert await refused(app, "/ws/echo", Origin="https://evil.example") == 0


async def test_a_websocket_after_register_cors_is_not_exempt() -> None:
    app = Quart(__name__)
    register_cors(app, [APP])
    assert await refused(with_echo(app), "/ws/echo") == 400


async def test_dont_cors_for_websockets_refuses_clients_without_origin() -> None:
    app = dont.cors_for_websockets()
    assert await refused(app, "/ws/echo") == 400
    assert await refused(app, "/ws/echo", Origin="https://evil.example") == 400
    assert await refused(app, "/ws/echo", Origin=APP) == 0
    answer = await get(app, "/unknown", Origin=APP)
    assert answer.headers["Access-Control-Expose-Headers"] == '""'


async def test_dont_wildcard_with_credentials_breaks_every_request() -> None:
    app = dont.wildcard_with_credentials()
    assert (await get(app, "/users/1", Origin=APP)).status_code == 500
    assert (await get(app, "/users/1")).status_code == 500


async def test_dont_origins_in_one_string_match_nothing() -> None:
    app = dont.origins_in_one_string()
    assert (await get(app, "/users/1", Origin=APP)).status_code == 200
    assert await reader(app, APP) is None
    assert await reader(app, ADMIN) is None


async def test_dont_open_ended_origin_admits_a_stranger() -> None:
    evil = "https://app.example.com.evil.example"
    assert await reader(dont.open_ended_origin(), evil) == evil


async def test_dont_cors_per_route_fails_preflights_on_0_23() -> None:
    client = dont.cors_per_route().test_client()
    headers = {"Origin": APP, "Access-Control-Request-Method": "GET"}
    preflight = await client.options("/users/1", headers=headers)
    assert preflight.status_code == (500 if QUART_0_23 else 200)


# Headers


async def test_json_carries_exactly_these_security_headers() -> None:
    headers = dict(lower(await get(create_app(), "/live")))
    assert headers.pop("x-request-id")
    assert headers.pop("vary", None) == ("Cookie" if QUART_0_23 else None)
    assert headers == {
        **SECURITY,
        "content-type": "application/json",
        "content-length": "18",
    }


async def test_a_page_may_have_styles_and_scripts() -> None:
    app = create_app()

    @app.get("/page")
    async def page() -> str:
        return "<style>p { color: teal }</style><p>Hello"

    response = await get(app, "/page")
    assert response.mimetype == "text/html"
    assert "Content-Security-Policy" not in response.headers
    assert response.headers["X-Content-Type-Options"] == "nosniff"


async def test_a_view_keeps_its_own_header() -> None:
    app = Quart(__name__)
    app.after_request(set_security_headers)

    @app.get("/topics")
    async def topics() -> tuple[list[str], dict[str, str]]:
        return ["billing"], {"Cache-Control": "public, max-age=600"}

    response = await get(app, "/topics")
    assert response.headers.getlist("Cache-Control") == ["public, max-age=600"]
    assert response.headers["X-Content-Type-Options"] == "nosniff"


async def test_dont_trusted_hosts_admit_any_host() -> None:
    response = await get(dont.trusted_hosts(), "/users/1", Host="evil.example")
    assert response.status_code == 200


# OpenAPI


async def test_docs_are_off_unless_they_are_asked_for() -> None:
    closed, opened = create_app(), create_app(Settings(api_docs=True))
    assert [(await get(closed, path)).status_code for path in DOCS] == [404] * 4
    assert [(await get(opened, path)).status_code for path in DOCS] == [200] * 4
    document = await (await get(opened, "/openapi.json")).get_json()
    assert document["info"] == {"title": "Users", "version": "1.0.0"}
    assert {"/users", "/auth/login", "/api/users"} <= document["paths"].keys()


async def test_docs_pages_may_load_their_scripts() -> None:
    page = await get(create_app(Settings(api_docs=True)), "/docs")
    assert "Content-Security-Policy" not in page.headers
    assert "https://cdnjs.cloudflare.com" in await page.get_data(as_text=True)


async def test_dont_public_docs_answer_anyone() -> None:
    app = dont.public_docs()
    assert [(await get(app, path)).status_code for path in DOCS] == [200] * 4


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
    app = Quart(__name__)
    register_schema(app, docs=False)

    @app.get("/dict")
    async def answer_dict() -> dict[str, str]:
        return {"title": "Users"}

    class Title(BaseModel):
        title: str

    @app.get("/model")
    async def answer_model() -> Title:
        return Title(title="Users")

    for path in ("/model", "/dict", "/dict"):
        assert (await get(app, path)).status_code == 200
    assert built == [dict, dict]
    fast = Quart(__name__)
    QuartSchema(fast, conversion_preference="msgspec", openapi_path=None)
    fast.add_url_rule("/dict", view_func=answer_dict)
    assert (await get(fast, "/dict")).status_code == 200
    assert built == [dict, dict]


# The plain form


async def test_the_plain_form_reads_the_environment_when_called(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setenv("FLASK_DEBUG", "1")
    monkeypatch.setenv("TITLE", "People")
    apps = [plain.create_app(), plain.create_app({"TITLE": "Ours"})]
    monkeypatch.delenv("TITLE")
    apps.append(plain.create_app())
    titles = [await (await get(app, "/")).get_json() for app in apps]
    assert titles == [{"title": "People"}, {"title": "Ours"}, {"title": "Users"}]
    assert [app.debug for app in apps] == [False] * 3


# Served


async def test_hypercorn_serves_the_factory(tmp_path: Path) -> None:
    url = f"sqlite+aiosqlite:///{tmp_path}/served.sqlite3"
    env = {**NEEDED, "DATABASE_URL": url, "CORS_ORIGINS": APP}
    ada = {"username": "ada", "email": "ada@example.com", "password": "correct-horse"}
    async with (
        hypercorn("examples.app_factory:create_app()", env=env) as server,
        httpx2.AsyncClient(base_url=server.url(""), timeout=30) as client,
    ):
        ready = await client.get("/ready", headers={"Origin": APP})
        created = await client.post(
            "/users", json=ada, headers={"X-Request-Id": "support-4711"}
        )
        async with connect(server.ws_url("/ws/echo")) as socket:
            await socket.send("hello")
            assert await asyncio.wait_for(socket.recv(), 30) == "Echo: hello"
        with pytest.raises(InvalidStatus) as refusal:
            await connect(server.ws_url("/ws/chat"))
        assert await server.stop(20) == 0
    assert refusal.value.response.status_code in {401, 403}
    assert ready.json() == {"status": "ready"}
    assert ready.headers["Access-Control-Allow-Origin"] == APP
    assert {name: ready.headers[name] for name in SECURITY} == SECURITY
    assert created.status_code == 201
    assert " INFO support-4711 examples." in server.log


async def test_without_parentheses_every_request_fails() -> None:
    async with (
        hypercorn("examples.plain.app_factory:create_app") as server,
        httpx2.AsyncClient(timeout=30) as client,
    ):
        response = await client.get(server.url("/"))
    assert response.status_code == 500
    assert "create_app() takes from 0 to 1 positional arguments" in server.log


async def test_dont_forgotten_import_reads_as_a_missing_application() -> None:
    target = "examples.dont.app_factory:forgotten_import()"
    server = await start("hypercorn", "-w", "0", "-b", "127.0.0.1:0", target)
    assert await server.exit_code(30) == 1
    assert "NameError: name 'RequestSchemaValidationError' is not" in server.log
    assert server.log.splitlines()[-1] == (
        "hypercorn.utils.NoAppError: Cannot load application from "
        f"'{target}', application not found."
    )
    with pytest.raises(NameError, match="RequestSchemaValidationError"):
        dont.forgotten_import()


def test_an_app_that_blueprints_import_is_a_circle(
    monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    (tmp_path / "circle_app.py").write_text(
        "from quart import Quart\nfrom circle_views import users\napp = Quart('circle')"
    )
    (tmp_path / "circle_views.py").write_text("from circle_app import app\nusers = 1")
    monkeypatch.syspath_prepend(tmp_path)
    with pytest.raises(ImportError, match="'app' from partially initialized module"):
        importlib.import_module("circle_app")


def test_an_app_at_module_level_makes_the_import_fail(
    monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    (tmp_path / "early_app.py").write_text(
        "from examples.app_factory import create_app\napp = create_app()"
    )
    monkeypatch.syspath_prepend(tmp_path)
    monkeypatch.delenv("SECRET_KEY")
    with pytest.raises(SystemExit, match="SECRET_KEY: Field required"):
        importlib.import_module("early_app")


async def test_dont_configuration_by_name_shows_locals_to_who_forgets_it() -> None:
    app = dont.configuration_by_name()
    response = await get(app, "/users/2")
    assert response.status_code == 500
    page = await response.get_data(as_text=True)
    assert "mail_password" in page
    assert "hunter2" in page
    response = await get(dont.configuration_by_name("production"), "/users/2")
    assert "hunter2" not in await response.get_data(as_text=True)


@asynccontextmanager
async def run_as_script(line: str, port: int) -> AsyncIterator[Server]:
    """A script whose last line serves `app`, in a process group of its own."""
    code = (
        "from examples.dont.app_factory import Quart, _with_users, debug_for_everyone\n"
        f"app = _with_users(Quart('users'))\n{line}"
    )
    server = await spawn(sys.executable, "-c", code)
    try:
        await answer(f"http://127.0.0.1:{port}/users/1")
        yield server
    except TimeoutError as error:
        error.add_note(server.log)
        raise
    finally:
        server.kill()
        await server.exit_code(30)


async def answer(url: str) -> httpx2.Response:
    """Ask until somebody listens: `app.run` tells its address before it does."""
    async with asyncio.timeout(30), httpx2.AsyncClient(timeout=30) as client:
        while True:
            try:
                return await client.get(url)
            except httpx2.ConnectError:
                await asyncio.sleep(0.05)


async def test_dont_debug_for_everyone_shows_locals_to_the_network() -> None:
    port = free_port()
    line = f"{dont.debug_for_everyone.__name__}(app, {port})"
    async with run_as_script(line, port) as server:
        page = await answer(f"http://127.0.0.1:{port}/users/2")
    assert f"Running on http://0.0.0.0:{port}" in server.log
    assert page.status_code == 500
    assert "hunter2" in page.text


async def test_app_run_survives_sigterm_on_0_23() -> None:
    port = free_port()
    async with run_as_script(f"app.run(port={port})", port) as server:
        server.process.terminate()
        await until(lambda: server.process.returncode is not None)
        if QUART_0_23:
            assert server.process.returncode == -signal.SIGTERM
            page = await answer(f"http://127.0.0.1:{port}/users/1")
            assert page.status_code == 200
        else:
            assert await server.exit_code(30) == 0
