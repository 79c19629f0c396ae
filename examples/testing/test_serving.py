"""A stream ends when the app closes, and SIGTERM waits for it."""

import os
import signal
import subprocess
import sys
from urllib.request import urlopen

from examples.serving import closing_event, create_app


async def test_closing_ends_a_stream() -> None:
    app = create_app()
    closing_event(app).set()
    response = await app.test_client().get("/events")
    assert await response.get_data() == b"event: end\ndata:\n\n"


def test_sigterm_waits_for_the_end_of_a_stream() -> None:
    path = os.pathsep.join(sys.path)
    with subprocess.Popen(
        [sys.executable, "-m", "examples.serving"],
        env={**os.environ, "BIND": "127.0.0.1:0", "PYTHONPATH": path},
        stderr=subprocess.PIPE,
        text=True,
    ) as server:
        try:
            assert server.stderr is not None
            _, _, address = server.stderr.readline().partition("Running on ")
            with urlopen(f"{address.split()[0]}/events", timeout=20) as events:
                assert events.readline() == b"event: beat\n"
                server.send_signal(signal.SIGTERM)
                assert events.read().endswith(b"event: end\ndata:\n\n")
            assert server.wait(20) == 0
        finally:
            server.kill()
