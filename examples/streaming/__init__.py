"""Answers that are sent while they are made: tokens of a model, rows of a table.

Try:
    curl -s -N http://127.0.0.1:8000/answers -d 'question=Is the sky blue?'
    curl -s -N http://127.0.0.1:8000/answers -d 'question=Is the sky blue?' -H 'Accept: text/event-stream'
    curl -s -i http://127.0.0.1:8000/users.csv -H "Authorization: Bearer $(python -c "from examples.authentication import Tokens; print(Tokens(['$TOKEN_KEY']).issue(1, 'ada', 'admin'))")"
"""  # noqa: E501

import asyncio
import os
from collections.abc import AsyncGenerator, Sequence

from quart import Quart

from ..authentication import register_authentication
from .answers import Ask, register_answers
from .responses import stream_response

__all__ = [
    "Ask",
    "create_app",
    "register_answers",
    "repeat",
    "stream_response",
]


async def repeat(question: str) -> AsyncGenerator[str, None]:
    """Stands for the client of a model."""
    for word in question.split():
        await asyncio.sleep(0.1)
        yield f"{word} "


def create_app(
    ask: Ask = repeat, keys: Sequence[str] | None = None, database_url: str = ""
) -> Quart:
    # Here, so that who needs no export needs neither a database nor this User.
    from ..database_sessions import register_database
    from .csv_export import exports

    app = Quart(__name__)
    register_authentication(app, keys or [os.environ["TOKEN_KEY"]])
    default = os.environ.get("DATABASE_URL", "sqlite+aiosqlite:///app.sqlite3")
    register_database(app, database_url or default)
    register_answers(app, ask)
    app.register_blueprint(exports)
    return app
