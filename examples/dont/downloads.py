"""Mistakes in sending files, each one an app of its own."""

import os
import tempfile
from pathlib import Path

from quart import Quart, Response, after_this_request, send_file, send_from_directory


def arguments_of_flask(path: Path) -> Quart:
    app = Quart(__name__)

    @app.get("/report")
    async def send_report() -> Response:
        return await send_file(path, as_attachment=True, download_name="report.csv")

    return app


def path_of_the_client(folder: Path) -> Quart:
    app = Quart(__name__)

    @app.get("/files/<path:name>")
    async def send(name: str) -> Response:
        return await send_file(folder / name)

    return app


def shown_inline(folder: Path) -> Quart:
    app = Quart(__name__)

    @app.get("/files/<name>")
    async def send(name: str) -> Response:
        return await send_from_directory(folder, name)

    return app


def deleted_too_early(report: bytes) -> Quart:
    app = Quart(__name__)

    @app.get("/report")
    async def send_report() -> Response:
        handle, path = tempfile.mkstemp(suffix=".csv")
        with os.fdopen(handle, "wb") as file:
            file.write(report)

        @after_this_request
        async def delete(response: Response) -> Response:
            os.unlink(path)
            return response

        return await send_file(path)

    return app
