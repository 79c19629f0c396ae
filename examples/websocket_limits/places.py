from collections import Counter
from collections.abc import Generator, Hashable
from contextlib import contextmanager

from quart import abort


class SocketLimit:
    """At most `per_user` sockets of one user and `total` of all, else a 429."""

    def __init__(self, per_user: int = 5, total: int = 1_000) -> None:
        self._per_user = per_user
        self._total = total
        self._open = Counter[Hashable]()

    @contextmanager
    def place(self, user: Hashable) -> Generator[None, None, None]:
        """Take a place before `accept()`; it is free again after the block."""
        full = self._open.total() >= self._total
        if full or self._open[user] >= self._per_user:
            abort(429, "Too many open websockets.")
        self._open[user] += 1
        try:
            yield
        finally:
            self._open[user] -= 1
            if not self._open[user]:
                del self._open[user]
