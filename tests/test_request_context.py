"""What is there in which place on each Quart, and links that ask for no request."""

import asyncio
import gc
import re
import sys
import threading
from collections.abc import AsyncGenerator, Awaitable, Callable, Generator
from concurrent.futures import ThreadPoolExecutor
from contextvars import ContextVar
from io import BytesIO
from pathlib import Path
from threading import Thread
from typing import Any

import flask
import httpx2
import pytest
from quart import (
    Blueprint,
    Quart,
    Response,
    after_this_request,
    copy_current_app_context,
    copy_current_request_context,
    copy_current_websocket_context,
    current_app,
    g,
    has_app_context,
    has_request_context,
    has_websocket_context,
    jsonify,
    make_response,
    render_template_string,
    request,
    session,
    stream_with_context,
    url_for,
    websocket,
)
from quart.datastructures import FileStorage
from quart.testing import WebsocketResponseError
from quart.utils import run_sync
from werkzeug.routing import BuildError

from examples.dont import request_context as dont
from examples.plain import request_context as plain
from examples.request_context import Links, create_app
from tests.support.serving import serving, until
from tests.support.versions import QUART_0_23

PAGE = Path(__file__).parents[1] / "patterns" / "request_context.md"
KEY = "thirty-two bytes, for tests only"
NO_REQUEST = (
    "There is no request in this context."
    if QUART_0_23
    else "Not within a request context"
)
NO_ADAPTER = "Unable to create a url adapter, try setting the SERVER_NAME config"


async def get(app: Quart, path: str, **options: Any) -> tuple[int, str]:
    """The status and the body of an answer."""
    response = await app.test_client().get(path, **options)
    return response.status_code, await response.get_data(as_text=True)


async def finish(app: Quart) -> None:
    """Wait for the background tasks of `app`, for twenty seconds at most."""
    async with asyncio.timeout(20):
        await asyncio.gather(*app.background_tasks)


class Outbox:
    """A mailer that keeps what it is given."""

    def __init__(self) -> None:
        self.mails: list[tuple[str, str]] = []

    async def send(self, address: str, text: str) -> None:
        self.mails.append((address, text))


# The table of the page

Cells = tuple[str, str, str, str]


def claimed() -> dict[str, Cells]:
    """What the table says of each place, for the Quart under test."""
    line = "0.23" if QUART_0_23 else "0.22"
    found: dict[str, Cells] = {}
    for row in re.findall(r"^\| (?!Where|--)(.+) \|$", PAGE.read_text(), re.MULTILINE):
        places, *cells = row.replace("`", "").split(" | ")
        app, of_g, of_request, url = (
            cell if "0.22" not in cell else re.findall(rf"{line} (\w+)", cell)[0]
            for cell in cells
        )
        found |= dict.fromkeys(places.split(", "), (app, of_g, of_request, url))
    return found


def works(read: Callable[[], object]) -> bool:
    try:
        read()
    except (RuntimeError, AttributeError):
        return False
    return True


def cells(*, answered: bool = False) -> Cells:
    """What is there, in the words of the table."""

    def connection_and_session() -> tuple[str, object]:
        connection = websocket if has_websocket_context() else request
        return connection.path, session.get("username")

    of_g = "no"
    if works(lambda: g.get("username")):
        of_g = "yes" if g.get("username") == "ada" else "new"
    of_request = "no"
    if works(connection_and_session):
        of_request = "stale" if answered else "yes"
    return (
        "yes" if works(lambda: current_app.name) else "no",
        of_g,
        of_request,
        "yes" if works(lambda: url_for("home", _external=True)) else "no",
    )


AT_IMPORT = cells()


class Places:
    """An app that looks around in every place; `seen` has what each place showed."""

    def __init__(self) -> None:
        self.seen: dict[str, set[Cells]] = {"import": {AT_IMPORT}}
        self.answered = asyncio.Event()
        self.late: list[asyncio.Task[None]] = []
        self.app = Quart(__name__)
        self.app.secret_key = KEY
        self.app.add_url_rule("/home", endpoint="home")
        self.add_serving_hooks()
        self.add_hooks()
        self.add_views()
        self.add_streams()
        self.add_copies()
        self.add_websocket()
        self.add_commands()

    def look(self, place: str, *, answered: bool = False) -> str:
        self.seen.setdefault(place, set()).add(cells(answered=answered))
        return ""

    async def look_soon(self, place: str) -> None:
        self.look(place)

    async def look_late(self, place: str) -> None:
        await self.answered.wait()
        self.look(place, answered=True)
        if place == "add_background_task":
            await run_sync(self.look)(place, answered=True)

    def add_serving_hooks(self) -> None:
        place = "serving hook and its tasks"

        @self.app.before_serving
        async def before_serving() -> None:
            g.username = "nobody"
            self.look(place)
            await asyncio.create_task(self.look_soon(place))
            self.app.add_background_task(self.look_soon, place)

        @self.app.while_serving
        async def while_serving() -> AsyncGenerator[None, None]:
            self.look(place)
            yield
            self.look(place)

        @self.app.after_serving
        def after_serving() -> None:
            self.look(place)

    def add_hooks(self) -> None:
        @self.app.before_request
        @self.app.before_websocket
        async def load_user() -> None:
            g.username = "ada"
            self.look("hook")

        @self.app.before_request
        def look_in_a_thread() -> None:
            self.look("hook")

        @self.app.after_request
        async def after_request(response: Response) -> Response:
            self.look("hook")
            return response

        @self.app.errorhandler(LookupError)
        async def answer(error: LookupError) -> str:
            self.look("hook")
            return ""

        @self.app.teardown_request
        @self.app.teardown_websocket
        async def teardown(error: BaseException | None) -> None:
            if "username" in g:  # else a copy is torn down, not the request
                self.look("hook")

        @self.app.teardown_appcontext
        async def teardown_appcontext(error: BaseException | None) -> None:
            if g.get("username") == "ada" and "copied" not in g:
                self.look("teardown_appcontext")

    def add_views(self) -> None:
        app = self.app

        @app.get("/view")
        async def view() -> str:
            self.look("view")
            self.late.append(
                asyncio.create_task(self.look_late("create_task after the answer"))
            )
            app.add_background_task(self.look_late, "add_background_task")

            @after_this_request
            def finish(response: Response) -> Response:
                self.look("hook")
                return response

            return await render_template_string("{{ look() }}", look=self.in_template)

        @app.get("/sync")
        def sync_view() -> str:
            self.look("view")
            raise LookupError

        @app.get("/concurrent")
        async def concurrent() -> str:
            await asyncio.create_task(self.look_soon("create_task"))
            await asyncio.gather(self.look_soon("gather"))
            await asyncio.to_thread(self.look, "to_thread")
            await run_sync(self.look)("run_sync")
            loop = asyncio.get_running_loop()
            await loop.run_in_executor(None, self.look, "run_in_executor")
            with ThreadPoolExecutor(1) as threads:
                threads.submit(self.look, "submit").result()
            thread = Thread(target=self.look, args=("Thread",))
            thread.start()
            thread.join()
            async with app.app_context():
                self.look("app_context in a view")
            return ""

    def in_template(self) -> str:
        return self.look("template")

    def add_streams(self) -> None:
        place = "generator of a stream"

        @self.app.get("/stream")
        async def stream() -> Response:
            async def parts() -> AsyncGenerator[str, None]:
                yield self.look(place)

            return Response(parts())

        @self.app.get("/sync-stream")
        def sync_stream() -> Generator[str, None, None]:
            def parts() -> Generator[str, None, None]:
                yield self.look(place)

            return parts()

        @self.app.get("/stream-with-context")
        async def with_context() -> Response:
            @stream_with_context
            async def parts() -> AsyncGenerator[str, None]:
                yield self.look("stream_with_context")

            return Response(parts())

    def add_copies(self) -> None:
        @self.app.get("/copies")
        async def copies() -> str:
            g.copied = True
            for copy in (copy_current_app_context, copy_current_request_context):
                look = copy(self.look_soon)
                await asyncio.create_task(look("copy_current_..._context"))
            return ""

    def add_websocket(self) -> None:
        @self.app.websocket("/ws")
        async def talk() -> None:
            self.look("websocket")
            await asyncio.create_task(self.look_soon("create_task"))
            await asyncio.to_thread(self.look, "to_thread")
            look = copy_current_websocket_context(self.look_soon)
            await asyncio.create_task(look("copy_current_..._context"))
            self.app.add_background_task(self.look_late, "add_background_task")
            await websocket.send("done")

    def add_commands(self) -> None:
        @self.app.cli.command("bare")
        def bare() -> None:
            self.look("command")
            asyncio.run(self.look_soon("command"))

        @self.app.cli.command("in-context", with_appcontext=True)
        def in_context() -> None:
            self.look("with_appcontext=True")

    async def visit(self) -> None:
        client = self.app.test_client()
        async with self.app.test_app():
            self.look("test_app")
            for path in (
                "/view", "/sync", "/concurrent", "/copies",
                "/stream", "/sync-stream", "/stream-with-context",
            ):  # fmt: skip
                response = await client.get(path)
                assert response.status_code == 200, path
            async with client.websocket("/ws") as socket:
                assert await asyncio.wait_for(socket.receive(), 20) == "done"
            self.answered.set()
            await asyncio.gather(*self.late)
            await finish(self.app)
        async with self.app.app_context():
            self.look("app_context")
        async with self.app.test_request_context("/view"):
            self.look("test_request_context")


def test_the_table_says_what_is_there() -> None:
    places = Places()
    asyncio.run(places.visit())
    for command in ("bare", "in-context"):
        result = places.app.test_cli_runner().invoke(args=[command])
        assert result.exit_code == 0, result.output
    assert {place: {row} for place, row in claimed().items()} == places.seen


# What the errors say


def message_of(read: Callable[[], object]) -> str:
    with pytest.raises((RuntimeError, AttributeError)) as error:
        read()
    return f"{error.type.__name__}: {error.value}"


def test_outside_of_any_context_each_name_has_a_text_of_its_own() -> None:
    assert message_of(lambda: current_app.name) == (
        "RuntimeError: Not within an app context"
    )
    assert message_of(lambda: g.user) == "RuntimeError: Not within an app context"
    assert message_of(lambda: url_for("home")) == (
        "RuntimeError: Not within an app context"
    )
    assert message_of(lambda: request.path) == (
        "RuntimeError: Not within a request context"
    )
    assert message_of(lambda: session["user"]) == (
        "RuntimeError: Not within a request nor websocket context"
    )


async def test_an_app_context_without_a_request_says_so_by_line() -> None:
    async with Quart(__name__).app_context():
        assert message_of(lambda: request.path) == f"RuntimeError: {NO_REQUEST}"
        assert NO_ADAPTER in message_of(lambda: url_for("home"))
        assert message_of(lambda: session["user"]).startswith(
            "AttributeError: 'NoneType' object has no attribute 'accessed'"
            if QUART_0_23
            else "RuntimeError: Not within a request nor websocket context"
        )


async def test_has_request_context_is_false_for_a_websocket_and_stale_in_a_task() -> (
    None
):
    seen: dict[str, tuple[bool, bool, bool]] = {}
    app = Quart(__name__)

    async def look(place: str) -> None:
        seen[place] = (
            has_app_context(),
            has_request_context(),
            has_websocket_context(),
        )

    @app.get("/")
    async def view() -> str:
        await look("view")
        app.add_background_task(look, "task")
        return ""

    @app.websocket("/ws")
    async def talk() -> None:
        await look("websocket")
        await websocket.send("done")

    await look("outside")
    await get(app, "/")
    await finish(app)
    async with app.test_client().websocket("/ws") as socket:
        await asyncio.wait_for(socket.receive(), 20)
    assert seen == {
        "outside": (False, False, False),
        "view": (True, True, False),
        "task": (True, not QUART_0_23, False),
        "websocket": (True, False, True),
    }


async def test_what_makes_a_response_needs_the_app_too() -> None:
    with pytest.raises(RuntimeError, match="Not within an app context"):
        jsonify("hello")
    for helper in (make_response, render_template_string):
        with pytest.raises(RuntimeError, match="Not within an app context"):
            await helper("hello")
    async with Quart(__name__).app_context():
        assert await render_template_string("hello") == "hello"


async def test_a_context_processor_that_reads_the_request_fails_in_a_task_on_0_23(
    caplog: pytest.LogCaptureFixture,
) -> None:
    pages: list[str] = []
    app = Quart(__name__)
    app.context_processor(lambda: {"path": request.path})

    async def write() -> None:
        pages.append(await render_template_string("{{ path }}"))

    @app.get("/mail")
    async def mail() -> str:
        app.add_background_task(write)
        return ""

    await get(app, "/mail")
    await finish(app)
    assert pages == ([] if QUART_0_23 else ["/mail"])
    assert ("RuntimeError: " + NO_REQUEST in caplog.text) == QUART_0_23


# Values passed on


async def test_the_plain_form_mails_a_link_to_the_configured_host() -> None:
    outbox = Outbox()
    app = plain.create_app(outbox.send, "https://app.example.com")
    headers = {"Host": "evil.example"}
    response = await app.test_client().post("/users/ada", headers=headers)
    await finish(app)
    assert response.status_code == 201
    assert outbox.mails == [("ada@example.com", "https://app.example.com/users/ada")]


async def test_the_plain_stream_has_what_it_was_given() -> None:
    app = plain.create_app(Outbox().send, "https://app.example.com")
    response = await app.test_client().get("/users/ada?language=nb")
    assert await response.get_data() == b"ada in nb\n"
    assert response.content_type == "text/plain"


async def test_a_mail_from_a_task_has_the_configured_link_on_both_lines() -> None:
    outbox = Outbox()
    app = create_app("https://example.com/shop", outbox.send)
    headers = {"Host": "evil.example"}
    response = await app.test_client().post("/users/ada", headers=headers)
    await finish(app)
    assert response.status_code == 201
    assert outbox.mails == [
        ("ada@example.com", "Welcome! https://example.com/shop/users/ada")
    ]


@pytest.mark.parametrize(
    ("language", "letter"),
    [
        ("nb", "Hei, ada!\nhttps://app.example.com/users/ada\n"),
        ("uk", "Hello, ada!\nhttps://app.example.com/users/ada\n"),
        ("", "Hello, ada!\nhttps://app.example.com/users/ada\n"),
    ],
)
async def test_a_stream_and_a_thread_have_what_they_were_given(
    language: str, letter: str
) -> None:
    headers = {"Accept-Language": language} if language else {}
    assert await get(create_app(), "/users/ada/letter", headers=headers) == (
        200,
        letter,
    )


async def test_the_link_leads_to_its_view() -> None:
    app = create_app("http://localhost")
    path = Links(app, "http://localhost").to("show_user", username="ada")
    assert await get(app, path.removeprefix("http://localhost")) == (
        200,
        '{"username":"ada"}\n',
    )


def test_a_command_sends_a_link_without_any_context() -> None:
    outbox = Outbox()
    app = create_app("https://example.com/shop", outbox.send)
    result = app.test_cli_runner().invoke(args=["invite", "ada"])
    assert result.exit_code == 0, result.output
    assert outbox.mails == [
        ("ada@example.com", "Join us! https://example.com/shop/users/ada")
    ]


# Links


def routes(base_url: str) -> Links:
    app = Quart(__name__)
    links = Links(app, base_url)  # routes may come later
    app.add_url_rule("/users/<username>", endpoint="users.show")
    app.add_url_rule("/ws/<int:room>", endpoint="chat", websocket=True)
    return links


@pytest.mark.parametrize(
    ("base_url", "beginning"),
    [
        ("https://app.example.com", "https://app.example.com"),
        ("https://app.example.com/", "https://app.example.com"),
        ("https://App.Example.com:8443/shop/", "https://app.example.com:8443/shop"),
        ("http://localhost:8000", "http://localhost:8000"),
        ("http://[::1]:8000/a/b", "http://[::1]:8000/a/b"),
        ("https://bücher.example", "https://xn--bcher-kva.example"),
    ],
)
def test_a_link_begins_with_the_address(base_url: str, beginning: str) -> None:
    links = routes(base_url)
    assert links.to("users.show", username="ada") == f"{beginning}/users/ada"
    assert links.to("users.show", username="å b", page=2) == (
        f"{beginning}/users/%C3%A5%20b?page=2"
    )
    socket = beginning.replace("http", "ws", 1)
    assert links.to("chat", room=7) == f"{socket}/ws/7"


@pytest.mark.parametrize(
    "base_url",
    [
        "",
        "app.example.com",
        "//app.example.com",
        "ftp://a.example",
        "https:",
        "https://",
        "https://:443",
        "https://app.example.com:",
        "https://app.example.com:https",
        "https://app.example.com ",
        " https://app.example.com",
        "https://app.example.com\n",
        "https://app. example.com",
        "https://app.example.com/our shop",
        "https://ada:secret@app.example.com",
        "https://ada@app.example.com",
        "https://app.example.com?x=1",
        "https://app.example.com/shop?x=1",
        "https://app.example.com/shop#top",
    ],
)
def test_any_other_address_stops_the_start(base_url: str) -> None:
    with pytest.raises(ValueError, match="base_url is not just http") as refusal:
        create_app(base_url)
    assert "secret" not in str(refusal.value)  # it is logged


async def test_a_link_knows_no_url_defaults_and_no_anchor() -> None:
    app = Quart(__name__)
    links = Links(app, "https://app.example.com")
    app.add_url_rule("/<language>/users/<username>", endpoint="users.show")

    @app.url_defaults
    def add_language(endpoint: str, values: dict[str, Any]) -> None:
        values.setdefault("language", "nb")

    user: dict[str, Any] = {"username": "ada", "_anchor": "bio"}
    async with app.test_request_context("/"):
        assert url_for("users.show", **user) == "/nb/users/ada#bio"
        with pytest.raises(BuildError, match=r"Did you forget to specify .*language"):
            links.to("users.show", **user)
        link = links.to("users.show", language="nb", **user)
        assert link == "https://app.example.com/nb/users/ada?_anchor=bio"


def test_an_unknown_endpoint_or_a_missing_value_is_an_error() -> None:
    links = routes("https://app.example.com")
    with pytest.raises(BuildError, match="nobody"):
        links.to("nobody")
    with pytest.raises(BuildError, match=r"Did you forget to specify values"):
        links.to("users.show")


async def test_links_are_made_in_threads_at_once() -> None:
    links = routes("https://app.example.com")
    names = [f"user-{number}" for number in range(50)]
    made = await asyncio.gather(
        *(asyncio.to_thread(links.to, "users.show", username=name) for name in names)
    )
    assert made == [f"https://app.example.com/users/{name}" for name in names]


async def test_the_prefix_of_a_proxy_belongs_to_the_link() -> None:
    app = create_app("https://example.com/shop")
    status, _ = await get(app, "/shop/users/ada", root_path="/shop")
    assert status == 200


# SERVER_NAME

WARNING = "ignore:Current server name:UserWarning"


@pytest.mark.filterwarnings(WARNING)
async def test_dont_links_by_server_name_answers_404_to_every_other_host() -> None:
    app = dont.links_by_server_name()
    async with serving(app) as address, httpx2.AsyncClient() as client:
        url = f"http://{address}/users/ada"
        by_address = await client.get(url)
        by_name = await client.get(url, headers={"Host": "app.example.com"})
    assert (by_address.status_code, by_name.status_code) == (404, 200)
    assert (await get(app, "/users/ada"))[0] == 200  # what a test sends hides it


async def test_dont_links_by_server_name_makes_them_http() -> None:
    links: list[str] = []
    app = dont.links_by_server_name()

    async def mail() -> None:
        links.append(url_for("show_user", username="ada", _external=True))

    @app.post("/users")
    async def create_user() -> str:
        app.add_background_task(mail)
        return ""

    await app.test_client().post("/users")
    await finish(app)
    assert links == ["http://app.example.com/users/ada"]


@pytest.mark.filterwarnings(WARNING)
@pytest.mark.parametrize(
    "host", ["127.0.0.1", "www.app.example.com", "app.example.com:8000"]
)
async def test_server_name_refuses_subdomains_ports_and_websockets_too(
    host: str,
) -> None:
    app = Quart(__name__)
    app.config["SERVER_NAME"] = "app.example.com"

    @app.get("/live")
    async def live() -> str:
        return "live"

    @app.websocket("/ws")
    async def talk() -> None:
        await websocket.send("hello")

    assert (await get(app, "/live", headers={"Host": host}))[0] == 404
    with pytest.raises(WebsocketResponseError) as refusal:
        async with app.test_client().websocket("/ws", headers={"Host": host}) as socket:
            await asyncio.wait_for(socket.receive(), 20)
    assert refusal.value.response.status_code == 404


def test_flask_answers_to_any_host_and_reads_preferred_url_scheme() -> None:
    app = flask.Flask(__name__)
    app.config.update(SERVER_NAME="app.example.com", PREFERRED_URL_SCHEME="https")
    app.add_url_rule("/home", endpoint="home", view_func=lambda: "home")
    response = app.test_client().get("/home", base_url="http://127.0.0.1:8000")
    assert response.status_code == 200
    with app.app_context():
        assert flask.url_for("home") == "https://app.example.com/home"


@pytest.mark.parametrize(
    ("setting", "scheme"),
    [
        ({}, "http"),
        ({"PREFERRED_URL_SCHEME": "https"}, "http"),
        ({"PREFER_SECURE_URLS": True}, "https"),
    ],
)
async def test_only_prefer_secure_urls_makes_a_link_https(
    setting: dict[str, Any], scheme: str
) -> None:
    app = Quart(__name__)
    app.config.update(SERVER_NAME="app.example.com", **setting)
    app.add_url_rule("/home", endpoint="home")
    async with app.app_context():
        assert url_for("home") == f"{scheme}://app.example.com/home"
        assert url_for("home", _scheme="https") == "https://app.example.com/home"
    assert app.url_for("home") == f"{scheme}://app.example.com/home"


async def test_dont_link_to_the_clients_host_mails_the_secret_to_another_host() -> None:
    outbox = Outbox()
    app = dont.link_to_the_clients_host(outbox.send)
    headers = {"Host": "evil.example"}
    await app.test_client().post("/password/ada", headers=headers)
    await finish(app)
    assert outbox.mails == [
        ("ada@example.com", "http://evil.example/password/new/secret")
    ]


# Streams


@pytest.mark.parametrize(
    ("wrong", "error"),
    [
        (dont.g_in_the_stream, "AttributeError: username"),
        (dont.request_in_the_stream, "RuntimeError: Not within a request context"),
    ],
)
async def test_dont_g_or_request_in_the_stream_breaks_off_after_the_200(
    wrong: Callable[[], Quart], error: str, caplog: pytest.LogCaptureFixture
) -> None:
    async with (
        serving(wrong()) as address,
        httpx2.AsyncClient(headers={"X-User": "ada"}) as client,
        client.stream("GET", f"http://{address}/profile") as response,
    ):
        assert response.status_code == 200
        parts = response.aiter_bytes()
        assert await anext(parts) == b"Profile of "
        with pytest.raises(httpx2.RemoteProtocolError, match="incomplete"):
            await anext(parts)
    assert error in caplog.text


async def test_stream_with_context_runs_the_teardown_a_second_time() -> None:
    teardowns: list[str] = []
    app = Quart(__name__)

    @app.before_request
    async def open_connection() -> None:
        g.connection = "connection of the view"

    @app.teardown_request
    async def close_connection(error: BaseException | None) -> None:
        teardowns.append(g.get("connection", "nothing"))

    @app.get("/stream")
    async def stream() -> Response:
        @stream_with_context
        async def parts() -> AsyncGenerator[str, None]:
            yield str(teardowns)

        return Response(parts())

    _, streamed = await get(app, "/stream")
    assert streamed == "['connection of the view']"
    assert teardowns == ["connection of the view", "nothing"]


@pytest.mark.parametrize("how", [asyncio.create_task, asyncio.wait_for])
async def test_a_context_cannot_be_stepped_through_by_other_tasks(
    how: Callable[..., Awaitable[str]],
) -> None:
    app = Quart(__name__)
    seen: list[str] = []

    @app.get("/parts")
    async def view() -> str:
        @stream_with_context
        async def parts() -> AsyncGenerator[str, None]:
            yield request.path
            yield request.path

        steps = parts()
        timeout = (20,) if how is asyncio.wait_for else ()
        try:
            while True:
                seen.append(await how(steps.__anext__(), *timeout))
        except StopAsyncIteration:
            return "done"
        except (ValueError, RuntimeError) as error:
            return str(error)

    _, answer = await get(app, "/parts")
    if how is asyncio.wait_for and sys.version_info >= (3, 12):
        assert (answer, seen) == ("done", ["/parts", "/parts"])
    elif QUART_0_23:
        assert "Cannot pop this context" in answer
    else:
        assert "was created in a different Context" in answer


async def test_dont_context_around_yield_is_left_in_another_task(
    caplog: pytest.LogCaptureFixture,
) -> None:
    app = Quart(__name__)
    app.config.update(SENDER="shop@example.com", SUPPORT="help@example.com")

    async def first() -> tuple[str, bool]:
        address = await dont.context_around_yield(app)
        return address, has_app_context()

    assert await asyncio.create_task(first()) == ("shop@example.com", True)

    def reported() -> bool:
        gc.collect()
        return "was created in a different Context" in caplog.text

    await until(reported)
    assert "ValueError: <Token var=<ContextVar name='quart.app_ctx'" in caplog.text


# Copied contexts


class Connection:
    def __init__(self) -> None:
        self.open = True

    async def fetch(self, query: str) -> list[str]:
        if not self.open:
            raise ConnectionError("the connection is closed")
        return [query]

    async def close(self) -> None:
        self.open = False


async def test_dont_copied_context_closes_what_the_view_still_uses(
    caplog: pytest.LogCaptureFixture,
) -> None:
    status, _ = await get(dont.copied_context(Connection), "/users")
    assert status == 500
    if QUART_0_23:
        assert "AttributeError: connection" in caplog.text
    else:
        assert "ConnectionError: the connection is closed" in caplog.text


async def test_values_instead_of_a_copied_context_keep_the_connection() -> None:
    app = Quart(__name__)

    @app.before_request
    async def open_connection() -> None:
        g.connection = Connection()

    @app.teardown_request
    async def close_connection(error: BaseException | None) -> None:
        await g.connection.close()

    @app.get("/users")
    async def list_users() -> dict[str, list[str]]:
        fetch = g.connection.fetch
        friends = await asyncio.create_task(fetch("friends"))
        return {"users": await fetch("users"), "friends": friends}

    assert (await get(app, "/users"))[0] == 200


async def test_dont_copied_twice_fails_on_0_22(
    caplog: pytest.LogCaptureFixture,
) -> None:
    status, answer = await get(dont.copied_twice(), "/both")
    if QUART_0_23:
        assert (status, answer) == (
            200,
            '{"answers":["prices for /both","stock for /both"]}\n',
        )
    else:
        assert status == 500
        assert "was created in a different Context" in caplog.text


async def test_a_copy_of_the_wrong_kind_is_refused_on_0_22_only() -> None:
    app = Quart(__name__)

    @app.get("/")
    async def view() -> str:
        try:
            copy_current_websocket_context(view)
        except RuntimeError as error:
            return str(error)
        return "copied"

    refusal = "Attempt to copy websocket context outside of a websocket context"
    assert await get(app, "/") == (200, "copied" if QUART_0_23 else refusal)


async def test_dont_context_inside_a_view_hides_the_request_on_0_23(
    caplog: pytest.LogCaptureFixture,
) -> None:
    status, answer = await get(dont.context_inside_a_view(), "/path")
    if QUART_0_23:
        assert status == 500
        assert "RuntimeError: There is no request in this context." in caplog.text
    else:
        assert (status, answer) == (200, "/path")


# After the answer


async def test_dont_session_after_the_answer_is_lost_without_an_error() -> None:
    tasks: list[asyncio.Task[None]] = []
    app = dont.session_after_the_answer(tasks)
    response = await app.test_client().post("/visits")
    await asyncio.wait_for(tasks[0], 20)
    assert response.status_code == 202
    assert "Set-Cookie" not in response.headers


async def test_a_file_is_closed_after_the_answer() -> None:
    app = Quart(__name__)
    answered = asyncio.Event()
    reading: list[asyncio.Task[bytes]] = []

    @app.post("/photos")
    async def upload() -> str:
        photo = (await request.files)["photo"]

        async def read() -> bytes:
            await answered.wait()
            return photo.read()

        reading.append(asyncio.create_task(read()))
        return ""

    photo = FileStorage(BytesIO(b"pixels"), "ada.jpg")
    await app.test_client().post("/photos", files={"photo": photo})
    answered.set()
    with pytest.raises(ValueError, match="closed file"):
        await asyncio.wait_for(reading[0], 20)


# At import, in threads, from Flask


def test_dont_config_at_import_raises() -> None:
    with pytest.raises(RuntimeError, match="Not within an app context"):
        dont.config_at_import()


def test_a_blueprint_reads_the_config_when_it_is_registered() -> None:
    sizes: list[int] = []
    pages = Blueprint("pages", __name__)
    pages.record(lambda state: sizes.append(state.app.config["PAGE_SIZE"]))
    app = Quart(__name__)
    app.config["PAGE_SIZE"] = 20
    app.register_blueprint(pages)
    assert sizes == [20]


async def test_dont_app_in_a_thread_sends_nothing(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    sent: list[str] = []
    errors: list[str] = []
    failed = threading.Event()

    def keep(failure: threading.ExceptHookArgs) -> None:
        errors.append(repr(failure.exc_value))
        failed.set()

    monkeypatch.setattr(threading, "excepthook", keep)
    response = await dont.app_in_a_thread(sent).test_client().post("/mails")
    assert response.status_code == 202
    assert await asyncio.to_thread(failed.wait, 20)
    assert sent == []
    assert len(errors) == 1
    assert "does not support the context manager protocol" in errors[0]


@pytest.mark.filterwarnings("ignore:coroutine 'AppContext.push' was never awaited")
def test_dont_pushed_like_flask_pushes_nothing() -> None:
    with pytest.raises(RuntimeError, match="Not within an app context"):
        dont.pushed_like_flask()
    gc.collect()


async def test_dont_request_of_flask_is_outside_of_everything(
    caplog: pytest.LogCaptureFixture,
) -> None:
    status, _ = await get(dont.request_of_flask(), "/path")
    assert status == 500
    assert "RuntimeError: Working outside of request context." in caplog.text


# Variables of one's own

tenant: ContextVar[str] = ContextVar("tenant", default="nobody")


def app_with_tenant(take_tenant: Callable[[], Any]) -> tuple[Quart, dict[str, str]]:
    """An app that notes which tenant it finds in which place."""
    seen: dict[str, str] = {}
    app = Quart(__name__)
    app.before_request(take_tenant)

    def look(place: str) -> None:
        seen[place] = tenant.get()

    async def look_soon(place: str) -> None:
        look(place)

    @app.get("/")
    async def view() -> Response:
        look("view")
        await asyncio.create_task(look_soon("create_task"))
        await asyncio.to_thread(look, "to_thread")
        await asyncio.get_running_loop().run_in_executor(None, look, "executor")
        app.add_background_task(look_soon, "background task")

        async def parts() -> AsyncGenerator[str, None]:
            look("stream")
            yield ""

        return Response(parts())

    return app, seen


async def test_a_variable_set_in_an_async_hook_reaches_streams_and_tasks() -> None:
    async def take_tenant() -> None:
        tenant.set("acme")

    app, seen = app_with_tenant(take_tenant)
    await get(app, "/")
    await finish(app)
    assert seen == {
        "view": "acme",
        "create_task": "acme",
        "to_thread": "acme",
        "executor": "nobody",
        "background task": "acme",
        "stream": "acme",
    }


async def test_a_variable_set_in_a_plain_hook_is_lost_but_g_is_not() -> None:
    def take_tenant() -> None:
        tenant.set("acme")
        g.tenant = "acme"

    app, seen = app_with_tenant(take_tenant)

    @app.get("/g")
    async def show_g() -> str:
        return str(g.tenant)

    await get(app, "/")
    await finish(app)
    assert set(seen.values()) == {"nobody"}
    assert await get(app, "/g") == (200, "acme")


# Serving hooks, websockets, tests


async def test_g_of_before_serving_is_gone_and_extensions_are_there() -> None:
    app = Quart(__name__)

    @app.before_serving
    async def open_pool() -> None:
        g.pool = app.extensions["pool"] = "pool"

    @app.get("/")
    async def show_pool() -> list[str | None]:
        return [g.get("pool"), current_app.extensions["pool"]]

    async with app.test_app():
        assert await get(app, "/") == (200, '[null,"pool"]\n')


async def test_after_this_websocket_is_skipped_when_the_client_leaves() -> None:
    log: list[str] = []
    left = asyncio.Event()
    app = Quart(__name__)

    @app.after_websocket
    async def after(response: Response | None) -> Response | None:
        log.append("after_websocket")
        return response

    @app.teardown_websocket
    async def teardown(error: BaseException | None) -> None:
        log.append("teardown_websocket")
        left.set()

    @app.websocket("/ws")
    async def echo() -> None:
        try:
            while True:
                await websocket.send(await websocket.receive())
        finally:
            log.append("finally")

    async with app.test_client().websocket("/ws") as socket:
        await socket.send("hello")
        await asyncio.wait_for(socket.receive(), 20)
    await asyncio.wait_for(left.wait(), 20)
    assert log == ["finally", "teardown_websocket"]


async def test_a_test_sets_g_inside_the_request_context() -> None:
    ran: list[str] = []
    app = Quart(__name__)
    app.before_request(lambda: ran.append("hook"))
    async with app.app_context():
        g.username = "ada"
        async with app.test_request_context("/"):
            assert g.get("username") == (None if QUART_0_23 else "ada")
            g.username = "bob"
            assert g.username == "bob"
    assert ran == []


@pytest.mark.parametrize("made", ["app_context", "test_request_context"])
async def test_a_context_needs_async_with(made: str) -> None:
    app = Quart(__name__)
    arguments = ("/",) if made == "test_request_context" else ()
    context = getattr(app, made)(*arguments)
    with pytest.raises(TypeError, match="context manager protocol"), context:
        pass
