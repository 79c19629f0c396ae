"""Who owns which file, and how much anybody may keep."""

import os
import re
import stat
import time
from collections.abc import Sequence
from contextlib import suppress
from datetime import UTC, datetime
from pathlib import Path

from quart import abort
from sqlalchemy import BigInteger, ForeignKey, String, func, select
from sqlalchemy.orm import Mapped, mapped_column

from ..authentication import unauthorized
from ..database_sessions import Base, User, reading, writing
from ..database_sessions.models import UtcDateTime
from .store import FileStore, in_thread

DAY = 24 * 3600
NAME_LENGTH = 200
QUOTA = 2**30  # bytes of one user
SUFFIX_LENGTH = 20
OUR_NAME = re.compile(r"[0-9a-f]{32}(\.part)?")


class StoredFile(Base):
    """`id` is its name in the folder, `name` what people call it."""

    __tablename__ = "files"

    id: Mapped[str] = mapped_column(String(32), primary_key=True)
    owner_id: Mapped[int] = mapped_column(
        ForeignKey("users.id", ondelete="CASCADE"), index=True
    )
    name: Mapped[str] = mapped_column(String(NAME_LENGTH))
    kind: Mapped[str] = mapped_column(String(100))
    size: Mapped[int] = mapped_column(BigInteger)
    created_at: Mapped[datetime] = mapped_column(
        UtcDateTime, default=lambda: datetime.now(UTC)
    )


def shown_name(given: str | None) -> str:
    """What the client calls its file, without folders and what does not print."""
    name = (given or "").replace("\\", "/").rpartition("/")[2]
    name = "".join(letter for letter in name if letter.isprintable())
    stem, suffix = os.path.splitext(name.strip())
    suffix = suffix[:SUFFIX_LENGTH]
    return stem[: NAME_LENGTH - len(suffix)] + suffix or "file"


async def keep_files(owner_id: int, files: Sequence[StoredFile]) -> None:
    """All of them, if they fit into what the owner may keep."""
    kept = select(func.coalesce(func.sum(StoredFile.size), 0))
    async with writing() as database:
        owner = await database.get(User, owner_id, with_for_update=True)
        if owner is None:
            raise unauthorized("This user is gone.")
        used = await database.scalar(kept.where(StoredFile.owner_id == owner_id))
        if int(used or 0) + sum(file.size for file in files) > QUOTA:
            abort(403, "This is more than you may keep.")
        database.add_all(files)


async def remove_leftovers(store: FileStore) -> None:
    """What no row has named for a day: of crashes, and of users who are gone."""
    names = await in_thread(our_names_older_than, DAY, store.folder)
    for start in range(0, len(names), 500):
        some = names[start : start + 500]
        query = select(StoredFile.id).where(StoredFile.id.in_(some))
        async with reading() as database:
            known = set(await database.scalars(query))
        for name in set(some) - known:
            await store.remove(name)


def our_names_older_than(seconds: float, folder: Path) -> list[str]:
    """It blocks. Files that are not whole are among them, other people's are not."""
    oldest = time.time() - seconds
    names = []
    for path in folder.iterdir() if folder.is_dir() else ():
        if OUR_NAME.fullmatch(path.name):
            with suppress(FileNotFoundError):  # removed since
                state = path.lstat()
                if stat.S_ISREG(state.st_mode) and state.st_mtime < oldest:
                    names.append(path.name)
    return names
