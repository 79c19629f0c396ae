"""Give users their files back: GET the path of `register_downloads`, and the id."""

import tempfile
import zipfile
from collections.abc import Sequence
from contextlib import ExitStack, suppress
from typing import IO
from urllib.parse import quote

from quart import (
    Blueprint,
    Response,
    abort,
    current_app,
    g,
    request,
    send_from_directory,
)
from quart.typing import ResponseReturnValue
from sqlalchemy import Select, delete, select

from ..authentication import login_required
from ..database_sessions import reading, writing
from ..uploads import FileStore, StoredFile, described
from ..uploads.store import full_disk_is_503, in_thread, parts_of
from .responses import DOWNLOAD_SECONDS

PAGE = 100
FILE_PATH = "/<string(length=32):file_id>"
downloads = Blueprint("downloads", __name__)


def file_store() -> FileStore:
    store: FileStore = current_app.extensions["file_store"]
    return store


@downloads.get(FILE_PATH)
@login_required
async def send_stored(file_id: str) -> Response:
    file = await own_file(file_id)
    response = await send_from_directory(
        file_store().folder, file.id, mimetype=file.kind
    )
    as_attachment(response, file.name)
    return response


def as_attachment(response: Response, name: str) -> None:
    """To be saved, never shown: what users send could run as a page of ours."""
    encoded = f"UTF-8''{quote(name, safe='')}"  # `attachment_filename` does not
    response.headers.set("Content-Disposition", "attachment", **{"filename*": encoded})
    response.headers["Cache-Control"] = "private, no-cache"  # Quart: public, 12 hours
    response.headers["Content-Security-Policy"] = "default-src 'none'; sandbox"
    response.headers["X-Content-Type-Options"] = "nosniff"


def own_files() -> Select[StoredFile]:
    return select(StoredFile).where(StoredFile.owner_id == g.caller.user_id)


async def own_file(file_id: str) -> StoredFile:
    """404 for those of others, too."""
    async with reading() as database:
        file = await database.scalar(own_files().where(StoredFile.id == file_id))
    if file is None:
        abort(404, "There is no such file.")
    return file


@downloads.get("")
@login_required
async def list_files() -> dict[str, object]:
    return {"files": [described(file) for file in await page_of_files()]}


async def page_of_files() -> Sequence[StoredFile]:
    """Those after the id `after`."""
    query = own_files().where(StoredFile.id > request.args.get("after", ""))
    async with reading() as database:
        files = await database.scalars(query.order_by(StoredFile.id).limit(PAGE))
        return files.all()


@downloads.delete(FILE_PATH)
@login_required
async def delete_file(file_id: str) -> ResponseReturnValue:
    """On POSIX, whoever is reading it reads it to its end."""
    file = await own_file(file_id)
    async with writing() as database:
        await database.execute(delete(StoredFile).where(StoredFile.id == file.id))
    await file_store().remove(file.id)
    return "", 204


@downloads.get("/archive.zip")
@login_required
async def send_archive() -> Response:
    """Of the same page as the list has for `after`."""
    with full_disk_is_503():
        archive = await in_thread(archive_of, await page_of_files(), file_store())
    response = Response(parts_of(archive), mimetype="application/zip")
    response.timeout = DOWNLOAD_SECONDS
    as_attachment(response, "files.zip")
    return response


def archive_of(files: Sequence[StoredFile], store: FileStore) -> IO[bytes]:
    """It blocks. What is lost, or deleted meanwhile, is not in it."""
    with ExitStack() as stack:
        made = stack.enter_context(tempfile.TemporaryFile())  # gone when it is closed
        with zipfile.ZipFile(made, "w") as archive:
            for number, file in enumerate(files, 1):
                with suppress(FileNotFoundError):
                    archive.write(store.path(file.id), f"{number}-{file.name}")
        made.seek(0)
        stack.pop_all()  # it stays open
    return made
