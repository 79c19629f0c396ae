import asyncio
import json
import logging
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from typing import Any

import httpx2
import pytest
from pydantic import BaseModel, Field, field_validator
from quart import Blueprint, Quart, Response, abort, redirect
from quart.signals import got_request_exception
from quart.testing import WebsocketResponseError
from quart_schema import QuartSchema, validate_headers, validate_request
from werkzeug.exceptions import (
    HTTPException,
    NotFound,
    ServiceUnavailable,
    TooManyRequests,
    Unauthorized,
)

from examples.database_errors import DatabaseUnavailable
from examples.dont import error_handling as dont
from examples.error_handling import (
    UserNotFound,
    answer_problem,
    create_app,
    register_error_handlers,
)
from examples.plain import error_handling as plain
from tests.support.logs import logging_as_before
from tests.support.serving import serving
from tests.support.versions import QUART_0_23

SECRET = "postgresql://app:hunter2@db/users is down"
PROBLEM = "application/problem+json"
ADA = {"username": "ada", "password": "correct-horse"}


@pytest.fixture(autouse=True)
def _logging() -> Iterator[None]:
    with logging_as_before():
        logging.getLogger().setLevel("WARNING")
        yield


class Order(BaseModel, extra="forbid"):
    skus: list[str] = Field(min_length=1)
    note: str | None = None

    @field_validator("skus")
    @classmethod
    def refuse_duplicates(cls, skus: list[str]) -> list[str]:
        if len(set(skus)) < len(skus):
            raise ValueError("Each product once.")
        return skus


def shop() -> Quart:
    """An app that can go wrong in every way."""
    app = Quart(__name__)
    QuartSchema(app, openapi_path=None)
    register_error_handlers(app)

    @app.post("/orders")
    @validate_request(Order)
    async def order(data: Order) -> dict[str, list[str]]:
        return {"skus": data.skus}

    @app.get("/crash")
    async def crash() -> None:
        raise RuntimeError(SECRET)

    @app.get("/busy")
    async def busy() -> None:
        try:
            raise ConnectionRefusedError(SECRET)
        except OSError as error:
            raise ServiceUnavailable("Come back later.", retry_after=30) from error

    @app.get("/abort/<int:code>")
    async def abort_with(code: int) -> None:
        abort(code)

    @app.get("/teapot")
    async def teapot() -> None:
        abort(Response("short and stout", 418))

    @app.get("/elsewhere")
    async def elsewhere() -> None:
        abort(redirect("/orders"))

    @app.websocket("/prices")
    async def prices() -> None:
        raise Unauthorized("Send a token.")

    return app


async def problem(response: Any) -> Any:
    """The body; each answer must be a problem whose status is that of the answer."""
    assert response.content_type == PROBLEM
    body = await response.get_json()
    assert body["status"] == response.status_code
    return body


async def test_an_own_error_is_a_problem() -> None:
    response = await create_app().test_client().get("/users/0")

    assert await problem(response) == {
        "type": "about:blank",
        "title": "Not Found",
        "status": 404,
        "detail": "There is no such user.",
    }


async def test_an_error_that_knows_no_http_has_a_handler_of_its_own() -> None:
    client = create_app().test_client()
    created = await client.put("/usernames/grace")
    taken = await client.put("/usernames/grace")
    shown = await client.get("/users/2")

    assert (created.status_code, await shown.get_json()) == (201, {"username": "grace"})
    body = await problem(taken)
    assert (body["status"], body["detail"]) == (409, "This username is taken.")


@pytest.mark.parametrize(
    ("method", "path", "status", "title"),
    [
        ("GET", "/nothing", 404, "Not Found"),
        ("GET", "/orders", 405, "Method Not Allowed"),
        ("GET", "/abort/415", 415, "Unsupported Media Type"),
        ("GET", "/crash", 500, "Internal Server Error"),
        ("GET", "/abort/500", 500, "Internal Server Error"),
        ("GET", "/busy", 503, "Service Unavailable"),
    ],
)
async def test_every_error_has_one_shape_and_its_own_status(
    method: str, path: str, status: int, title: str
) -> None:
    body = await problem(await shop().test_client().open(path, method=method))

    assert body.pop("detail")
    assert body == {"type": "about:blank", "title": title, "status": status}


async def test_the_headers_of_an_error_stay() -> None:
    client = shop().test_client()

    assert set((await client.get("/orders")).allow) == {"OPTIONS", "POST"}
    assert (await client.get("/busy")).headers["Retry-After"] == "30"


async def test_what_is_no_error_is_left_alone() -> None:
    client = shop().test_client()
    teapot = await client.get("/teapot")
    elsewhere = await client.get("/elsewhere")

    assert (teapot.status_code, await teapot.get_data()) == (418, b"short and stout")
    assert (elsewhere.status_code, elsewhere.location) == (302, "/orders")


async def test_an_invalid_request_is_told_where_and_never_repeated() -> None:
    order = {"skus": [7], "password": "hunter2"}
    response = await shop().test_client().post("/orders", json=order)

    body = await problem(response)
    assert (body["status"], body["detail"]) == (400, "The request is not valid.")
    assert body["errors"] == [
        {
            "type": "string_type",
            "loc": ["skus", 0],
            "msg": "Input should be a valid string",
        },
        {
            "type": "extra_forbidden",
            "loc": ["password"],
            "msg": "Extra inputs are not permitted",
        },
    ]
    assert b"hunter2" not in await response.get_data()


async def test_a_validator_of_your_own_is_told_too() -> None:
    response = await shop().test_client().post("/orders", json={"skus": ["a", "a"]})

    (fault,) = (await problem(response))["errors"]
    assert fault["msg"] == "Value error, Each product once."


async def test_the_list_of_faults_is_bounded() -> None:
    order = {"skus": ["tea"]} | {f"extra{number}": 1 for number in range(1000)}
    response = await shop().test_client().post("/orders", json=order)

    assert len((await problem(response))["errors"]) == 20


async def test_missing_headers_of_a_dataclass_are_a_400_without_faults() -> None:
    @dataclass
    class Wanted:
        x_tenant: str

    app = shop()

    @app.get("/tenant")
    @validate_headers(Wanted)
    async def tenant(headers: Wanted) -> dict[str, str]:
        return {"tenant": headers.x_tenant}

    client = app.test_client()
    good = await client.get("/tenant", headers={"X-Tenant": "ada"})
    bad = await problem(await client.get("/tenant"))

    assert await good.get_json() == {"tenant": "ada"}
    assert (bad["status"], bad["errors"]) == (400, [])


@pytest.mark.parametrize("setting", ["ENV", "TESTING", "DEBUG"])
async def test_a_crash_leaks_nothing_and_is_logged_once(
    setting: str, caplog: pytest.LogCaptureFixture
) -> None:
    app = shop()
    app.config[setting] = True
    response = await app.test_client().get("/crash")

    assert (await problem(response))["status"] == 500
    assert b"hunter2" not in await response.get_data()
    assert caplog.messages == ["Exception on request GET /crash"]
    assert SECRET in caplog.text


async def test_a_crash_reaches_a_test_through_a_signal() -> None:
    app = shop()
    seen = []

    async def keep(sender: Quart, exception: Exception) -> None:
        seen.append(exception)

    with got_request_exception.connected_to(keep, app):
        await app.test_client().get("/crash")

    assert [str(error) for error in seen] == [SECRET]


async def test_a_5xx_of_your_own_is_logged_with_its_cause(
    caplog: pytest.LogCaptureFixture,
) -> None:
    client = shop().test_client()
    busy = await client.get("/busy")
    await client.get("/abort/500")

    assert b"hunter2" not in await busy.get_data()
    assert [message.partition(":")[0] for message in caplog.messages] == [
        "503 Service Unavailable",
        "500 Internal Server Error",
    ]
    assert SECRET in caplog.text


async def test_a_database_that_is_away_is_logged_twice(
    caplog: pytest.LogCaptureFixture,
) -> None:
    app = shop()

    @app.get("/away")
    async def away() -> None:
        try:
            raise ConnectionRefusedError(SECRET)
        except OSError as error:
            raise DatabaseUnavailable(error) from error

    assert (await app.test_client().get("/away")).status_code == 503
    logged = [(record.levelname, bool(record.exc_info)) for record in caplog.records]
    assert logged == [("WARNING", False), ("ERROR", True)]


async def test_an_error_of_the_client_is_not_logged(
    caplog: pytest.LogCaptureFixture,
) -> None:
    client = shop().test_client()
    await client.get("/nothing")
    await client.post("/orders", json={})

    assert caplog.messages == []


def app_with_a_group(*errors: Exception) -> Quart:
    app = shop()

    async def fail(error: Exception, waiting: asyncio.Barrier) -> None:
        await waiting.wait()
        raise error

    async def fail_all() -> None:
        waiting = asyncio.Barrier(len(errors))
        async with asyncio.TaskGroup() as group:
            for error in errors:
                group.create_task(fail(error, waiting))

    @app.get("/group")
    async def flat() -> None:
        await fail_all()

    @app.get("/nested")
    async def nested() -> None:
        async with asyncio.TaskGroup() as group:
            group.create_task(fail_all())

    return app


@pytest.mark.parametrize("path", ["/group", "/nested"])
async def test_an_http_error_in_a_task_group_keeps_its_status_and_headers(
    path: str,
) -> None:
    errors = [TooManyRequests(retry_after=7), TooManyRequests(retry_after=7)]
    app = app_with_a_group(*errors)
    response = await app.test_client().get(path)

    assert (await problem(response))["status"] == 429
    assert response.headers["Retry-After"] == "7"


@pytest.mark.parametrize("path", ["/group", "/nested"])
async def test_a_bug_beside_it_is_a_500(
    path: str, caplog: pytest.LogCaptureFixture
) -> None:
    app = app_with_a_group(UserNotFound(), RuntimeError(SECRET))
    response = await app.test_client().get(path)

    assert (await problem(response))["status"] == 500
    assert caplog.messages == [f"Exception on request GET {path}"]
    assert SECRET in caplog.text


async def test_a_refused_handshake_is_the_same_problem() -> None:
    for path, status in (("/prices", 401), ("/nothing", 404)):
        with pytest.raises(WebsocketResponseError) as caught:
            async with shop().test_client().websocket(path) as connection:
                await asyncio.wait_for(connection.receive(), 20)
        response = caught.value.response
        assert (response.status_code, response.content_type) == (status, PROBLEM)
        assert json.loads(await response.get_data())["status"] == status


async def test_an_error_that_a_handler_of_its_own_takes_is_not_logged(
    caplog: pytest.LogCaptureFixture,
) -> None:
    app = shop()

    @app.errorhandler(Exception)
    async def everything_else(error: Exception) -> tuple[str, int]:
        return "crashed", 500

    client = app.test_client()
    crash = await client.get("/crash")

    assert (await client.get("/nothing")).status_code == 404
    assert await crash.get_data() == b"crashed"
    assert caplog.messages == []


async def test_a_handler_of_a_code_or_of_a_closer_class_comes_first() -> None:
    app = shop()

    @app.errorhandler(404)
    async def not_found(error: NotFound) -> tuple[str, int]:
        return "missing", 404

    @app.errorhandler(ServiceUnavailable)
    async def busy(error: ServiceUnavailable) -> tuple[str, int]:
        return "busy", 503

    client = app.test_client()
    bodies = [await (await client.get(path)).get_data() for path in ("/x", "/busy")]
    assert bodies == [b"missing", b"busy"]


async def test_a_blueprint_answers_for_its_views_but_not_for_unknown_paths() -> None:
    app = Quart(__name__)
    api = Blueprint("api", __name__, url_prefix="/api")
    api.register_error_handler(HTTPException, answer_problem)

    @api.get("/users/<int:user_id>")
    async def show_user(user_id: int) -> None:
        raise UserNotFound

    app.register_blueprint(api)
    client = app.test_client()
    types = {
        path: (await client.get(path)).mimetype
        for path in ("/api/users/0", "/api/nothing", "/nothing")
    }
    assert types == {
        "/api/users/0": PROBLEM,
        "/api/nothing": "text/html",
        "/nothing": "text/html",
    }


async def test_an_error_in_a_teardown_replaces_the_answer_by_an_empty_500() -> None:
    app = shop()

    @app.teardown_request
    async def close(error: BaseException | None) -> None:
        raise OSError("the session does not close")

    async with (
        serving(app, loglevel="CRITICAL") as address,
        asyncio.timeout(20),
        httpx2.AsyncClient() as client,
    ):
        body = {"skus": ["tea"]}
        response = await client.post(f"http://{address}/orders", json=body)
    assert (response.status_code, response.content) == (500, b"")

    with pytest.raises(ExceptionGroup if QUART_0_23 else OSError):
        await app.test_client().post("/orders", json=body)


async def test_an_error_in_after_request_is_a_500_and_logged() -> None:
    app = shop()

    @app.after_request
    async def stamp(response: Response) -> Response:
        raise KeyError("stamp")

    response = await app.test_client().post("/orders", json={"skus": ["tea"]})
    assert (await problem(response))["status"] == 500


async def test_an_app_can_keep_another_status_for_invalid_requests() -> None:
    """The contract of an app that promises 422."""
    app = shop()

    @app.errorhandler(400)
    async def unprocessable(error: HTTPException) -> Any:
        response = await answer_problem(error)
        response.status_code = 422 if hasattr(error, "validation_error") else 400
        return response

    client = app.test_client()
    assert (await client.post("/orders", json={})).status_code == 422
    assert (await client.get("/abort/400")).status_code == 400


async def test_plain_errors_are_json_with_their_own_status_and_headers(
    caplog: pytest.LogCaptureFixture,
) -> None:
    app = plain.create_app()

    @app.post("/crash")
    async def crash() -> None:
        raise RuntimeError(SECRET)

    client = app.test_client()
    missing, wrong, crashed = (
        await client.get("/nothing"),
        await client.get("/crash"),
        await client.post("/crash"),
    )
    assert (await problem(missing))["title"] == "Not Found"
    assert (await problem(wrong))["title"] == "Method Not Allowed"
    assert set(wrong.allow) == {"OPTIONS", "POST"}
    assert (await problem(crashed))["title"] == "Internal Server Error"
    assert b"hunter2" not in await crashed.get_data()
    assert caplog.messages == ["Exception on request POST /crash"]


async def log_in(app: Quart, **body: object) -> Any:
    return await app.test_client().post("/login", json=body)


@pytest.mark.parametrize(
    "wrong", [dont.catch_everything, dont.catch_everything_by_a_call]
)
async def test_dont_catch_everything_turns_http_errors_into_500(
    wrong: Callable[[], Quart],
) -> None:
    app = wrong()
    client = app.test_client()

    assert (await client.get("/nothing")).status_code == 500
    assert (await client.get("/login")).status_code == 500
    assert (await log_in(app)).status_code == 500
    with pytest.raises(WebsocketResponseError) as caught:
        async with client.websocket("/nothing") as connection:
            await asyncio.wait_for(connection.receive(), 20)
    assert caught.value.response.status_code == 500


async def test_dont_handle_pydantic_errors_is_never_called() -> None:
    response = await log_in(dont.handle_pydantic_errors())

    assert (response.status_code, response.mimetype) == (400, "text/html")


async def test_dont_echo_the_input_sends_the_password_back() -> None:
    response = await log_in(dont.echo_the_input(), user="ada", password="hunter2-long")

    assert b"hunter2" in await response.get_data()


async def test_dont_echo_the_input_fails_on_a_validator_of_your_own() -> None:
    app = dont.echo_the_input()

    @app.post("/orders")
    @validate_request(Order)
    async def order(data: Order) -> dict[str, str]:
        return {}

    response = await app.test_client().post("/orders", json={"skus": ["a", "a"]})
    assert response.status_code == 500


async def test_dont_echo_the_text_sends_the_password_back() -> None:
    response = await log_in(dont.echo_the_text(), username="ada", password="hunter2")

    assert response.status_code == 400
    assert b"hunter2" in await response.get_data()


async def test_dont_forget_the_headers_drops_allow() -> None:
    response = await dont.forget_the_headers().test_client().get("/login")

    assert response.status_code == 405
    assert "Allow" not in response.headers


async def test_dont_handle_404_only_leaves_405_in_html() -> None:
    client = dont.handle_404_only().test_client()
    response = await client.get("/login")

    assert (await client.get("/nothing")).mimetype == "application/json"
    assert (response.status_code, response.mimetype) == (405, "text/html")


async def test_dont_log_again_logs_a_second_time_without_the_cause(
    caplog: pytest.LogCaptureFixture,
) -> None:
    await log_in(dont.log_again(), **(ADA | {"username": "crash"}))

    first, second = caplog.records
    assert first.getMessage() == "Exception on request POST /login"
    assert first.exc_info is not None
    assert second.getMessage().startswith("Internal error: 500 Internal Server Error")
    assert second.exc_info is None


async def test_dont_keep_the_defaults_for_tests_sends_the_traceback() -> None:
    app = dont.keep_the_defaults_for_tests()
    response = await log_in(app, **(ADA | {"username": "crash"}))

    assert (response.status_code, response.mimetype) == (500, "text/html")
    text = await response.get_data(as_text=True)
    assert "hunter2" in text
    assert "correct-horse" in text  # a local variable


async def test_dont_swallow_the_abort_turns_404_into_500() -> None:
    client = dont.swallow_the_abort().test_client()

    assert (await client.get("/users/ada")).status_code == 200
    assert (await client.get("/users/eve")).status_code == 500


async def test_dont_hide_the_error_in_a_group_makes_it_a_500() -> None:
    client = dont.hide_the_error_in_a_group().test_client()

    assert (await client.get("/users/ada")).status_code == 200
    assert (await client.get("/users/eve")).status_code == 500


def test_dont_message_lost_shows_the_arguments() -> None:
    assert str(dont.MessageLost("User", 5)) == "('User', 5)"
