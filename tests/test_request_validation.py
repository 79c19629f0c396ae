import asyncio
import json
import re
import subprocess
import sys
from dataclasses import dataclass
from datetime import UTC, date, datetime
from io import BytesIO
from pathlib import Path
from typing import Any
from urllib.parse import quote
from uuid import UUID

import pytest
import quart_schema.conversion
from hypothesis import given, settings
from hypothesis import strategies as st
from pydantic import BaseModel, Field, FiniteFloat, TypeAdapter, ValidationError
from quart import Quart, Response, request
from quart.datastructures import FileStorage
from quart_schema import (
    DataSource,
    OpenAPIProvider,
    QuartSchema,
    RequestSchemaValidationError,
    validate_headers,
    validate_request,
    validate_response,
)
from websockets.asyncio.client import connect
from websockets.exceptions import ConnectionClosed

from examples.dont import request_validation as dont
from examples.request_validation import StrictRequest, create_app, problem
from examples.request_validation.models import Avatar, NewUser, User
from tests.support.server import ROOT, hypercorn

JSON = {"Content-Type": "application/json"}
ADA = {
    "username": "ada",
    "email": "ada@example.com",
    "password": "correct horse battery",
}


def ada(**changes: object) -> bytes:
    return json.dumps({**ADA, **changes}).encode()


async def post(app: Quart, body: bytes, **headers: str) -> Response:
    client = app.test_client()
    return await client.post("/users", data=body, headers=headers or JSON)


@pytest.mark.parametrize("body", [b"", b"null", b'{"id": 1}', b'"\xff"', b"[" * 99_999])
async def test_bad_json_is_never_a_500(body: bytes) -> None:
    client = create_app().test_client()
    headers = {"Content-Type": "application/json"}
    response = await client.post("/users", data=body, headers=headers)

    assert response.status_code == 400
    assert response.mimetype == "application/problem+json"


async def test_a_valid_user_is_created() -> None:
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
    "nested arrays": (b"[" * 100_000, 400),
    "nested objects": (b'{"a":' * 40_000, 400),
    "NaN": (ada(bio=float("nan")), 400),
    "infinity": (ada(bio=float("inf")), 400),
    "5,000 digits": (b"9" * 5_000, 400),
    "no fields": (b"{}", 400),
    "an extra field": (ada(is_admin=True), 400),
    "the id": (ada(id=7), 400),
    "15,000 extra fields": (
        json.dumps({f"field{n}": 1 for n in range(15_000)}).encode(),
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
    "more than MAX_CONTENT_LENGTH": (ada(bio="a" * 300_000), 413),
}


@pytest.mark.parametrize(
    ("body", "status"), HOSTILE_BODIES.values(), ids=HOSTILE_BODIES
)
async def test_a_hostile_body_gets_a_problem(body: bytes, status: int) -> None:
    response = await post(create_app(), body)

    answer = await response.get_json()
    assert response.status_code == status
    assert response.content_type == "application/problem+json"
    assert answer["status"] == status
    assert len(answer["errors"]) <= 20


JSON_VALUES = st.recursive(
    st.none() | st.booleans() | st.integers() | st.floats() | st.text(),
    lambda inner: (
        st.lists(inner, max_size=3)
        | st.dictionaries(st.sampled_from([*ADA, "bio"]) | st.text(), inner, max_size=4)
    ),
    max_leaves=5,
)


@settings(max_examples=80, deadline=None, database=None, derandomize=True)
@given(body=st.binary() | JSON_VALUES.map(json.dumps).map(str.encode))
async def test_no_body_is_a_500(body: bytes) -> None:
    response = await post(create_app(), body)

    assert response.status_code == 400


@settings(max_examples=80, deadline=None, database=None, derandomize=True)
@given(query=st.binary() | st.from_regex(rb"(username|limit)(\[\])?=.{0,9}"))
async def test_no_query_is_a_500(query: bytes) -> None:
    response = await create_app().test_client().get("/users?" + quote(query, safe="=&"))

    assert response.status_code in (200, 400)


@pytest.mark.parametrize(
    "content_type", ["text/plain", "application/x-www-form-urlencoded", "nonsense", ""]
)
async def test_json_under_another_content_type_is_415(content_type: str) -> None:
    response = await post(create_app(), ada(), **{"Content-Type": content_type})

    assert response.status_code == 415
    assert response.content_type == "application/problem+json"


HOSTILE_REQUESTS = {
    "a repeated number": ("GET", "/users?limit=1&limit=2", {}, 400),
    "too small a number": ("GET", "/users?limit=0", {}, 400),
    "a huge number": ("GET", "/users?limit=" + "9" * 400, {}, 400),
    "5,000 digits": ("GET", "/users?limit=" + "9" * 5_000, {}, 400),
    "an unknown parameter": ("GET", "/users?admin=1", {}, 400),
    "NUL in the query": ("GET", "/users?username=a%00b", {}, 400),
    "bad UTF-8 in the query": ("GET", "/users?username=%ff%fe", {}, 400),
    "a surrogate in the query": ("GET", "/users?%ed%a0%80=1", {}, 400),
    "21 values": ("GET", "/users?" + "username=ada&" * 21, {}, 400),
    "a bad header": ("GET", "/users", {"X-Request-Id": "1"}, 400),
    "a header that is not ASCII": ("GET", "/users", {"X-Request-Id": "\xff"}, 400),
    "NUL in the path": ("PUT", "/users/%00/avatar", {}, 400),
    "an unknown path": ("GET", "/users/ada", {}, 404),
    "a wrong method": ("DELETE", "/users", {}, 405),
    "no boundary": (
        "PUT",
        "/users/ada/avatar",
        {"Content-Type": "multipart/form-data"},
        400,
    ),
    "a boundary that is not ASCII": (
        "PUT",
        "/users/ada/avatar",
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
    assert response.content_type == "application/problem+json"
    assert (await response.get_json())["status"] == status


async def test_a_refusal_names_each_fault_and_repeats_no_value() -> None:
    response = await post(
        create_app(), ada(username="Ada!", password="hunter2", is_admin="hunter2")
    )

    text = await response.get_data(as_text=True)
    assert "hunter2" not in text
    assert json.loads(text) == {
        "type": "about:blank",
        "title": "Bad Request",
        "status": 400,
        "detail": "The browser (or proxy) sent a request that this server could not"
        " understand.",
        "errors": [
            {
                "type": "string_pattern_mismatch",
                "loc": ["username"],
                "msg": "String should match pattern '^[a-z0-9_]{3,30}$'",
            },
            {
                "type": "too_short",
                "loc": ["password"],
                "msg": "Value should have at least 12 items after validation, not 7",
            },
            {
                "type": "extra_forbidden",
                "loc": ["is_admin"],
                "msg": "Extra inputs are not permitted",
            },
        ],
    }


async def test_an_http_error_keeps_its_headers() -> None:
    response = await create_app().test_client().delete("/users")

    assert set(response.allow) == {"GET", "HEAD", "OPTIONS", "POST"}


async def test_an_unexpected_error_is_a_problem_without_its_text() -> None:
    app = create_app()

    @app.get("/broken")
    async def broken() -> str:
        raise RuntimeError("postgresql://ada:hunter2@db")

    response = await app.test_client().get("/broken")

    assert response.status_code == 500
    assert response.content_type == "application/problem+json"
    assert b"hunter2" not in await response.get_data()


async def test_twenty_equal_users_make_one() -> None:
    app = create_app()
    answers = await asyncio.gather(*(post(app, ada()) for _ in range(20)))

    assert sorted(answer.status_code for answer in answers) == [201] + [409] * 19


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


def test_the_password_is_not_in_the_repr() -> None:
    assert ADA["password"] not in repr(NewUser.model_validate(ADA))


@pytest.mark.parametrize(
    ("query", "names"),
    [
        ("", ["ada", "grace"]),
        ("?limit=1", ["ada"]),
        ("?username=grace", ["grace"]),
        ("?username[]=grace", ["grace"]),
        ("?username=grace&username=nobody&username=ada", ["grace", "ada"]),
    ],
)
async def test_the_query_takes_none_one_or_many(query: str, names: list[str]) -> None:
    client = create_app().test_client()
    for username in ("ada", "grace"):
        await client.post("/users", json=ADA | {"username": username})
    headers = {"X-Request-Id": "0b5d1c3e-7c1f-4f0e-9d43-6a8f6e5b1c2d"}
    response = await client.get(f"/users{query}", headers=headers)

    users = (await response.get_json())["users"]
    assert [user["username"] for user in users] == names


async def test_dont_bare_list_in_query_refuses_one_value() -> None:
    client = dont.bare_list_in_query().test_client()
    one = await client.get("/users?username=ada")
    two = await client.get("/users?username=ada&username=eve")

    assert (one.status_code, two.status_code) == (400, 200)


def image() -> FileStorage:
    return FileStorage(BytesIO(b"\x89PNG"), filename="../../ada.png")


async def test_an_upload_is_taken_with_its_text() -> None:
    client = create_app().test_client()
    await client.post("/users", json=ADA)
    path = "/users/ada/avatar"
    taken = await client.put(path, form={"alt": "Ada"}, files={"image": image()})
    nobody = await client.put(
        "/users/eve/avatar", form={"alt": "Eve"}, files={"image": image()}
    )

    assert await taken.get_json() == {"alt": "Ada", "bytes": 4}
    assert nobody.status_code == 404


@pytest.mark.parametrize(
    ("form", "files", "places"),
    [
        ({"alt": "Ada", "image": "text"}, {}, [["image"]]),
        ({"alt": "Ada"}, {}, [["image"]]),
        ({"alt": "a\0b"}, {"image": image()}, [["alt"]]),
        ({}, {"image": image(), "alt": image()}, [["alt"]]),
        ({"alt": "Ada", "owner": "eve"}, {"image": image()}, [["owner"]]),
    ],
)
async def test_a_bad_upload_is_refused(
    form: dict[str, str], files: dict[str, FileStorage], places: list[list[str]]
) -> None:
    client = create_app().test_client()
    response = await client.put("/users/ada/avatar", form=form, files=files)

    assert response.status_code == 400
    answer = await response.get_json()
    assert [error["loc"] for error in answer["errors"]] == places


async def test_a_quiet_get_json_is_none_and_a_forced_one_parses() -> None:
    app = Quart(__name__)
    app.request_class = StrictRequest

    @app.post("/users")
    async def read() -> dict[str, Any]:
        quiet = await request.get_json(silent=True)
        return {"quiet": quiet, "forced": await request.get_json(force=True)}

    text = await post(app, b"[1]", **{"Content-Type": "text/plain"})
    broken = [await post(app, body) for body in (b"[1", b"[NaN]", b'"\\ud800"')]
    right = await post(app, b"[1]")

    assert await text.get_json() == {"quiet": None, "forced": [1]}
    assert [response.status_code for response in broken] == [400, 400, 400]
    assert await right.get_json() == {"quiet": [1], "forced": [1]}


async def test_a_quiet_get_json_of_broken_json_is_none() -> None:
    app = Quart(__name__)
    app.request_class = StrictRequest

    @app.post("/users")
    async def read() -> dict[str, Any]:
        return {"quiet": await request.get_json(silent=True)}

    assert await (await post(app, b"[1")).get_json() == {"quiet": None}


@pytest.mark.parametrize("name", ["invalid UTF-8", "UTF-16", "nested arrays"])
async def test_dont_plain_request_fails_on_bad_json(name: str) -> None:
    response = await post(dont.plain_request(), HOSTILE_BODIES[name][0])

    assert response.status_code == 500


async def test_plain_json_under_another_content_type_is_none() -> None:
    app = Quart(__name__)

    @app.post("/users")
    async def read() -> dict[str, Any]:
        return {"json": await request.get_json()}

    response = await post(app, ada(), **{"Content-Type": "text/plain"})

    assert await response.get_json() == {"json": None}


async def test_dont_plain_request_calls_a_wrong_content_type_400() -> None:
    response = await post(dont.plain_request(), ada(), **{"Content-Type": "text/plain"})

    assert response.status_code == 400
    assert response.mimetype == "text/html"


async def test_of_two_equal_keys_the_last_wins() -> None:
    body = ada()[:-1] + b', "username": "eve"}'
    response = await post(create_app(), body)

    assert (await response.get_json())["username"] == "eve"
    assert json.loads(body)["username"] == "eve"


async def test_1e999_is_infinite_unless_the_field_is_finite() -> None:
    class Score(BaseModel):
        points: float
        finite: FiniteFloat = 0

    app = Quart(__name__)
    app.request_class = StrictRequest
    QuartSchema(app, openapi_path=None)

    @app.post("/users")
    @validate_request(Score)
    async def score(data: Score) -> str:
        return str(data.points)

    taken = await post(app, b'{"points": 1e999}')
    refused = await post(app, b'{"points": 1, "finite": 1e999}')

    assert await taken.get_data() == b"inf"
    assert refused.status_code == 400


async def test_lax_models_convert_and_strict_ones_refuse_json_dates() -> None:
    class Lax(BaseModel):
        age: int
        news: bool

    class Strict(BaseModel, strict=True):
        age: int | None = None
        born: date | None = None
        token: UUID | None = None
        lax_born: date | None = Field(None, strict=False)

    app = Quart(__name__)
    QuartSchema(app, openapi_path=None)

    @app.post("/lax")
    @validate_request(Lax)
    async def lax(data: Lax) -> list[Any]:
        return [data.age, data.news]

    @app.post("/strict")
    @validate_request(Strict)
    async def strict(data: Strict) -> list[Any]:
        return [str(data.lax_born)]

    client = app.test_client()
    converted = await client.post("/lax", json={"age": True, "news": "yes"})
    statuses = [
        (await client.post("/strict", json=body)).status_code
        for body in (
            {"age": "7"},
            {"age": True},
            {"born": "2026-01-01"},
            {"token": str(UUID(int=1))},
            {"lax_born": "2026-01-01"},
        )
    ]

    assert await converted.get_json() == [1, True]
    assert statuses == [400, 400, 400, 400, 200]
    assert Strict.model_validate_json('{"born": "2026-01-01"}').born


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


async def test_urlencoded_forms_are_the_source_form() -> None:
    class Invitation(BaseModel, extra="forbid"):
        username: str

    app = Quart(__name__)
    QuartSchema(app, openapi_path=None)

    @app.post("/users")
    @validate_request(Invitation, source=DataSource.FORM)
    async def invite(data: Invitation) -> str:
        return data.username

    client = app.test_client()
    form = await client.post("/users", form={"username": "ada"})
    wrong = await client.post("/users", json={"username": "ada"})

    assert await form.get_data() == b"ada"
    assert wrong.status_code == 400


async def test_a_missing_header_of_a_dataclass_is_a_type_error() -> None:
    @dataclass
    class Trace:
        x_request_id: str

    app = Quart(__name__)
    QuartSchema(app, openapi_path=None)
    seen: list[Exception] = []

    @app.errorhandler(RequestSchemaValidationError)
    async def invalid(error: RequestSchemaValidationError) -> Any:
        seen.append(error.validation_error)
        return await problem(error)

    @app.get("/users")
    @validate_headers(Trace)
    async def list_users(headers: Trace) -> str:
        return headers.x_request_id

    response = await app.test_client().get("/users")

    assert [type(error) for error in seen] == [TypeError]
    assert (await response.get_json())["errors"] == []


async def test_dont_pydantic_handler_is_never_called() -> None:
    response = await post(dont.pydantic_handler(), b"{}")

    assert response.status_code == 400
    assert response.mimetype == "text/html"


async def test_dont_echoing_handler_sends_the_password_back() -> None:
    body = json.dumps({"username": "ada", "password": ADA["password"]}).encode()
    response = await post(dont.echoing_handler(), body)

    answer = await response.get_json()
    assert answer["errors"][0]["input"]["password"] == ADA["password"]


async def test_dont_echoing_handler_fails_on_an_own_value_error() -> None:
    app = dont.echoing_handler()

    @app.put("/avatar")
    @validate_request(Avatar, source=DataSource.FORM_MULTIPART)
    async def put_avatar(data: Avatar) -> str:
        return data.alt

    form = {"alt": "Ada", "image": "no file"}
    response = await app.test_client().put("/avatar", form=form)

    assert response.status_code == 500


async def test_dont_titled_schema_is_a_type_error() -> None:
    with pytest.raises(TypeError, match="unexpected keyword argument 'title'"):
        dont.titled_schema()


DOCS = ["/openapi.json", "/docs", "/redocs", "/scalar"]


async def test_no_docs_are_served() -> None:
    client = create_app().test_client()

    assert [(await client.get(path)).status_code for path in DOCS] == [404] * 4


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


def test_the_openapi_document_is_written_without_serving_it(tmp_path: Path) -> None:
    target = tmp_path / "openapi.json"
    app = "examples.request_validation:create_app()"
    command = [sys.executable, "-m", "quart", "--app", app, "schema", "-o", str(target)]
    subprocess.run(command, cwd=ROOT, check=True, timeout=30)

    document = json.loads(target.read_text())
    assert document["info"] == {"title": "Users", "version": "1.0.0"}
    assert {path: set(verbs) for path, verbs in document["paths"].items()} == {
        "/users": {"get", "post"},
        "/users/{username}/avatar": {"put"},
    }


async def test_openapi_calls_no_body_required_unless_the_provider_does() -> None:
    class RequiredBody(OpenAPIProvider):
        def build_request_body(self, model: Any, source: DataSource) -> Any:
            body, components = super().build_request_body(model, source)
            return {**body, "required": True}, components

    found = []
    for provider in (OpenAPIProvider, RequiredBody):
        app = Quart(__name__)
        QuartSchema(app, openapi_provider_class=provider)

        @app.post("/users")
        @validate_request(NewUser)
        async def create_user(data: NewUser) -> str:
            return ""

        document = await (await app.test_client().get("/openapi.json")).get_json()
        body = document["paths"]["/users"]["post"]["requestBody"]
        found.append(body.get("required"))

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


async def test_a_provider_set_after_quart_schema_stays() -> None:
    app = dont.provider_before_schema()
    app.json.sort_keys = False
    response = await app.test_client().get("/users/ada")

    assert list(await response.get_json()) == ["username", "email"]


async def test_dont_provider_before_schema_is_replaced() -> None:
    response = await dont.provider_before_schema().test_client().get("/users/ada")

    assert list(await response.get_json()) == ["email", "username"]


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
    app.add_url_rule("/model", "model", lambda: User.model_construct(id=1))
    client = app.test_client()
    for path in ("/dict", "/list", "/model"):
        assert (await client.get(path)).status_code == 200

    assert adapters == built


async def test_preferring_msgspec_without_it_breaks_dates_and_dataclasses() -> None:
    @dataclass
    class Login:
        username: str

    app = Quart(__name__)
    QuartSchema(app, openapi_path=None, conversion_preference="msgspec")

    @app.get("/")
    async def read() -> dict[str, Any]:
        return {"at": datetime(2026, 1, 1, tzinfo=UTC)}

    @app.post("/users")
    @validate_request(Login)
    async def log_in(data: Login) -> str:
        return data.username

    client = app.test_client()

    assert (await client.get("/")).status_code == 500
    assert (await client.post("/users", json={"username": "ada"})).status_code == 400


async def test_a_response_is_checked_when_it_is_a_dict_of_a_declared_status() -> None:
    app = Quart(__name__)
    QuartSchema(app, openapi_path=None)

    @app.get("/<kind>")
    @validate_response(User)
    async def read(kind: str) -> Any:
        wrong = {"id": "not a number"}
        return {
            "dict": wrong,
            "created": (wrong, 201),
            "response": Response("", 200),
            "instance": User.model_construct(**wrong),
        }[kind]

    client = app.test_client()
    statuses = {
        kind: (await client.get(f"/{kind}")).status_code
        for kind in ("dict", "created", "response")
    }
    with pytest.warns(UserWarning, match="Pydantic serializer warnings"):
        instance = await client.get("/instance")

    assert statuses == {"dict": 500, "created": 201, "response": 500}
    assert await instance.get_json() == {"id": "not a number", "bio": None}


async def test_a_pydantic_answer_checks_itself() -> None:
    with pytest.raises(ValidationError):
        User.model_validate({"id": "not a number"})


async def test_dont_row_as_response_sends_the_hash() -> None:
    row = {
        "id": 1,
        "username": "ada",
        "email": "ada@example.com",
        "created_at": datetime(2026, 1, 1, tzinfo=UTC),
        "password_hash": "$argon2id$secret",
    }
    response = await dont.row_as_response(row).test_client().get("/users/ada")

    assert response.status_code == 200
    assert (await response.get_json())["password_hash"] == "$argon2id$secret"


async def test_dont_stdlib_dataclasses_check_next_to_nothing() -> None:
    body = b'{"username": "", "email": "nobody", "is_admin": true}'
    with pytest.warns(UserWarning, match="Pydantic serializer warnings"):
        response = await post(dont.stdlib_dataclasses(), body)

    assert response.status_code == 201
    assert await response.get_json() == {"id": "not a number", "username": ""}


async def test_dont_stdlib_dataclasses_build_an_adapter_for_each_request(
    adapters: list[Any],
) -> None:
    app = dont.stdlib_dataclasses()
    for _ in range(2):
        with pytest.warns(UserWarning, match="Pydantic serializer warnings"):
            await post(app, ada())

    assert [kind.__name__ for kind in adapters] == ["NewUser", "User"] * 2


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
    assert (await post(dont.renamed_parameter(), ada())).status_code == 500


BAD_FRAMES = ["{username", "[" * 100_000, b"", b"\xff", '{"id": 1}', "null"]


async def test_a_bad_frame_gets_an_answer_and_the_socket_stays_open() -> None:
    async with (
        hypercorn("examples.request_validation:create_app()") as server,
        asyncio.timeout(10),
        connect(server.ws_url("/usernames")) as client,
    ):
        for frame in BAD_FRAMES:
            await client.send(frame)
            assert list(json.loads(await client.recv())) == ["errors"]
        await client.send('{"username": "ada"}')
        assert json.loads(await client.recv()) == {"free": True}


async def test_a_taken_username_is_not_free() -> None:
    client = create_app().test_client()
    await client.post("/users", json=ADA)
    async with client.websocket("/usernames") as socket, asyncio.timeout(5):
        await socket.send('{"username": "ada"}')
        assert await socket.receive_json() == {"free": False}
        await socket.send('{"username": "Ada!"}')
        assert await socket.receive_json() == {
            "errors": [
                {
                    "type": "string_pattern_mismatch",
                    "loc": ["username"],
                    "msg": "String should match pattern '^[a-z0-9_]{3,30}$'",
                }
            ]
        }


async def test_dont_receive_as_alone_ends_the_socket_as_if_all_were_well() -> None:
    codes = []
    target = f"{dont.__name__}:{dont.receive_as_alone.__name__}()"
    async with hypercorn(target) as server, asyncio.timeout(10):
        for frame in BAD_FRAMES:
            async with connect(server.ws_url("/usernames")) as client:
                await client.send(frame)
                try:
                    codes.append(await client.recv())
                except ConnectionClosed as closed:
                    codes.append(closed.rcvd.code)
        await server.stop()

    assert codes == [1000, 1000, 1000, 1000, '{"errors": []}', '{"errors": []}']
    assert re.findall(r"^(?:\w+\.)*(\w+Error)", server.log, re.MULTILINE) == [
        "JSONDecodeError",
        "RecursionError",
        "TypeError",
        "UnicodeDecodeError",
    ]
