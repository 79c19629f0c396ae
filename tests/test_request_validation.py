import asyncio
import http.client
import io
import json
import re
from collections.abc import AsyncGenerator, Callable
from contextlib import suppress
from datetime import UTC, date, datetime
from typing import Annotated, Any
from urllib.parse import quote
from uuid import UUID

import httpx2
import pytest
import quart_schema.conversion
from hypothesis import given, settings
from hypothesis import strategies as st
from pydantic import (
    BaseModel,
    BeforeValidator,
    Field,
    FiniteFloat,
    TypeAdapter,
    ValidationError,
    model_validator,
)
from quart import Quart, Response, g, request
from quart.datastructures import FileStorage
from quart_schema import (
    HttpSecurityScheme,
    OpenAPIProvider,
    QuartSchema,
    validate_headers,
    validate_request,
    validate_response,
)

from examples.dont import request_validation as dont
from examples.plain import request_validation as plain
from examples.request_validation import (
    JSONRequest,
    body_limits,
    create_app,
    limit_bodies,
)
from examples.request_validation.fields import as_list
from examples.request_validation.models import NewUser, UserChanges, UserView
from tests.support.scope import asgi_scope
from tests.support.serving import serving, until
from tests.support.versions import QUART_0_23

JSON = {"Content-Type": "application/json"}
PROBLEM = "application/problem+json"
ADA = {"username": "ada", "email": "ada@example.com", "password": "correct-horse"}
MEGABYTE = 2**20


def ada(**changes: object) -> bytes:
    return json.dumps({**ADA, **changes}).encode()


async def post(app: Quart, body: bytes, **headers: str) -> Response:
    client = app.test_client()
    return await client.post("/users", data=body, headers=headers or JSON)


def text_file(size: int = 4) -> FileStorage:
    return FileStorage(io.BytesIO(b"a" * size), filename="../../notes.txt")


async def test_a_valid_user_is_created_without_the_password() -> None:
    response = await post(create_app(), ada(bio="Writes\nprograms 🐍"))

    created = await response.get_json()
    assert response.status_code == 201
    assert datetime.fromisoformat(created.pop("created_at")).tzinfo is not None
    assert created == {
        "id": 1,
        "username": "ada",
        "email": "ada@example.com",
        "bio": "Writes\nprograms 🐍",
    }


HOSTILE_BODIES = {
    "empty": (b"", 400),
    "not JSON": (b"{username", 400),
    "trailing data": (ada() + b"x", 400),
    "null": (b"null", 400),
    "a list": (b"[]", 400),
    "a string": (b'"ada"', 400),
    "invalid UTF-8": (b'{"username": "\xff"}', 400),
    "UTF-16": (ada().decode().encode("utf-16"), 400),
    "byte order mark": (b"\xef\xbb\xbf" + ada(), 400),
    "nested arrays": (b"[" * 60_000, 400),
    "nested objects": (b'{"a":' * 10_000, 400),
    "NaN": (ada(bio=float("nan")), 400),
    "infinity": (ada(bio=float("inf")), 400),
    "5,000 digits": (b"9" * 5_000, 400),
    "no fields": (b"{}", 400),
    "an extra field": (ada(is_admin=True), 400),
    "the id": (ada(id=7), 400),
    "3,000 extra fields": (
        json.dumps({f"field{n}": 1 for n in range(3_000)}).encode(),
        400,
    ),
    "a number for text": (ada(username=7), 400),
    "a list for text": (ada(username=["ada"]), 400),
    "an object for text": (ada(bio={"$gt": ""}), 400),
    "empty text": (ada(username=""), 400),
    "a final newline": (ada(username="ada\n"), 400),
    "NUL": (ada(bio="a\0b"), 400),
    "a lone surrogate": (ada(bio="\ud800"), 400),
    "long text": (ada(bio="a" * 501), 400),
    "a long password": (ada(password="a" * 129), 400),
    "more than MAX_CONTENT_LENGTH": (ada(bio="a" * 70_000), 413),
}


@pytest.mark.parametrize(
    ("body", "status"), HOSTILE_BODIES.values(), ids=HOSTILE_BODIES
)
async def test_a_hostile_body_gets_a_problem(body: bytes, status: int) -> None:
    response = await post(create_app(), body)

    answer = await response.get_json()
    assert response.status_code == status
    assert response.content_type == PROBLEM
    assert answer["status"] == status
    assert len(answer.get("errors", [])) <= 20


@pytest.fixture(scope="module")
def hardened() -> Quart:
    return create_app()


JSON_VALUES = st.recursive(
    st.none() | st.booleans() | st.integers() | st.floats() | st.text(),
    lambda inner: (
        st.lists(inner, max_size=3)
        | st.dictionaries(st.sampled_from([*ADA, "bio"]) | st.text(), inner, max_size=4)
    ),
    max_leaves=5,
)


@settings(max_examples=40, deadline=None, database=None, derandomize=True)
@given(body=st.binary() | JSON_VALUES.map(json.dumps).map(str.encode))
async def test_no_body_is_a_500(hardened: Quart, body: bytes) -> None:
    response = await post(hardened, body)

    assert response.status_code == 400


@settings(max_examples=40, deadline=None, database=None, derandomize=True)
@given(query=st.binary() | st.from_regex(rb"(after|limit)(\[\])?=.{0,9}"))
async def test_no_query_is_a_500(hardened: Quart, query: bytes) -> None:
    response = await hardened.test_client().get("/users?" + quote(query, safe="=&"))

    assert response.status_code in (200, 400)


@pytest.mark.parametrize(
    "content_type", ["text/plain", "application/x-www-form-urlencoded", "nonsense", ""]
)
async def test_json_under_another_content_type_is_415(content_type: str) -> None:
    response = await post(create_app(), ada(), **{"Content-Type": content_type})

    assert response.status_code == 415
    assert response.content_type == PROBLEM


HOSTILE_REQUESTS = {
    "a repeated number": ("GET", "/users?limit=1&limit=2", {}, 400),
    "too small a number": ("GET", "/users?limit=0", {}, 400),
    "a huge number": ("GET", "/users?limit=" + "9" * 400, {}, 400),
    "5,000 digits": ("GET", "/users?limit=" + "9" * 5_000, {}, 400),
    "no number": ("GET", "/users?after=x", {}, 400),
    "an unknown parameter": ("GET", "/users?admin=1", {}, 400),
    "bad UTF-8 in the query": ("GET", "/users?after=%ff%fe", {}, 400),
    "a surrogate in the query": ("GET", "/users?%ed%a0%80=1", {}, 400),
    "an unknown path": ("GET", "/users/ada", {}, 404),
    "a wrong method": ("DELETE", "/users", {}, 405),
    "JSON for a form": ("POST", "/messages", JSON, 400),
    "no boundary": ("POST", "/messages", {"Content-Type": "multipart/form-data"}, 400),
    "a boundary that is not ASCII": (
        "POST",
        "/messages",
        {"Content-Type": "multipart/form-data; boundary=\xff"},
        400,
    ),
}


@pytest.mark.parametrize(
    ("method", "path", "headers", "status"),
    HOSTILE_REQUESTS.values(),
    ids=HOSTILE_REQUESTS,
)
async def test_a_hostile_request_gets_a_problem(
    method: str, path: str, headers: dict[str, str], status: int
) -> None:
    client = create_app().test_client()
    response = await client.open(path, method=method, headers=headers)

    assert response.status_code == status
    assert response.content_type == PROBLEM
    assert (await response.get_json())["status"] == status


async def test_the_password_is_not_in_the_answer_of_a_refusal() -> None:
    response = await post(create_app(), ada(username="!", password="hunter2"))

    text = await response.get_data(as_text=True)
    assert "hunter2" not in text
    assert [fault["loc"] for fault in json.loads(text)["errors"]] == [
        ["username"],
        ["password"],
    ]


def test_the_password_is_not_in_the_repr() -> None:
    assert ADA["password"] not in repr(NewUser.model_validate(ADA))


@pytest.mark.parametrize(
    "email",
    ["ada@example.com", "o'brien+news@mail.example.co.uk", "a_b-c@bücher.example"],
)
def test_an_email_address_is_accepted(email: str) -> None:
    assert NewUser.model_validate(ADA | {"email": email}).email == email


@pytest.mark.parametrize(
    "email",
    [
        "ada",
        "ada@",
        "ada@localhost",
        "ada@example.com\n",
        "ada@example..com",
        "ada @example.com",
        "ada@example.com,eve@example.com",
        "Ada <ada@example.com>",
        "a" * 250 + "@example.com",
    ],
)
def test_what_is_no_email_address_is_refused(email: str) -> None:
    with pytest.raises(ValidationError):
        NewUser.model_validate(ADA | {"email": email})


async def patched(**changes: object) -> Response:
    client = create_app().test_client()
    await client.post("/users", json=ADA | {"bio": "Maths."})
    return await client.patch("/users/1", json=changes)


@pytest.mark.parametrize(
    ("changes", "email", "bio"),
    [
        ({}, "ada@example.com", "Maths."),
        ({"bio": None}, "ada@example.com", None),
        ({"bio": "Poems."}, "ada@example.com", "Poems."),
        ({"email": "ada@example.org"}, "ada@example.org", "Maths."),
    ],
)
async def test_a_patch_changes_what_it_holds(
    changes: dict[str, object], email: str, bio: str | None
) -> None:
    response = await patched(**changes)

    user = await response.get_json()
    assert response.status_code == 200
    assert (user["username"], user["email"], user["bio"]) == ("ada", email, bio)


@pytest.mark.parametrize("changes", [{"email": None}, {"email": "x"}, {"id": 2}])
async def test_a_patch_is_checked_and_null_is_not_absent(
    changes: dict[str, object],
) -> None:
    response = await patched(**changes)

    assert response.status_code == 400
    faults = (await response.get_json())["errors"]
    assert [fault["loc"] for fault in faults] == [list(changes)]


async def test_a_patch_of_nobody_is_a_404() -> None:
    response = await create_app().test_client().patch("/users/1", json={})
    assert response.status_code == 404


def test_an_absent_field_is_not_dumped() -> None:
    assert UserChanges().model_dump(exclude_unset=True) == {}
    assert UserChanges(bio=None).model_dump(exclude_unset=True) == {"bio": None}


async def test_pages_follow_each_other() -> None:
    client = create_app().test_client()
    for username in ("ada", "eve", "grace"):
        await client.post("/users", json=ADA | {"username": username})
    seen, after = [], 0
    while after is not None:
        response = await client.get(f"/users?after={after}&limit=2")
        page = await response.get_json()
        seen.append([user["username"] for user in page["users"]])
        after = page["next_after"]

    assert seen == [["ada", "eve"], ["grace"]]


@pytest.mark.parametrize("files", [0, 1, 2])
@pytest.mark.parametrize("topics", [[], ["billing"], ["billing", "mail"]])
async def test_a_form_takes_none_one_or_many(files: int, topics: list[str]) -> None:
    parts = [("text", b"Hello", "")]
    parts += [("topics", topic.encode(), "") for topic in topics]
    parts += [("files", b"line\nline", "; filename=a.txt") for _ in range(files)]
    body = b"".join(
        b"--X\r\nContent-Disposition: form-data; name=%s%s\r\n\r\n%s\r\n"
        % (name.encode(), extra.encode(), content)
        for name, content, extra in parts
    )
    response = (
        await create_app()
        .test_client()
        .post(
            "/messages",
            data=body + b"--X--\r\n",
            headers={"Content-Type": "multipart/form-data; boundary=X"},
        )
    )

    assert await response.get_json() == {
        "text": "Hello",
        "topics": topics,
        "files": [9] * files,
    }


async def test_a_urlencoded_form_is_taken_too() -> None:
    form = {"text": "Hello", "topics": "billing"}
    response = await create_app().test_client().post("/messages", form=form)

    assert await response.get_json() == {
        "text": "Hello",
        "topics": ["billing"],
        "files": [],
    }


async def test_an_empty_file_field_of_a_browser_is_a_file_without_a_name() -> None:
    body = (
        b'--X\r\nContent-Disposition: form-data; name="text"\r\n\r\nHello\r\n'
        b'--X\r\nContent-Disposition: form-data; name="files"; filename=""\r\n'
        b"Content-Type: application/octet-stream\r\n\r\n\r\n--X--\r\n"
    )
    headers = {"Content-Type": "multipart/form-data; boundary=X"}
    client = create_app().test_client()
    response = await client.post("/messages", data=body, headers=headers)

    assert (await response.get_json())["files"] == [0]


@pytest.mark.parametrize(
    ("form", "files", "places"),
    [
        ({}, {}, [["text"]]),
        ({"text": "a\0b"}, {}, [["text"]]),
        ({"text": "Hello", "files": "no file"}, {}, [["files", 0]]),
        ({"text": "Hello", "owner": "eve"}, {}, [["owner"]]),
        ({"text": "Hello"}, {"topics": text_file()}, [["topics", 0]]),
    ],
)
async def test_a_bad_form_is_refused(
    form: dict[str, str], files: dict[str, FileStorage], places: list[list[object]]
) -> None:
    client = create_app().test_client()
    response = await client.post("/messages", form=form, files=files)

    assert response.status_code == 400
    faults = (await response.get_json())["errors"]
    assert [fault["loc"] for fault in faults] == places


async def test_one_route_takes_more_than_the_app() -> None:
    async with (
        serving(create_app()) as address,
        httpx2.AsyncClient(base_url=f"http://{address}", timeout=20) as client,
    ):
        for size, status in ((MEGABYTE, 200), (6 * MEGABYTE, 413)):
            files = {"files": ("video.mp4", b"a" * size)}
            form = {"text": "Hello"}
            message = await client.post("/messages", data=form, files=files)
            assert message.status_code == status
        user = await client.post("/users", content=b"a" * 70_000, headers=JSON)
        assert user.status_code == 413
        assert user.headers["Content-Type"] == "application/problem+json"


@pytest.mark.parametrize(
    ("path", "size", "status"),
    [
        ("/users", 60_000, 400),
        ("/users", 70_000, 413),
        ("/messages", 70_000, 400),
        ("/messages", 6 * MEGABYTE, 413),
    ],
)
async def test_the_limits_hold_without_a_length(
    path: str, size: int, status: int
) -> None:
    async def parts() -> AsyncGenerator[bytes, None]:
        for _ in range(0, size, 10_000):
            yield b"a" * 10_000

    async with (
        serving(create_app()) as address,
        httpx2.AsyncClient(timeout=20) as client,
    ):
        form = {"Content-Type": "multipart/form-data; boundary=X"}
        headers = form if path == "/messages" else JSON
        url = f"http://{address}{path}"
        answer = await client.post(url, content=parts(), headers=headers)
    assert answer.status_code == status


async def test_each_part_may_name_larger_paths() -> None:
    app = Quart(__name__)
    app.config["MAX_CONTENT_LENGTH"] = 1_000
    assert limit_bodies(app, {"/b": 2_000}) is limit_bodies(app, {"/c": 3_000})

    @app.post("/<name>")
    async def size(name: str) -> dict[str, int]:
        return {"size": len(await request.get_data())}

    client = app.test_client()
    for path, limit in (("/a", 1_000), ("/b", 2_000), ("/c", 3_000)):
        fits = await client.post(path, data=bytes(limit))
        too_long = await client.post(path, data=bytes(limit + 1))
        assert (fits.status_code, too_long.status_code) == (200, 413)


SECONDS = 20
LONG = {"Content-Length": "3000"}


def app_of_its_own(*, limited_first: bool = True) -> Quart:
    """Its hook sets what each of its answers shows; 1,000 bytes may be read."""
    app = Quart(__name__)
    app.config["MAX_CONTENT_LENGTH"] = 1_000
    if limited_first:
        limit_bodies(app, {})
    ready = app.extensions["ready"] = asyncio.Event()

    @app.before_request
    async def load_user() -> None:
        await ready.wait()
        g.user = "ada"
        await request.form

    @app.after_request
    async def show_user(response: Response) -> Response:
        response.headers["X-User"] = g.user
        return response

    @app.errorhandler(413)
    async def too_long(error: Exception) -> tuple[dict[str, str], int]:
        return {"error": "too long"}, 413

    @app.post("/read")
    async def read() -> dict[str, int]:
        return {"size": len(await request.get_data())}

    @app.post("/unread")
    async def leave_it_unread() -> tuple[str, int]:
        return "no", 401

    @app.post("/stream")
    async def stream() -> Response:
        last = app.extensions["last"] = asyncio.Event()

        async def parts() -> AsyncGenerator[bytes, None]:
            yield b"first, "
            await last.wait()
            yield b"last"

        return Response(parts())

    if not limited_first:
        limit_bodies(app, {})
    return app


class Sending:
    """A client that sends what the test says."""

    def __init__(
        self, app: Quart, path: str, headers: dict[str, str] | None = None
    ) -> None:
        self.left: asyncio.Queue[Any] = asyncio.Queue()
        self.sent: list[Any] = []
        scope = asgi_scope("http", path, headers, method="POST")
        self.task = asyncio.create_task(app(scope, self.left.get, self._send))

    async def _send(self, event: Any) -> None:
        self.sent.append(event)
        if event.get("more_body") is False:
            self.leave()

    async def send(self, size: int, *, more: bool = False) -> None:
        """It returns when the app has had its turns with it."""
        event = {"type": "http.request", "body": bytes(size), "more_body": more}
        self.left.put_nowait(event)
        await until(lambda: self.left.empty() or bool(self.sent))
        for _ in range(100):
            await asyncio.sleep(0)

    def leave(self) -> None:
        self.left.put_nowait({"type": "http.disconnect"})

    async def answer(self) -> tuple[int, dict[str, str], bytes]:
        async with asyncio.timeout(SECONDS):
            with suppress(ExceptionGroup):  # 0.23 tells the server of a client gone
                await self.task
        start, *rest = self.sent
        headers = {name.decode(): text.decode() for name, text in start["headers"]}
        return start["status"], headers, b"".join(event["body"] for event in rest)


@pytest.fixture
def patient(monkeypatch: pytest.MonkeyPatch) -> None:
    """What waits for LINGER_SECONDS fails."""
    monkeypatch.setattr(body_limits, "LINGER_SECONDS", 3 * SECONDS)


@pytest.mark.usefixtures("patient")
@pytest.mark.parametrize("limited_first", [True, False])
async def test_the_app_answers_what_is_told_to_be_too_long(limited_first: bool) -> None:
    app = app_of_its_own(limited_first=limited_first)
    client = Sending(app, "/read", LONG)
    await client.send(2_000, more=True)
    await client.send(1_000)
    assert client.sent == []
    app.extensions["ready"].set()
    status, headers, body = await client.answer()
    assert (status, json.loads(body)) == (413, {"error": "too long"})
    assert headers["x-user"] == "ada"


@pytest.mark.usefixtures("patient")
@pytest.mark.parametrize("limited_first", [True, False])
async def test_a_hook_may_read_the_body(limited_first: bool) -> None:
    app = app_of_its_own(limited_first=limited_first)
    app.extensions["ready"].set()
    limit_bodies(app, {"/read": 2_000})
    client = app.test_client()
    length = {"Content-Length": "3005"}  # the test client sends none
    long = await client.post("/read", form={"name": "a" * 3_000}, headers=length)
    assert (long.status_code, await long.get_json()) == (413, {"error": "too long"})
    fits = await client.post("/read", form={"name": "a" * 1_500})
    assert fits.status_code == 200


@pytest.mark.usefixtures("patient")
async def test_what_is_not_read_is_not_refused() -> None:
    app = app_of_its_own()
    app.extensions["ready"].set()
    client = Sending(app, "/unread", LONG)
    await client.send(3_000)
    status, _, body = await client.answer()
    assert (status, body) == (401, b"no")


@pytest.mark.parametrize("headers", [{}, LONG])
async def test_when_the_app_cannot_answer_the_layer_does(
    monkeypatch: pytest.MonkeyPatch, headers: dict[str, str]
) -> None:
    monkeypatch.setattr(body_limits, "LINGER_SECONDS", 0.1)
    app = app_of_its_own()
    problem = Sending(app, "/read", headers)
    await problem.send(3_000)
    assert (await problem.answer())[1]["content-type"] == PROBLEM

    limit_bodies(app, {}).too_large = "application/json", '{"error": "too long"}'
    own = Sending(app, "/read", headers)
    await own.send(3_000)
    status, answered, body = await own.answer()
    assert (status, json.loads(body)) == (413, {"error": "too long"})
    assert answered["content-type"] == "application/json"
    assert answered["content-length"] == str(len(body))


@pytest.mark.usefixtures("patient")
@pytest.mark.parametrize("headers", [{}, LONG])
async def test_an_answer_that_has_begun_comes_whole(headers: dict[str, str]) -> None:
    app = app_of_its_own()
    client = Sending(app, "/stream", headers)
    await client.send(2_000, more=True)
    app.extensions["ready"].set()
    await until(lambda: len(client.sent) > 1)
    await client.send(1_000)
    app.extensions["last"].set()
    status, _, body = await client.answer()
    assert (status, body) == (200, b"first, last")


@pytest.mark.usefixtures("patient")
@pytest.mark.parametrize("ready", [False, True])
async def test_a_client_that_leaves_is_not_waited_for(ready: bool) -> None:
    app = app_of_its_own()
    if ready:
        app.extensions["ready"].set()
    client = Sending(app, "/read", LONG)
    await client.send(2_000, more=True)
    client.leave()
    assert (await client.answer())[0] == 413


@pytest.mark.usefixtures("patient")
async def test_the_connection_stays_open_for_the_next_request() -> None:
    app = app_of_its_own()
    app.extensions["ready"].set()

    def ask(address: str) -> list[Any]:
        connection = http.client.HTTPConnection(address, timeout=SECONDS)
        connection.connect()
        sockets, statuses = [], []
        for size in (3_000_000, 3_000_000, 1_000):
            connection.request("POST", "/read", bytes(size))
            sockets.append(connection.sock)
            response = connection.getresponse()
            response.read()
            statuses.append(response.status)
        connection.close()
        assert len(set(sockets)) == 1
        return statuses

    async with serving(app) as address:
        assert await asyncio.to_thread(ask, address) == [413, 413, 200]


async def test_none_is_no_limit() -> None:
    app = Quart(__name__)
    app.config["MAX_CONTENT_LENGTH"] = None
    limit_bodies(app, {"/small": 1_000})

    @app.post("/<name>")
    async def size(name: str) -> dict[str, int]:
        return {"size": len(await request.get_data())}

    client = app.test_client()
    assert (await client.get("/none/of/these")).status_code == 404
    assert (await client.post("/large", data=bytes(17 * MEGABYTE))).status_code == 200
    assert (await client.post("/small", data=bytes(1_001))).status_code == 413


async def test_a_chunked_body_is_buffered_to_its_end_on_0_23() -> None:
    client_ends, answered = asyncio.Event(), asyncio.Event()
    sent: list[Any] = []

    async def messages() -> AsyncGenerator[Any, None]:
        for _ in range(3):
            body = b"a" * 50_000
            yield {"type": "http.request", "body": body, "more_body": True}
        await client_ends.wait()
        yield {"type": "http.request", "body": b"", "more_body": False}
        await answered.wait()
        yield {"type": "http.disconnect"}

    async def send(message: Any) -> None:
        sent.append(message)

    received = messages()
    scope: Any = {
        "type": "http",
        "http_version": "1.1",
        "method": "POST",
        "scheme": "http",
        "path": "/users",
        "query_string": b"",
        "headers": [(b"content-type", b"application/json")],
    }
    app = app_that_reads()
    app.config["MAX_CONTENT_LENGTH"] = 64 * 1024
    request_ended = asyncio.create_task(app(scope, received.__anext__, send))
    for _ in range(100):
        await asyncio.sleep(0)
    refused_early = bool(sent)
    client_ends.set()
    await until(lambda: bool(sent))
    answered.set()
    async with asyncio.timeout(20):
        await request_ended

    assert sent[0]["status"] == 413
    assert refused_early is not QUART_0_23


def test_the_limit_is_16_mib_unless_set() -> None:
    assert Quart(__name__).config["MAX_CONTENT_LENGTH"] == 16 * MEGABYTE


def app_that_reads(**options: bool) -> Quart:
    app = Quart(__name__)
    app.request_class = JSONRequest

    @app.post("/users")
    async def read() -> dict[str, Any]:
        return {"json": await request.get_json(**options)}

    return app


@pytest.mark.parametrize(
    ("body", "content_type", "options", "answer"),
    [
        (b"[1]", "application/json", {}, [1]),
        (b"[1]", "application/vnd.api+json", {}, [1]),
        (b"[1]", "text/plain", {"force": True}, [1]),
        (b"[1]", "text/plain", {"silent": True}, None),
        (b"[1", "application/json", {"silent": True}, None),
        (b"[NaN]", "application/json", {}, 400),
        (b'"\\ud800"', "application/json", {}, 400),
        (b"[1]", "text/plain", {}, 415),
    ],
)
async def test_get_json_keeps_its_options(
    body: bytes, content_type: str, options: dict[str, bool], answer: object
) -> None:
    app = app_that_reads(**options)
    response = await post(app, body, **{"Content-Type": content_type})

    if isinstance(answer, int):
        assert response.status_code == answer
    else:
        assert await response.get_json() == {"json": answer}


QUARTS_OWN = {
    "invalid UTF-8": 500,
    "UTF-16": 500,
    "nested arrays": 500,
    "NaN": 201,
    "not JSON": 400,
}


@pytest.mark.parametrize(("name", "status"), QUARTS_OWN.items())
async def test_quart_alone_answers_500_or_takes_it(name: str, status: int) -> None:
    app = Quart(__name__)

    @app.post("/users")
    async def read() -> tuple[str, int]:
        await request.get_json()
        return "", 201

    response = await post(app, HOSTILE_BODIES[name][0])
    assert response.status_code == status


async def test_quart_alone_reads_none_from_another_content_type() -> None:
    app = Quart(__name__)

    @app.post("/users")
    async def read() -> dict[str, Any]:
        return {"json": await request.get_json()}

    response = await post(app, ada(), **{"Content-Type": "text/plain"})
    assert await response.get_json() == {"json": None}


async def test_of_two_equal_keys_the_last_wins() -> None:
    body = ada()[:-1] + b', "username": "eve"}'
    response = await post(create_app(), body)

    assert (await response.get_json())["username"] == "eve"


async def test_fields_are_compared_and_models_nested() -> None:
    class Period(BaseModel):
        begins: date
        ends: date

        @model_validator(mode="after")
        def check_order(self) -> "Period":
            if self.ends < self.begins:
                raise ValueError("It ends before it begins.")
            return self

    class Holiday(BaseModel):
        period: Period

    app = create_app()

    @app.post("/holidays")
    @validate_request(Holiday)
    async def plan(data: Holiday) -> dict[str, int]:
        return {"days": (data.period.ends - data.period.begins).days}

    client = app.test_client()
    period = {"begins": "2026-07-01", "ends": "2026-07-08"}
    good = await client.post("/holidays", json={"period": period})
    bad = await client.post(
        "/holidays", json={"period": period | {"ends": "2026-01-01"}}
    )

    assert await good.get_json() == {"days": 7}
    (fault,) = (await bad.get_json())["errors"]
    assert (fault["loc"], fault["msg"]) == (
        ["period"],
        "Value error, It ends before it begins.",
    )


async def test_a_header_is_a_field_with_underscores() -> None:
    class Caller(BaseModel, extra="forbid"):
        x_request_id: UUID

    app = create_app()

    @app.get("/caller")
    @validate_headers(Caller)
    async def caller(headers: Caller) -> dict[str, str]:
        return {"id": str(headers.x_request_id)}

    client = app.test_client()
    good = await client.get("/caller", headers={"X-Request-Id": str(UUID(int=1))})
    bad = await client.get("/caller", headers={"X-Request-Id": "1"})

    assert await good.get_json() == {"id": str(UUID(int=1))}
    assert bad.status_code == 400


async def test_lax_models_convert_and_strict_ones_refuse_json_dates() -> None:
    class Lax(BaseModel):
        age: int

    class Strict(BaseModel, strict=True):
        age: int | None = None
        born: date | None = None
        lax_born: date | None = Field(None, strict=False)

    app = create_app()

    @app.post("/lax")
    @validate_request(Lax)
    async def lax(data: Lax) -> list[Any]:
        return [data.age]

    @app.post("/strict")
    @validate_request(Strict)
    async def strict(data: Strict) -> list[Any]:
        return []

    client = app.test_client()
    converted = await client.post("/lax", json={"age": True})
    statuses = [
        (await client.post("/strict", json=body)).status_code
        for body in ({"age": True}, {"born": "2026-01-01"}, {"lax_born": "2026-01-01"})
    ]

    assert await converted.get_json() == [1]
    assert statuses == [400, 400, 200]


async def test_1e999_is_infinite_unless_the_field_is_finite() -> None:
    class Score(BaseModel):
        points: float
        finite: FiniteFloat = 0

    app = Quart(__name__)
    app.request_class = JSONRequest
    QuartSchema(app, openapi_path=None)

    @app.post("/users")
    @validate_request(Score)
    async def score(data: Score) -> str:
        return str(data.points)

    taken = await post(app, b'{"points": 1e999}')
    refused = await post(app, b'{"points": 1, "finite": 1e999}')

    assert await taken.get_data() == b"inf"
    assert refused.status_code == 400


async def test_path_integers_need_a_maximum() -> None:
    app = Quart(__name__)

    @app.get("/open/<int:user_id>")
    @app.get("/bounded/<int(min=1, max=2147483647):user_id>")
    async def read(user_id: int) -> str:
        return str(user_id)

    client = app.test_client()
    statuses = {
        path: (await client.get(f"/{path}/{2**63}")).status_code
        for path in ("open", "bounded")
    }

    assert statuses == {"open": 200, "bounded": 404}


DOCS = ["/openapi.json", "/docs", "/redocs", "/scalar"]


@pytest.mark.parametrize("made", [create_app, plain.create_app])
async def test_no_docs_are_served(made: Callable[[], Quart]) -> None:
    client = made().test_client()

    assert [(await client.get(path)).status_code for path in DOCS] == [404] * 4


def test_the_openapi_document_is_printed_without_serving_it() -> None:
    printed = create_app().test_cli_runner().invoke(args=["schema"]).output

    document = json.loads(printed)
    document["paths"].pop("/static/{filename}", None)
    assert {path: set(verbs) for path, verbs in document["paths"].items()} == {
        "/users": {"get", "post"},
        "/users/{user_id}": {"patch"},
        "/messages": {"post"},
    }
    form = document["paths"]["/messages"]["post"]["requestBody"]["content"]
    files = form["multipart/form-data"]["schema"]["properties"]["files"]
    assert files["items"] == {"type": "string", "format": "binary"}


async def test_openapi_takes_a_security_scheme_and_a_required_body() -> None:
    class RequiredBody(OpenAPIProvider):
        def build_request_body(self, model: Any, source: Any) -> Any:
            body, components = super().build_request_body(model, source)
            return {**body, "required": True}, components

    found = []
    for provider in (OpenAPIProvider, RequiredBody):
        app = Quart(__name__)
        QuartSchema(
            app,
            openapi_provider_class=provider,
            security_schemes={"bearer": HttpSecurityScheme(scheme="bearer")},
            security=[{"bearer": []}],
        )

        @app.post("/users")
        @validate_request(NewUser)
        async def create_user(data: NewUser) -> str:
            return ""

        document = await (await app.test_client().get("/openapi.json")).get_json()
        body = document["paths"]["/users"]["post"]["requestBody"]
        found.append(body.get("required"))
        assert document["security"] == [{"bearer": []}]
        assert document["components"]["securitySchemes"] == {
            "bearer": {"scheme": "bearer", "type": "http"}
        }

    assert found == [None, True]


async def test_quart_schema_turns_dates_into_iso_8601() -> None:
    found = []
    for schema in (False, True):
        app = Quart(__name__)
        if schema:
            QuartSchema(app, openapi_path=None)

        @app.get("/")
        async def read() -> dict[str, Any]:
            return {"at": datetime(2026, 1, 1, tzinfo=UTC)}

        found.append((await (await app.test_client().get("/")).get_json())["at"])

    assert found == ["Thu, 01 Jan 2026 00:00:00 GMT", "2026-01-01T00:00:00Z"]


@pytest.fixture
def adapters(monkeypatch: pytest.MonkeyPatch) -> list[Any]:
    """The types that quart-schema has built a TypeAdapter for."""
    built: list[Any] = []

    def build(kind: Any) -> TypeAdapter[Any]:
        built.append(kind)
        return TypeAdapter(kind)

    monkeypatch.setattr(quart_schema.conversion, "TypeAdapter", build)
    return built


@pytest.mark.parametrize(
    ("preference", "built"), [(None, [dict, list]), ("msgspec", [])]
)
async def test_a_dict_or_list_builds_an_adapter_each_time(
    adapters: list[Any], preference: Any, built: list[Any]
) -> None:
    app = Quart(__name__)
    QuartSchema(app, openapi_path=None, conversion_preference=preference)
    app.add_url_rule("/dict", "dict", lambda: {"username": "ada"})
    app.add_url_rule("/list", "list", lambda: ["ada"])
    app.add_url_rule("/model", "model", lambda: UserView.model_construct(id=1))
    client = app.test_client()
    for path in ("/dict", "/list", "/model"):
        assert (await client.get(path)).status_code == 200

    assert adapters == built


async def test_a_response_is_checked_when_it_is_a_dict_of_a_declared_status() -> None:
    app = Quart(__name__)
    QuartSchema(app, openapi_path=None)

    @app.get("/<kind>")
    @validate_response(dont._User)
    async def read(kind: str) -> Any:
        wrong = {"id": "not a number"}
        return {
            "dict": wrong,
            "more": {"id": 1, "username": "ada", "password_hash": "secret"},
            "created": (wrong, 201),
            "response": Response("", 200),
            "instance": dont._User.model_construct(**wrong),
        }[kind]

    client = app.test_client()
    statuses = {
        kind: (await client.get(f"/{kind}")).status_code
        for kind in ("dict", "created", "response")
    }
    filtered = await client.get("/more")
    with pytest.warns(UserWarning, match="Pydantic serializer warnings"):
        instance = await client.get("/instance")

    assert statuses == {"dict": 500, "created": 201, "response": 500}
    assert await filtered.get_json() == {"id": 1, "username": "ada"}
    assert await instance.get_json() == {"id": "not a number"}


async def test_the_plain_form_checks_both_ways() -> None:
    client = plain.create_app().test_client()
    created = await client.post("/users", json={"username": "ada"})
    short = await client.post("/users", json={"username": "a"})
    extra = await client.post("/users", json={"username": "ada", "role": "admin"})

    assert (created.status_code, await created.get_json()) == (
        201,
        {"id": 1, "username": "ada"},
    )
    assert (short.status_code, extra.status_code) == (400, 400)


@pytest.mark.parametrize(
    ("body", "headers"),
    [(b"{}", JSON), (b"[1]", JSON), (ada(), {"Content-Type": "text/plain"})],
)
@pytest.mark.parametrize("wrong", [dont.unchecked_body, dont.unpacked_body])
async def test_dont_unchecked_body_is_a_500(
    wrong: Callable[[], Quart], body: bytes, headers: dict[str, str]
) -> None:
    response = await post(wrong(), body, **headers)

    assert response.status_code == 500


@pytest.mark.parametrize("query", ["", "?page=", "?page=two"])
async def test_dont_int_of_argument_is_a_500_for_a_word(query: str) -> None:
    client = dont.int_of_argument().test_client()
    response = await client.get(f"/users{query}")

    assert (await client.get("/users?page=2")).status_code == 200
    assert response.status_code == (500 if "=" in query else 400)


@pytest.mark.parametrize(("query", "page"), [("", 1), ("?page=two", 1), ("?page=2", 2)])
async def test_get_with_a_type_falls_back_to_its_default(query: str, page: int) -> None:
    app = Quart(__name__)

    @app.get("/users")
    async def list_users() -> dict[str, int]:
        return {"page": request.args.get("page", 1, type=int)}

    response = await app.test_client().get(f"/users{query}")
    assert await response.get_json() == {"page": page}


async def test_dont_except_in_the_view_comes_too_late() -> None:
    response = await post(dont.except_in_the_view(), b"{}")

    assert (response.status_code, response.mimetype) == (400, "text/html")


async def test_dont_stdlib_dataclasses_check_next_to_nothing() -> None:
    body = b'{"username": "", "email": "nobody", "is_admin": true}'
    response = await post(dont.stdlib_dataclasses(), body)

    assert response.status_code == 201


async def test_dont_stdlib_dataclasses_build_an_adapter_for_each_request(
    adapters: list[Any],
) -> None:
    app = dont.stdlib_dataclasses()
    for _ in range(2):
        await post(app, ada())

    assert [kind.__name__ for kind in adapters] == ["NewUser", "dict"] * 2


async def test_dont_row_as_response_sends_the_hash() -> None:
    response = await dont.row_as_response().test_client().get("/users/ada")

    assert response.status_code == 200
    assert (await response.get_json())["password_hash"] == "$argon2id$secret"


async def test_dont_checks_above_route_are_documented_and_not_run() -> None:
    app = dont.checks_above_route()
    response = await post(app, b'{"password_hash": "secret"}')
    document = await (await app.test_client().get("/openapi.json")).get_json()

    assert response.status_code == 201
    assert await response.get_json() == {"password_hash": "secret"}
    assert list(document["paths"]["/users"]["post"]["responses"]) == ["201"]


async def test_a_request_check_above_the_route_passes_no_data() -> None:
    app = Quart(__name__)
    QuartSchema(app, openapi_path=None)

    @validate_request(NewUser)
    @app.post("/users")
    async def create_user(data: NewUser) -> str:
        return data.username

    assert (await post(app, ada())).status_code == 500


async def test_dont_renamed_parameter_is_500() -> None:
    response = await post(dont.renamed_parameter(), b'{"username": "ada"}')

    assert response.status_code == 500


async def test_dont_bare_lists_refuse_one_value() -> None:
    client = dont.bare_lists().test_client()
    one = await client.get("/users?username=ada")
    two = await client.get("/users?username=ada&username=eve")
    file = await client.post("/files", files={"files": text_file()})

    assert (one.status_code, two.status_code, file.status_code) == (400, 200, 400)


async def test_one_value_of_a_query_becomes_a_list() -> None:
    class Search(BaseModel):
        username: Annotated[list[str], BeforeValidator(as_list)] = []

    for query in ({"username": "ada"}, {"username": ["ada"]}):
        assert Search.model_validate(query).username == ["ada"]


async def test_dont_limit_in_the_view_comes_too_late() -> None:
    client = dont.limit_in_the_view().test_client()
    response = await client.post("/files", data=b"a" * 5_000)

    assert response.status_code == 413


async def test_dont_titled_schema_is_a_type_error() -> None:
    with pytest.raises(TypeError, match="unexpected keyword argument 'title'"):
        dont.titled_schema()


async def test_dont_public_docs_are_open_and_run_foreign_code() -> None:
    client = dont.public_docs().test_client()
    pages = [await client.get(path) for path in DOCS]
    scripts = [
        re.search(rb'<script src="https://([^/]+)', await page.get_data())
        for page in pages
    ]

    assert [page.status_code for page in pages] == [200] * 4
    assert [script and script[1] for script in scripts] == [
        None,
        b"cdnjs.cloudflare.com",
        b"cdn.jsdelivr.net",
        b"cdn.jsdelivr.net",
    ]
