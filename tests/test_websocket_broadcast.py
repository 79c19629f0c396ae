import asyncio
import json
import signal
from collections.abc import AsyncIterator, Awaitable, Callable
from contextlib import AsyncExitStack, asynccontextmanager, closing
from typing import Any

import pytest
import websockets
from pydantic import BaseModel, TypeAdapter
from quart import Quart
from quart.wrappers import Websocket

from examples.authentication import (
    Caller,
    Tokens,
    login_required,
    register_authentication,
)
from examples.dont import websocket_broadcast as dont
from examples.embedding import Questions, in_time
from examples.plain import websocket_broadcast as plain
from examples.serving import closing_event
from examples.websocket_broadcast import (
    Client,
    Hub,
    converse,
    create_app,
    hub,
    pubsub,
    register_broadcast,
    register_hub,
    register_pubsub,
    register_rooms,
)
from examples.websocket_limits import SocketLimit, paced_client
from examples.websockets import messages
from tests.support.login import KEY, bearer
from tests.support.memory import peak_mb
from tests.support.raw_client import RawClient, frame, raw_client
from tests.support.server import hypercorn, running
from tests.support.serving import nobody_connected, serving, until
from tests.support.versions import QUART_0_23
from tests.support.websocket_client import (
    connected,
    ending,
    hear,
    leave_while_sending,
    rejection,
    status,
)

ORIGIN = "https://app.example.com"
Socket = websockets.ClientConnection


@pytest.fixture
def app(monkeypatch: pytest.MonkeyPatch) -> Quart:
    monkeypatch.setattr(paced_client, "CLOSE_SECONDS", 0.5)
    return create_app([KEY])


def hub_of(app: Quart) -> Hub:
    found: Hub = app.extensions["hub"]
    return found


@asynccontextmanager
async def chat(address: str, user_id: int) -> AsyncIterator[Socket]:
    async with connected(address, "/ws/chat", bearer(user_id)) as ws:
        yield ws


@asynccontextmanager
async def topics(address: str, user_id: int, *topics: str) -> AsyncIterator[Socket]:
    async with connected(address, "/ws/pubsub", bearer(user_id)) as ws:
        for topic in topics:
            answer = await ask(ws, type="subscribe", topic=topic)
            assert answer == {"type": "subscribed", "topic": topic}
        yield ws


async def tell(ws: Socket, **message: str) -> None:
    await ws.send(json.dumps(message))


async def ask(ws: Socket, **message: str) -> Any:
    await tell(ws, **message)
    return await hear(ws)


async def stalled(address: str, user_id: int) -> RawClient:
    """A member of the chat that does not read."""
    return await raw_client(address, "/ws/chat", bearer(user_id), stalled=True)


async def test_what_one_says_all_hear(app: Quart) -> None:
    async with (
        serving(app) as address,
        chat(address, 1) as ada,
        chat(address, 2) as grace,
        chat(address, 2) as tab,
        topics(address, 3, "chat") as alan,
    ):
        await tell(ada, text="hello")
        for ws in (ada, grace, tab):
            said = {"type": "said", "user": "user-1", "text": "hello"}
            assert await hear(ws) == said
        await tell(alan, type="publish", topic="chat", text="only for this topic")
        await tell(grace, text="bye")
        assert (await hear(ada))["text"] == "bye"


async def test_a_topic_is_heard_by_those_who_subscribe(app: Quart) -> None:
    async with (
        serving(app) as address,
        topics(address, 1, "news", "sport") as ada,
        topics(address, 2, "news") as grace,
    ):
        message = {"type": "message", "topic": "news", "user": "user-1", "text": "new"}
        await tell(ada, type="publish", topic="news", text="new")
        assert await hear(ada) == await hear(grace) == message
        await tell(grace, type="publish", topic="sport", text="2:1")
        assert (await hear(ada))["topic"] == "sport"

        who = await ask(grace, type="who", topic="news")
        assert who == {"type": "present", "topic": "news", "users": [1, 2]}
        answer = await ask(ada, type="unsubscribe", topic="news")
        assert answer == {"type": "unsubscribed", "topic": "news"}
        await tell(ada, type="publish", topic="news", text="I heard enough")
        assert (await hear(grace))["text"] == "I heard enough"
        assert (await ask(ada, type="who", topic="news"))["users"] == [2]


async def test_a_topic_may_be_forbidden(app: Quart) -> None:
    forbidden = {"type": "error", "topic": "user.2", "detail": "not allowed"}
    async with serving(app) as address, topics(address, 1, "user.1") as ada:
        for kind in ("subscribe", "unsubscribe", "who"):
            assert await ask(ada, type=kind, topic="user.2") == forbidden
        assert await ask(ada, type="publish", topic="user.2", text="x") == forbidden
        assert [client.topics for client in hub_of(app).clients] == [{"user.1"}]


async def test_an_app_grants_topics_by_a_function_of_its_own() -> None:
    async def may_use(caller: Caller, topic: str) -> bool:
        if topic == "crash":
            raise RuntimeError("the database is gone")
        return topic == f"room.{caller.username}"

    app = Quart(__name__)
    register_authentication(app, [KEY])
    register_hub(app)
    register_pubsub(app, may_use=may_use)
    async with serving(app) as address, topics(address, 1, "room.user-1") as ada:
        answer = await ask(ada, type="subscribe", topic="news")
        assert answer["detail"] == "not allowed"


async def test_a_client_has_so_many_topics(
    app: Quart, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(pubsub, "TOPICS_PER_CLIENT", 2)
    async with serving(app) as address, topics(address, 1, "a", "b") as ada:
        answer = await ask(ada, type="subscribe", topic="c")
        assert answer == {"type": "error", "topic": "c", "detail": "too many topics"}


@pytest.mark.parametrize(
    "message",
    [
        "{bad",
        "[]",
        '{"type": "shout", "topic": "news"}',
        '{"type": "publish", "topic": NaN, "text": "x"}',
        '{"type": "publish", "topic": "news", "text": ""}',
        '{"type": "publish", "topic": "News!", "text": "x"}',
        '{"type": "subscribe", "topic": "news", "to": "ada"}',
        '{"type": "publish", "topic": "news", "text": "%s"}' % ("x" * 4_001),
    ],
)
async def test_a_bad_command_is_answered(app: Quart, message: str) -> None:
    headers = bearer(1)
    async with app.test_client().websocket("/ws/pubsub", headers=headers) as ws:
        async with asyncio.timeout(20):
            await ws.send(message)
            assert (await ws.receive_json())["type"] == "error"
            await ws.send_json({"type": "subscribe", "topic": "news"})
            assert (await ws.receive_json())["type"] == "subscribed"


async def test_a_crash_closes_with_1011(caplog: pytest.LogCaptureFixture) -> None:
    async def may_use(caller: Caller, topic: str) -> bool:
        raise RuntimeError("the database is gone")

    app = Quart(__name__)
    register_authentication(app, [KEY])
    register_broadcast(app)
    register_pubsub(app, may_use=may_use)
    async with serving(app) as address, topics(address, 1) as ada:
        await tell(ada, type="subscribe", topic="news")
        assert await ending(ada) == (1011, "internal error")
        await until(lambda: hub_of(app).clients == set())
    assert "RuntimeError: the database is gone" in caplog.text


async def team(caller: Caller, room: str) -> bool:
    return caller.user_id in (1, 2)


@pytest.fixture
def rooms() -> Quart:
    app = Quart(__name__)
    register_authentication(app, [KEY])
    register_hub(app)
    register_rooms(app, may_enter=team)
    return app


ROOM = "/ws/rooms/team"


async def test_a_room_tells_who_comes_and_goes(rooms: Quart) -> None:
    async with (
        serving(rooms) as address,
        connected(address, ROOM, bearer(1)) as ada,
        connected(address, "/ws/rooms/other", bearer(1)) as other,
    ):
        for ws in (ada, other):
            assert await hear(ws) == {"type": "joined", "user": "user-1"}
        async with connected(address, ROOM, bearer(2)) as grace:
            for ws in (ada, grace):
                assert await hear(ws) == {"type": "joined", "user": "user-2"}
            assert await ask(grace, type="who") == {"type": "present", "users": [1, 2]}
            await tell(grace, type="say", text="hello")
            said = {"type": "said", "user": "user-2", "text": "hello"}
            assert await hear(ada) == await hear(grace) == said
        assert await hear(ada) == {"type": "left", "user": "user-2"}
        for ws in (ada, other):
            assert await ask(ws, type="who") == {"type": "present", "users": [1]}


async def test_a_member_that_breaks_off_has_left(rooms: Quart) -> None:
    async with serving(rooms) as address, connected(address, ROOM, bearer(1)) as ada:
        await hear(ada)
        with closing(await raw_client(address, ROOM, bearer(2))):
            assert await hear(ada) == {"type": "joined", "user": "user-2"}
        assert await hear(ada) == {"type": "left", "user": "user-2"}


async def test_only_members_enter_a_room(rooms: Quart) -> None:
    async with serving(rooms) as address, connected(address, ROOM, bearer(1)) as ada:
        await hear(ada)
        assert await rejection(address, ROOM, bearer(3)) == 403
        assert await rejection(address, ROOM) == 403
        assert await rejection(address, ROOM, {"Authorization": "Bearer none"}) == 401
        assert await ask(ada, type="who") == {"type": "present", "users": [1]}


async def test_a_room_cannot_be_heard_as_a_topic(rooms: Quart) -> None:
    register_pubsub(rooms)
    async with serving(rooms) as address, topics(address, 3) as eve:
        assert (await ask(eve, type="subscribe", topic=ROOM))["type"] == "error"


async def test_a_handler_without_a_login_lets_nobody_in(app: Quart) -> None:
    @app.websocket("/ws/open")
    async def forgotten() -> None:
        await converse(pubsub.COMMAND, pubsub.obey, set())

    assert await status(app, "/ws/open", bearer(1)) == 500


def seen_by(app: Quart, moved: Callable[[Client, str], Awaitable[None]]) -> None:
    @app.websocket("/ws/seen")
    @login_required
    async def seen() -> None:
        await converse(pubsub.COMMAND, pubsub.obey, set(), moved)


async def test_a_newcomer_is_told_what_it_has_missed(app: Quart) -> None:
    async def moved(client: Client, how: str) -> None:
        for number in range(2 * hub.BACKLOG):  # its writer is at work already
            await hub.tell([client], {"type": how, "number": number})

    seen_by(app, moved)
    async with (
        serving(app) as address,
        connected(address, "/ws/seen", bearer(1)) as ada,
    ):
        for number in range(2 * hub.BACKLOG):
            assert await hear(ada) == {"type": "joined", "number": number}


@pytest.mark.parametrize(
    ("when", "close"),
    [("joined", (1011, "internal error")), ("left", (4401, "token expired"))],
)
async def test_what_fails_when_one_moves_is_logged_and_its_place_is_free(
    app: Quart,
    caplog: pytest.LogCaptureFixture,
    when: str,
    close: tuple[int, str],
) -> None:
    async def moved(client: Client, how: str) -> None:
        if how == when:
            raise ZeroDivisionError

    seen_by(app, moved)
    app.extensions["sockets"] = SocketLimit(per_user=1)
    async with serving(app) as address:
        headers = bearer(1, lifetime=1)
        async with connected(address, "/ws/seen", headers) as ada:
            assert await ending(ada) == close
        await until(lambda: len(caplog.records) == 1)
        assert hub_of(app).clients == set()
        async with chat(address, 1) as ada:
            await tell(ada, text="back")
            assert (await hear(ada))["text"] == "back"
    [record] = caplog.records
    assert record.exc_info is not None
    assert record.exc_info[0] is ZeroDivisionError


async def test_views_speak_to_all_and_to_one(app: Quart) -> None:
    client = app.test_client()

    async def post(path: str) -> Any:
        return await (await client.post(path)).get_json()

    async with (
        serving(app) as address,
        chat(address, 1) as ada,
        topics(address, 1) as ada_too,
        chat(address, 2) as grace,
    ):
        assert await post("/announcements/lunch") == {"hear": 2}
        announcement = {"type": "announcement", "text": "lunch"}
        assert await hear(ada) == await hear(grace) == announcement
        assert await post("/users/1/notes/start") == {"hear": 2}
        note = {"type": "note", "text": "start"}
        assert await hear(ada) == await hear(ada_too) == note
        assert await post("/users/3/notes/start") == {"hear": 0}
        await tell(grace, text="I got nothing else")
        assert (await hear(grace))["type"] == "said"


class Said(BaseModel):
    text: str


async def test_a_view_can_wait_for_the_answer_of_one_client(app: Quart) -> None:
    async def send(text: str) -> None:
        if not await hub_of(app).send_to_user(7, {"text": text}):
            raise ConnectionError("the pump is offline")

    questions = Questions(send)

    @app.websocket("/ws/device")
    @login_required
    async def device() -> None:
        async def obey(client: Client, said: Said) -> None:
            questions.answer(said.text)

        await converse(TypeAdapter(Said), obey, set())

    @app.get("/pump/temperature")
    async def temperature() -> dict[str, str]:
        return {"temperature": await in_time(questions.ask("temperature"))}

    async with (
        serving(app) as address,
        connected(address, "/ws/device", bearer(8)),
    ):
        client = app.test_client()
        assert (await client.get("/pump/temperature")).status_code == 503
        async with connected(address, "/ws/device", bearer(7)) as pump:
            await until(lambda: len(hub_of(app).clients) == 2)
            asking = asyncio.create_task(client.get("/pump/temperature"))
            number, _, question = (await hear(pump))["text"].partition(" ")
            assert question == "temperature"
            await tell(pump, text="unknown 0")
            await tell(pump, text=f"{number} 21.5")
            assert await (await asking).get_json() == {"temperature": "21.5"}


async def test_a_client_that_does_not_read_delays_nobody_and_is_dropped(
    app: Quart,
) -> None:
    app.extensions["sockets"] = SocketLimit(per_user=1)
    async with serving(app) as address, chat(address, 1) as ada:
        with closing(await stalled(address, 2)) as raw:
            await until(lambda: len(hub_of(app).clients) == 2)
            for number in range(400):
                text = f"{number} " + "x" * 3_000
                assert await hub_of(app).publish("/ws/chat", {"text": text})
                assert (await hear(ada))["text"] == text
            await until(lambda: [c.user_id for c in hub_of(app).clients] == [1])
            for _ in range(200):  # closing it takes up to two seconds
                if await status(app, "/ws/chat", bearer(2)) == 101:
                    break
                await asyncio.sleep(0.1)
            else:
                pytest.fail("the place of a client that was dropped is not free")
            close = b"\x88\x0a\x03\xf5too slow"
            async with asyncio.timeout(20):
                assert (await raw.read(close)).endswith(close)


async def test_a_client_that_does_not_read_why_it_is_wrong_is_dropped(
    app: Quart, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Nobody publishes, so its outbox stays empty."""
    monkeypatch.setattr(messages, "SEND_SECONDS", 0.1)

    class LoudWebsocket(Websocket):
        async def send(self, data: str | bytes) -> None:
            await super().send(bytes(10_000_000))

    app.websocket_class = LoudWebsocket
    async with serving(app) as address:
        with closing(await stalled(address, 1)) as raw:
            await until(lambda: len(hub_of(app).clients) == 1)
            await raw.send(frame(b"no JSON"))
            await until(lambda: hub_of(app).clients == set())
        await until(nobody_connected)


async def burst(app: Quart, publisher: int) -> None:
    for number in range(150):
        await hub_of(app).publish("/ws/chat", {"from": publisher, "number": number})


async def test_bursts_of_several_publishers_drop_nobody_who_reads(app: Quart) -> None:
    async with serving(app) as address, AsyncExitStack() as stack:
        members = [await stack.enter_async_context(chat(address, 1)) for _ in range(5)]
        await until(lambda: len(hub_of(app).clients) == 5)
        bursts = [asyncio.create_task(burst(app, publisher)) for publisher in range(3)]
        expected = [(publisher, n) for publisher in range(3) for n in range(150)]
        for member in members:
            heard = [await hear(member) for _ in expected]
            assert sorted((m["from"], m["number"]) for m in heard) == expected
        await asyncio.gather(*bursts)


async def test_without_turns_the_same_bursts_drop_everybody(
    app: Quart, monkeypatch: pytest.MonkeyPatch
) -> None:
    async with serving(app) as address, chat(address, 1) as ada:
        await until(lambda: len(hub_of(app).clients) == 1)
        clients = hub_of(app).on_topic("/ws/chat")

        async def burst_without_turns() -> None:
            for number in range(150):
                await hub.tell(clients, {"number": number})

        await asyncio.gather(*(burst_without_turns() for _ in range(3)))
        assert await ending(ada) == (1013, "too slow")


async def test_a_hundred_join_and_leave_at_once(
    app: Quart, caplog: pytest.LogCaptureFixture
) -> None:
    async with serving(app) as address:
        async with AsyncExitStack() as stack:

            async def join(user_id: int) -> Socket:
                return await stack.enter_async_context(topics(address, user_id, "news"))

            members = await asyncio.gather(*map(join, range(100)))
            who = await ask(members[0], type="who", topic="news")
            assert who["users"] == list(range(100))
        await until(nobody_connected)
        assert hub_of(app).clients == set()
    assert caplog.records == []


async def test_a_flooder_is_paced_and_the_others_talk_on(
    app: Quart, monkeypatch: pytest.MonkeyPatch
) -> None:
    async with serving(app) as address, chat(address, 1) as ada:
        with closing(await raw_client(address, "/ws/chat", bearer(2))) as raw:
            say = frame(b'{"text": "spam"}') * 1_000
            flooding = asyncio.create_task(raw.send(say))
            reading = asyncio.create_task(raw.read())
            heard = []
            for number in range(20):
                await tell(ada, text=str(number))
                while not (message := await hear(ada))["text"].isdigit():
                    heard.append(message["text"])
                assert message["text"] == str(number)
            assert len(heard) < 500
            assert len(hub_of(app).clients) == 2
            for task in (flooding, reading):
                task.cancel()
            await asyncio.gather(flooding, reading, return_exceptions=True)
        await until(lambda: len(hub_of(app).clients) == 1)


async def test_a_burst_of_one_client_does_not_fill_its_own_outbox(app: Quart) -> None:
    app.asgi_app = app.asgi_app._app  # type: ignore[method-assign,attr-defined]
    async with serving(app) as address, topics(address, 1) as ada:
        for _ in range(3 * hub.BACKLOG):
            await tell(ada, type="subscribe", topic="news")
        for _ in range(3 * hub.BACKLOG):
            assert (await hear(ada))["type"] == "subscribed"


async def test_who_may_connect(app: Quart) -> None:
    app.secret_key = KEY
    app.extensions["origins"] = [ORIGIN]
    serializer = app.session_interface.get_signing_serializer(app)  # type: ignore[attr-defined]
    token = Tokens([KEY]).issue(1, "ada")
    cookie = f"session={serializer.dumps({'access_token': token})}"
    assert await status(app, "/ws/chat", bearer(1)) == 101
    assert await status(app, "/ws/chat", {"Origin": ORIGIN, "Cookie": cookie}) == 101
    foreign = {"Origin": "https://evil.example", "Cookie": cookie}
    assert await status(app, "/ws/chat", foreign) == 403
    assert await status(app, "/ws/chat") == 403
    assert await status(app, "/ws/pubsub", {"Authorization": "Bearer none"}) == 401
    assert hub_of(app).clients == set()


async def test_a_user_has_so_many_sockets(app: Quart) -> None:
    async with serving(app) as address, AsyncExitStack() as stack:
        for connect in (chat, chat, chat, topics, topics):
            await stack.enter_async_context(connect(address, 1))
        assert await rejection(address, "/ws/chat", bearer(1)) == 429
        await stack.enter_async_context(chat(address, 2))


async def test_a_hub_comes_without_the_chat_and_with_a_limit_of_its_own() -> None:
    app = Quart(__name__)
    register_authentication(app, [KEY])
    register_hub(app, SocketLimit(per_user=6))
    register_pubsub(app)
    async with serving(app) as address, AsyncExitStack() as stack:
        assert await rejection(address, "/ws/chat", bearer(1)) == 404
        for _ in range(6):
            await stack.enter_async_context(topics(address, 1))
        assert await rejection(address, "/ws/pubsub", bearer(1)) == 429


async def test_the_key_comes_from_the_environment(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setenv("TOKEN_KEY", KEY)
    assert await status(create_app(), "/ws/chat", bearer(1)) == 101


async def test_a_socket_ends_with_its_token(app: Quart) -> None:
    headers = bearer(1, lifetime=1)
    async with serving(app) as address, connected(address, "/ws/chat", headers) as ws:
        assert await ending(ws) == (4401, "token expired")
        await until(lambda: hub_of(app).clients == set())


async def test_an_idle_socket_ends(app: Quart, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(messages, "IDLE_SECONDS", 0.1)
    async with serving(app) as address, chat(address, 1) as ws:
        assert await ending(ws) == (4408, "idle")


async def test_a_client_that_leaves_while_it_is_sent_to_is_no_error(
    app: Quart, caplog: pytest.LogCaptureFixture
) -> None:
    say = ['{"text": "hello"}'] * 5
    await leave_while_sending(app, "/ws/chat", bearer(1), *say)
    await until(lambda: hub_of(app).clients == set())
    assert caplog.records == []


async def test_a_hub_knows_its_own_process_only(app: Quart) -> None:
    async with (
        serving(app) as address,
        serving(create_app([KEY])) as other_address,
        chat(address, 1) as ada,
        chat(other_address, 2) as grace,
    ):
        for ws in (ada, grace):
            await tell(ws, text="anybody?")
            assert (await hear(ws))["text"] == "anybody?"


async def test_a_closing_app_says_that_it_goes_away(app: Quart) -> None:
    async with serving(app) as address, chat(address, 1) as ada:
        closing_event(app).set()
        assert await ending(ada) == (1001, "going away")
        async with chat(address, 2) as late:
            assert await ending(late) == (1001, "going away")


async def test_sigterm_with_open_sockets_and_a_stalled_one() -> None:
    env = {"TOKEN_KEY": KEY}
    async with (
        running("examples.websocket_broadcast", env=env) as server,
        chat(server.address, 1) as ada,
        topics(server.address, 2, "news") as grace,
    ):
        with closing(await stalled(server.address, 3)):
            await tell(ada, text="hello")
            await hear(ada)
            server.process.send_signal(signal.SIGTERM)
            assert await ending(ada) == (1001, "going away")
            assert await ending(grace) == (1001, "going away")
            assert await server.exit_code(30) == 0
    assert "Traceback" not in server.log


def plain_app() -> Quart:
    app = Quart(__name__)
    app.register_blueprint(plain.news)
    return app


@pytest.fixture
def news() -> Quart:
    return plain_app()


async def test_the_plain_form_publishes_to_all_who_listen(
    news: Quart, caplog: pytest.LogCaptureFixture
) -> None:
    async with serving(news) as address:
        async with (
            connected(address, "/ws/news") as ada,
            connected(address, "/ws/news") as grace,
        ):
            await until(lambda: len(plain.queues) == 2)
            for number in range(300):
                await plain.publish(str(number))
            for ws in (ada, grace):
                async with asyncio.timeout(20):
                    heard = [await ws.recv() for _ in range(300)]
                assert heard == [str(number) for number in range(300)]
        await until(lambda: plain.queues == set())
        await until(nobody_connected)
    assert caplog.records == []


async def test_the_plain_form_skips_who_is_too_slow(news: Quart) -> None:
    async with serving(news) as address, connected(address, "/ws/news") as ada:
        with closing(await raw_client(address, "/ws/news", {}, stalled=True)):
            await until(lambda: len(plain.queues) == 2)
            for number in range(400):
                text = f"{number} " + "x" * 3_000
                await plain.publish(text)
                async with asyncio.timeout(20):
                    assert await ada.recv() == text
            assert max(queue.qsize() for queue in plain.queues) == 100
        await until(lambda: len(plain.queues) == 1)


async def test_the_plain_form_skips_all_when_several_publish_at_once(
    news: Quart,
) -> None:
    async def burst() -> None:
        for number in range(500):
            await plain.publish(str(number))

    async with serving(news) as address, connected(address, "/ws/news") as ada:
        await until(lambda: len(plain.queues) == 1)
        await asyncio.gather(*(burst() for _ in range(10)))
        await until(lambda: [queue.qsize() for queue in plain.queues] == [0])
        await plain.publish("the end")
        heard = 0
        async with asyncio.timeout(20):
            while await ada.recv() != "the end":
                heard += 1
    assert heard < 5_000


async def test_the_plain_form_keeps_what_a_listener_sends() -> None:
    async with hypercorn("tests.test_websocket_broadcast:plain_app()") as server:
        before = peak_mb(server.process.pid)
        with closing(await raw_client(server.address, "/ws/news", {})) as raw:
            async with asyncio.timeout(50):
                await raw.flood(b"x" * 60_000, 40_000_000)
            assert peak_mb(server.process.pid) - before > 25


BIG = "x" * 10_000_000  # more than the buffers between server and client hold


async def hear_text(ws: Socket, text: str, seconds: float) -> None:
    async with asyncio.timeout(seconds):
        while await ws.recv() != text:
            continue


async def test_dont_serial_loop_stops_for_a_client_that_does_not_read() -> None:
    app = dont.serial_loop()
    async with serving(app) as address, connected(address, "/ws/broadcast") as ada:
        raw = await raw_client(address, "/ws/broadcast", {}, stalled=True)
        with closing(raw):
            await ada.send(BIG)
            await ada.send("hello")
            with pytest.raises(TimeoutError):
                await hear_text(ada, "hello", 1)
        if QUART_0_23:  # now that the other one has left, the publisher fails
            assert await ending(ada) == (1000, "")
        else:
            await hear_text(ada, "hello", 20)


async def test_dont_bare_except_forgets_who_is_still_there() -> None:
    sending = []

    class NotingWebsocket(Websocket):
        async def send(self, data: str | bytes) -> None:
            sending.append(self.path)
            await super().send(data)

    app = dont.bare_except()
    app.websocket_class = NotingWebsocket
    clients = app.extensions["clients"]
    async with serving(app) as address:
        slow = await raw_client(address, "/ws/broadcast/slow", {}, stalled=True)
        with closing(slow):
            await until(lambda: list(clients) == ["slow"])
            async with connected(address, "/ws/broadcast/ada") as ada:
                await ada.send(BIG)
                await until(lambda: sending == ["/ws/broadcast/slow"])
            await until(lambda: "slow" not in clients)
            await slow.send(frame(b"I am still here"))


async def test_dont_live_set_fails_when_somebody_comes(
    caplog: pytest.LogCaptureFixture,
) -> None:
    app = dont.live_set()
    test_client = app.test_client()
    async with AsyncExitStack() as stack:
        *subscribers, publisher, newcomer = [
            await stack.enter_async_context(test_client.websocket("/ws/pubsub"))
            for _ in range(4)
        ]
        for ws in subscribers:
            await ws.send_json({"type": "subscribe", "topic": "news"})
        await until(lambda: len(app.extensions["subscriptions"]["news"]) == 2)
        await publisher.send_json({"type": "publish", "topic": "news"})
        await newcomer.send_json({"type": "subscribe", "topic": "news"})
        await until(lambda: caplog.records != [])
    assert "RuntimeError: Set changed size during iteration" in caplog.text


async def test_dont_live_set_remembers_every_topic() -> None:
    app = dont.live_set()
    async with app.test_client().websocket("/ws/pubsub") as ws:
        for number in range(1_000):
            await ws.send_json({"type": "publish", "topic": f"invented-{number}"})
        await until(lambda: len(app.extensions["subscriptions"]) == 1_000)


async def commanded(app: Quart) -> int:
    """The status of a view that sends to a device which is connected."""
    async with serving(app) as address, connected(address, "/ws/devices/pump"):
        response = await app.test_client().post("/devices/pump/start")
    return response.status_code


async def test_dont_stored_websocket_fails_in_the_view(
    caplog: pytest.LogCaptureFixture,
) -> None:
    assert await commanded(dont.stored_websocket()) == 500
    expected = (
        "RuntimeError: There is no websocket in this context."
        if QUART_0_23
        else "RuntimeError: Not within a websocket context"
    )
    assert expected in caplog.text


async def test_dont_websocket_in_an_object_fails_in_the_view() -> None:
    assert await commanded(dont.websocket_in_an_object()) == 500


async def test_dont_unpaced_queues_drop_a_client_that_reads() -> None:
    app = dont.unpaced_queues()
    async with serving(app) as address, connected(address, "/ws/broadcast") as ada:
        for number in range(400):
            await ada.send(str(number))
        assert await ending(ada) == (1013, "too slow")


async def test_dont_task_group_reports_a_leaver_as_an_error(
    caplog: pytest.LogCaptureFixture,
) -> None:
    await leave_while_sending(dont.task_group(), "/ws/news")
    expected = ["Exception on websocket /ws/news"] if QUART_0_23 else []
    assert [record.message for record in caplog.records] == expected
    assert ("ClientDisconnectedError" in caplog.text) == QUART_0_23
