"""Save the files of a form under names of our own."""

from pathlib import Path
from uuid import uuid4

from quart import Quart, abort, request


def create_app(folder: Path) -> Quart:
    app = Quart(__name__)
    app.config["MAX_CONTENT_LENGTH"] = 20 * 2**20  # of a whole request; else 16 MiB

    @app.post("/files")
    async def add_files() -> tuple[dict[str, list[str]], int]:
        request.body_timeout = 600  # seconds; else a slow line gets 408 after 60
        sent = (await request.files).getlist("file")
        chosen = [upload for upload in sent if upload.filename]  # else left empty
        if not chosen:
            abort(400, "Send a file.")
        names = []
        for upload in chosen:
            name = str(uuid4())  # never upload.filename: the client chose it
            await upload.save(folder / name)
            names.append(name)
        return {"files": names}, 201

    return app
