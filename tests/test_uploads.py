import asyncio
import gc
import os
import secrets
from collections.abc import AsyncGenerator, AsyncIterator, Callable, Iterator
from contextlib import asynccontextmanager, suppress
from io import BytesIO
from pathlib import Path
from typing import IO, Any
from uuid import uuid4

import httpx2
import pytest
from quart import Quart, request
from quart.datastructures import FileStorage
from sqlalchemy import delete, func, select
from werkzeug.exceptions import (
    BadRequest,
    ServiceUnavailable,
    UnsupportedMediaType,
)

from examples.authentication import register_authentication
from examples.database_sessions import Database, User, register_database
from examples.database_sessions.users import users
from examples.dont import uploads as dont
from examples.downloads import register_downloads
from examples.error_handling import register_error_handlers
from examples.plain import uploads as plain
from examples.request_validation import body_limits, limit_bodies
from examples.uploads import (
    FileStore,
    StoredFile,
    create_app,
    files,
    paced_body,
    register_uploads,
    views,
)
from examples.uploads.files import shown_name
from examples.uploads.paced_body import AHEAD, PacedBodies, body_parts, pace
from examples.uploads.store import in_thread
from tests.support.login import KEY, bearer
from tests.support.memory import forget_peak, peak_mb
from tests.support.scope import asgi_scope
from tests.support.server import running
from tests.support.serving import serving, until
from tests.support.versions import QUART_0_23

PDF = b"%PDF-1.7"
MEGABYTE = 1_000_000
SECONDS = 20
CHUNKED = "Transfer-Encoding: chunked"
CHUNK = b"8\r\n" + PDF + b"\r\n"
Parts = AsyncGenerator[bytes, None]


ADA = bearer(1)
BOB = bearer(2)


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    return tmp_path / "files"


@pytest.fixture(autouse=True)
def environment(monkeypatch: pytest.MonkeyPatch, sqlite_url: str, folder: Path) -> None:
    monkeypatch.setenv("TOKEN_KEY", KEY)
    monkeypatch.setenv("DATABASE_URL", sqlite_url)
    monkeypatch.setenv("UPLOAD_FOLDER", str(folder))


@asynccontextmanager
async def client_of(app: Quart, **options: Any) -> AsyncIterator[httpx2.AsyncClient]:
    """Ada, in front of a real server."""
    async with (
        serving(app) as address,
        httpx2.AsyncClient(
            base_url=f"http://{address}", headers=ADA, timeout=SECONDS, **options
        ) as client,
    ):
        for name in ("ada", "bob"):
            await client.put(f"/users/{name}")
        yield client


@pytest.fixture
def app() -> Quart:
    return create_app()


async def pieces(count: int, first: bytes = PDF, size: int = 50_000) -> Parts:
    yield first
    for _ in range(count):
        yield bytes(size)


def form(*names: str, content: bytes = PDF) -> list[Any]:
    return [("file", (name, content)) for name in names]


def stored(folder: Path) -> list[bytes]:
    found = []
    for path in folder.iterdir() if folder.is_dir() else ():
        with suppress(FileNotFoundError):  # removed meanwhile
            found.append(path.read_bytes())
    return found


async def rows(app: Quart) -> int:
    database: Database = app.extensions["database"]
    async with database.reading() as session:
        return await session.scalar(select(func.count()).select_from(StoredFile)) or 0


async def half_an_upload(
    client: httpx2.AsyncClient, head: str, start: bytes
) -> tuple[asyncio.StreamReader, asyncio.StreamWriter]:
    """A connection that has sent the start of a body."""
    host, port = client.base_url.host, client.base_url.port
    reader, writer = await asyncio.open_connection(host, port)
    lines = ["POST /files HTTP/1.1", f"Host: {host}", "Connection: close", head]
    lines += [f"{name}: {value}" for name, value in ADA.items()]
    writer.write("\r\n".join([*lines, "", ""]).encode() + start)
    await writer.drain()
    return reader, writer


async def answer_of(reader: asyncio.StreamReader) -> bytes:
    async with asyncio.timeout(SECONDS):
        return await reader.read()


# What is kept


@pytest.mark.parametrize("chunked", [False, True])
async def test_a_body_is_stored_whole(app: Quart, folder: Path, chunked: bool) -> None:
    async with client_of(app) as client:
        content = PDF + bytes(3 * MEGABYTE)
        sent = pieces(60) if chunked else content
        answer = await client.post(
            "/files", params={"name": "report.pdf"}, content=sent
        )
        assert answer.status_code == 201
        [file] = answer.json()["files"]
        assert stored(folder) == [content]
        assert os.listdir(folder) == [file.pop("id")]
        assert file == {
            "name": "report.pdf",
            "kind": "application/pdf",
            "size": len(content),
        }
        assert await rows(app) == 1


async def test_a_form_takes_one_file_or_many(app: Quart, folder: Path) -> None:
    async with client_of(app) as client:
        one = await client.post("/files", files=form("a.pdf"))
        many = await client.post("/files", files=form("a.pdf", "b.pdf"))
        named = [
            [file["name"] for file in each.json()["files"]] for each in (one, many)
        ]
        assert named == [["a.pdf"], ["a.pdf", "b.pdf"]]
        assert stored(folder) == [PDF] * 3
        assert await rows(app) == 3


async def test_two_clients_with_one_name_keep_a_file_each(folder: Path) -> None:
    async with client_of(create_app()) as client:
        contents = [PDF + letter * MEGABYTE for letter in (b"a", b"b")]
        answers = await asyncio.gather(
            *(client.post("/files?name=report.pdf", content=each) for each in contents)
        )
        assert [answer.status_code for answer in answers] == [201, 201]
        assert sorted(stored(folder)) == contents


@pytest.mark.parametrize(
    ("given", "shown"),
    [
        ("report.pdf", "report.pdf"),
        ("näme ☃.pdf", "näme ☃.pdf"),
        ("../../etc/passwd", "passwd"),
        ("C:\\Users\\ada\\report.pdf", "report.pdf"),
        ("a\r\nX-Evil: 1\x00.pdf", "aX-Evil: 1.pdf"),
        ("fdp\u202e.exe", "fdp.exe"),
        ("folder/", "file"),
        ("", "file"),
        (None, "file"),
        ("x" * 300, "x" * 200),
        ("x" * 300 + ".pdf", "x" * 196 + ".pdf"),
        ("x." + "y" * 300, "x." + "y" * 19),
    ],
)
def test_a_name_is_only_shown(given: str | None, shown: str) -> None:
    assert shown_name(given) == shown


@pytest.mark.parametrize(
    ("content", "kind"),
    [
        (PDF, "application/pdf"),
        (b"GIF89a\x01\0\x01\0\0\0\0;", "image/gif"),
        (b"\xff\xd8\xff\xe0\0\x10JFIF\0" + bytes(50), "image/jpeg"),
        (b"\x89PNG\r\n\x1a\n\0\0\0\rIHDR" + bytes(50), "image/png"),
        (b"RIFF\x24\0\0\0WEBPVP8 " + bytes(30), "image/webp"),
        (b"GIF89a/*<script>*/=1;", "image/gif"),  # the head says no more
        (b"<!doctype html><script>alert(1)</script>", None),
        (b'<svg xmlns="http://www.w3.org/2000/svg"/>', None),
        (b"PK\x03\x04" + bytes(30), None),
        (b"some text", None),
        (bytes(100), None),
    ],
)
async def test_the_content_decides_what_it_is(
    folder: Path, content: bytes, kind: str | None
) -> None:
    async with client_of(create_app()) as client:
        image = {"Content-Type": "image/png"}
        answer = await client.post("/files?name=a.png", content=content, headers=image)
        assert answer.status_code == (201 if kind else 415)
        kinds = [file["kind"] for file in answer.json().get("files", [])]
        assert kinds == [kind] * bool(kind)
        assert stored(folder) == [content] * bool(kind)


@pytest.mark.parametrize(
    ("options", "status"),
    [
        ({"content": b""}, 400),
        ({"files": [("file", ("", b""))]}, 400),
        ({"files": [("other", ("a.pdf", PDF))]}, 400),
        ({"files": form("empty.pdf", content=b"")}, 400),
        ({"content": PDF, "headers": {"Authorization": ""}}, 401),
        ({"content": PDF, "headers": bearer(3)}, 401),
        ({"files": [*form("a.pdf"), ("file", ("b.txt", b"text"))]}, 415),
    ],
)
async def test_a_refusal_leaves_nothing(
    app: Quart,
    folder: Path,
    options: dict[str, Any],
    status: int,
) -> None:
    async with client_of(app) as client:
        answer = await client.post("/files", **options)
        assert answer.status_code == status
        assert answer.headers["Content-Type"] == "application/problem+json"
        assert stored(folder) == []
        assert await rows(app) == 0


async def test_the_quota_is_that_of_one_user(
    app: Quart,
    folder: Path,
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    async with client_of(app) as client:
        monkeypatch.setattr(files, "QUOTA", 3 * len(PDF))
        answers = await asyncio.gather(
            *(client.post("/files", content=PDF) for _ in range(6))
        )
        statuses = sorted(answer.status_code for answer in answers)
        assert statuses == [201] * 3 + [403] * 3
        answer = await client.post("/files", content=PDF, headers=BOB)
        assert answer.status_code == 201
        assert len(stored(folder)) == await rows(app) == 4


# How much, and how long


async def test_the_client_sees_the_refusal_of_what_it_is_sending(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    """Without the wait, Hypercorn resets the connection and the answer is lost."""
    monkeypatch.setattr(body_limits, "LINGER_SECONDS", SECONDS)
    large = PDF + bytes(5 * MEGABYTE)
    async with client_of(create_app(limit=2 * MEGABYTE)) as client:
        for _ in range(3):
            answers = [
                await client.post("/files", files=form("a.pdf", content=large)),
                await client.post("/files", content=pieces(100)),
                await client.post("/none", content=large),
                await client.post(
                    "/files", content=large[:MEGABYTE], headers={"Authorization": ""}
                ),
            ]
            statuses = [answer.status_code for answer in answers]
            assert statuses == [413, 413, 404, 401]


@pytest.mark.parametrize("chunked", [False, True])
async def test_the_limit_of_the_route_is_not_that_of_the_app(
    folder: Path, chunked: bool
) -> None:
    app = create_app(limit=2 * MEGABYTE)
    async with client_of(app) as client:
        fits = await client.post("/files", content=PDF + bytes(MEGABYTE))
        assert fits.status_code == 201
        sent = pieces(60) if chunked else PDF + bytes(3 * MEGABYTE)
        too_long = await client.post("/files", content=sent)
        assert too_long.status_code == 413
        assert too_long.headers["Content-Type"] == "application/problem+json"
        await until(lambda: len(stored(folder)) == 1)
    assert stored(folder) == [PDF + bytes(MEGABYTE)]


async def test_a_large_body_is_not_kept_in_memory() -> None:
    size = 40 * MEGABYTE
    async with (
        running("examples.uploads") as server,
        httpx2.AsyncClient(
            base_url=server.url(""), headers=ADA, timeout=3 * SECONDS
        ) as client,
    ):
        await client.put("/users/ada")
        assert (await client.post("/files", content=PDF)).status_code == 201
        for sent in (
            {"content": pieces(size // MEGABYTE, size=MEGABYTE)},
            {"files": form("a.pdf", content=PDF + bytes(size))},
        ):
            forget_peak(server.process.pid)
            before = peak_mb(server.process.pid)
            answer = await client.post("/files", **sent)
            [file] = answer.json()["files"]
            assert file["size"] == len(PDF) + size
            assert peak_mb(server.process.pid) - before < 20


async def test_what_the_view_has_not_taken_stays_with_the_client() -> None:
    taken, handed = asyncio.Event(), 0
    app = Quart(__name__)
    app.config["MAX_CONTENT_LENGTH"] = None

    @app.post("/files")
    async def take_slowly() -> dict[str, int]:
        size = 0
        async for part in body_parts():
            await taken.wait()
            size += len(part)
        return {"size": size}

    sent: list[Any] = []
    left = 40

    async def receive() -> Any:
        nonlocal handed, left
        if not left:
            await until(lambda: bool(sent) and not sent[-1].get("more_body", True))
            return {"type": "http.disconnect"}
        left -= 1
        handed += 100_000
        return {"type": "http.request", "body": bytes(100_000), "more_body": left > 0}

    async def send(event: Any) -> None:
        sent.append(event)

    scope = asgi_scope("http", "/files", method="POST")
    call: Any = PacedBodies(app, ["/files"])
    task = asyncio.create_task(call(scope, receive, send))
    await until(lambda: handed >= AHEAD)
    for _ in range(100):
        await asyncio.sleep(0)
    assert handed < AHEAD + 200_000
    taken.set()
    async with asyncio.timeout(SECONDS):
        await task
    assert b'{"size":4000000}' in b"".join(each.get("body", b"") for each in sent)


async def test_a_body_that_nobody_takes_keeps_no_client_waiting() -> None:
    app = create_app()
    async with client_of(app) as client:
        answer = await client.post(
            "/files", content=PDF + bytes(5 * MEGABYTE), headers={"Authorization": ""}
        )
        assert answer.status_code == 401


@pytest.mark.parametrize("limit", ["SILENCE_SECONDS", "TOTAL_SECONDS"])
async def test_a_client_that_dawdles_gets_408(
    folder: Path,
    monkeypatch: pytest.MonkeyPatch,
    limit: str,
) -> None:
    async with client_of(create_app()) as client:
        monkeypatch.setattr(paced_body, limit, 0.3)
        monkeypatch.setattr(body_limits, "LINGER_SECONDS", 0.1)
        reader, writer = await half_an_upload(client, CHUNKED, CHUNK)
        answered = asyncio.create_task(reader.read())
        while not answered.done():
            if limit == "TOTAL_SECONDS":
                writer.write(b"1\r\n.\r\n")
            await asyncio.wait({answered}, timeout=0.05)
        assert answered.result().startswith(b"HTTP/1.1 408 ")
        writer.close()
        assert stored(folder) == []


FORM_START = b'--X\r\nContent-Disposition: form-data; name="file"; filename="a"\r\n\r\n'
FORM_END = PDF + b"\r\n--X--\r\n"
FORM_HEAD = (
    "Content-Type: multipart/form-data; boundary=X\r\n"
    f"Content-Length: {len(FORM_START + FORM_END)}"
)


async def test_a_form_has_more_time_than_the_rest(
    app: Quart, monkeypatch: pytest.MonkeyPatch, folder: Path
) -> None:
    app.config["BODY_TIMEOUT"] = 0.1
    async with client_of(app) as client:
        reader, writer = await half_an_upload(client, FORM_HEAD, FORM_START)
        with pytest.raises(TimeoutError):
            async with asyncio.timeout(0.5):
                await reader.read(1)
        writer.write(FORM_END)
        assert (await answer_of(reader)).startswith(b"HTTP/1.1 201 ")
        writer.close()
    assert stored(folder) == [PDF]


async def test_a_form_has_no_time_without_end(
    app: Quart, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(views, "FORM_SECONDS", 0.1)
    monkeypatch.setattr(body_limits, "LINGER_SECONDS", 0.1)
    async with client_of(app) as client:
        reader, writer = await half_an_upload(client, FORM_HEAD, b"--X")
        assert (await answer_of(reader)).startswith(b"HTTP/1.1 408 ")
        writer.close()


async def test_hypercorn_says_continue_before_the_app_is_asked(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setattr(body_limits, "LINGER_SECONDS", 0.1)
    async with client_of(create_app()) as client:
        head = "Expect: 100-continue\r\nContent-Length: 900000000"
        reader, writer = await half_an_upload(client, head, b"")
        answer = await answer_of(reader)
        writer.close()
    assert answer.startswith(b"HTTP/1.1 100 ")
    assert b"HTTP/1.1 413 " in answer


# What goes wrong in the middle


@pytest.mark.parametrize("head", [CHUNKED, "Content-Length: 900"])
async def test_a_client_that_leaves_leaves_nothing(
    app: Quart, folder: Path, head: str
) -> None:
    async with client_of(app) as client:
        _, writer = await half_an_upload(client, head, CHUNK)
        await until(lambda: len(stored(folder)) == 1)
        assert [path.suffix for path in folder.iterdir()] == [".part"]
        writer.close()
        await until(lambda: stored(folder) == [])
        assert await rows(app) == 0


async def test_a_full_disk_is_a_503_and_leaves_nothing(
    folder: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    full_disk(folder, monkeypatch)
    with pytest.raises(ServiceUnavailable):
        await FileStore(folder).save("1", pieces(2))
    assert stored(folder) == []


def full_disk(folder: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(secrets, "token_hex", lambda size: "new")
    folder.mkdir(exist_ok=True)
    (folder / "new.part").symlink_to("/dev/full")


@pytest.fixture
def full_file() -> Iterator[IO[bytes]]:
    with Path("/dev/full").open("w+b", buffering=0) as file:
        yield file


async def test_full_temporary_files_of_a_form_are_a_503(
    folder: Path, monkeypatch: pytest.MonkeyPatch, full_file: IO[bytes]
) -> None:
    spooled = "werkzeug.formparser.SpooledTemporaryFile"
    monkeypatch.setattr(spooled, lambda **options: full_file)
    async with client_of(create_app()) as client:
        answer = await client.post("/files", files=form("a.pdf"))
        assert answer.status_code == 503
        assert answer.headers["Retry-After"] == "60"
    assert stored(folder) == []


async def test_another_error_of_the_disk_is_not_hidden(folder: Path) -> None:
    folder.write_text("no folder")
    with pytest.raises(FileExistsError):
        await FileStore(folder).save("1", pieces(2))


async def no_parts() -> Parts:
    return
    yield


async def broken_parts() -> Parts:
    yield PDF
    raise ConnectionError


@pytest.mark.parametrize(
    ("parts", "error"),
    [
        (lambda: pieces(2), ServiceUnavailable),
        (lambda: pieces(0, first=b"<html>"), UnsupportedMediaType),
        (no_parts, BadRequest),
        (broken_parts, ConnectionError),
    ],
)
async def test_a_save_that_fails_leaves_the_earlier_file(
    folder: Path,
    monkeypatch: pytest.MonkeyPatch,
    parts: Callable[[], Parts],
    error: type[Exception],
) -> None:
    store = FileStore(folder)
    await store.save("avatar", pieces(0))
    await store.save("avatar", pieces(0, first=PDF + b"2"))
    if error is ServiceUnavailable:
        full_disk(folder, monkeypatch)
    with pytest.raises(error):
        await store.save("avatar", parts())
    assert os.listdir(folder) == ["avatar"]
    assert stored(folder) == [PDF + b"2"]


async def test_what_is_named_is_on_the_disk(
    folder: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    calls = []
    fsync, replace = os.fsync, os.replace

    def noted_fsync(file: int) -> None:
        calls.append("fsync")
        fsync(file)

    def noted_replace(source: Path, target: Path) -> None:
        calls.append("replace")
        replace(source, target)

    monkeypatch.setattr(os, "fsync", noted_fsync)
    monkeypatch.setattr(os, "replace", noted_replace)
    await FileStore(folder).save("1", pieces(0))
    assert calls == ["fsync", "replace"]


async def test_two_saves_of_one_id_do_not_mix(folder: Path) -> None:
    store = FileStore(folder)
    contents = [PDF + letter * MEGABYTE for letter in (b"a", b"b")]

    async def halves(content: bytes) -> Parts:
        for start in range(0, len(content), 100_000):
            yield content[start : start + 100_000]
            await asyncio.sleep(0)

    await asyncio.gather(*(store.save("avatar", halves(each)) for each in contents))
    [content] = stored(folder)
    assert content in contents


async def test_a_file_is_not_closed_while_it_is_written(folder: Path) -> None:
    """The thread goes on when its task is cancelled."""
    entered, ends = asyncio.Event(), []
    loop = asyncio.get_running_loop()

    def write() -> None:
        loop.call_soon_threadsafe(entered.set)
        asyncio.run(asyncio.sleep(0.1))
        ends.append("thread")

    async def save() -> None:
        try:
            await in_thread(write)
        finally:
            ends.append("task")

    task = asyncio.create_task(save())
    await entered.wait()
    task.cancel()
    with pytest.raises(asyncio.CancelledError):
        await task
    assert ends == ["thread", "task"]


async def test_an_upload_that_fails_is_gone_even_when_it_was_just_whole(
    app: Quart, folder: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    replace, seen = os.replace, []

    def replace_and_fail(*paths: Any) -> None:
        replace(*paths)
        seen.extend(stored(folder))
        raise OSError("after it")

    async with client_of(app) as client:
        monkeypatch.setattr(os, "replace", replace_and_fail)
        answer = await client.post("/files", content=PDF)
        assert answer.status_code == 500
        assert (seen, stored(folder)) == ([PDF], [])
        assert await rows(app) == 0


async def test_the_next_start_removes_what_no_row_names(folder: Path) -> None:
    async with client_of(create_app()) as client:
        kept = await client.post("/files", content=PDF)
        [file] = kept.json()["files"]
    crashed, orphan, new = (32 * letter for letter in "abc")
    crashed, new = f"{crashed}.part", f"{new}.part"
    for name in (crashed, orphan, new):
        (folder / name).write_text(name)
    for name in (crashed, orphan, file["id"]):
        os.utime(folder / name, (0, 0))
    async with client_of(create_app()):
        await until(lambda: len(os.listdir(folder)) == 2)
    assert sorted(os.listdir(folder)) == sorted([file["id"], new])


async def test_what_others_keep_in_the_folder_stays(folder: Path) -> None:
    folder.mkdir()
    names = ["report.pdf", str(uuid4()), "d" * 33, "D" * 32, "crashed.part"]
    for name in names:
        (folder / name).write_text("kept")
    folders, link = [str(32 * number) for number in "12"], 32 * "3"
    for name in folders:
        (folder / name).mkdir()
    (folder / link).symlink_to("report.pdf")
    for name in [*names, *folders]:
        os.utime(folder / name, (0, 0))
    os.utime(folder / link, (0, 0), follow_symlinks=False)
    ours = folder / (32 * "a")
    ours.write_text("left over")
    os.utime(ours, (0, 0))
    async with client_of(create_app()):
        await until(lambda: not ours.exists())
    assert sorted(os.listdir(folder)) == sorted([*names, *folders, link])


async def test_a_file_that_goes_meanwhile_stops_no_clean_up(
    folder: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    folder.mkdir()
    names = [32 * letter for letter in "ab"]
    for name in names:
        (folder / name).write_text(name)
        os.utime(folder / name, (0, 0))
    lstat = Path.lstat

    def gone(path: Path) -> Any:
        if path.name == names[0]:
            path.unlink(missing_ok=True)
        return lstat(path)

    monkeypatch.setattr(Path, "lstat", gone)
    assert files.our_names_older_than(1, folder) == names[1:]


async def test_the_files_of_the_plain_form_are_not_ours(tmp_path: Path) -> None:
    client = plain.create_app(tmp_path).test_client()
    upload = FileStorage(BytesIO(PDF), filename="a.pdf")
    await client.post("/files", files={"file": upload})
    [name] = os.listdir(tmp_path)
    os.utime(tmp_path / name, (0, 0))
    assert files.our_names_older_than(1, tmp_path) == []


async def test_files_of_a_user_who_is_gone_are_left_to_the_next_start(
    app: Quart, folder: Path
) -> None:
    async with client_of(app) as client:
        await client.post("/files", content=PDF)
        database: Database = app.extensions["database"]
        async with database.writing() as session:
            await session.execute(delete(User))
        assert (await rows(app), len(stored(folder))) == (0, 1)


async def test_the_folder_is_made_by_the_first_file(folder: Path) -> None:
    async with client_of(create_app(str(folder / "deep"))) as client:
        assert not folder.exists()
        assert (await client.post("/files", content=PDF)).status_code == 201
    assert stored(folder / "deep") == [PDF]


async def test_websockets_pass_through_the_layer() -> None:
    scopes: list[Any] = []

    async def app(scope: Any, receive: Any, send: Any) -> None:
        scopes.append(scope)

    scope = asgi_scope("websocket", "/ws")
    await PacedBodies(app, ["/files"])(scope, None, None)
    assert scopes == [scope]


async def test_a_hook_may_read_a_form_before_the_view(folder: Path) -> None:
    app = create_app()
    read: list[str] = []

    @app.before_request
    async def check_token() -> None:
        if request.method == "POST":
            read.append((await request.form).get("csrf_token", ""))

    async with client_of(app) as client:
        answer = await client.post(
            "/files",
            files=form("a.pdf", content=PDF + bytes(3 * MEGABYTE)),
            data={"csrf_token": "token"},
        )
        assert answer.status_code == 201
    assert (read, len(stored(folder))) == (["token"], 1)


async def test_the_path_is_given_once(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    app = Quart(__name__)
    register_error_handlers(app)
    register_database(app, f"sqlite+aiosqlite:///{tmp_path}/other.sqlite3")
    register_authentication(app, [KEY])
    app.register_blueprint(users)
    app.config["MAX_CONTENT_LENGTH"] = 1_000
    register_uploads(app, str(tmp_path / "files"), limit=MEGABYTE, path="/api/files")
    register_downloads(app, "/api/files")
    async with app.test_app():
        client = app.test_client()
        await client.put("/users/ada")
        for root in ("", "/v1"):
            answers = [
                await client.post(
                    root + path, data=bytes(size), headers=ADA, root_path=root
                )
                for path, size in (
                    ("/api/files", 5_000),
                    ("/api/files", 2 * MEGABYTE),
                )
            ]
            assert [each.status_code for each in answers] == [415, 413]
        sent = await client.post("/api/files", data=PDF, headers=ADA)
        [file] = (await sent.get_json())["files"]
        answer = await client.get(f"/api/files/{file['id']}", headers=ADA)
        assert await answer.get_data() == PDF


async def test_a_path_without_the_layer_is_told() -> None:
    app = Quart(__name__)

    async with app.test_request_context("/other", method="POST"):
        with pytest.raises(RuntimeError, match="PacedBodies has no path /other"):
            pace()


async def test_the_limit_is_around_the_layer_in_either_order(tmp_path: Path) -> None:
    for first in (True, False):
        app = Quart(__name__)
        if first:
            limits = limit_bodies(app, {"/messages": 1_000})
        register_uploads(app, str(tmp_path))
        if not first:
            limits = limit_bodies(app, {"/messages": 1_000})
        assert app.asgi_app is limits
        assert isinstance(limits.app, PacedBodies)
        assert limits.larger == {"/files": 100 * 2**20, "/messages": 1_000}


def test_the_parts_are_registered_on_any_app(tmp_path: Path) -> None:
    app = Quart(__name__)
    register_uploads(app, str(tmp_path))
    assert [rule.rule for rule in app.url_map.iter_rules()] == [
        "/static/<path:filename>",
        "/files",
    ]


# The plain form


async def test_the_plain_form_saves_under_names_of_its_own(tmp_path: Path) -> None:
    client = plain.create_app(tmp_path).test_client()
    upload = FileStorage(BytesIO(PDF), filename="../stolen.pdf")
    answer = await client.post("/files", files={"file": upload})
    assert answer.status_code == 201
    assert (await answer.get_json())["files"] == os.listdir(tmp_path)
    assert stored(tmp_path) == [PDF]


@pytest.mark.parametrize("name", ["file", "other"])
async def test_the_plain_form_wants_a_file(tmp_path: Path, name: str) -> None:
    client = plain.create_app(tmp_path).test_client()
    head = {"Content-Type": "multipart/form-data; boundary=X"}
    answer = await client.post("/files", data=field_left_empty(name), headers=head)
    assert answer.status_code == 400
    assert stored(tmp_path) == []


def field_left_empty(name: str) -> bytes:
    """As browsers send a field in which nobody has chosen a file."""
    disposition = f'Content-Disposition: form-data; name="{name}"; filename=""'
    kind = "Content-Type: application/octet-stream"
    return f"--X\r\n{disposition}\r\n{kind}\r\n\r\n\r\n--X--\r\n".encode()


async def test_the_plain_form_has_a_limit(tmp_path: Path) -> None:
    client = plain.create_app(tmp_path).test_client()
    head = {"Content-Type": "multipart/form-data; boundary=X"}
    answer = await client.post("/files", data=bytes(21 * 2**20), headers=head)
    assert answer.status_code == 413
    assert stored(tmp_path) == []


# Quart's forms


async def test_quart_keeps_the_files_of_a_form_on_the_disk() -> None:
    app = Quart(__name__)
    rolled: list[bool] = []

    @app.post("/files")
    async def add_files() -> str:
        for upload in (await request.files).values():
            stream: Any = upload.stream
            rolled.append(getattr(stream, "_rolled", False))
        return ""

    client = app.test_client()
    for size in (1_000, MEGABYTE):
        upload = FileStorage(BytesIO(bytes(size)), filename="a")
        await client.post("/files", files={"file": upload})
    assert rolled == [False, True]


# Don'ts


async def test_dont_save_under_its_name_writes_anywhere(tmp_path: Path) -> None:
    folder = tmp_path / "files"
    folder.mkdir()
    client = dont.save_under_its_name(folder).test_client()
    upload = FileStorage(BytesIO(b"mine now"), filename="../config.py")
    await client.post("/files", files={"file": upload})
    assert (tmp_path / "config.py").read_bytes() == b"mine now"


async def test_dont_write_what_comes_has_no_limit(tmp_path: Path) -> None:
    path, size = tmp_path / "file", 0
    app = dont.write_what_comes(path)
    assert app.config["MAX_CONTENT_LENGTH"] == MEGABYTE
    async with app.test_client().request("/file", method="PUT") as connection:
        for _ in range(20):
            await connection.send(bytes(200_000))
            size += 200_000
            await until(lambda size=size: path.is_file() and written(path) >= size)
        await connection.send_complete()
    assert (await connection.as_response()).status_code == 204
    assert path.stat().st_size == 4 * MEGABYTE


async def test_0_22_limits_what_waits(tmp_path: Path) -> None:
    app = dont.write_what_comes(tmp_path / "file")
    app.config["PROPAGATE_EXCEPTIONS"] = False
    async with app.test_client().request("/file", method="PUT") as connection:
        for _ in range(20):
            await connection.send(bytes(200_000))
        await connection.send_complete()
    status = (await connection.as_response()).status_code
    assert status == (204 if QUART_0_23 else 413)


def written(path: Path) -> int:
    """Give or take what is in Python's buffer."""
    return path.stat().st_size + 10_000


async def test_dont_write_what_comes_waits_for_ever(tmp_path: Path) -> None:
    app = dont.write_what_comes(tmp_path / "file")
    app.config["BODY_TIMEOUT"] = 0.1
    async with app.test_client().request("/file", method="PUT") as connection:
        await connection.send(PDF)
        with pytest.raises(TimeoutError):
            async with asyncio.timeout(0.5):
                await connection.receive()
        await connection.disconnect()


@pytest.mark.filterwarnings("ignore::pytest.PytestUnraisableExceptionWarning")
async def test_dont_write_what_comes_leaves_half_a_file(tmp_path: Path) -> None:
    """Cancelled while it opens, it leaves the file open, too."""
    (tmp_path / "file").write_bytes(b"the old file, whole")
    app = dont.write_what_comes(tmp_path / "file")
    async with app.test_client().request("/file", method="PUT") as connection:
        await connection.send(PDF)
        await until(lambda: (tmp_path / "file").stat().st_size == 0)
        await connection.disconnect()
    assert (tmp_path / "file").read_bytes() in (PDF, b"")
    gc.collect()


async def test_dont_write_what_comes_keeps_it_in_memory_on_0_23(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Quart is handed all that comes, however slow the disk."""
    handed, went_on = 0, asyncio.Event()

    class SlowFile:
        async def __aenter__(self) -> "SlowFile":
            return self

        async def __aexit__(self, *error: object) -> None:
            pass

        async def write(self, part: bytes) -> None:
            await went_on.wait()

    monkeypatch.setattr(dont.aiofiles, "open", lambda *_: SlowFile())
    app = dont.write_what_comes(tmp_path / "file")
    async with app.test_client().request("/file", method="PUT") as connection:
        for _ in range(40):
            await connection.send(bytes(MEGABYTE // 10))
            handed += 1
        await connection.send_complete()
        queue: Any = connection
        await until(lambda: queue._send_queue.empty())
        went_on.set()
    response = await connection.as_response()
    assert response.status_code == (204 if QUART_0_23 else 413)


async def test_dont_believe_the_client_serves_its_page(tmp_path: Path) -> None:
    client = dont.believe_the_client(tmp_path).test_client()
    page = FileStorage(
        BytesIO(b"<script>"), filename="a.html", content_type="image/png"
    )
    answer = await client.post("/files", files={"file": page})
    shown = await client.get((await answer.get_json())["url"])
    assert shown.mimetype == "text/html"
    assert await shown.get_data() == b"<script>"


async def test_dont_save_in_the_background_finds_the_file_closed(
    tmp_path: Path, caplog: pytest.LogCaptureFixture
) -> None:
    app = dont.save_in_the_background(tmp_path)
    async with app.test_app():
        upload = FileStorage(BytesIO(PDF), filename="report.pdf")
        answer = await app.test_client().post("/files", files={"file": upload})
        assert answer.status_code == 202
    assert stored(tmp_path) in ([], [b""])
    assert "closed file" in caplog.text
