"""An nginx in front of a server: its own folder and ports, stopped by its pid."""

import asyncio
import os
import shutil
import ssl
import tempfile
from collections.abc import AsyncIterator, Mapping
from contextlib import asynccontextmanager
from pathlib import Path
from typing import Any

import httpx2
import websockets

from tests.support.machine import free_port, missing
from tests.support.server import ROOT

SITE = ROOT / "examples" / "deployment" / "nginx.conf"
HOST = "app.example.com"  # what SITE serves
CLIENT = "127.0.0.2"  # not the address that nginx has
MISSING = "nginx is not installed (Debian: nginx-light)"
NO_OPENSSL = "openssl is not installed (Debian: openssl)"
PATH = os.pathsep.join([os.environ.get("PATH", ""), "/usr/sbin"])
CONFIG = """\
daemon off;
master_process off;
pid {folder}/nginx.pid;
error_log {folder}/error.log;
events {{}}
http {{
    access_log off;
    client_body_temp_path {folder}/body;
    proxy_temp_path {folder}/proxy;
    fastcgi_temp_path {folder}/fastcgi;
    uwsgi_temp_path {folder}/uwsgi;
    scgi_temp_path {folder}/scgi;
    include {folder}/site.conf;
}}
"""
PLAIN_SITE = """\
server {{
    listen 127.0.0.1:{port};
    location / {{
        proxy_pass http://{upstream};
        {options}
    }}
}}
"""


@asynccontextmanager
async def nginx(upstream: str, options: str = "") -> AsyncIterator[str]:
    """Yield host:port; `options` go into the `location` that passes all on."""
    port = free_port()
    site = PLAIN_SITE.format(port=port, upstream=upstream, options=options)
    async with serving_site(temporary_folder(), site, port):
        yield f"127.0.0.1:{port}"


class Site:
    """SITE on free ports of the loopback interface, with a certificate of its own."""

    nginx: "Nginx"

    def __init__(self, certificate: Path) -> None:
        self.port = self.http_port = free_port()
        while self.port == self.http_port:
            self.port = free_port()
        self._certificate = str(certificate)

    @property
    def context(self) -> ssl.SSLContext:
        """A new one each time: clients write into it which protocols they speak."""
        return ssl.create_default_context(cafile=self._certificate)

    def client(self, **options: Any) -> httpx2.AsyncClient:
        """A client that takes this place for https://app.example.com."""
        return httpx2.AsyncClient(
            transport=Dialler(
                self.port, verify=self.context, local_address=CLIENT, **options
            ),
            base_url=f"https://{HOST}",
            timeout=30,
        )

    def websocket(
        self, path: str, headers: Mapping[str, str] | None = None, **options: Any
    ) -> websockets.connect:
        return websockets.connect(
            f"wss://{HOST}{path}",
            host="127.0.0.1",
            port=self.port,
            ssl=self.context,
            local_addr=(CLIENT, 0),
            additional_headers=headers,
            open_timeout=30,
            **options,
        )


class Dialler(httpx2.AsyncHTTPTransport):
    """Connects to 127.0.0.1, and leaves Host and the name for TLS as they are."""

    def __init__(self, port: int, **options: Any) -> None:
        super().__init__(**options)
        self._port = port

    async def handle_async_request(self, request: httpx2.Request) -> httpx2.Response:
        return await super().handle_async_request(
            httpx2.Request(
                request.method,
                request.url.copy_with(host="127.0.0.1", port=self._port),
                headers=request.headers,
                stream=request.stream,
                extensions={**request.extensions, "sni_hostname": HOST},
            )
        )


@asynccontextmanager
async def nginx_with_tls(
    upstream: str, changes: Mapping[str, str] | None = None
) -> AsyncIterator[Site]:
    """Run SITE before `upstream`; `changes` are made to its text first."""
    folder = temporary_folder()
    await make_certificate(folder)
    site = Site(folder / "fullchain.pem")
    places = {
        "listen 80": f"listen 127.0.0.1:{site.http_port}",
        "listen 443": f"listen 127.0.0.1:{site.port}",
        "127.0.0.1:8000": upstream,
        "/etc/nginx/tls": str(folder),
    }
    text = SITE.read_text(encoding="utf-8")
    for old, new in {**(changes or {}), **places}.items():
        assert old in text, old
        text = text.replace(old, new)
    async with serving_site(folder, text, site.port) as site.nginx:
        yield site


async def make_certificate(folder: Path) -> None:
    program = shutil.which("openssl") or missing(NO_OPENSSL)
    process = await asyncio.create_subprocess_exec(
        *(program, "req", "-x509", "-nodes", "-newkey", "ec", "-days", "2"),
        *("-pkeyopt", "ec_paramgen_curve:prime256v1", "-subj", f"/CN={HOST}"),
        *("-addext", f"subjectAltName=DNS:{HOST}"),
        *("-keyout", folder / "privkey.pem", "-out", folder / "fullchain.pem"),
        stderr=asyncio.subprocess.DEVNULL,
    )
    assert await process.wait() == 0


def temporary_folder() -> Path:
    return Path(tempfile.mkdtemp(prefix="quart-patterns-nginx-"))


class Nginx:
    """A server that a test may stop and start again, on the same port."""

    process: asyncio.subprocess.Process

    def __init__(self, folder: Path, site: str, port: int) -> None:
        self.program = shutil.which("nginx", path=PATH) or missing(MISSING)
        self.folder, self.port = folder, port
        self.config = folder / "nginx.conf"
        self.config.write_text(CONFIG.format(folder=folder))
        (folder / "site.conf").write_text(site, encoding="utf-8")

    async def start(self) -> None:
        self.process = await asyncio.create_subprocess_exec(
            *(self.program, "-p", self.folder, "-c", self.config),
            stderr=asyncio.subprocess.PIPE,
        )
        await until_it_listens(self.process, self.port)

    async def stop(self) -> None:
        """End at once, and cut what is open."""
        if self.process.returncode is None:
            self.process.terminate()
        await self.process.communicate()


@asynccontextmanager
async def serving_site(folder: Path, site: str, port: int) -> AsyncIterator[Nginx]:
    server = Nginx(folder, site, port)
    try:
        await server.start()
        yield server
    finally:
        await server.stop()
        shutil.rmtree(folder, ignore_errors=True)


async def until_it_listens(process: asyncio.subprocess.Process, port: int) -> None:
    async with asyncio.timeout(30):
        while process.returncode is None:
            try:
                _, writer = await asyncio.open_connection("127.0.0.1", port)
            except ConnectionRefusedError:
                await asyncio.sleep(0.02)
            else:
                writer.close()
                return
    assert process.stderr is not None
    raise RuntimeError((await process.stderr.read()).decode())
