import asyncio
import json
import logging
import pickle
import re
from collections.abc import Iterator
from dataclasses import dataclass
from typing import Any

import httpx2
import pytest
from quart import Quart, request
from quart.signals import got_request_exception
from quart.testing import WebsocketResponseError
from quart_schema import validate_headers
from websockets.asyncio.client import connect
from websockets.exceptions import ConnectionClosedOK
from werkzeug.exceptions import NotFound, ServiceUnavailable, Unauthorized

from examples.dont import error_handling as dont
from examples.error_handling import UnknownProduct, add_request_id, create_app
from tests.support.server import hypercorn

RID = {"X-Request-Id": "support-4711"}
JSON = {"Content-Type": "application/json", **RID}
SECRET = "postgresql://app:hunter2@db/prices is down"
PROBLEM = "application/problem+json"
MALFORMED = {
    "not JSON": b"{bad",
    "empty": b"",
    "not UTF-8": b'{"skus": ["\xff"]}',
    "UTF-16": '{"skus": ["tea"]}'.encode("utf-16"),
    "deep": b"[" * 60_000,
}


@pytest.fixture(autouse=True)
def _clean_handlers() -> Iterator[None]:
    yield
    for handler in logging.getLogger().handlers:
        handler.removeFilter(add_request_id)


async def crash(sku: str) -> int:
    raise RuntimeError(SECRET)


def crashing_app() -> Quart:
    return create_app(crash)


async def quote(app: Quart, body: Any, headers: dict[str, str] = RID) -> Any:
    return await app.test_client().post("/quotes", json=body, headers=headers)


def logged(caplog: pytest.LogCaptureFixture) -> list[str]:
    return [record.getMessage() for record in caplog.records]


async def test_own_error_is_a_problem_with_its_own_type() -> None:
    response = await quote(create_app(), {"skus": ["cup", "pot"]})
    assert response.status_code == 404
    assert response.content_type == PROBLEM
    assert await response.get_json() == {
        "type": "/problems/unknown-product",
        "title": "Not Found",
        "status": 404,
        "detail": "No product has this number.",
        "request_id": "support-4711",
    }


async def test_answer_without_an_error_is_left_alone() -> None:
    response = await quote(create_app(), {"skus": ["cup", "tea"]})
    assert response.status_code == 200
    assert response.headers["X-Request-Id"] == "support-4711"
    assert await response.get_json() == {"total": 1350}


async def test_every_error_has_one_shape_and_its_own_status() -> None:
    client = create_app().test_client()
    for method, path, status, title in (
        ("GET", "/nothing", 404, "Not Found"),
        ("GET", "/quotes", 405, "Method Not Allowed"),
        ("POST", "/quotes", 400, "Bad Request"),
    ):
        response = await client.open(path, method=method, headers=JSON)
        body = await response.get_json()
        assert (response.status_code, response.content_type) == (status, PROBLEM)
        assert body.pop("detail")
        assert body == {
            "type": "about:blank",
            "title": title,
            "status": status,
            "request_id": "support-4711",
        }


async def test_headers_of_an_http_error_stay() -> None:
    app = create_app()

    @app.get("/busy")
    async def busy() -> None:
        raise ServiceUnavailable("Come back later.", retry_after=30)

    client = app.test_client()
    assert set((await client.get("/quotes")).allow) == {"OPTIONS", "POST"}
    assert (await client.get("/busy")).headers["Retry-After"] == "30"


async def test_redirect_is_not_an_error() -> None:
    app = create_app()

    @app.get("/reports/")
    async def list_reports() -> dict[str, str]:
        return {}

    response = await app.test_client().get("/reports")
    assert response.status_code == 308
    assert response.headers["Location"].endswith("/reports/")


async def test_invalid_fields_are_named_without_their_input() -> None:
    response = await quote(create_app(), {"skus": [7], "password": "hunter2"})
    assert response.status_code == 400
    assert (await response.get_json())["errors"] == [
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


async def test_list_of_invalid_fields_is_bounded() -> None:
    body = {"skus": ["tea"]} | {f"extra{number}": 1 for number in range(1000)}
    response = await quote(create_app(), body)
    assert len((await response.get_json())["errors"]) == 20


async def test_body_without_a_json_content_type_is_a_400() -> None:
    response = await create_app().test_client().post("/quotes", data=b'{"skus": []}')
    assert response.status_code == 400
    assert [error["type"] for error in (await response.get_json())["errors"]] == [
        "model_type"
    ]


async def test_invalid_headers_without_pydantic_error_are_a_400() -> None:
    @dataclass
    class Wanted:
        x_tenant: str

    app = create_app()

    @app.get("/tenant")
    @validate_headers(Wanted)
    async def tenant(headers: Wanted) -> dict[str, str]:
        return {"tenant": headers.x_tenant}

    client = app.test_client()
    good = await client.get("/tenant", headers={"X-Tenant": "ada"})
    assert await good.get_json() == {"tenant": "ada"}
    response = await client.get("/tenant")
    assert response.status_code == 400
    assert set(await response.get_json()) == {
        "type",
        "title",
        "status",
        "detail",
        "request_id",
    }


async def test_too_large_body_is_a_problem() -> None:
    response = await quote(create_app(), {"skus": ["tea" * 65_536]})
    assert (response.status_code, response.content_type) == (413, PROBLEM)


@pytest.mark.parametrize("body", MALFORMED.values(), ids=MALFORMED)
async def test_malformed_body_is_a_400(body: bytes) -> None:
    client = create_app().test_client()
    response = await client.post("/quotes", data=body, headers=JSON)
    assert (response.status_code, response.content_type) == (400, PROBLEM)


@pytest.mark.parametrize("body", MALFORMED.values(), ids=MALFORMED)
async def test_silent_get_json_stays_silent(body: bytes) -> None:
    app = create_app()

    @app.post("/silent")
    async def silent() -> dict[str, object]:
        return {"got": await request.get_json(silent=True)}

    response = await app.test_client().post("/silent", data=body, headers=JSON)
    assert await response.get_json() == {"got": None}


@pytest.mark.parametrize("kind", ["not UTF-8", "UTF-16", "deep"])
async def test_quart_alone_answers_500_to_it(kind: str) -> None:
    app = Quart(__name__)

    @app.post("/quotes")
    async def make_quote() -> dict[str, object]:
        return {"got": await request.get_json()}

    client = app.test_client()
    response = await client.post("/quotes", data=MALFORMED[kind], headers=JSON)
    assert response.status_code == 500


@pytest.mark.parametrize("setting", ["", "TESTING", "DEBUG"])
async def test_crash_leaks_nothing_and_is_logged_once(
    setting: str, caplog: pytest.LogCaptureFixture
) -> None:
    app = create_app(crash)
    app.config[setting] = True
    response = await quote(app, {"skus": ["tea"]})
    assert (response.status_code, response.content_type) == (500, PROBLEM)
    body = await response.get_json()
    assert (body["title"], body["request_id"]) == (
        "Internal Server Error",
        "support-4711",
    )
    assert "hunter2" not in str(body)
    assert logged(caplog) == ["Exception on request POST /quotes"]
    assert SECRET in caplog.text
    assert [vars(record)["request_id"] for record in caplog.records] == ["support-4711"]


async def test_crash_stays_in_the_log(caplog: pytest.LogCaptureFixture) -> None:
    async def price_of(sku: str) -> int:
        raise RuntimeError("postgresql://app:hunter2@db is down")

    app = create_app(price_of)
    app.testing = True
    response = await app.test_client().post("/quotes", json={"skus": ["tea"]})
    assert response.status_code == 500
    assert "hunter2" not in await response.get_data(as_text=True)
    assert "hunter2" in caplog.text


async def test_crash_reaches_a_test_through_a_signal() -> None:
    app = create_app(crash)
    seen = []

    async def keep(sender: Quart, exception: Exception) -> None:
        seen.append(exception)

    with got_request_exception.connected_to(keep, app):
        await quote(app, {"skus": ["tea"]})
    assert [str(error) for error in seen[0].exceptions] == [SECRET]


async def test_server_error_of_your_own_is_logged(
    caplog: pytest.LogCaptureFixture,
) -> None:
    async def busy(sku: str) -> int:
        raise ServiceUnavailable("The price list is being changed.", retry_after=5)

    response = await quote(create_app(busy), {"skus": ["tea"]})
    assert (response.status_code, response.headers["Retry-After"]) == (503, "5")
    assert logged(caplog) == [
        "503 Service Unavailable: The price list is being changed."
    ]


async def test_client_error_is_not_logged(caplog: pytest.LogCaptureFixture) -> None:
    await quote(create_app(), {"skus": ["pot"]})
    assert logged(caplog) == []


async def test_bug_beside_a_known_error_in_a_group_is_a_500(
    caplog: pytest.LogCaptureFixture,
) -> None:
    async def price_of(sku: str) -> int:
        raise UnknownProduct() if sku == "pot" else RuntimeError(SECRET)

    response = await quote(create_app(price_of), {"skus": ["pot", "tea"]})
    assert response.status_code == 500
    assert logged(caplog) == ["Exception on request POST /quotes"]
    assert SECRET in caplog.text


async def test_group_within_a_group_keeps_the_status() -> None:
    async def price_of(sku: str) -> int:
        async with asyncio.TaskGroup() as group:
            group.create_task(missing())
        return 0

    async def missing() -> None:
        raise UnknownProduct("Sold out.")

    response = await quote(create_app(price_of), {"skus": ["tea"]})
    assert response.status_code == 404
    assert (await response.get_json())["detail"] == "Sold out."


@pytest.mark.parametrize(
    "given", ["", "short", "x" * 65, "two words", 'quote"quote', "\x1b[31mred-text"]
)
async def test_request_id_of_another_form_is_replaced(given: str) -> None:
    response = await quote(create_app(), {"skus": ["tea"]}, {"X-Request-Id": given})
    assert re.fullmatch("[0-9a-f]{32}", response.headers["X-Request-Id"])


async def test_request_id_differs_between_requests_at_the_same_time() -> None:
    everyone_is_in = asyncio.Barrier(3)

    async def price_of(sku: str) -> int:
        await everyone_is_in.wait()
        raise UnknownProduct(sku)

    app = create_app(price_of)
    ids = ["request-1", "request-2", "request-3"]
    responses = await asyncio.gather(
        *(quote(app, {"skus": ["tea"]}, {"X-Request-Id": name}) for name in ids)
    )
    assert [response.headers["X-Request-Id"] for response in responses] == ids
    assert [(await response.get_json())["request_id"] for response in responses] == ids


async def test_request_id_follows_into_a_background_task(
    caplog: pytest.LogCaptureFixture,
) -> None:
    app = create_app()

    async def remind() -> None:
        app.logger.warning("reminded")

    @app.post("/reminders")
    async def start() -> dict[str, str]:
        app.add_background_task(remind)
        return {}

    async with app.test_app():
        await app.test_client().post("/reminders", headers=RID)
        await asyncio.gather(*app.background_tasks)
    assert [vars(record)["request_id"] for record in caplog.records] == ["support-4711"]


async def test_every_logger_has_the_id(caplog: pytest.LogCaptureFixture) -> None:
    create_app()
    logging.getLogger("sqlalchemy.pool").warning("exhausted")
    assert [vars(record)["request_id"] for record in caplog.records] == ["-"]


def test_logging_that_is_set_up_already_stays() -> None:
    root = logging.getLogger()
    handlers = root.handlers[:]
    create_app()
    create_app()
    assert root.handlers == handlers
    assert [handler.filters for handler in handlers] == [[add_request_id]] * len(
        handlers
    )


async def test_rejected_handshake_is_the_same_problem() -> None:
    app = create_app()

    @app.websocket("/prices")
    async def prices() -> None:
        raise Unauthorized("Send a token.")

    for path, status in (("/prices", 401), ("/nothing", 404)):
        with pytest.raises(WebsocketResponseError) as caught:
            async with app.test_client().websocket(path, headers=RID) as connection:
                await asyncio.wait_for(connection.receive(), 5)
        response = caught.value.response
        assert response.status_code == status
        assert response.content_type == PROBLEM
        assert json.loads(await response.get_data())["request_id"] == "support-4711"


def test_error_survives_pickling() -> None:
    error = pickle.loads(pickle.dumps(UnknownProduct("Sold out.")))
    assert (error.code, error.description) == (404, "Sold out.")
    assert str(error) == "404 Not Found: Sold out."


async def test_server_prints_the_id_beside_the_traceback() -> None:
    target = "tests.test_error_handling:crashing_app()"
    async with hypercorn(target) as server, httpx2.AsyncClient() as client:
        url = server.url("/quotes")
        response = await client.post(url, json={"skus": ["tea"]}, headers=RID)
    assert response.status_code == 500
    line = (
        "ERROR support-4711 examples.error_handling: Exception on request POST /quotes"
    )
    assert server.log.count("Exception on request") == 1
    assert f"{line}\n" in server.log
    assert server.log.count("Running on") == 2
    assert SECRET in server.log


async def test_launch_without_an_error_log_prints_hypercorns_lines_once() -> None:
    target = "examples.error_handling:create_app()"
    async with hypercorn(target, "--error-logfile", "/dev/null") as server:
        pass
    assert server.log.count("Running on") == 1


async def test_catch_all_beside_it_gets_crashes_only_and_unlogged(
    caplog: pytest.LogCaptureFixture,
) -> None:
    app = create_app()

    @app.errorhandler(Exception)
    async def everything_else(error: Exception) -> tuple[str, int]:
        return "crashed", 500

    @app.get("/crash")
    async def crash() -> None:
        raise RuntimeError(SECRET)

    client = app.test_client()
    assert (await client.get("/nothing")).status_code == 404
    assert (await quote(app, {"skus": ["pot"]})).status_code == 404
    assert await (await client.get("/crash")).get_data() == b"crashed"
    assert logged(caplog) == []


async def test_handler_of_a_code_beats_the_handler_of_a_class() -> None:
    app = create_app()

    @app.errorhandler(404)
    async def not_found(error: NotFound) -> tuple[str, int]:
        return "missing", 404

    assert await (await app.test_client().get("/nothing")).get_data() == b"missing"


async def test_error_from_a_group_goes_past_every_other_handler() -> None:
    app = create_app()

    @app.errorhandler(UnknownProduct)
    async def unknown(error: UnknownProduct) -> tuple[str, int]:
        return "never", 404

    response = await quote(app, {"skus": ["pot"]})
    assert (await response.get_json())["type"] == "/problems/unknown-product"


async def test_dont_catch_everything_turns_http_errors_into_500() -> None:
    app = dont.catch_everything()
    client = app.test_client()
    assert (await client.get("/nothing")).status_code == 500
    assert (await client.get("/quotes")).status_code == 500
    assert (await quote(app, {"skus": []})).status_code == 500
    assert (await client.post("/quotes", data=b"{bad", headers=JSON)).status_code == 500


async def test_dont_catch_everything_rejects_unknown_websockets_with_500() -> None:
    with pytest.raises(WebsocketResponseError) as caught:
        async with dont.catch_everything().test_client().websocket("/nothing") as ws:
            await asyncio.wait_for(ws.receive(), 5)
    assert caught.value.response.status_code == 500


async def test_dont_handle_pydantic_errors_is_never_called() -> None:
    response = await quote(dont.handle_pydantic_errors(), {"skus": []})
    assert (response.status_code, response.mimetype) == (400, "text/html")


async def test_dont_echo_the_input_sends_the_password_back() -> None:
    app = dont.echo_the_input()
    response = await quote(app, {"skus": ["tea"], "password": "hunter2"})
    assert b"hunter2" in await response.get_data()


async def test_dont_echo_the_input_fails_on_a_validator_of_your_own() -> None:
    response = await quote(dont.echo_the_input(), {"skus": ["tea", "tea"]})
    assert response.status_code == 500


async def test_dont_handle_404_only_leaves_405_in_html() -> None:
    client = dont.handle_404_only().test_client()
    assert (await client.get("/nothing")).mimetype == "application/json"
    response = await client.get("/quotes")
    assert (response.status_code, response.mimetype) == (405, "text/html")


async def test_dont_forget_the_headers_drops_allow() -> None:
    response = await dont.forget_the_headers().test_client().get("/quotes")
    assert response.status_code == 405
    assert "Allow" not in response.headers


async def test_dont_log_again_logs_a_second_time_without_the_cause(
    caplog: pytest.LogCaptureFixture,
) -> None:
    await quote(dont.log_again(), {"skus": ["crash"]})
    first, second = caplog.records
    assert first.getMessage() == "Exception on request POST /quotes"
    assert first.exc_info is not None
    assert second.getMessage().startswith("Internal error: 500 Internal Server Error")
    assert second.exc_info is None


async def test_dont_keep_the_defaults_for_tests_sends_the_traceback() -> None:
    response = await quote(dont.keep_the_defaults_for_tests(), {"skus": ["crash"]})
    assert (response.status_code, response.mimetype) == (500, "text/html")
    assert "hunter2" in await response.get_data(as_text=True)


async def test_dont_hide_the_error_in_a_group_makes_it_a_500() -> None:
    response = await quote(dont.hide_the_error_in_a_group(), {"skus": ["pot"]})
    assert response.status_code == 500


async def test_dont_wrap_in_a_boundary_turns_404_into_500() -> None:
    response = await quote(dont.wrap_in_a_boundary(), {"skus": ["pot"]})
    assert response.status_code == 500


def test_dont_message_lost_shows_the_arguments() -> None:
    assert str(dont.MessageLost("User", 5)) == "('User', 5)"


def test_dont_unpickled_never_fails_in_another_process() -> None:
    error = dont.UnpickledNever("User", 5)
    assert str(error) == "User 5 not found"
    with pytest.raises(TypeError, match="missing 1 required positional argument"):
        pickle.loads(pickle.dumps(error))


async def test_dont_set_the_id_in_a_sync_hook_loses_it() -> None:
    response = await quote(dont.set_the_id_in_a_sync_hook(), {"skus": ["tea"]})
    assert response.headers["X-Request-Id"] == "-"


async def test_dont_format_the_handler_of_quart_changes_nothing() -> None:
    target = f"{dont.__name__}:{dont.format_the_handler_of_quart.__name__}()"
    async with hypercorn(target) as server, httpx2.AsyncClient() as client:
        url = server.url("/quotes")
        response = await client.post(url, json={"skus": ["crash"]}, headers=RID)
    assert response.status_code == 500
    assert "] ERROR in app: Exception on request POST /quotes\n" in server.log


def test_dont_stamp_one_logger_misses_its_children(
    caplog: pytest.LogCaptureFixture,
) -> None:
    app = dont.stamp_one_logger()
    app.logger.warning("changed")
    app.logger.getChild("prices").warning("changed")
    assert ["request_id" in vars(record) for record in caplog.records] == [True, False]


async def test_dont_crash_in_a_websocket_closes_with_1000() -> None:
    target = f"{dont.__name__}:{dont.crash_in_a_websocket.__name__}()"
    async with hypercorn(target) as server, asyncio.timeout(10):
        async with connect(server.ws_url("/prices")) as connection:
            await connection.send("crash")
            with pytest.raises(ConnectionClosedOK):
                await connection.recv()
            assert connection.close_code == 1000
        assert "Exception on websocket /prices" in server.log
