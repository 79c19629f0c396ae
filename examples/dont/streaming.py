"""Streams that break, or stop everybody else."""

from collections.abc import AsyncGenerator, Callable, Iterator

from quart import Quart, Response, g, stream_with_context
from quart.typing import ResponseReturnValue

Lines = Callable[[], AsyncGenerator[str, None]]


def no_timeout_set(lines: Lines, content_type: str) -> Quart:
    app = Quart(__name__)

    @app.get("/lines")
    async def answer() -> ResponseReturnValue:
        return lines(), 200, {"Content-Type": content_type}

    return app


def g_in_the_generator() -> Quart:
    app = Quart(__name__)

    @app.get("/lines")
    async def answer() -> Response:
        g.user = "ada"

        @stream_with_context
        async def lines() -> AsyncGenerator[str, None]:
            yield f"Hello {g.user}\n"

        return Response(lines())

    return app


def blocking_source(tokens: Callable[[], Iterator[str]]) -> Quart:
    app = Quart(__name__)

    @app.get("/lines")
    async def answer() -> Response:
        async def lines() -> AsyncGenerator[str, None]:
            for token in tokens():
                yield token

        return Response(lines())

    return app


def error_in_half_a_file(rows: Lines) -> Quart:
    app = Quart(__name__)

    @app.get("/rows.csv")
    async def export() -> Response:
        async def lines() -> AsyncGenerator[str, None]:
            try:
                async for row in rows():
                    yield row
            except Exception:
                app.logger.exception("the export failed")

        return Response(lines(), content_type="text/csv")

    return app
