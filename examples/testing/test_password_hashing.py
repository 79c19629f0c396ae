import asyncio
import threading
from concurrent.futures import ThreadPoolExecutor

import pytest
from werkzeug.exceptions import TooManyRequests

from examples.password_hashing import WAITING_PER_CLIENT, PasswordHashing, hasher


async def test_a_client_with_many_logins_holds_nobody_up() -> None:
    known = hasher.hash("correct-horse")
    done: list[str] = []
    opened = threading.Event()

    async def log_in(client: str) -> None:
        await passwords.verify(known, "guess", client)
        done.append(client)

    with ThreadPoolExecutor(1) as thread:
        passwords = PasswordHashing(thread)
        thread.submit(opened.wait, 10)  # busy, until all of them wait
        async with asyncio.TaskGroup() as group:
            for client in [*WAITING_PER_CLIENT * ["mallory"], "ada"]:
                group.create_task(log_in(client))
            await asyncio.sleep(0)  # each runs up to where it waits
            with pytest.raises(TooManyRequests):
                await log_in("mallory")
            opened.set()
    assert done.index("ada") == 1
