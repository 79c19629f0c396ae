"""An nginx in front of a server: its own folder and port, stopped by its pid."""

import asyncio
import os
import shutil
import socket
import tempfile
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from pathlib import Path

import pytest

MISSING = "nginx is not installed (Debian: nginx-light)"
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
    server {{
        listen 127.0.0.1:{port};
        location / {{
            proxy_pass http://{upstream};
            {options}
        }}
    }}
}}
"""


@asynccontextmanager
async def nginx(upstream: str, options: str = "") -> AsyncIterator[str]:
    """Yield host:port; `options` go into the `location` that passes all on."""
    program = shutil.which("nginx", path=PATH)
    if program is None:
        if os.environ.get("CI") == "true":
            pytest.fail(MISSING)
        pytest.skip(MISSING)
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        port = probe.getsockname()[1]
    folder = Path(tempfile.mkdtemp(prefix="quart-patterns-nginx-"))
    config = folder / "nginx.conf"
    config.write_text(
        CONFIG.format(folder=folder, port=port, upstream=upstream, options=options)
    )
    process = await asyncio.create_subprocess_exec(
        program, "-p", folder, "-c", config, stderr=asyncio.subprocess.PIPE
    )
    try:
        await until_it_listens(process, port)
        yield f"127.0.0.1:{port}"
    finally:
        if process.returncode is None:
            process.terminate()
        await process.communicate()
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
