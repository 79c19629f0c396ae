"""One session for a view and all its helpers, which find it in `g.session`."""

from collections.abc import Awaitable, Callable
from functools import wraps
from typing import ParamSpec, TypeVar

from quart import g

from .database import writing

P = ParamSpec("P")
R = TypeVar("R")


def with_session(view: Callable[P, Awaitable[R]]) -> Callable[P, Awaitable[R]]:
    """Commit when the view returns, roll back when it raises."""

    @wraps(view)
    async def in_transaction(*args: P.args, **kwargs: P.kwargs) -> R:
        async with writing() as session:
            g.session = session
            return await view(*args, **kwargs)

    return in_transaction
