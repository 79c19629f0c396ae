"""A Flask app and its port answer the same, and each difference is one."""

import asyncio
import gc
import io
import logging
import os
import sys
import threading
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from functools import partial
from pathlib import Path
from typing import Any, NamedTuple

import click
import flask
import httpx2
import pytest
import quart
from quart import Quart
from quart.datastructures import FileStorage
from werkzeug.security import generate_password_hash

from examples import flask_migration
from examples.dont import flask_migration as dont
from examples.downloads.responses import FileResponse
from examples.flask_migration import create_app, pages, put_flask_behind
from examples.plain import flask_migration as plain
from tests.support import flask_members
from tests.support.serving import serving, until
from tests.support.versions import QUART_0_23

ROOT = Path(__file__).resolve().parents[1]
KEY = "s" * 32
COMPARED = {
    *("Allow", "Cache-Control", "Content-Length", "Content-Range", "Content-Type"),
    *("ETag", "Last-Modified", "Location", "Set-Cookie", "X-Content-Type-Options"),
}


class Answer(NamedTuple):
    status: int
    headers: dict[str, str]
    body: bytes


class Step:
    """A request, in the words of Quart's client."""

    def __init__(self, method: str, path: str, **options: Any) -> None:
        self.method, self.path, self.options = method, path, options


ADA = {"username": "ada", "password": "correct-horse"}
STEPS = [
    Step("GET", "/members/"),
    Step("GET", "/members"),
    Step("HEAD", "/members/"),
    Step("OPTIONS", "/members/"),
    Step("DELETE", "/members/"),
    Step("GET", "/nowhere"),
    Step("GET", "/me"),
    Step("POST", "/login", form=ADA),
    Step("POST", "/members/", form={"username": "ada"}),
    Step("POST", "/members/", form=ADA),
    Step("GET", "/members/"),
    Step("GET", "/members/"),
    Step("POST", "/members/", form=ADA),
    Step("POST", "/login", form={**ADA, "password": "wrong"}),
    Step("POST", "/login", form=ADA),
    Step("GET", "/me"),
    Step("PATCH", "/me", json={"bio": "Countess"}),
    Step("PATCH", "/me", data=b"Countess", headers={"Content-Type": "text/plain"}),
    Step("PATCH", "/me", data=b"{", headers={"Content-Type": "application/json"}),
    Step("GET", "/me"),
    Step("PUT", "/me/photo", form={"photo": "none"}),
    Step("PUT", "/me/photo", photo=b"\x89PNG"),
    Step("GET", "/members/1/photo"),
    Step("GET", "/members/1/photo", headers={"Range": "bytes=1-3"}),
    Step("GET", "/members/2/photo"),
    Step("GET", "/members/one/photo"),
    Step("PUT", "/me/photo", photo=b"0" * 2**20),
]


@pytest.fixture
def environment(monkeypatch: pytest.MonkeyPatch) -> None:
    """The key of both apps, and hashes that cost nothing."""
    monkeypatch.setenv("SECRET_KEY", KEY)
    cheap = partial(generate_password_hash, method="pbkdf2:sha256:1")
    for module in (flask_members, flask_migration, pages):
        monkeypatch.setattr(module, "generate_password_hash", cheap)


def ask_flask(client: Any, wanted: Step) -> Answer:
    options = {**wanted.options}
    if "form" in options:
        options["data"] = options.pop("form")
    if "photo" in options:
        options["data"] = {"photo": (io.BytesIO(options.pop("photo")), "me.png")}
    with client.open(wanted.path, method=wanted.method, **options) as answer:
        return Answer(answer.status_code, seen(answer.headers), answer.get_data())


async def ask_quart(client: Any, wanted: Step) -> Answer:
    options = {**wanted.options}
    if "photo" in options:
        photo = FileStorage(io.BytesIO(options.pop("photo")), "me.png")
        options["files"] = {"photo": photo}
    answer = await client.open(wanted.path, method=wanted.method, **options)
    body = await answer.get_data()
    if wanted.method == "HEAD":
        body = b""  # a server sends none
    return Answer(answer.status_code, seen(answer.headers), body)


def seen(headers: Any) -> dict[str, str]:
    found = {key: headers[key] for key in COMPARED if key in headers}
    for key in {"ETag", "Last-Modified"} & found.keys():
        found[key] = "..."  # the photos are two files
    if found.get("Cache-Control") == "public, max-age=0":
        found["Cache-Control"] = "no-cache"  # what Flask says for the same
    if found.get("Content-Length") == "0":
        del found["Content-Length"]  # Quart adds it to a 204
    if "Set-Cookie" in found:  # its value is signed with the time
        name, _, rest = found["Set-Cookie"].partition("=")
        found["Set-Cookie"] = name + rest.partition(";")[2]
    if "Allow" in found:
        found["Allow"] = ", ".join(sorted(found["Allow"].split(", ")))
    return found


@pytest.mark.filterwarnings("ignore:unclosed file:ResourceWarning")  # an upload's
async def test_the_port_answers_as_the_flask_app(
    environment: None, tmp_path: Path
) -> None:
    folders = [tmp_path / "flask", tmp_path / "quart"]
    for folder in folders:
        folder.mkdir()
    before = flask_members.create_app(
        f"sqlite:///{folders[0]}/test.sqlite3", str(folders[0]), KEY
    )
    after = create_app(f"sqlite:///{folders[1]}/test.sqlite3", str(folders[1]))
    by_flask, by_quart = before.test_client(), after.test_client()
    async with after.test_app():
        for wanted in STEPS:
            expected = await asyncio.to_thread(ask_flask, by_flask, wanted)
            answer = await ask_quart(by_quart, wanted)
            assert answer == expected, (wanted.method, wanted.path)
    before.extensions["engine"].dispose()
    gc.collect()


# Route by route


@pytest.fixture
def flask_app() -> flask.Flask:
    """The app before: its session holds what the Quart app is to see."""
    app = flask.Flask("before")
    app.config.from_mapping(SECRET_KEY=KEY, MAX_CONTENT_LENGTH=200_000)

    @app.post("/login")
    def log_in() -> str:
        flask.session["username"] = "ada"
        return "logged in"

    @app.get("/moved")
    @app.get("/old")
    def old() -> str:
        return f"Flask, {flask.session.get('username')}"

    @app.post("/moved")
    def write() -> tuple[str, int]:
        return f"Flask, {len(flask.request.get_data())}", 201

    @app.delete("/old")
    def delete() -> tuple[str, int]:
        return "", 204

    @app.get("/stream")
    def stream() -> flask.Response:
        response = flask.Response(iter(["a", "b"]))
        response.call_on_close(lambda: closed.append("stream"))
        return response

    @app.get("/endless")
    def endless() -> flask.Response:
        response = flask.Response(iter(lambda: b"a" * 10_000, b""))
        response.call_on_close(lambda: closed.append("endless"))
        return response

    @app.get("/cookies")
    def cookies() -> dict[str, str]:
        return flask.request.cookies.to_dict()

    closed: list[str] = []
    app.extensions["closed"] = closed
    return app


def both(flask_app: flask.Flask, limit: int | None = 200_000) -> Quart:
    app = Quart(__name__)
    app.config.from_mapping(SECRET_KEY=KEY, MAX_CONTENT_LENGTH=limit)

    @app.get("/moved")
    async def moved() -> str:
        return f"Quart, {quart.session.get('username')}"

    @app.websocket("/ws")
    async def greet() -> None:
        await quart.websocket.send("hello")

    put_flask_behind(app, flask_app)
    return app


@asynccontextmanager
async def behind(flask_app: flask.Flask) -> AsyncIterator[httpx2.AsyncClient]:
    """A client of both, with cookies, through a real server."""
    async with (
        serving(both(flask_app)) as address,
        httpx2.AsyncClient(base_url=f"http://{address}") as client,
    ):
        yield client


async def test_what_has_not_moved_is_answered_by_flask(flask_app: flask.Flask) -> None:
    async with behind(flask_app) as client:
        answers = {
            (method, path): await client.request(method, path)
            for method in ("GET", "HEAD", "DELETE")
            for path in ("/old", "/moved", "/nowhere")
        }
    assert {key: one.status_code for key, one in answers.items()} == {
        ("GET", "/old"): 200,
        ("GET", "/moved"): 200,
        ("GET", "/nowhere"): 404,
        ("HEAD", "/old"): 200,
        ("HEAD", "/moved"): 200,
        ("HEAD", "/nowhere"): 404,
        ("DELETE", "/old"): 204,
        ("DELETE", "/moved"): 405,
        ("DELETE", "/nowhere"): 404,
    }
    assert answers["GET", "/old"].text == "Flask, None"
    assert answers["GET", "/moved"].text == "Quart, None"


async def test_both_apps_share_session_and_limit(flask_app: flask.Flask) -> None:
    async with behind(flask_app) as client:
        assert (await client.post("/login")).text == "logged in"
        assert (await client.get("/old")).text == "Flask, ada"
        assert (await client.get("/moved")).text == "Quart, ada"
        answer = await client.post("/moved", content=b"a" * 200_000)
        assert (answer.status_code, answer.text) == (201, "Flask, 200000")
        answer = await client.post("/moved", content=b"a" * 200_001)
        assert (answer.status_code, answer.content) == (400, b"")
        assert (await client.get("/stream")).text == "ab"
        await until(lambda: flask_app.extensions["closed"] == ["stream"])


async def test_streams_end_when_their_clients_have_left(flask_app: flask.Flask) -> None:
    """More of them than there are threads by default; each is closed once."""
    number = min(32, (os.cpu_count() or 1) + 4) + 2
    async with behind(flask_app) as client:
        for _ in range(number):
            async with client.stream("GET", "/endless") as answer:
                assert answer.status_code == 200
        await until(lambda: len(flask_app.extensions["closed"]) >= number)
        assert (await client.get("/old")).status_code == 200
    assert flask_app.extensions["closed"] == ["endless"] * number


async def test_a_stream_ends_with_its_request(flask_app: flask.Flask) -> None:
    """As when the server is stopped."""
    app = both(flask_app)
    connection = app.test_client().request("/endless")
    task = asyncio.create_task(stay(connection))
    await connection.receive()
    task.cancel()
    await asyncio.wait({task})
    await until(lambda: flask_app.extensions["closed"] == ["endless"])


async def stay(connection: Any) -> None:
    async with connection:
        await connection.send_complete()
        await asyncio.Event().wait()


async def test_a_chunked_body_is_read(flask_app: flask.Flask) -> None:
    async def chunks() -> AsyncIterator[bytes]:
        for _ in range(3):
            yield b"tea"

    async with behind(flask_app) as client:
        answer = await client.post("/moved", content=chunks())
        assert "Content-Length" not in answer.request.headers
        assert answer.text == "Flask, 9"


async def test_half_a_body_is_no_request(flask_app: flask.Flask) -> None:
    connection = both(flask_app).test_client().request("/moved", method="POST")
    async with connection:
        await connection.send(b"half")
        await connection.disconnect()
    assert connection.status_code is None


async def test_cookies_of_http2_are_joined(flask_app: flask.Flask) -> None:
    split = quart.datastructures.Headers([("Cookie", "a=1"), ("Cookie", "b=2")])
    answer = await both(flask_app).test_client().get("/cookies", headers=split)
    assert await answer.get_json() == {"a": "1", "b": "2"}


@pytest.mark.parametrize(
    ("path", "wanted"),
    [
        ("/app/moved", "Quart, None"),
        ("/app/old", "Flask, None"),
        ("/app", "Flask, root"),
        ("/moved", ""),  # not below the prefix: 404
    ],
)
async def test_a_prefix_of_a_proxy(
    path: str, wanted: str, flask_app: flask.Flask
) -> None:
    flask_app.add_url_rule("/", view_func=lambda: "Flask, root")
    client = both(flask_app).test_client()
    answer = await client.get(path, root_path="/app")
    assert answer.status_code == (200 if wanted else 404)
    assert not wanted or await answer.get_data() == wanted.encode()


@pytest.mark.parametrize(("limit", "longest"), [(None, 16 * 2**20), (0, 0), (9, 9)])
async def test_bodies_end_at_the_limit_of_quart(
    limit: int | None, longest: int, flask_app: flask.Flask
) -> None:
    flask_app.config["MAX_CONTENT_LENGTH"] = None
    client = both(flask_app, limit).test_client()
    for length, status in ((longest, 201), (longest + 1, 400)):
        answer = await client.post("/moved", data=b"a" * length)
        assert answer.status_code == status


async def test_the_static_route_of_quart_comes_first(tmp_path: Path) -> None:
    (tmp_path / "static").mkdir()
    (tmp_path / "static" / "a.css").write_text("a")
    before = flask.Flask("before", root_path=str(tmp_path))
    found = []
    for folder in ("static", str(tmp_path / "static"), None):
        app = Quart(__name__, static_folder=folder)
        put_flask_behind(app, before)
        found.append((await app.test_client().get("/static/a.css")).status_code)
    assert found == [404, 200, 200]


async def test_any_wsgi_app_may_stand_behind() -> None:
    def wsgi(environ: dict[str, Any], start_response: Any) -> list[bytes]:
        start_response("200 OK", [("Content-Type", "text/plain")])
        return [b"no Flask"]

    app = Quart(__name__)
    put_flask_behind(app, wsgi)
    answer = await app.test_client().get("/")
    assert await answer.get_data() == b"no Flask"


async def test_a_websocket_is_never_given_to_flask(flask_app: flask.Flask) -> None:
    app = both(flask_app)
    async with app.test_app(), app.test_client().websocket("/ws") as socket:
        async with asyncio.timeout(20):
            assert await socket.receive() == "hello"


async def test_the_port_takes_a_flask_app(
    environment: None, tmp_path: Path, flask_app: flask.Flask
) -> None:
    app = create_app(f"sqlite:///{tmp_path}/a.sqlite3", str(tmp_path), flask_app)
    async with app.test_app():
        client = app.test_client()
        assert (await client.get("/members/")).status_code == 200
        answer = await client.get("/old")
        assert await answer.get_data() == b"Flask, None"


# The table: what Flask takes, what comes of it in Quart, what Quart takes instead


class Row(NamedTuple):
    """`view` as Flask has it and as Quart wants it; what the first gives in each."""

    flask: str
    quart: str
    step: Step
    in_flask: str
    in_quart: str


FILE = "/dev/null"
TEXT = Path(__file__).parent / "__init__.py"
GET, POST = Step("GET", "/"), Step("POST", "/", form={"a": "1"})
ROWS = {
    "form": Row(
        "def view(): return request.form['a']",
        "async def view(): return (await request.form)['a']",
        POST,
        "200 1",
        "500",
    ),
    "values": Row(
        "def view(): return request.values['a']",
        "async def view(): return (await request.values)['a']",
        POST,
        "200 1",
        "500",
    ),
    "json": Row(
        "def view(): return request.json",
        "async def view(): return await request.json",
        Step("POST", "/", json={"a": 1}),
        '200 {"a":1}\n',
        "500",
    ),
    "get_data": Row(
        "def view(): return request.get_data()",
        "async def view(): return await request.get_data()",
        Step("POST", "/", data=b"tea"),
        "200 tea",
        "500",
    ),
    "template": Row(
        "def view(): return render_template_string('{{ 1 + 1 }}')",
        "async def view(): return await render_template_string('{{ 1 + 1 }}')",
        GET,
        "200 2",
        "500",
    ),
    "make_response": Row(
        "def view(): return make_response('tea', 202)",
        "async def view(): return await make_response('tea', 202)",
        GET,
        "202 tea",
        "500",
    ),
    "data of an answer": Row(
        "def view(): return redirect('/').data[:9] + b'!'",
        "async def view(): return (await redirect('/').get_data(False))[:9] + b'!'",
        GET,
        "200 <!doctype!",
        "500",
    ),
    "download_name": Row(
        f"def view(): return send_file({str(TEXT)!r}, download_name='a.txt')",
        f"async def view(): return await send_file({str(TEXT)!r}, "
        "attachment_filename='a.txt')",
        GET,
        "200 ",
        "500",
    ),
    "data of a form": Row(
        "def view(): return request.data or request.form['a']",
        "async def view(): return (await request.form)['a']",
        POST,
        "200 1",
        "500",
    ),
    "call_on_close": Row(
        "def view():\n"
        "    answer = Response('tea')\n"
        "    answer.call_on_close(dict)\n"
        "    return answer",
        "def view():\n"
        "    async def parts():\n"
        "        try: yield 'tea'\n"
        "        finally: dict()\n"
        "    return Response(parts())",
        GET,
        "200 tea",
        "500",
    ),
    "status line": Row(
        "def view(): return 'tea', '202 ACCEPTED'",
        "def view(): return 'tea', 202",
        GET,
        "202 tea",
        "500",
    ),
    "another type": Row(
        "def view(): return 'a' + request.json['a']",
        "async def view():\n"
        "    if not request.is_json: abort(415)\n"
        "    return 'a' + (await request.json)['a']",
        Step("POST", "/", data=b"{}", headers={"Content-Type": "text/plain"}),
        "415",
        "500",
    ),
    "environ": Row(
        "def view(): return request.environ['HTTP_HOST']",
        "def view(): return request.headers['Host']",
        GET,
        "200 localhost",
        "500",
    ),
    "ensure_sync": Row(
        "def view(): return current_app.ensure_sync(str)('tea')",
        "async def view(): return await current_app.ensure_async(str)('tea')",
        GET,
        "200 tea",
        "500",
    ),
    "generator": Row(
        "def view(): return Response(stream_with_context(c for c in request.path))",
        "def view():\n"
        "    @stream_with_context\n"
        "    async def parts():\n"
        "        yield request.path\n"
        "    return Response(parts())",
        GET,
        "200 /",
        "500",
    ),
    "macro": Row(
        "def view(): return current_app.jinja_env.from_string('tea').render()",
        "async def view(): return await "
        "current_app.jinja_env.from_string('tea').render_async()",
        GET,
        "200 tea",
        "200 tea",
    ),
}


def module_of(package: Any, source: str) -> tuple[Any, Any]:
    """An app of the package with a view of this source at `/`."""
    names = {**vars(package)}
    exec(source, names)
    app = names.get("Flask", names.get("Quart"))("acme")
    app.secret_key = KEY
    app.config["PROPAGATE_EXCEPTIONS"] = False
    app.add_url_rule("/", view_func=names["view"], methods=["GET", "POST"])
    return app, names


def told(answer: Answer) -> str:
    body = "" if answer.status >= 400 else f" {answer.body.decode()}"
    return f"{answer.status}{body}"


def in_flask(source: str, step: Step) -> str:
    app, _ = module_of(flask, source)
    return told(ask_flask(app.test_client(), step))


async def in_quart(source: str, step: Step) -> str:
    app, _ = module_of(quart, source)
    return told(await ask_quart(app.test_client(), step))


@pytest.mark.filterwarnings("ignore:coroutine:RuntimeWarning")
@pytest.mark.parametrize("row", ROWS.values(), ids=[*ROWS])
async def test_a_row_of_the_table(row: Row) -> None:
    assert in_flask(row.flask, row.step) == row.in_flask
    assert await in_quart(row.flask, row.step) == row.in_quart
    assert await in_quart(row.quart, row.step) == row.in_flask
    gc.collect()


async def test_the_data_of_a_form_is_its_body() -> None:
    assert in_flask("def view(): return request.data", POST) == "200 "
    kept = "async def view(): return await request.data"
    assert await in_quart(kept, POST) == "200 a=1"


@pytest.mark.filterwarnings("ignore:coroutine:RuntimeWarning")
async def test_after_request_may_be_given_an_answer_of_werkzeug() -> None:
    """Of an HTTPException without a handler of its own; `make_response` keeps it."""
    found = {}
    for kind in ("read", "made", "asked"):
        app = Quart(__name__)
        app.config["PROPAGATE_EXCEPTIONS"] = False
        app.add_url_rule("/", view_func=lambda: "tea")
        app.add_url_rule("/401", "refuse", lambda: quart.abort(401))

        @app.after_request
        async def read(response: Any, kind: str = kind) -> Any:
            if kind == "made":
                response = await quart.make_response(response)
            if kind != "asked" or isinstance(response, quart.Response):
                response.headers["X-Length"] = len(await response.get_data())
            return response

        client = app.test_client()
        answers = [await client.get("/"), await client.post("/")]
        answers += [await client.get(path) for path in ("/nowhere", "/401")]
        assert answers[0].headers["X-Length"] == "3"
        found[kind] = [one.status_code for one in answers]
    assert found["read"] == found["made"] == [200, 500, 500, 500]
    assert found["asked"] == [200, 405, 404, 401]


def test_settings_of_the_environment_have_another_prefix(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setenv("FLASK_SECRET_KEY", KEY)
    for app, prefix, wanted in (
        (flask.Flask("acme"), (), KEY),
        (Quart("acme"), (), None),
        (Quart("acme"), ("FLASK",), KEY),
    ):
        app.config.from_prefixed_env(*prefix)
        assert app.config["SECRET_KEY"] == wanted


async def test_an_upload_is_saved_with_await(tmp_path: Path) -> None:
    by_flask, by_quart = tmp_path / "flask", tmp_path / "quart"
    source = "def view(): request.files['photo'].save({!r}); return 'saved'"
    upload = Step("POST", "/", photo=b"PNG")
    assert in_flask(source.format(str(by_flask)), upload) == "200 saved"
    assert by_flask.read_bytes() == b"PNG"
    unsaved = "async def view(): (await request.files)['photo'].save({!r}); return ''"
    with pytest.warns(RuntimeWarning, match="'FileStorage.save' was never awaited"):
        assert await in_quart(unsaved.format(str(by_quart)), upload) == "200 "
    assert not by_quart.exists()
    saved = unsaved.replace("(await", "await (await")
    assert await in_quart(saved.format(str(by_quart)), upload) == "200 "
    assert by_quart.read_bytes() == b"PNG"


@pytest.mark.filterwarnings("ignore:coroutine:RuntimeWarning")
async def test_sync_rendering_fails_in_an_async_view(
    caplog: pytest.LogCaptureFixture,
) -> None:
    """In a plain `def`, which runs in a thread, it works: see the row `macro`."""
    caplog.set_level(logging.CRITICAL, "acme")  # a record keeps the coroutine
    source = "async def view(): return current_app.jinja_env.from_string('a').render()"
    assert await in_quart(source, GET) == "500"
    gc.collect()


@pytest.mark.filterwarnings("ignore:coroutine:RuntimeWarning")
async def test_contexts_need_async_with() -> None:
    app = Quart(__name__)
    app.secret_key = KEY
    client = app.test_client()
    for open_context in (
        app.app_context,
        lambda: app.test_request_context("/"),
        app.test_client,
        client.session_transaction,
    ):
        with pytest.raises(TypeError, match="context manager protocol"):
            enter(open_context())
        async with open_context():
            pass
    before = flask.Flask(__name__)
    for works in (before.app_context, before.test_request_context, before.test_client):
        enter(works())
    gc.collect()


def enter(context: Any) -> None:
    with context:
        pass


SYNC = """
def keep(view):
    def wrapper():
        return view()
    return wrapper
"""
ASYNC = SYNC.replace("def wrapper", "async def wrapper").replace(
    "return view", "return await current_app.ensure_async(view)"
)


@pytest.mark.filterwarnings("ignore:coroutine:RuntimeWarning")
async def test_a_decorator_awaits_the_view() -> None:
    view = "{}@keep\n{}def view(): return 'tea'"
    assert in_flask(view.format(SYNC, ""), GET) == "200 tea"
    assert await in_quart(view.format(SYNC, ""), GET) == "200 tea"
    assert await in_quart(view.format(SYNC, "async "), GET) == "500"
    assert await in_quart(view.format(ASYNC, ""), GET) == "200 tea"
    assert await in_quart(view.format(ASYNC, "async "), GET) == "200 tea"
    gc.collect()


async def test_static_files_are_kept_for_half_a_day(tmp_path: Path) -> None:
    (tmp_path / "static").mkdir()
    (tmp_path / "static" / "a.css").write_text("a")
    found = {}
    for default in ("unset", None, 0):
        app = Quart("acme", root_path=str(tmp_path))
        if default != "unset":
            app.config["SEND_FILE_MAX_AGE_DEFAULT"] = default
        answer = await app.test_client().get("/static/a.css")
        found[default] = answer.headers["Cache-Control"]
    assert found == {
        "unset": "public, max-age=43200",
        None: "public",  # so browsers guess
        0: "public, max-age=0",
    }
    before = flask.Flask("acme", root_path=str(tmp_path))
    with before.test_client().get("/static/a.css") as kept:
        assert kept.headers["Cache-Control"] == "no-cache"


async def test_bodies_end_at_16_mib() -> None:
    source = "{}def view(): return str(len({}request.get_data()))"
    long = Step("POST", "/", data=b"a" * (16 * 2**20 + 1))
    assert in_flask(source.format("", ""), long) == "200 16777217"
    assert await in_quart(source.format("async ", "await "), long) == "413"


def test_there_is_no_wsgi_app() -> None:
    assert hasattr(flask.Flask, "wsgi_app")
    assert not hasattr(Quart, "wsgi_app")
    assert not hasattr(quart, "Flask")
    public = {name for name in dir(flask) if not name.startswith("_")}
    modules = {name for name in public if f"flask.{name}" in sys.modules}
    assert public - modules - {*dir(quart), "t"} == {"Flask"}


def test_run_ignores_what_flask_takes() -> None:
    """It warns and goes on; the warning is an error here, so it does not."""
    with pytest.raises(UserWarning, match="ssl_context, are not supported"):
        Quart(__name__).run(use_reloader=False, ssl_context="adhoc")


async def test_the_client_has_other_arguments() -> None:
    app = Quart(__name__)

    @app.post("/")
    async def index() -> dict[str, Any]:
        return {"url": quart.request.url, "json": await quart.request.get_json()}

    client = app.test_client()
    for option in ("base_url", "content_type", "environ_base", "mimetype"):
        with pytest.raises(TypeError, match="unexpected keyword argument"):
            await client.post("/", **{option: ""})
    answer = await client.post(
        "/",
        data="{}",
        headers={"Content-Type": "application/json", "Host": "acme.example"},
        scheme="https",
    )
    assert await answer.get_json() == {"url": "https://acme.example/", "json": {}}
    for name in ("history", "request", "text"):
        assert not hasattr(answer, name)
        assert hasattr(flask.Flask(__name__).test_client().get("/"), name)
    assert (await answer.get_data(as_text=True)).startswith("{")


async def test_the_client_has_other_cookies_and_a_body_for_head() -> None:
    before, after = flask.Flask(__name__), Quart(__name__)
    before.add_url_rule("/", view_func=lambda: flask.request.cookies.to_dict())
    after.add_url_rule("/", view_func=lambda: quart.request.cookies.to_dict())
    by_flask, by_quart = before.test_client(), after.test_client()
    by_flask.set_cookie("name", "ada")
    assert by_flask.get("/").get_json() == {"name": "ada"}
    by_quart.set_cookie("name", "ada")
    assert await (await by_quart.get("/")).get_json() == {"ada": ""}
    other = after.test_client()
    other.set_cookie("localhost", "name", "ada")
    assert await (await other.get("/")).get_json() == {"name": "ada"}
    assert not hasattr(other, "get_cookie")
    assert [one.value for one in other.cookie_jar or ()] == ["ada"]
    assert by_flask.head("/").get_data() == b""
    answer = await other.head("/")
    assert await answer.get_data() != b""


def apps_that_send(call: str) -> tuple[Any, Any]:
    """Of Flask and of Quart, each with a view that returns the file of `call`."""
    before, _ = module_of(flask, f"def view(): return {call}")
    after, _ = module_of(quart, f"async def view(): return await {call}")
    return before, after


@pytest.mark.parametrize(
    ("call", "statuses"),
    [
        (f"send_file({str(TEXT)!r})", (304, 200)),
        (f"send_from_directory({str(TEXT.parent)!r}, {TEXT.name!r})", (304, 304)),
    ],
    ids=["send_file", "send_from_directory"],
)
async def test_send_file_alone_needs_conditional(
    call: str, statuses: tuple[int, int]
) -> None:
    headers = {"If-None-Match": "*"}
    before, after = apps_that_send(call)
    with before.test_client().get("/", headers=headers) as first:
        second = await after.test_client().get("/", headers=headers)
        assert (first.status_code, second.status_code) == statuses


@pytest.mark.parametrize(
    "call",
    [
        f"send_file({__file__!r}, conditional=True)",
        f"send_from_directory({str(TEXT.parent)!r}, {Path(__file__).name!r})",
    ],
    ids=["send_file", "send_from_directory"],
)
async def test_the_end_of_a_file_needs_another_response(call: str) -> None:
    """`bytes=-5`, of which Quart alone makes a 500, whatever sends the file."""
    headers = {"Range": "bytes=-5"}
    before, after = apps_that_send(call)
    with before.test_client().get("/", headers=headers) as first:
        bare = await after.test_client().get("/", headers=headers)
        after.response_class = FileResponse
        second = await after.test_client().get("/", headers=headers)
        assert (
            await second.get_data()
            == first.get_data()
            == Path(__file__).read_bytes()[-5:]
        )
        statuses = (first.status_code, bare.status_code, second.status_code)
    assert statuses == (206, 500, 206)


async def test_what_awaits_is_no_work_for_a_thread() -> None:
    done: list[str] = []

    async def deliver(text: str) -> None:
        done.append(text)

    with pytest.warns(RuntimeWarning, match="deliver' was never awaited"):
        run_in_a_thread(partial(deliver, "by a thread"))
    app = Quart(__name__)

    @app.get("/")
    async def index() -> str:
        app.add_background_task(deliver, "by the app")
        return ""

    async with app.test_app():
        await app.test_client().get("/")
    assert done == ["by the app"]


def run_in_a_thread(work: Any) -> None:
    thread = threading.Thread(target=work)
    thread.start()
    thread.join()
    gc.collect()


async def test_vary_tells_caches_of_the_session() -> None:
    source = "{}def view(): return session.get('name', 'nobody')"
    before, _ = module_of(flask, source.format(""))
    assert before.test_client().get("/").headers["Vary"] == "Cookie"
    after, _ = module_of(quart, source.format("async "))
    answer = await after.test_client().get("/")
    assert answer.headers.get("Vary") == ("Cookie" if QUART_0_23 else None)

    @after.after_request
    async def vary(response: quart.Response) -> quart.Response:
        response.vary.add("Cookie")
        return response

    answer = await after.test_client().get("/")
    assert answer.headers["Vary"] == "Cookie"


async def test_g_is_gone_after_a_request_of_the_client() -> None:
    source = "{}def view(): g.name = request.args['name']; return ''"
    before, _ = module_of(flask, source.format(""))
    with before.test_client() as by_flask:
        by_flask.get("/?name=ada")
        assert (flask.g.name, flask.request.args["name"]) == ("ada", "ada")
    after, _ = module_of(quart, source.format("async "))
    async with after.test_client() as by_quart:
        await by_quart.get("/?name=ada")
        assert quart.request.args["name"] == "ada"
        with pytest.raises(AttributeError if QUART_0_23 else RuntimeError):
            print(quart.g.name)


async def test_a_teardown_is_given_no_error() -> None:
    given: dict[str, Any] = {}
    before, after = flask.Flask(__name__), Quart(__name__)
    for name, app in (("flask", before), ("quart", after)):
        app.config["PROPAGATE_EXCEPTIONS"] = False
        app.add_url_rule("/", view_func=lambda: 1 / 0)
        app.teardown_request(partial(given.__setitem__, name))
    before.test_client().get("/")
    assert (await after.test_client().get("/")).status_code == 500
    assert type(given["flask"]) is ZeroDivisionError
    assert given["quart"] is None


def test_a_command_has_a_context_when_it_asks_for_one() -> None:
    before, after = flask.Flask("acme"), Quart("acme")
    for app, package in ((before, flask), (after, quart)):

        @app.cli.command("bare")
        def bare(package: Any = package) -> None:
            click.echo(package.current_app.name)

        @app.cli.command("wrapped")
        @package.cli.with_appcontext
        def wrapped(package: Any = package) -> None:
            click.echo(package.current_app.name)

    assert output_of(before, "bare") == output_of(before, "wrapped") == "acme\n"
    assert output_of(after, "bare").startswith("RuntimeError(")
    assert output_of(after, "wrapped") == "acme\n"


# Commands


def output_of(app: Any, *arguments: str) -> str:
    result = app.test_cli_runner().invoke(args=[*arguments])
    return str(result.output or repr(result.exception))


def test_the_command_adds_a_member(environment: None, tmp_path: Path) -> None:
    url = f"sqlite:///{tmp_path}/test.sqlite3"
    before = flask_members.create_app(url, str(tmp_path), KEY)
    command = ["add-member", "--password", "correct-horse"]
    assert output_of(before, *command, "ada") == "Added ada.\n"
    after = create_app(url, str(tmp_path))
    assert output_of(after, *command, "bob") == "Added bob.\n"
    assert "UNIQUE constraint failed" in output_of(after, *command, "ada")
    before.extensions["engine"].dispose()
    asyncio.run(after.extensions["sync_database"].close())


def test_the_command_makes_the_tables_of_a_new_database(
    environment: None, tmp_path: Path
) -> None:
    app = create_app(f"sqlite:///{tmp_path}/new.sqlite3", str(tmp_path))
    command = ["add-member", "--password", "correct-horse"]
    assert output_of(app, *command, "ada") == "Added ada.\n"
    assert output_of(app, *command, "bob") == "Added bob.\n"
    asyncio.run(app.extensions["sync_database"].close())


# The plain form


async def test_the_plain_form_reads_the_sessions_of_flask() -> None:
    before = flask.Flask("before")
    before.secret_key = KEY
    app = plain.create_app(KEY)
    client = app.test_client()
    answer = await client.post("/name", form={"name": "ada"})
    assert answer.status_code == 204
    assert await (await client.get("/")).get_data() == b"Hello ada"
    assert await (await client.get("/name")).get_json() == {"name": "ada"}
    [cookie] = answer.headers.getlist("Set-Cookie")
    with before.test_request_context(headers={"Cookie": cookie.partition(";")[0]}):
        assert flask.session["name"] == "ada"


# Don't


async def test_dont_forget_to_await_flash() -> None:
    client = dont.flash_without_await().test_client()
    with pytest.warns(RuntimeWarning, match="'flash' was never awaited"):
        answer = await client.get("/")
    assert (answer.status_code, await answer.get_data()) == (200, b"[]")


async def test_dont_give_flask_to_hypercorn_alone(flask_app: flask.Flask) -> None:
    """flask_behind_alone: no status for HEAD and 204, and bodies end at 64 KiB."""
    async with (
        serving(dont.flask_behind_alone(flask_app), loglevel="CRITICAL") as address,
        httpx2.AsyncClient(base_url=f"http://{address}") as client,
    ):
        assert (await client.get("/old")).status_code == 200
        assert (await client.head("/old")).status_code == 500
        assert (await client.delete("/old")).status_code == 500
        answer = await client.post("/moved", content=b"a" * 65_537)
        assert answer.status_code == 400


@pytest.mark.filterwarnings("ignore:coroutine:RuntimeWarning")
async def test_dont_await_in_the_view_alone() -> None:
    app = dont.helper_reads_the_body()
    app.config["PROPAGATE_EXCEPTIONS"] = False
    answer = await app.test_client().post("/name", form={"name": "ada"})
    assert answer.status_code == 500
    gc.collect()


async def test_dont_send_a_video_without_conditional(tmp_path: Path) -> None:
    video = tmp_path / "a.mp4"
    video.write_bytes(b"0123456789")
    client = dont.file_without_conditional(str(video)).test_client()
    answer = await client.get("/video", headers={"Range": "bytes=0-3"})
    assert (answer.status_code, await answer.get_data()) == (200, b"0123456789")


def test_dont_rely_on_an_app_context_in_a_command() -> None:
    output = output_of(dont.command_as_in_flask(), "name")
    assert output.startswith("RuntimeError(")
