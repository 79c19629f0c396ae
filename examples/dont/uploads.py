"""Mistakes in taking files, each one an app of its own."""

from pathlib import Path
from uuid import uuid4

import aiofiles
from quart import Quart, abort, request


def save_under_its_name(folder: Path) -> Quart:
    app = Quart(__name__)

    @app.post("/files")
    async def add_file() -> tuple[str, int]:
        upload = (await request.files)["file"]
        await upload.save(folder / upload.filename)
        return "", 201

    return app


def write_what_comes(path: Path) -> Quart:
    app = Quart(__name__)
    app.config["MAX_CONTENT_LENGTH"] = 1_000_000

    @app.put("/file")
    async def replace_file() -> tuple[str, int]:
        async with aiofiles.open(path, "wb") as file:
            async for part in request.body:
                await file.write(part)
        return "", 204

    return app


def believe_the_client(folder: Path) -> Quart:
    app = Quart(__name__, static_folder=folder, static_url_path="/files")

    @app.post("/files")
    async def add_image() -> tuple[dict[str, str], int]:
        upload = (await request.files)["file"]
        if not upload.content_type.startswith("image/"):
            abort(415)
        name = uuid4().hex + Path(upload.filename).suffix
        await upload.save(folder / name)
        return {"url": f"/files/{name}"}, 201

    return app


def save_in_the_background(folder: Path) -> Quart:
    app = Quart(__name__)

    @app.post("/files")
    async def add_file() -> tuple[str, int]:
        upload = (await request.files)["file"]
        app.add_background_task(upload.save, folder / "1")
        return "", 202

    return app
