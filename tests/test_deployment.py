"""The files that start the service, and what its clients see of a restart."""

import asyncio
import json
import os
import re
import secrets
import shlex
import shutil
import signal
import socket
import sys
from collections import Counter
from contextlib import suppress
from pathlib import Path
from threading import Thread
from typing import Any

import httpx2
import new_app
import pytest
import yaml
from quart import Quart
from websockets.asyncio.client import connect
from websockets.exceptions import ConnectionClosed, InvalidHandshake, InvalidStatus

from examples.configuration import Settings
from examples.deployment import create_app, systemd
from examples.dont import deployment as dont
from examples.plain import deployment as plain
from tests.support.machine import free_port, missing
from tests.support.nginx import HOST, Site, nginx_with_tls
from tests.support.server import ROOT, Server, hypercorn, spawn, start
from tests.support.serving import serving
from tests.support.shell import run
from tests.support.systemd import manager, systemd_is_told
from tests.support.versions import QUART_0_23

FILES = ROOT / "examples" / "deployment"
COUNTING = "tests.support.counting_service"
NEWCOMER = "tests.support.plain_service"
NO_SYSTEMD = "systemd-analyze is not installed (Debian: systemd)"
UNLIMITED = {
    "limit_req zone=acme_requests burst=100 nodelay;": "",
    "limit_conn acme_connections 50;": "",
}
PAUSE = 0.02  # between the requests of a client
END = "event: end\ndata:\n\n"


def text(name: str) -> str:
    return (FILES / name).read_text(encoding="utf-8")


@pytest.mark.parametrize("page", ["deployment", "reverse_proxy"])
def test_the_page_shows_what_the_files_say(page: str) -> None:
    said = "".join(text(path.name) for path in FILES.iterdir() if path.is_file())
    shown = (ROOT / "patterns" / f"{page}.md").read_text(encoding="utf-8")
    fences = re.findall(r"^```(?:dockerfile|ini|nginx)\n(.*?)^```", shown, re.M | re.S)
    assert fences
    for paragraph in "\n".join(fences).split("\n\n"):
        assert paragraph.strip("\n") in said


# A restart


class Clients:
    """They ask again and again until the end, and note what they get."""

    def __init__(self, site: Site) -> None:
        self.site = site
        self.ending = asyncio.Event()
        self.seen: Counter[str] = Counter()
        self.pids: set[int] = set()
        self.ordered: list[str] = []

    async def look(self) -> None:
        async with self.site.client() as client:
            while not self.ending.is_set():
                answer = await client.get("/orders")
                self.seen[f"GET {answer.status_code}"] += 1
                self.pids.add(answer.json()["pid"])
                await asyncio.sleep(PAUSE)

    async def order(self) -> None:
        async with self.site.client() as client:
            while not self.ending.is_set():
                number = secrets.token_hex(8)
                self.ordered.append(number)
                answer = await client.post("/orders", content=number)
                self.seen[f"POST {answer.status_code}"] += 1
                await asyncio.sleep(PAUSE)

    async def talk(self) -> None:
        while not self.ending.is_set():
            async with self.site.websocket("/ws/echo") as ws:
                try:
                    while not self.ending.is_set():
                        await ws.send("hello")
                        self.seen[f"heard {await ws.recv()}"] += 1
                        await asyncio.sleep(PAUSE)
                except ConnectionClosed:
                    self.seen[f"closed {ws.close_code}"] += 1

    async def listen(self) -> None:
        async with self.site.client() as client:
            while not self.ending.is_set():
                answer = await client.get("/events")  # until it ends
                self.seen[f"stream ended {answer.text.endswith(END)}"] += 1


async def test_a_restart_one_by_one_loses_nothing(tmp_path: Path) -> None:
    orders = tmp_path / "orders"
    with manager(tmp_path) as socket_unit:
        units = [socket_unit.unit(COUNTING, ORDERS=str(orders)) for _ in range(2)]
        await asyncio.gather(*(unit.start() for unit in units))
        try:
            async with nginx_with_tls(socket_unit.address, UNLIMITED) as site:
                clients = Clients(site)
                listening = asyncio.create_task(clients.listen())
                asking = [clients.look, clients.order, clients.talk]
                tasks = [asyncio.create_task(ask()) for ask in [*asking, *asking]]
                before = {unit.pid for unit in units}
                for unit in units:
                    await unit.restart()
                clients.ending.set()
                await asyncio.gather(*tasks)
                await asyncio.gather(*(unit.stop() for unit in units), listening)
        finally:
            for unit in units:
                await unit.end()
    assert clients.seen.keys() == {
        "GET 200",
        "POST 200",
        "heard Echo: hello",
        "closed 1001",
        "stream ended True",
    }
    assert sorted(orders.read_text().split()) == sorted(clients.ordered)
    assert clients.pids - before


async def test_dont_list_ports_that_nginx_gives_up() -> None:
    """After one failure nginx does not ask a server again for 10 seconds."""
    statuses = []
    for more in ("", " max_fails=0"):
        first, second = free_port(), free_port()
        servers = f"server 127.0.0.1:8000{more}; server 127.0.0.1:{second}{more};"
        changes = {
            "http://127.0.0.1:8000": "http://acme",
            "# /etc": f"upstream acme {{ {servers} }}\n# /etc",
            ": ends TLS for the app on 127.0.0.1:8000": "",
        }
        async with (
            nginx_with_tls(f"127.0.0.1:{first}", changes) as site,
            site.client() as client,
        ):
            statuses.append((await client.get("/process")).status_code)
            async with serving(create_app(), port=first):
                statuses.append((await client.get("/process")).status_code)
    assert statuses == [502, 502, 502, 200]


# systemd


@pytest.fixture
def systemd_analyze() -> str:
    return shutil.which("systemd-analyze") or str(missing(NO_SYSTEMD))


async def test_systemd_takes_the_units(systemd_analyze: str, tmp_path: Path) -> None:
    async def complaints(old: str, new: str) -> str:
        for name in ("acme.socket", "acme@.service", "acme-worker.service"):
            unit = text(name).replace("/srv/acme/.venv/bin/python", sys.executable)
            (tmp_path / name).write_text(unit.replace(old, new))
        units = "./acme.socket ./acme@1.service ./acme@2.service ./acme-worker.service"
        _, output = await run(
            f"cd {tmp_path}; {systemd_analyze} verify --man=no {units}"
        )
        return output

    assert await complaints("", "") == ""
    assert "Typ" in await complaints("Type=notify", "Typ=notify")


async def test_the_page_restarts_the_worker_first() -> None:
    page = (ROOT / "patterns" / "deployment.md").read_text(encoding="utf-8")
    restarted = [f"restart {name}" for name in ("acme-worker", "acme@1", "acme@2")]
    assert await systemd_is_told(page) == restarted
    assert "acme-worker acme@1 acme@2\n[Unit]" in text("acme@.service")


async def test_the_watchdog_is_fed_again_when_systemd_is_back(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("NOTIFY_SOCKET", f"{tmp_path}/notify")
    monkeypatch.setenv("WATCHDOG_USEC", "30000")
    loop = asyncio.get_running_loop()

    def listening() -> socket.socket:
        systemd = socket.socket(socket.AF_UNIX, socket.SOCK_DGRAM)
        systemd.bind(f"{tmp_path}/notify")
        systemd.setblocking(False)
        return systemd

    with listening() as systemd:
        app = create_app()
        await app.startup()
        assert await loop.sock_recv(systemd, 100) == b"READY=1"
    (tmp_path / "notify").unlink()
    await asyncio.sleep(0.1)
    with listening() as systemd:
        assert await asyncio.wait_for(loop.sock_recv(systemd, 100), 20) == b"WATCHDOG=1"
        await app.shutdown()


async def test_systemd_hands_over_descriptor_3_whatever_its_file_says(
    tmp_path: Path,
) -> None:
    """What EnvironmentFile= says wins over Environment= (man systemd.exec)."""
    program = shutil.which("systemd-socket-activate") or missing(NO_SYSTEMD)
    unit = text("acme@.service")
    said = " ".join(re.findall("^Environment=(.*)", unit, re.MULTILINE)).split()
    lines = new_app.environment([], secret=True).splitlines()  # .env.example and keys
    said += [line for line in lines if not line.startswith("#")]
    assert {"BIND=127.0.0.1:8000", "TRUSTED_HOPS=0"} <= {*said}
    env = dict(line.split("=", 1) for line in [*said, f"PYTHONPATH={ROOT}"])
    [command] = re.findall("^ExecStart=(.*)", unit, re.MULTILINE)
    command = command.replace("/srv/acme/.venv/bin/python", sys.executable)
    address = f"127.0.0.1:{free_port()}"
    server = await spawn(
        *(program, "-l", address, *(f"--setenv={n}={v}" for n, v in env.items())),
        *here(shlex.split(command)),
        cwd=tmp_path,
    )
    try:
        await server.logged("Listening on")
        async with httpx2.AsyncClient(base_url=f"http://{address}") as client:
            headers = {"X-Forwarded-For": "203.0.113.9"}
            answer = await client.get("/live", headers=headers, timeout=60)
            assert answer.status_code == 200
        await server.logged("203.0.113.9")
        assert await server.stop(20) == 0
    finally:
        await server.end()


async def test_systemd_is_told_in_an_abstract_socket(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    name = f"quart-patterns-{secrets.token_hex(8)}"
    with socket.socket(socket.AF_UNIX, socket.SOCK_DGRAM) as channel:
        channel.bind(f"\0{name}")
        monkeypatch.setenv("NOTIFY_SOCKET", f"@{name}")
        systemd.notify("READY=1")
        assert channel.recv(100) == b"READY=1"
        monkeypatch.delenv("WATCHDOG_USEC", raising=False)
        await asyncio.wait_for(systemd.feed_watchdog(), 20)  # nobody asks for it


async def test_systemd_hears_nothing_of_a_start_that_fails(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    async def fail() -> None:
        raise ConnectionError("no broker")

    with socket.socket(socket.AF_UNIX, socket.SOCK_DGRAM) as channel:
        channel.bind(f"{tmp_path}/notify")
        channel.setblocking(False)
        monkeypatch.setenv("NOTIFY_SOCKET", f"{tmp_path}/notify")
        app = create_app()
        app.before_serving(fail)
        with pytest.raises(ConnectionError):
            await app.startup()
        with pytest.raises(BlockingIOError):
            channel.recv(100)


# The container


def instruction(name: str) -> str:
    """What the Dockerfile says behind it, in one line."""
    [found] = re.findall(rf"^{name} (.*)$", text("Dockerfile"), re.MULTILINE)
    return str(found)


def here(command: list[str], address: str = "") -> list[str]:
    """A command of the container, for this machine."""
    renamed = {"python": sys.executable, "acme": "examples"}
    return [renamed.get(w, w).replace("127.0.0.1:8000", address) for w in command]


def health_check(address: str) -> str:
    command = instruction("HEALTHCHECK").partition("CMD ")[2]
    return shlex.join(here(json.loads(command), address))


async def container(command: list[str], **env: str) -> Server:
    """Run it as Docker would: as process 1 without privileges, where root may."""
    alone = ["unshare", "--pid", "--fork", "--mount-proc", "--kill-child"]
    alone += ["setpriv", "--no-new-privs", "--bounding-set=-all", "--inh-caps=-all"]
    alone = alone if os.geteuid() == 0 else []
    return await spawn(*alone, *command, env={"BIND": "127.0.0.1:0", **env})


async def docker_stop(server: Server) -> int:
    """Send SIGTERM to process 1 itself: `unshare` passes none on."""
    pid = server.process.pid
    children = Path(f"/proc/{pid}/task/{pid}/children").read_text().split()
    os.kill(int(children[0]) if children else pid, signal.SIGTERM)
    return await server.exit_code(20)


def environment(tmp_path: Path) -> dict[str, str]:
    """What compose.yaml gives the app, but a SQLite file."""
    app = yaml.safe_load(text("compose.yaml"))["services"]["app"]["environment"]
    assert {name.lower() for name in app} <= Settings.model_fields.keys()
    return {
        "SECRET_KEY": "s" * 32,
        "TOKEN_KEY": "t" * 32,
        "DATABASE_URL": f"sqlite+aiosqlite:///{tmp_path}/app.sqlite3",
        "TRUSTED_HOPS": str(app["TRUSTED_HOPS"]),
    }


async def test_the_container_serves_behind_nginx(tmp_path: Path) -> None:
    """It starts or exits with 1, logs in with a Secure cookie, and ends at SIGTERM."""
    command = here(json.loads(instruction("CMD")))
    server = await container(command, **environment(tmp_path))
    broken = await container(command, SECRET_KEY="hunter2")
    try:
        await server.wait_until_ready()
        assert await run(health_check(server.address)) == (0, "")
        async with nginx_with_tls(server.address) as site, site.client() as client:
            ada = {"username": "ada", "email": "ada@example.com"}
            ada["password"] = "correct-horse"
            assert (await client.post("/users", json=ada)).status_code == 201
            form = {name: ada[name] for name in ("username", "password")}
            origin = {"Origin": f"https://{HOST}"}
            answer = await client.post("/login", data=form, headers=origin)
            assert (answer.status_code, answer.headers["Location"]) == (303, "/account")
            assert answer.headers["Set-Cookie"].startswith("__Host-session=")
            assert (await client.get("/account")).status_code == 200
            large = b"x" * 100_000
            assert (await client.post("/files", content=large)).status_code == 401
            assert (await client.post("/users", content=large)).status_code == 413
            async with site.websocket("/ws/echo") as ws:
                await ws.send("hello")
                assert await ws.recv() == "Echo: hello"
                assert await docker_stop(server) == 0
                await ws.wait_closed()
                assert ws.close_code == 1001
            assert (await client.get("/account")).status_code == 502
        code, _ = await run(f"{health_check(server.address)} 2>/dev/null")
        assert code == 1
        assert await broken.exit_code(20) == 1
        assert "SECRET_KEY" in broken.log
    finally:
        await server.end()
        await broken.end()


def test_the_image_holds_no_secret_and_no_root() -> None:
    assert int(instruction("USER")) > 0
    assert "KEY" not in text("Dockerfile")
    copied = re.findall(r"^COPY (\S+)", text("Dockerfile"), re.MULTILINE)
    ignored, *kept, _ = text("dockerignore").split()
    assert ignored == "*"
    assert kept == [f"!{name}" for name in copied]


def test_only_nginx_of_the_compose_file_is_reachable() -> None:
    services = yaml.safe_load(text("compose.yaml"))["services"]
    assert [name for name, one in services.items() if "ports" in one] == ["nginx"]
    for service in services.values():
        for other, wanted in service.get("depends_on", {}).items():
            assert wanted == {"condition": "service_healthy"}
            assert "healthcheck" in services[other] or "build" in services[other]


async def test_nginx_of_the_compose_file_asks_the_app() -> None:
    command = yaml.safe_load(text("compose.yaml"))["services"]["nginx"]["command"]
    sed, _, _ = shlex.split(command)[2].partition(" >")
    assert f"{sed.split()[-1]}:ro" in text("compose.yaml")
    _, output = await run(f"{sed.replace('/srv/acme.conf', str(FILES / 'nginx.conf'))}")
    assert "proxy_pass http://app:8000;" in output


async def test_the_plain_form_starts_and_is_healthy() -> None:
    target = "examples.plain.deployment:create_app()"
    async with hypercorn(target, env={"SECRET_KEY": "s" * 32}) as server:
        assert await run(health_check(server.address)) == (0, "")
        assert await server.stop() == 0


async def test_the_plain_form_needs_its_key(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.delenv("SECRET_KEY", raising=False)
    with pytest.raises(KeyError):
        plain.create_app()


# Other servers


async def other_server(name: str, *options: str, **env: str) -> tuple[Server, str]:
    port = free_port()
    command = (name, "--port", str(port), "--factory", *options)
    server = await start(*command, f"{NEWCOMER}:create_app", env=env)
    return server, f"127.0.0.1:{port}"


async def until_it_answers(address: str) -> None:
    async with asyncio.timeout(60), httpx2.AsyncClient() as client:
        while True:
            with suppress(httpx2.ConnectError):
                await client.get(f"http://{address}/client")
                return
            await asyncio.sleep(0.05)


async def refused(address: str, path: str) -> int | None:
    """The status of a handshake; None when the server gives none."""
    try:
        async with connect(f"ws://{address}{path}"):
            return 101
    except InvalidStatus as status:
        return status.response.status_code
    except (InvalidHandshake, OSError):
        return None


async def echoed(address: str, message: bytes) -> str | int | None:
    """What the echo answers, or the code that it closes with."""
    async with connect(f"ws://{address}/ws/echo") as ws:
        await ws.send(message)
        try:
            return str(await asyncio.wait_for(ws.recv(), 20))
        except ConnectionClosed:
            return ws.close_code


async def table_row(name: str, *options: str) -> dict[str, Any]:
    """What the page says of a server."""
    broken, _ = await other_server(name, *options, BROKER="away")
    server, address = await other_server(name, *options)
    try:
        await until_it_answers(address)
        forged = {"X-Forwarded-For": "198.51.100.1", "X-Forwarded-Proto": "https"}
        async with httpx2.AsyncClient(
            base_url=f"http://{address}", timeout=30
        ) as client:
            row: dict[str, Any] = {
                "failed start": await broken.exit_code(30),
                "forged client": (await client.get("/client", headers=forged)).text,
                "rejection with 401": await refused(address, "/ws/members"),
                "empty message": await echoed(address, b""),
            }
            async with connect(f"ws://{address}/ws/echo") as ws:
                row["compression"] = bool(ws.protocol.extensions)
                async with client.stream("GET", "/events") as events:
                    beats = events.aiter_lines()
                    slow = asyncio.create_task(client.get("/slow"))
                    await server.logged("slow started")
                    server.process.send_signal(signal.SIGTERM)
                    row["request at SIGTERM"] = (await slow).text
                    await asyncio.wait_for(ws.wait_closed(), 20)
                    row["websocket at SIGTERM"] = ws.close_code
                    for _ in range(20):  # long after all else has ended
                        await anext(beats)
                    row["stream at SIGTERM"] = "goes on"
    finally:
        server.kill()
        await server.end()
        await broken.end()
    return row


async def closed_before_it_is_accepted(name: str, *options: str) -> int | None:
    """The status of the handshake; None when the server has exited with 1."""
    server, address = await other_server(name, *options)
    try:
        await until_it_answers(address)
        status = await refused(address, "/ws/closed")
        if status is None:
            assert await server.exit_code(30) == 1
    finally:
        await server.end()
    return status


async def test_other_servers_differ() -> None:
    granian = ("granian", "--interface", "asgi")
    *rows, status = await asyncio.gather(
        table_row("uvicorn"),
        table_row(*granian),
        closed_before_it_is_accepted(*granian),
    )
    assert status == (None if QUART_0_23 else 403)
    same = {"request at SIGTERM": "done", "stream at SIGTERM": "goes on"}
    assert rows[0] == same | {
        "failed start": 3,
        "forged client": "https 198.51.100.1",
        "rejection with 401": 401,
        "empty message": 1006,
        "compression": True,
        "websocket at SIGTERM": 1012,
    }
    assert rows[1] == same | {
        "failed start": 1,
        "forged client": "http 127.0.0.1",
        "rejection with 401": 403,
        "empty message": 1005,
        "compression": False,
        "websocket at SIGTERM": 1006,
    }


# Don'ts


async def test_dont_key_made_at_the_start_ends_sessions_in_other_processes() -> None:
    for make_app, status in (
        (dont.key_made_at_the_start, 401),
        (lambda: _with_key(dont.key_made_at_the_start()), 200),
    ):
        first, second = make_app(), make_app()
        answer = await first.test_client().post("/login")
        cookie = {"Cookie": answer.headers["Set-Cookie"].partition(";")[0]}
        own = await first.test_client().get("/account", headers=cookie)
        other = await second.test_client().get("/account", headers=cookie)
        assert (own.status_code, other.status_code) == (200, status)


def _with_key(app: Quart) -> Quart:
    app.secret_key = "k" * 32
    return app


async def test_dont_tokens_in_memory_are_unknown_to_other_processes() -> None:
    first, second = dont.tokens_in_memory(), dont.tokens_in_memory()
    token = await (await first.test_client().post("/login")).get_data(as_text=True)
    headers = {"Authorization": token}
    statuses = [
        (await app.test_client().get("/account", headers=headers)).status_code
        for app in (first, second)
    ]
    assert statuses == [200, 401]


async def test_dont_wsgi_server_answers_500() -> None:
    app = Quart("acme")
    app.add_url_rule("/", "index", lambda: "welcome")
    server = dont.wsgi_server(app)
    server.log = lambda *args: None  # type: ignore[method-assign]
    thread = Thread(target=server.handle_request)
    thread.start()
    async with httpx2.AsyncClient(timeout=20) as client:
        answer = await client.get(f"http://127.0.0.1:{server.port}/")
    await asyncio.to_thread(thread.join)
    server.server_close()
    assert answer.status_code == 500
    with pytest.raises(TypeError, match="missing 1 required positional argument"):
        app({}, print)  # type: ignore[call-arg, arg-type]


def test_hypercorn_is_told_of_no_second_worker() -> None:
    """test_serving.py shows what `hypercorn -w 2` loses."""
    for name in ("Dockerfile", "acme@.service"):
        assert "-w " not in text(name)
