"""The whole service end to end: a real server, real clients, both databases."""

import asyncio
import json
import re
from collections.abc import AsyncIterator, Mapping
from pathlib import Path
from typing import Any

import httpx2
import pytest
from sqlalchemy import text
from sqlalchemy.ext.asyncio import create_async_engine
from websockets.asyncio.client import ClientConnection, connect
from websockets.exceptions import InvalidStatus

from examples.authentication import Tokens
from tests.support.postgres import Postgres, postgres
from tests.support.raw_client import raw_client
from tests.support.server import Server, running

ORIGIN = "https://app.example.com"
ADA = {"username": "ada", "email": "ada@example.com", "password": "password123"}
BOB = {"username": "bob", "email": "bob@example.com", "password": "password123"}
PROBLEM = "application/problem+json"


def environment(database_url: str) -> dict[str, str]:
    return {
        "SECRET_KEY": "s" * 32,
        "TOKEN_KEY": "t" * 32,
        "DATABASE_URL": database_url,
        "CORS_ORIGINS": ORIGIN,
        "SECURE_COOKIES": "false",
    }


@pytest.fixture
async def server(database_url: str) -> AsyncIterator[Server]:
    async with running("examples", env=environment(database_url)) as server:
        yield server


@pytest.fixture
async def client(server: Server) -> AsyncIterator[httpx2.AsyncClient]:
    async with open_client(server) as client:
        yield client


def open_client(server: Server) -> httpx2.AsyncClient:
    """A connection for each request: the server closes those that idle."""
    limits = httpx2.Limits(max_keepalive_connections=0)
    return httpx2.AsyncClient(base_url=server.url(""), timeout=30, limits=limits)


async def log_in(client: httpx2.AsyncClient, user: Mapping[str, str]) -> dict[str, str]:
    """Register, and log in."""
    created = await client.post("/users", json=user)
    assert created.status_code == 201, created.text
    return await credentials(client, user)


async def credentials(
    client: httpx2.AsyncClient, user: Mapping[str, str]
) -> dict[str, str]:
    """Log in; the header that opens the rest."""
    given = {name: user[name] for name in ("username", "password")}
    answer = await client.post("/auth/login", json=given)
    assert answer.status_code == 200, answer.text
    return {"Authorization": f"Bearer {answer.json()['access_token']}"}


async def hear(socket: ClientConnection) -> Any:
    async with asyncio.timeout(20):
        return json.loads(await socket.recv())


async def tell(socket: ClientConnection, **message: str) -> None:
    await socket.send(json.dumps(message))


async def test_the_service_answers_its_users(
    server: Server, client: httpx2.AsyncClient
) -> None:
    """One server for all of it, since each start costs seconds."""
    await users_register_log_in_and_see_each_other(server, client)
    ada, bob = await credentials(client, ADA), await credentials(client, BOB)
    await bad_requests_are_problems(client, bob)
    await what_one_says_in_the_chat_all_hear(server, client, ada)
    await topics_are_subscribed_and_granted(server, ada)
    await an_admin_exports_users_and_tells_every_page(client, ada)
    await a_browser_logs_in_with_a_form(server)


async def users_register_log_in_and_see_each_other(
    server: Server, client: httpx2.AsyncClient
) -> None:
    created = await client.post("/users", json={**ADA, "bio": "Counts."})
    assert created.status_code == 201
    ada = created.json()
    assert ada["username"] == "ada"
    assert ada["bio"] == "Counts."
    assert ada["created_at"].endswith("Z")
    assert set(ada) == {"id", "username", "email", "bio", "created_at"}

    bob = await log_in(client, BOB)
    assert (await client.get("/api/users")).status_code == 401
    listed = await client.get("/api/users", headers=bob)
    assert [user["username"] for user in listed.json()["users"]] == ["ada", "bob"]
    page = await client.get("/api/users?limit=1", headers=bob)
    rest = await client.get(
        f"/api/users?after={page.json()['next_after']}", headers=bob
    )
    assert [user["username"] for user in rest.json()["users"]] == ["bob"]
    shown = await client.get(f"/users/{ada['id']}", headers=bob)
    assert shown.json() == ada
    assert (await client.get(f"/users/{ada['id']}")).status_code == 401
    await server.logged("a mail of 13 characters")


async def bad_requests_are_problems(
    client: httpx2.AsyncClient, bob: dict[str, str]
) -> None:
    duplicate = await client.post("/users", json=BOB)
    eve = {**ADA, "username": "eve", "email": "eve@example.com"}
    unknown = await client.post("/users", json={**eve, "invited_by": 99})
    invalid = await client.post("/users", json={**ADA, "password": "pw-4711"})
    as_text = await client.post("/users", content=json.dumps(ADA))
    missing = await client.get("/users/99", headers=bob)
    wrong = await client.post(
        "/auth/login", json={"username": "bob", "password": "guess"}
    )
    forbidden = await client.delete("/users/1", headers=bob)
    answers = [duplicate, unknown, invalid, as_text, missing, wrong, forbidden]
    assert [answer.status_code for answer in answers] == [
        409, 400, 400, 415, 404, 401, 403,
    ]  # fmt: skip
    assert {answer.headers["Content-Type"] for answer in answers} == {PROBLEM}
    assert "pw-4711" not in invalid.text
    assert [error["loc"] for error in invalid.json()["errors"]] == [["password"]]


async def test_a_crash_is_a_problem_and_a_traceback_with_the_id(
    server: Server, client: httpx2.AsyncClient, database_url: str
) -> None:
    engine = create_async_engine(database_url)
    async with engine.begin() as connection:
        await connection.execute(text("ALTER TABLE users RENAME TO lost"))
    await engine.dispose()
    crash = await client.post(
        "/users", json=ADA, headers={"X-Request-Id": "support-4711"}
    )
    assert crash.status_code == 500
    assert crash.headers["Content-Type"] == PROBLEM
    assert crash.headers["X-Request-Id"] == "support-4711"
    await server.logged('"POST /users 1.1" 500')
    lines = [line for line in server.log.splitlines() if "support-4711" in line]
    assert any(" ERROR " in line for line in lines), server.log
    assert any("hypercorn.access" in line for line in lines), server.log
    assert "password123" not in server.log


async def what_one_says_in_the_chat_all_hear(
    server: Server, client: httpx2.AsyncClient, ada: dict[str, str]
) -> None:
    cookie = "; ".join(f"{name}={value}" for name, value in client.cookies.items())
    browser = {"Cookie": cookie, "Origin": ORIGIN}
    address = server.ws_url("/ws/chat")
    async with (
        connect(address, additional_headers=ada) as first,
        connect(address, additional_headers=browser) as second,
    ):
        said = {"type": "said", "user": "ada", "text": "hello"}
        async with asyncio.timeout(20):
            while True:  # until the second one has joined
                await tell(first, text="hello")
                assert await hear(first) == said
                try:
                    async with asyncio.timeout(0.2):
                        assert json.loads(await second.recv()) == said
                        break
                except TimeoutError:
                    continue
    foreign = {"Cookie": cookie, "Origin": "https://evil.example"}
    for headers, status in [
        ({}, 403),
        (foreign, 403),
        ({"Authorization": "Bearer x"}, 401),
    ]:
        with pytest.raises(InvalidStatus) as refusal:
            await connect(address, additional_headers=headers)
        assert refusal.value.response.status_code == status


async def topics_are_subscribed_and_granted(
    server: Server, ada: dict[str, str]
) -> None:
    async with connect(server.ws_url("/ws/pubsub"), additional_headers=ada) as socket:
        await tell(socket, type="subscribe", topic="news")
        assert (await hear(socket))["type"] == "subscribed"
        await tell(socket, type="publish", topic="news", text="hello")
        message = await hear(socket)
        assert (message["topic"], message["text"]) == ("news", "hello")
        await tell(socket, type="subscribe", topic="user.99")
        assert (await hear(socket))["detail"] == "not allowed"
        await socket.send("no json")
        assert (await hear(socket))["type"] == "error"
    async with connect(server.ws_url("/ws/echo")) as socket:
        await socket.send("hello")
        async with asyncio.timeout(20):
            assert await socket.recv() == "Echo: hello"


async def an_admin_exports_users_and_tells_every_page(
    client: httpx2.AsyncClient, ada: dict[str, str]
) -> None:
    token = Tokens(["t" * 32]).issue(1, "ada", "admin")
    admin = {"Authorization": f"Bearer {token}"}
    exported = await client.get("/users.csv", headers=admin)
    assert [line.split(",")[1] for line in exported.text.splitlines()] == [
        "username", "ada", "bob",
    ]  # fmt: skip
    async with client.stream("GET", "/events", headers=ada) as page:
        lines = page.aiter_lines()
        assert (await anext(lines)).startswith("retry: ")
        told = await client.post("/announcements/lunch", headers=admin)
        assert told.status_code == 204
        async with asyncio.timeout(20):
            while await anext(lines) != "event: announcement":
                pass
            assert await anext(lines) == 'data: {"text": "lunch"}'


async def a_browser_logs_in_with_a_form(server: Server) -> None:
    form = {name: ADA[name] for name in ("username", "password")}
    ours, evil = {"Origin": ORIGIN}, {"Origin": "https://evil.example"}
    async with open_client(server) as browser:
        forged = await browser.post("/login", data=form, headers=evil)
        assert (forged.status_code, forged.headers["Content-Type"]) == (403, PROBLEM)
        page = await browser.post(
            "/login", data=form, headers=ours, follow_redirects=True
        )
        assert "<title>ada</title>" in page.text
        profile = await browser.get("/account/profile", headers=ours)
        assert profile.json() == {"username": "ada", "bio": "Counts."}
        assert profile.headers["Access-Control-Allow-Origin"] == ORIGIN
        cookie = {"Cookie": f"session={browser.cookies['session']}"}
        async with connect(
            server.ws_url("/ws/chat"), additional_headers={**cookie, **ours}
        ) as chat:
            await tell(chat, text="hello")
            assert (await hear(chat))["user"] == "ada"
        await browser.post("/account/logout", headers=ours)
        for headers in ({}, cookie):
            answer = await browser.get("/account/profile", headers=headers)
            assert answer.status_code == 401


async def test_sigterm_with_everything_open(
    server: Server, client: httpx2.AsyncClient
) -> None:
    ada = await log_in(client, ADA)
    chat = await connect(server.ws_url("/ws/chat"), additional_headers=ada)
    echo = await connect(server.ws_url("/ws/echo"))
    stalled = await raw_client(server.address, "/ws/chat", ada, stalled=True)
    order = await client.post("/api/reports/july", headers=ada)
    assert order.status_code == 202
    page = client.build_request("GET", "/events", headers=ada)
    events = await client.send(page, stream=True)
    try:
        assert await server.stop(seconds=15) == 0
        for socket in (chat, echo):
            async with asyncio.timeout(20):
                await socket.wait_closed()
            assert socket.close_code == 1001
        assert (await events.aread()).startswith(b"retry: ")
    finally:
        stalled.close()
    assert "Traceback" not in server.log
    assert re.search(r"Task .* (was destroyed|exception)", server.log) is None


async def test_the_service_survives_its_database() -> None:
    with postgres() as database:
        await drive_through_an_outage(database)


async def drive_through_an_outage(database: Postgres) -> None:
    env = environment(database.url_of("postgres"))
    async with (
        running("examples", env=env) as server,
        open_client(server) as client,
    ):
        ada = await log_in(client, ADA)
        assert (await client.get("/ready")).status_code == 200
        await asyncio.to_thread(database.stop)
        for answer in (
            await client.get("/api/users", headers=ada),
            await client.post("/users", json=BOB),
        ):
            assert answer.status_code == 503
            assert answer.headers["Retry-After"] == "5"
            assert answer.headers["Content-Type"] == PROBLEM
        assert (await client.get("/ready")).status_code == 503
        assert (await client.get("/live")).status_code == 200
        await asyncio.to_thread(database.start)
        assert (await client.get("/api/users", headers=ada)).status_code == 200
        assert (await client.post("/users", json=BOB)).status_code == 201
        assert (await client.get("/ready")).status_code == 200
        assert await server.stop(seconds=15) == 0


async def test_wrong_settings_stop_the_start(tmp_path: Path) -> None:
    env = environment(f"sqlite+aiosqlite:///{tmp_path}/test.sqlite3")
    with pytest.raises(RuntimeError, match=r"Cannot start:\n  TOKEN_KEY: "):
        async with running("examples", env={**env, "TOKEN_KEY": "short"}):
            pass
