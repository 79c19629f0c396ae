"""Take files: POST to the path of `register_uploads`."""

import secrets
from collections.abc import AsyncIterable

from quart import Blueprint, abort, current_app, g, request

from ..authentication import login_required
from .files import StoredFile, keep_files, shown_name
from .paced_body import body_parts
from .store import FileStore, full_disk_is_503, parts_of

FORM_SECONDS = 600
Upload = tuple[str | None, AsyncIterable[bytes]]
uploads = Blueprint("uploads", __name__)


@uploads.post("")
@login_required
async def add_files() -> tuple[dict[str, object], int]:
    """All of them, or none."""
    store: FileStore = current_app.extensions["file_store"]
    owner_id = g.caller.user_id
    files: list[StoredFile] = []
    try:
        for name, parts in await sent_files():
            file = StoredFile(id=secrets.token_hex(16), owner_id=owner_id)
            file.name = shown_name(name)
            files.append(file)  # before it is there: it is removed in any case
            content = await store.save(file.id, parts)
            file.size, file.kind = content.size, content.kind
        await keep_files(owner_id, files)
    except BaseException:
        for file in files:
            await store.remove(file.id)
        raise
    return {"files": [described(file) for file in files]}, 201


async def sent_files() -> list[Upload]:
    """Those of a form, or the body itself with its name in the query."""
    if request.mimetype != "multipart/form-data":
        return [(request.args.get("name"), body_parts())]
    request.body_timeout = FORM_SECONDS  # BODY_TIMEOUT, 60 seconds, is for all of it
    with full_disk_is_503():
        sent = (await request.files).getlist("file")
    chosen = [upload for upload in sent if upload.filename]  # else a field left empty
    if not chosen:
        abort(400, "Send files in the field `file`.")
    return [(upload.filename, parts_of(upload.stream)) for upload in chosen]


def described(file: StoredFile) -> dict[str, object]:
    return {"id": file.id, "name": file.name, "kind": file.kind, "size": file.size}
