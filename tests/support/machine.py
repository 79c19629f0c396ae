"""What the machine lends to tests: ports, and programs that may be missing."""

import os
import random
import socket
from contextlib import suppress
from typing import NoReturn

import pytest


def free_port() -> int:
    """Below those that the system lends to clients, which come and go."""
    while True:
        port = random.randrange(10_000, 32_000)
        with socket.socket() as probe, suppress(OSError):
            probe.bind(("127.0.0.1", port))
            return port


def missing(reason: str) -> NoReturn:
    """Skip the test, or fail it where CI is true."""
    if os.environ.get("CI") == "true":
        pytest.fail(reason)
    pytest.skip(reason)
