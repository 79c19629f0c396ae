import asyncio
import gc
import inspect
import json
import socket
import tempfile
import zipfile
from collections.abc import AsyncIterator, Callable, Mapping
from contextlib import asynccontextmanager, suppress
from datetime import timedelta
from functools import partial
from io import BytesIO
from itertools import chain
from pathlib import Path
from typing import Any

import flask
import httpx2
import pytest
from quart import Quart, Response, request, send_file, send_from_directory
from quart.signals import request_finished

from examples.dont import downloads as dont
from examples.downloads import (
    FileResponse,
    create_app,
    register_downloads,
    responses,
)
from examples.downloads.views import as_attachment
from examples.plain import downloads as plain
from tests.support.login import KEY, bearer
from tests.support.memory import forget_peak, peak_mb
from tests.support.nginx import nginx
from tests.support.server import running
from tests.support.serving import serving

PDF = b"%PDF-1.7\n0123456789"
SIZE = len(PDF)
SECONDS = 20


ADA = bearer(1)
BOB = bearer(2)


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    folder = tmp_path / "files"
    folder.mkdir()
    return folder


@pytest.fixture(autouse=True)
def environment(monkeypatch: pytest.MonkeyPatch, sqlite_url: str, folder: Path) -> None:
    monkeypatch.setenv("TOKEN_KEY", KEY)
    monkeypatch.setenv("DATABASE_URL", sqlite_url)
    monkeypatch.setenv("UPLOAD_FOLDER", str(folder))


class Client:
    """Ada, who has sent a file."""

    def __init__(self, app: Quart) -> None:
        self.client = app.test_client()
        self.path = ""

    async def start(self, name: str = "report.pdf", content: bytes = PDF) -> str:
        await self.client.put("/users/ada")
        answer = await self.client.post(
            "/files", query_string={"name": name}, data=content, headers=ADA
        )
        [file] = (await answer.get_json())["files"]
        self.path = f"/files/{file['id']}"
        return str(file["id"])

    async def get(self, path: str = "", **headers: str) -> Response:
        return await self.call("GET", path, **headers)

    async def call(self, method: str, path: str = "", **headers: str) -> Response:
        sent = {name.replace("_", "-"): value for name, value in headers.items()}
        answer: Any = await self.client.open(
            path or self.path, method=method, headers=ADA | sent
        )
        return answer


@pytest.fixture
async def ada() -> AsyncIterator[Client]:
    app = create_app()
    async with app.test_app():
        client = Client(app)
        await client.start()
        yield client


@asynccontextmanager
async def http_client(app: Quart) -> AsyncIterator[httpx2.AsyncClient]:
    async with (
        serving(app) as address,
        httpx2.AsyncClient(base_url=f"http://{address}", timeout=SECONDS) as client,
    ):
        yield client


# A file


async def test_a_file_is_saved_and_never_shown(ada: Client) -> None:
    answer = await ada.get()
    assert await answer.get_data() == PDF
    assert answer.headers["Content-Type"] == "application/pdf"
    assert answer.headers["Accept-Ranges"] == "bytes"
    assert answer.headers["Cache-Control"] == "private, no-cache"
    policy = "default-src 'none'; sandbox"
    assert answer.headers["Content-Security-Policy"] == policy
    assert answer.headers["X-Content-Type-Options"] == "nosniff"


@pytest.mark.parametrize(
    ("name", "encoded"),
    [
        ("report.pdf", "report.pdf"),
        ("näme ☃.pdf", "n%C3%A4me%20%E2%98%83.pdf"),
        ('a"b;c.pdf', "a%22b%3Bc.pdf"),
    ],
)
async def test_any_name_comes_back(ada: Client, name: str, encoded: str) -> None:
    await ada.start(name)
    answer = await ada.get()
    disposition = f"attachment; filename*=UTF-8''{encoded}"
    assert answer.headers["Content-Disposition"] == disposition


@pytest.mark.parametrize(
    ("wanted", "part", "content_range"),
    [
        ("bytes=0-3", PDF[:4], f"bytes 0-3/{SIZE}"),
        ("bytes=0-0", PDF[:1], f"bytes 0-0/{SIZE}"),
        ("bytes=5-", PDF[5:], f"bytes 5-{SIZE - 1}/{SIZE}"),
        ("bytes=5-999", PDF[5:], f"bytes 5-{SIZE - 1}/{SIZE}"),
        ("bytes=-3", PDF[-3:], f"bytes {SIZE - 3}-{SIZE - 1}/{SIZE}"),
        (f"bytes=-{SIZE}", PDF, f"bytes 0-{SIZE - 1}/{SIZE}"),
        ("bytes=-999", PDF, f"bytes 0-{SIZE - 1}/{SIZE}"),
    ],
)
@pytest.mark.parametrize("method", ["GET", "HEAD"])
async def test_a_range_is_a_part(
    ada: Client, wanted: str, part: bytes, content_range: str, method: str
) -> None:
    answer = await ada.call(method, Range=wanted)
    assert answer.status_code == 206
    assert answer.headers["Content-Range"] == content_range
    assert answer.headers["Content-Length"] == str(len(part))
    assert await answer.get_data() == part  # a server leaves it out after HEAD


@pytest.mark.parametrize("wanted", [f"bytes={SIZE}-", "bytes=99-", "bytes=abc"])
async def test_what_is_not_there_is_416(ada: Client, wanted: str) -> None:
    answer = await ada.get(Range=wanted)
    assert answer.status_code == 416
    assert answer.headers["Content-Range"] == f"bytes */{SIZE}"
    assert answer.mimetype == "application/problem+json"


@pytest.mark.parametrize("wanted", ["bytes=0-1,3-4", "items=0-1"])
async def test_several_ranges_are_416(ada: Client, wanted: str) -> None:
    answer = await ada.get(Range=wanted)
    assert answer.status_code == 416
    assert answer.headers["Content-Range"] == f"bytes */{SIZE}"


def app_of_memory(**config: Any) -> Quart:
    app = Quart(__name__)
    app.config.update(config)

    @app.get("/")
    async def send() -> Response:
        file = BytesIO(b"0123456789")
        return await send_file(file, mimetype="text/plain", conditional=True)

    @app.get("/own")
    async def send_own() -> Response:
        response = await send_file(BytesIO(b"mine"), mimetype="text/plain")
        as_attachment(response, "mine.txt")
        return response

    return app


async def test_a_file_in_memory_has_parts_too() -> None:
    app = app_of_memory()
    app.response_class = FileResponse
    client = app.test_client()
    for wanted, content in (
        ("bytes=8-", b"89"),
        ("bytes=-3", b"789"),
        ("bytes=-999", b"0123456789"),
    ):
        part = await client.get("/", headers={"Range": wanted})
        assert (part.status_code, await part.get_data()) == (206, content)
    beyond = await client.get("/", headers={"Range": "bytes=99-"})
    assert (beyond.status_code, beyond.headers["Content-Range"]) == (416, "bytes */10")
    assert (await client.get("/")).headers["Accept-Ranges"] == "bytes"


@pytest.mark.parametrize("max_age", [timedelta(hours=12), 0])
async def test_a_file_in_memory_is_public_unless_it_is_an_attachment(
    max_age: Any,
) -> None:
    client = app_of_memory(SEND_FILE_MAX_AGE_DEFAULT=max_age).test_client()
    assert (await client.get("/")).headers["Cache-Control"] == "public"
    own = await client.get("/own")
    assert own.headers["Cache-Control"] == "private, no-cache"

    other = flask.Flask(__name__)
    other.config["SEND_FILE_MAX_AGE_DEFAULT"] = 0
    with other.test_request_context():
        response = flask.send_file(BytesIO(b"mine"), mimetype="text/plain")
    assert response.headers["Cache-Control"] == "no-cache, max-age=0"


async def test_who_gets_no_parts_is_not_told_of_them(letters: Path) -> None:
    app = Quart(__name__)
    app.response_class = FileResponse

    @app.get("/file")
    async def send() -> Response:
        return await send_file(letters)

    @app.get("/text")
    async def send_text() -> Response:
        return await FileResponse(b"0123456789").make_conditional(request)

    for path in ("/file", "/text"):
        answer = await app.test_client().get(path, headers={"Range": "bytes=0-1"})
        assert (answer.status_code, await answer.get_data()) == (200, b"0123456789")
        assert "Accept-Ranges" not in answer.headers


async def test_who_has_the_file_gets_304(ada: Client) -> None:
    first = await ada.get()
    for condition in (
        {"If_None_Match": first.headers["ETag"]},
        {"If_Modified_Since": first.headers["Last-Modified"]},
    ):
        again = await ada.get(**condition)
        assert (again.status_code, await again.get_data()) == (304, b"")
    assert (await ada.get(If_None_Match='"other"')).status_code == 200


@pytest.mark.parametrize(("same", "status"), [(True, 206), (False, 200)])
async def test_a_download_goes_on_where_it_broke_off(
    ada: Client, same: bool, status: int
) -> None:
    etag = (await ada.get()).headers["ETag"] if same else '"other"'
    answer = await ada.get(Range="bytes=9-", If_Range=etag)
    assert answer.status_code == status
    assert await answer.get_data() == (PDF[9:] if same else PDF)


@pytest.mark.parametrize("method", ["GET", "DELETE"])
async def test_a_file_is_only_its_owners(ada: Client, method: str) -> None:
    for headers, status in ((BOB, 404), ({"Authorization": ""}, 401)):
        answer = await ada.call(method, **headers)
        assert answer.status_code == status
    assert (await ada.get()).status_code == 200
    for path in ("/files/" + 32 * "0", "/files/..%2ftest.sqlite3", "/files/a.part"):
        assert (await ada.call(method, path)).status_code == 404


async def test_a_deleted_file_is_gone(ada: Client, folder: Path) -> None:
    assert (await ada.call("DELETE")).status_code == 204
    assert list(folder.iterdir()) == []
    assert (await ada.get()).status_code == 404
    assert (await ada.call("DELETE")).status_code == 404


async def test_a_file_that_is_lost_is_404(ada: Client, folder: Path) -> None:
    for path in folder.iterdir():
        path.unlink()
    assert (await ada.get()).status_code == 404


async def test_the_list_is_ones_own_and_in_pages(
    ada: Client, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("examples.downloads.views.PAGE", 2)
    ids = [ada.path.removeprefix("/files/"), await ada.start(), await ada.start()]
    first = await listed(ada, "/files")
    last = first[-1]["id"]
    rest = await listed(ada, f"/files?after={last}")
    assert [file["id"] for file in first + rest] == sorted(ids)
    assert await listed(ada, "/files", **BOB) == []


async def listed(client: Client, path: str, **headers: str) -> Any:
    answer = await client.get(path, **headers)
    return json.loads(await answer.get_data())["files"]


async def test_the_archive_leaves_no_file(
    ada: Client, monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    temporary = tmp_path / "temporary"
    temporary.mkdir()
    monkeypatch.setattr(tempfile, "tempdir", str(temporary))
    answer = await ada.get("/files/archive.zip")
    content = BytesIO(await answer.get_data())
    assert zipfile.ZipFile(content).namelist() == ["1-report.pdf"]
    assert answer.headers["Content-Disposition"].startswith("attachment")
    assert list(temporary.iterdir()) == []


async def test_the_archive_has_what_is_there(ada: Client, folder: Path) -> None:
    await ada.start("second.pdf")
    for path in folder.iterdir():
        if path.name != ada.path.removeprefix("/files/"):
            path.unlink()
    answer = await ada.get("/files/archive.zip")
    assert answer.status_code == 200
    [name] = zipfile.ZipFile(BytesIO(await answer.get_data())).namelist()
    assert name.endswith("-second.pdf")


async def test_the_archive_is_in_pages_as_the_list(
    ada: Client, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("examples.downloads.views.PAGE", 2)
    for name in ("b.pdf", "c.pdf"):
        await ada.start(name)
    page, names = await listed(ada, "/files"), []
    for after in ("", page[-1]["id"]):
        answer = await ada.get(f"/files/archive.zip?after={after}")
        archive = zipfile.ZipFile(BytesIO(await answer.get_data()))
        names.append([name.partition("-")[2] for name in archive.namelist()])
    assert names[0] == [file["name"] for file in page]
    assert sorted(chain(*names)) == ["b.pdf", "c.pdf", "report.pdf"]


async def test_an_archive_without_space_is_a_503(
    ada: Client, monkeypatch: pytest.MonkeyPatch
) -> None:
    full = partial(Path("/dev/full").open, "w+b", buffering=0)
    monkeypatch.setattr(tempfile, "TemporaryFile", full)
    answer = await ada.get("/files/archive.zip")
    assert answer.status_code == 503
    assert answer.headers["Retry-After"] == "60"


async def test_a_large_file_is_not_kept_in_memory(tmp_path: Path) -> None:
    size = 40_000_000
    async with (
        running("examples.downloads") as server,
        httpx2.AsyncClient(
            base_url=server.url(""), headers=ADA, timeout=SECONDS
        ) as client,
    ):
        await client.put("/users/ada")
        sent = await client.post("/files", content=PDF + bytes(size))
        [file] = sent.json()["files"]
        forget_peak(server.process.pid)
        before = peak_mb(server.process.pid)
        answer = await client.get(f"/files/{file['id']}")
        assert len(answer.content) == SIZE + size
        assert peak_mb(server.process.pid) - before < 20


# Slow lines


def app_with(path: Path, **config: Any) -> Quart:
    app = Quart(__name__, static_folder=path.parent, static_url_path="/static")
    app.config.update(config)

    @app.get("/file")
    async def send() -> Response:
        return await send_file(path, conditional=True)

    return app


async def read_slowly(address: str, path: str, silence: float = SECONDS) -> int:
    """How many bytes come to a client that is slower than RESPONSE_TIMEOUT."""
    host, _, port = address.rpartition(":")
    connection = socket.socket()
    connection.setblocking(False)
    connection.setsockopt(socket.SOL_SOCKET, socket.SO_RCVBUF, 4_096)
    loop = asyncio.get_running_loop()
    await loop.sock_connect(connection, (host, int(port)))
    request = f"GET {path} HTTP/1.1\r\nHost: a\r\nConnection: close\r\n\r\n"
    await loop.sock_sendall(connection, request.encode())
    await asyncio.sleep(0.6)
    size = 0
    with suppress(TimeoutError, ConnectionError):
        more = b"..."
        while more:
            async with asyncio.timeout(silence):
                more = await loop.sock_recv(connection, 2**20)
            size += len(more)
    connection.close()
    return size


@pytest.mark.parametrize("path", ["/file", "/static/large"])
async def test_a_slow_line_gets_all_of_it(tmp_path: Path, path: str) -> None:
    large = tmp_path / "large"
    large.write_bytes(bytes(20_000_000))
    app = app_with(large, RESPONSE_TIMEOUT=0.2)
    app.response_class = FileResponse
    async with serving(app) as address:
        assert await read_slowly(address, path) > 20_000_000


@pytest.mark.filterwarnings("ignore::pytest.PytestUnraisableExceptionWarning")
@pytest.mark.parametrize("path", ["/file", "/static/large"])
async def test_quart_alone_breaks_off_after_response_timeout(
    tmp_path: Path, path: str
) -> None:
    large = tmp_path / "large"
    large.write_bytes(bytes(20_000_000))
    app = app_with(large, RESPONSE_TIMEOUT=0.2)
    async with serving(app) as address:
        size = await read_slowly(address, path, silence=1)
    assert size < 20_000_000
    gc.collect()  # Quart leaves a file open that it has cut
    assert app_with(large).config["RESPONSE_TIMEOUT"] == 60


async def test_every_download_has_more_time(ada: Client, letters: Path) -> None:
    in_memory = app_of_memory()
    in_memory.response_class = FileResponse
    for app, path in (
        (ada.client.app, ada.path),
        (ada.client.app, "/files/archive.zip"),
        (in_memory, "/"),
        (plain.create_app(letters.parent), "/reports/letters.txt"),
    ):
        limits = await limits_of(app, path)
        assert limits == [3600]
    assert responses.DOWNLOAD_SECONDS == 3600


async def limits_of(app: Quart, path: str) -> list[Any]:
    limits: list[Any] = []

    async def look(sender: Quart, response: Response) -> None:
        limits.append(response.timeout)

    with request_finished.connected_to(look, app):
        await app.test_client().get(path, headers=ADA)
    return limits


# Quart alone, and Flask


@pytest.fixture
def letters(tmp_path: Path) -> Path:
    path = tmp_path / "letters.txt"
    path.write_bytes(b"0123456789")
    return path


async def of_quart(path: Path, **headers: str) -> Response:
    client = app_with(path).test_client()
    return await client.get(
        "/file",
        headers={name.replace("_", "-"): each for name, each in headers.items()},
    )


@pytest.mark.parametrize("number", [3, 10])
async def test_quart_alone_fails_for_the_end_of_a_file(
    letters: Path, number: int
) -> None:
    answer = await of_quart(letters, Range=f"bytes=-{number}")
    assert answer.status_code == 500
    wanted = {"Range": f"bytes=-{number}"}
    assert (
        await app_of_memory().test_client().get("/", headers=wanted)
    ).status_code == 500


async def test_quart_alone_says_too_little(letters: Path) -> None:
    assert "Accept-Ranges" not in (await of_quart(letters)).headers
    for wanted in ("bytes=99-", "bytes=0-1,3-4", "items=0-1"):
        beyond = await of_quart(letters, Range=wanted)
        assert beyond.status_code == 416
        assert "Content-Range" not in beyond.headers
    unread = await of_quart(letters, Range="bytes=abc")
    assert (unread.status_code, unread.headers["Content-Range"]) == (416, "bytes */10")


async def test_a_file_that_is_not_there(letters: Path) -> None:
    app = Quart(__name__)

    @app.get("/<name>")
    async def send(name: str) -> Response:
        return await send_file(letters.parent / name)

    @app.get("/from/<name>")
    async def send_from(name: str) -> Response:
        return await send_from_directory(letters.parent, name)

    client = app.test_client()
    assert (await client.get("/none.txt")).status_code == 500
    assert (await client.get("/from/none.txt")).status_code == 404


@pytest.mark.parametrize(
    "name", ["../secret.txt", "%2e%2e/secret.txt", "..%2fsecret.txt", "a%00.txt"]
)
async def test_send_from_directory_stays_in_it(tmp_path: Path, name: str) -> None:
    (tmp_path / "secret.txt").write_text("secret")
    (tmp_path / "files").mkdir(exist_ok=True)
    app = Quart(__name__)

    @app.get("/files/<path:name>")
    async def send(name: str) -> Response:
        return await send_from_directory(tmp_path / "files", name)

    assert (await app.test_client().get(f"/files/{name}")).status_code == 404


async def test_send_from_directory_follows_links(tmp_path: Path, folder: Path) -> None:
    (tmp_path / "secret.txt").write_text("secret")
    (folder / "link.txt").symlink_to(tmp_path / "secret.txt")
    app = Quart(__name__, static_folder=folder, static_url_path="/static")
    answer = await app.test_client().get("/static/link.txt")
    assert await answer.get_data() == b"secret"


@pytest.mark.parametrize(
    ("max_age", "of_quart_", "of_flask"),
    [
        (timedelta(hours=12), "public, max-age=43200", "public, max-age=43200"),
        (None, "public", "no-cache"),
        (0, "public, max-age=0", "no-cache, max-age=0"),
    ],
)
async def test_how_long_browsers_keep_static_files(
    letters: Path, max_age: Any, of_quart_: str, of_flask: str
) -> None:
    app = app_with(letters, SEND_FILE_MAX_AGE_DEFAULT=max_age)
    answer = await app.test_client().get("/static/letters.txt")
    assert answer.headers["Cache-Control"] == of_quart_

    other = flask.Flask(__name__, static_folder=letters.parent, static_url_path="/s")
    other.config["SEND_FILE_MAX_AGE_DEFAULT"] = max_age
    with other.test_client().get("/s/letters.txt") as response:
        assert response.headers["Cache-Control"] == of_flask


def test_their_defaults_differ() -> None:
    age = "SEND_FILE_MAX_AGE_DEFAULT"
    assert Quart(__name__).config[age] == timedelta(hours=12)
    assert flask.Flask(__name__).config[age] is None


ROWS: Mapping[str, tuple[str, Callable[..., Any], Callable[..., Any]]] = {
    "download_name": ("attachment_filename", flask.send_file, send_file),
    "max_age": ("cache_timeout", flask.send_file, send_file),
    "etag": ("add_etags", flask.send_file, send_file),
    "path": ("file_name", flask.send_from_directory, send_from_directory),
}


@pytest.mark.parametrize("name", ROWS)
def test_the_arguments_have_other_names(name: str) -> None:
    in_quart, of_flask, of_quart_ = ROWS[name]
    assert name in inspect.signature(of_flask).parameters or name == "max_age"
    assert name not in inspect.signature(of_quart_).parameters
    assert in_quart in inspect.signature(of_quart_).parameters


def test_conditional_is_off_in_send_file_only() -> None:
    def default(function: Callable[..., Any]) -> Any:
        return inspect.signature(function).parameters["conditional"].default

    assert [default(one) for one in (send_file, send_from_directory)] == [False, True]
    assert default(flask.send_file) is True


async def test_names_are_sent_as_they_are(letters: Path) -> None:
    app = Quart(__name__)

    @app.get("/")
    async def send() -> Response:
        name = request.args["name"]
        return await send_file(letters, as_attachment=True, attachment_filename=name)

    client = app.test_client()
    answer = await client.get("/?name=n%C3%A4me.txt")
    assert answer.headers["Content-Disposition"] == 'attachment; filename="näme.txt"'
    assert (await client.get("/?name=a%0d%0aX-Evil:1")).status_code == 500


async def test_an_open_file_is_refused(letters: Path) -> None:
    app = Quart(__name__)

    @app.get("/")
    async def send() -> Response:
        with letters.open("rb") as file:
            return await send_file(file, mimetype="text/plain")  # type: ignore[arg-type]

    assert (await app.test_client().get("/")).status_code == 500


async def test_static_files_are_asked_for_each_time(letters: Path) -> None:
    app = app_with(letters)
    register_downloads(app)
    client = app.test_client()
    first = await client.get("/static/letters.txt")
    assert first.headers["Cache-Control"] == "public, max-age=0"
    condition = {"If-None-Match": first.headers["ETag"]}
    again = await client.get("/static/letters.txt", headers=condition)
    assert again.status_code == 304
    last = await client.get("/static/letters.txt", headers={"Range": "bytes=-2"})
    assert (last.status_code, await last.get_data()) == (206, b"89")


async def test_nginx_sends_the_file_for_the_app(folder: Path) -> None:
    (folder / "1").write_bytes(PDF)
    app = Quart(__name__)

    @app.get("/files/<name>")
    async def send(name: str) -> Response:
        return Response("", headers={"X-Accel-Redirect": f"/kept/{name}"})

    kept = f"location /kept/ {{ internal; alias {folder}/; }}"
    async with (
        serving(app) as address,
        nginx(address, kept) as proxy,
        httpx2.AsyncClient(base_url=f"http://{proxy}", timeout=SECONDS) as client,
    ):
        answer = await client.get("/files/1", headers={"Range": "bytes=-3"})
        assert (answer.status_code, answer.content) == (206, PDF[-3:])
        assert (await client.get("/kept/1")).status_code == 404


# The plain form


async def test_the_plain_form_sends_a_download(letters: Path) -> None:
    app = plain.create_app(letters.parent)
    client = app.test_client()
    answer = await client.get("/reports/letters.txt")
    assert await answer.get_data() == b"0123456789"
    assert answer.headers["Content-Disposition"] == "attachment; filename=letters.txt"
    assert answer.headers["Cache-Control"] == "private, no-cache"
    assert answer.headers["X-Content-Type-Options"] == "nosniff"
    part = await client.get("/reports/letters.txt", headers={"Range": "bytes=8-"})
    assert (part.status_code, await part.get_data()) == (206, b"89")
    assert (await client.get("/reports/none")).status_code == 404


@pytest.mark.parametrize(
    ("name", "headers"),
    [
        ("letters.txt", {"Range": "bytes=-3"}),
        ("n" * 300, {}),
        ("two%0alines", {}),
    ],
)
async def test_the_plain_form_has_the_faults_of_quart(
    letters: Path, name: str, headers: dict[str, str]
) -> None:
    (letters.parent / "two\nlines").write_text("text")
    client = plain.create_app(letters.parent).test_client()
    answer = await client.get(f"/reports/{name}", headers=headers)
    assert answer.status_code == 500


async def test_the_plain_form_sends_names_as_they_are(letters: Path) -> None:
    letters.rename(letters.with_name("報告.pdf"))
    client = plain.create_app(letters.parent).test_client()
    answer = await client.get("/reports/報告.pdf")
    assert "報告" in answer.headers["Content-Disposition"]
    assert "filename*" not in answer.headers["Content-Disposition"]


# Don'ts


async def test_dont_arguments_of_flask_is_a_500(letters: Path) -> None:
    client = dont.arguments_of_flask(letters).test_client()
    assert (await client.get("/report")).status_code == 500


async def test_dont_path_of_the_client_gives_any_file(
    tmp_path: Path, folder: Path
) -> None:
    (tmp_path / "secret.txt").write_text("secret")
    async with serving(dont.path_of_the_client(folder)) as address:
        host, _, port = address.rpartition(":")
        reader, writer = await asyncio.open_connection(host, int(port))
        request = "GET /files/../secret.txt HTTP/1.1\r\nHost: a\r\nConnection: close"
        writer.write(f"{request}\r\n\r\n".encode())
        async with asyncio.timeout(SECONDS):
            answer = await reader.read()
        writer.close()
    assert answer.endswith(b"secret")


async def test_dont_shown_inline_runs_the_page_of_a_user(folder: Path) -> None:
    (folder / "page.html").write_text("<script>")
    client = dont.shown_inline(folder).test_client()
    answer = await client.get("/files/page.html")
    assert answer.mimetype == "text/html"
    assert "Content-Disposition" not in answer.headers
    assert answer.headers["Cache-Control"] == "public, max-age=43200"


async def test_call_on_close_is_gone() -> None:
    assert hasattr(flask.Response, "call_on_close")
    assert not hasattr(Response, "call_on_close")


async def test_dont_deleted_too_early_sends_nothing() -> None:
    async with serving(dont.deleted_too_early(b"a,b\n")) as address:
        host, _, port = address.rpartition(":")
        reader, writer = await asyncio.open_connection(host, int(port))
        writer.write(b"GET /report HTTP/1.1\r\nHost: a\r\nConnection: close\r\n\r\n")
        async with asyncio.timeout(SECONDS):
            answer = await reader.read()
        writer.close()
    assert answer.startswith(b"HTTP/1.1 200 ")
    assert b"content-length: 4\r\n" in answer
    assert answer.endswith(b"\r\n\r\n")
