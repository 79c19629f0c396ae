import asyncio
import threading
from asyncio import Task
from collections.abc import AsyncIterator, Awaitable, Callable, Iterator
from concurrent.futures import ThreadPoolExecutor
from contextlib import contextmanager
from typing import Any

import pytest
from argon2 import PasswordHasher
from argon2.exceptions import VerifyMismatchError
from hypercorn.middleware import ProxyFixMiddleware
from quart import Quart, request
from werkzeug.exceptions import ServiceUnavailable, TooManyRequests
from werkzeug.security import check_password_hash, generate_password_hash

from examples import password_hashing as example
from examples.dont import password_hashing as dont
from examples.password_hashing import PasswordHashing, create_app, hasher
from examples.plain import password_hashing as plain

PASSWORD = "correct-horse"
HASH = hasher.hash(PASSWORD)
ADA = "10.0.0.1"
MALLORY = "10.0.0.2"


class Recorder(ThreadPoolExecutor):
    """The hashing thread; `two_queued` is set when a second hash was asked for."""

    def __init__(self) -> None:
        super().__init__(1)
        self.queued: list[str] = []
        self.two_queued = asyncio.Event()

    def submit(self, function: Any, /, *args: Any, **kwargs: Any) -> Any:
        self.queued.append(function.__name__)
        if len(self.queued) == 2:
            self.two_queued.set()
        return super().submit(function, *args, **kwargs)


@pytest.fixture
def thread() -> Iterator[Recorder]:
    with Recorder() as thread:
        yield thread


@pytest.fixture
def passwords(thread: Recorder) -> PasswordHashing:
    return PasswordHashing(thread)


@pytest.fixture
async def app(passwords: PasswordHashing) -> AsyncIterator[Quart]:
    app = create_app()
    async with app.test_app():
        app.extensions["password_hashing"] = passwords
        yield app


@contextmanager
def busy(thread: ThreadPoolExecutor) -> Iterator[Callable[[], None]]:
    """Keep the thread busy until what this yields is called, or the block ends."""
    opened = threading.Event()
    ThreadPoolExecutor.submit(thread, opened.wait, 20)
    try:
        yield opened.set
    finally:
        opened.set()


async def start(count: int, check: Callable[[], Awaitable[Any]]) -> list[Task[Any]]:
    """Run `check` so often at once; each runs up to where it waits."""
    tasks = [asyncio.ensure_future(check()) for _ in range(count)]
    await asyncio.sleep(0)
    return tasks


async def log_in(app: Quart, username: str, password: str, client: str = ADA) -> int:
    answer = await app.test_client().post(
        "/login",
        form={"username": username, "password": password},
        scope_base={"client": (client, 50_000)},
    )
    return answer.status_code


async def test_the_right_password_logs_in(app: Quart) -> None:
    assert await log_in(app, "ada", PASSWORD) == 204
    assert await log_in(app, "ada", "guess") == 401
    assert await log_in(app, "mallory", PASSWORD) == 401
    assert await log_in(app, "", "") == 401


async def test_a_hash_verifies(passwords: PasswordHashing) -> None:
    made = await passwords.hash("p\x00ssword" * 20, ADA)
    assert await passwords.verify(made, "p\x00ssword" * 20, ADA)
    assert not await passwords.verify(made, "p", ADA)


def test_the_cost_is_what_owasp_names() -> None:
    assert HASH.startswith("$argon2id$v=19$m=19456,t=2,p=1$")
    assert not hasher.check_needs_rehash(HASH)
    assert hasher.check_needs_rehash(PasswordHasher().hash(PASSWORD))
    assert generate_password_hash("x").startswith("scrypt:32768:8:1$")


async def test_a_trusted_proxy_tells_clients_apart(app: Quart) -> None:
    @app.get("/client")
    async def client() -> str:
        return request.remote_addr or ""

    async def seen(address: str) -> str:
        answer = await app.test_client().get(
            "/client",
            headers={"X-Forwarded-For": address},
            scope_base={"client": ("10.0.0.9", 50_000)},
        )
        return await answer.get_data(as_text=True)

    assert [await seen(ADA), await seen(MALLORY)] == ["10.0.0.9", "10.0.0.9"]
    proxied = ProxyFixMiddleware(app.asgi_app, mode="legacy", trusted_hops=1)
    app.asgi_app = proxied  # type: ignore[assignment, method-assign]
    assert [await seen(ADA), await seen(MALLORY)] == [ADA, MALLORY]


class RecordingHasher(PasswordHasher):
    """Remembers what it was to verify, and in which thread."""

    def __init__(self) -> None:
        super().__init__(time_cost=2, memory_cost=19_456, parallelism=1)
        self.verified: list[tuple[Any, Any]] = []
        self.threads: set[threading.Thread] = set()

    def verify(self, hash: Any, password: Any) -> Any:
        self.verified.append((hash, password))
        self.threads.add(threading.current_thread())
        return super().verify(hash, password)


@pytest.fixture
def recorded(monkeypatch: pytest.MonkeyPatch) -> RecordingHasher:
    recorded = RecordingHasher()
    monkeypatch.setattr(example, "hasher", recorded)
    return recorded


async def test_an_unknown_user_costs_as_much_as_a_known_one(
    passwords: PasswordHashing, recorded: RecordingHasher
) -> None:
    assert not await passwords.verify(None, "guess", ADA)
    assert not await passwords.verify(HASH, "guess", ADA)
    costs = [stored.rsplit("$", 2)[0] for stored, _ in recorded.verified]
    assert costs == 2 * ["$argon2id$v=19$m=19456,t=2,p=1"]


async def test_nobody_logs_in_without_a_stored_hash(
    thread: Recorder, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(example.secrets, "token_hex", lambda: PASSWORD)
    assert not await PasswordHashing(thread).verify(None, PASSWORD, ADA)


@pytest.mark.parametrize(
    "stored",
    ["plaintext", "$argon2id$", HASH[:-30], generate_password_hash("x")],
    ids=["plain", "empty", "cut", "scrypt"],
)
async def test_a_broken_hash_is_logged_and_a_failed_login(
    passwords: PasswordHashing, stored: str, caplog: pytest.LogCaptureFixture
) -> None:
    assert not await passwords.verify(stored, PASSWORD, ADA)
    assert [record.message for record in caplog.records] == [
        "a stored password hash cannot be verified"
    ]
    assert PASSWORD not in caplog.text


async def test_passwords_are_hashed_in_a_thread_of_their_own(
    passwords: PasswordHashing, recorded: RecordingHasher
) -> None:
    assert await passwords.verify(HASH, PASSWORD, ADA)
    assert await passwords.verify(HASH, PASSWORD, MALLORY)
    assert len(recorded.threads) == 1
    assert threading.current_thread() not in recorded.threads


async def test_a_client_with_many_logins_waits_behind_itself(
    passwords: PasswordHashing, thread: Recorder
) -> None:
    done = []

    async def check(client: str) -> None:
        await passwords.verify(HASH, "guess", client)
        done.append(client)

    with busy(thread):
        tasks = await start(5, lambda: check(MALLORY))
        tasks += await start(1, lambda: check(ADA))
        assert len(thread.queued) == 2
    await asyncio.gather(*tasks)
    assert done == [MALLORY, ADA, MALLORY, MALLORY, MALLORY, MALLORY]


async def test_one_login_too_many_is_a_429_for_this_client_only(
    app: Quart, thread: Recorder
) -> None:
    with busy(thread):
        logins = await start(6, lambda: log_in(app, "ada", "guess", MALLORY))
        done, waiting = await asyncio.wait(
            logins, timeout=20, return_when=asyncio.FIRST_COMPLETED
        )
        assert [login.result() for login in done] == [429]
        ada = asyncio.create_task(log_in(app, "ada", PASSWORD, ADA))
        await asyncio.wait_for(thread.two_queued.wait(), 20)
    assert await ada == 204
    assert await asyncio.gather(*waiting) == [401] * 5
    assert await log_in(app, "ada", PASSWORD, MALLORY) == 204


async def test_a_crowd_of_clients_is_bounded_too(
    passwords: PasswordHashing, thread: Recorder, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(example, "WAITING_IN_ALL", 3)
    clients = iter(["10.0.0.1", "10.0.0.2", "10.0.0.3"])
    with busy(thread):
        waiting = await start(
            3, lambda: passwords.verify(HASH, PASSWORD, next(clients))
        )
        with pytest.raises(ServiceUnavailable) as refusal:
            await passwords.verify(HASH, PASSWORD, "10.0.0.4")
        assert ("Retry-After", "5") in refusal.value.get_headers()
    assert await asyncio.gather(*waiting) == [True] * 3


async def test_a_refusal_says_when_to_come_again(
    passwords: PasswordHashing, thread: Recorder
) -> None:
    with busy(thread):
        waiting = await start(5, lambda: passwords.hash(PASSWORD, MALLORY))
        with pytest.raises(TooManyRequests) as refusal:
            await passwords.hash(PASSWORD, MALLORY)
        assert ("Retry-After", "1") in refusal.value.get_headers()
    await asyncio.gather(*waiting)


async def test_who_leaves_while_waiting_frees_the_place(
    passwords: PasswordHashing, thread: Recorder
) -> None:
    def check() -> Awaitable[bool]:
        return passwords.verify(HASH, PASSWORD, MALLORY)

    with busy(thread):
        left = await start(5, check)
        for task in left:
            task.cancel()
        await asyncio.gather(*left, return_exceptions=True)
        stayed = await start(5, check)
        with pytest.raises(TooManyRequests):
            await check()
    assert await asyncio.gather(*stayed) == [True] * 5


async def test_who_leaves_while_waiting_is_not_hashed(
    passwords: PasswordHashing, thread: Recorder, recorded: RecordingHasher
) -> None:
    with busy(thread):
        (left,) = await start(1, lambda: passwords.verify(HASH, "left", MALLORY))
        left.cancel()
        await asyncio.wait([left], timeout=20)
        (stayed,) = await start(1, lambda: passwords.verify(HASH, PASSWORD, MALLORY))
    assert await stayed
    assert recorded.verified == [(HASH, PASSWORD)]


class Gate:
    """A hasher that stays in `verify` until it is opened, and counts who is inside."""

    def __init__(self) -> None:
        self.entered = threading.Semaphore(0)
        self.opened = threading.Event()
        self.inside = self.most = 0

    def verify(self, known: str, password: str) -> None:
        self.inside += 1
        self.most = max(self.most, self.inside)
        self.entered.release()
        assert self.opened.wait(20)
        self.inside -= 1
        raise VerifyMismatchError

    async def someone_is_in(self) -> None:
        assert await asyncio.to_thread(self.entered.acquire, timeout=20)


async def leave_while_hashing(
    app: Quart, gate: Gate, second_has_come: Callable[[], Awaitable[object]]
) -> None:
    """Two clients log in; the first one leaves while its password is being hashed."""
    client = app.test_client()
    headers = {"Content-Type": "application/x-www-form-urlencoded"}
    async with client.request("/login", method="POST", headers=headers) as first:
        await first.send(b"username=ada&password=guess")
        await first.send_complete()
        await gate.someone_is_in()
        await first.disconnect()
    second = asyncio.create_task(log_in(app, "ada", "guess"))
    await asyncio.wait_for(second_has_come(), 20)
    gate.opened.set()
    assert await second == 401


async def test_two_are_never_hashed_at_once_though_a_client_leaves(
    app: Quart, thread: Recorder, monkeypatch: pytest.MonkeyPatch
) -> None:
    gate = Gate()
    monkeypatch.setattr(example, "hasher", gate)
    await leave_while_hashing(app, gate, thread.two_queued.wait)
    assert gate.most == 1


async def test_the_app_has_one_thread_as_long_as_it_runs(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    def hashing_threads() -> list[str]:
        names = [thread.name for thread in threading.enumerate()]
        return [name for name in names if name.startswith("hashing_")]

    gate = Gate()
    app = create_app()
    async with app.test_app():
        monkeypatch.setattr(example, "hasher", gate)
        ada = asyncio.create_task(log_in(app, "ada", "guess", ADA))
        await gate.someone_is_in()
        logins = await start(6, lambda: log_in(app, "ada", "guess", MALLORY))
        await asyncio.wait(logins, timeout=20, return_when=asyncio.FIRST_COMPLETED)
        assert hashing_threads() == ["hashing_0"]
        gate.opened.set()
        assert sorted(await asyncio.gather(ada, *logins)) == [401] * 6 + [429]
    assert hashing_threads() == []


async def test_plain_form_hashes_and_verifies() -> None:
    stored = await plain.hash_password(PASSWORD)
    assert await plain.verify_password(stored, PASSWORD)
    assert not await plain.verify_password(stored, "guess")
    assert not await plain.verify_password("broken", PASSWORD)
    assert not await plain.verify_password(stored[:-30], PASSWORD)


async def test_dont_hash_in_the_view_stops_the_loop(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    threads = []

    def check(known: str, password: str) -> bool:
        threads.append(threading.current_thread())
        return check_password_hash(known, password)

    monkeypatch.setattr(dont, "check_password_hash", check)
    app = dont.hash_in_the_view({"ada": generate_password_hash(PASSWORD)})
    assert await log_in(app, "ada", PASSWORD) == 204
    assert await log_in(app, "ada", "guess") == 401
    assert threads == [threading.current_thread()] * 2


async def test_dont_hash_behind_a_semaphore_hashes_two_when_a_client_leaves(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    app = dont.hash_behind_a_semaphore({"ada": HASH})
    assert await log_in(app, "ada", PASSWORD) == 204
    gate = Gate()
    monkeypatch.setattr(dont, "hasher", gate)
    await leave_while_hashing(app, gate, gate.someone_is_in)
    assert gate.most == 2


async def test_dont_tell_who_is_a_user_answers_differently() -> None:
    app = dont.tell_who_is_a_user({"ada": HASH})
    assert await log_in(app, "ada", PASSWORD) == 204
    assert await log_in(app, "ada", "guess") == 401
    assert await log_in(app, "mallory", "guess") == 404
