"""Files in a folder: whole, under names of their own, or not at all."""

import asyncio
import errno
import os
import secrets
from collections.abc import AsyncGenerator, AsyncIterable, Callable, Iterator
from contextlib import contextmanager, suppress
from dataclasses import dataclass
from pathlib import Path
from typing import IO, ParamSpec, TypeVar

import puremagic
from werkzeug.exceptions import (
    BadRequest,
    ServiceUnavailable,
    UnsupportedMediaType,
)

HEAD = 4_096  # bytes that tell what a file is
KINDS = ("application/pdf", "image/gif", "image/jpeg", "image/png", "image/webp")
PART = 2**20  # bytes
NO_SPACE = (errno.ENOSPC, errno.EDQUOT)
RETRY_SECONDS = 60
P = ParamSpec("P")
R = TypeVar("R")


@dataclass(frozen=True)
class Content:
    """`size` in bytes, `kind` as a MIME type."""

    size: int
    kind: str


class FileStore:
    """A folder of its own. Its names are ours, and no client chooses them."""

    def __init__(self, folder: Path) -> None:
        self.folder = folder

    def path(self, file_id: str) -> Path:
        return self.folder / file_id

    async def save(self, file_id: str, parts: AsyncIterable[bytes]) -> Content:
        """All of `parts`, on the disk; or what was there before, if anything."""
        file = NewFile(self.path(file_id))
        try:
            with full_disk_is_503():
                async for part in parts:
                    await in_thread(file.write, part)
                return await in_thread(file.finish)
        except BaseException:  # cancelled, too: the client has left
            await in_thread(file.discard)
            raise

    async def remove(self, file_id: str) -> None:
        await in_thread(self.path(file_id).unlink, missing_ok=True)


class NewFile:
    """A file that is shown under its name when it is whole. Each method blocks."""

    def __init__(self, path: Path) -> None:
        self._path = path
        self._partial = path.with_name(f"{secrets.token_hex(16)}.part")
        self._file: IO[bytes] | None = None

    def write(self, part: bytes) -> None:
        if self._file is None:
            self._path.parent.mkdir(parents=True, exist_ok=True)
            self._file = self._partial.open("w+b")
        self._file.write(part)

    def finish(self) -> Content:
        if self._file is None or not self._file.tell():
            raise BadRequest("The file is empty.")
        content = Content(self._file.tell(), kind_of(self._file))
        if content.kind not in KINDS:
            raise UnsupportedMediaType(f"Send one of {', '.join(KINDS)}.")
        os.fsync(self._file.fileno())
        self._file.close()
        os.replace(self._partial, self._path)
        return content

    def discard(self) -> None:
        if self._file is not None:
            with suppress(OSError):  # a full disk fails it again
                self._file.close()
            self._partial.unlink(missing_ok=True)


@contextmanager
def full_disk_is_503() -> Iterator[None]:
    """Whether it is the folder or TMPDIR, where forms and archives are made."""
    try:
        yield
    except OSError as error:
        if error.errno in NO_SPACE:
            text = "There is no space for it."
            raise ServiceUnavailable(text, retry_after=RETRY_SECONDS) from error
        raise


def kind_of(file: IO[bytes]) -> str:
    """By the first bytes: names and headers are only what the client says."""
    file.seek(0)
    try:
        return puremagic.from_string(file.read(HEAD), mime=True)
    except puremagic.PureError:
        return ""


async def parts_of(file: IO[bytes]) -> AsyncGenerator[bytes, None]:
    """All of a temporary file, which is gone when it is closed."""
    with file:
        part = await in_thread(file.read, PART)
        while part:
            yield part
            part = await in_thread(file.read, PART)


async def in_thread(
    function: Callable[P, R], /, *args: P.args, **kwargs: P.kwargs
) -> R:
    """As `asyncio.to_thread`, but when cancelled it waits for the thread to end.

    Else a file would be closed and removed while it is written.
    """
    work = asyncio.ensure_future(asyncio.to_thread(function, *args, **kwargs))
    try:
        return await asyncio.shield(work)
    except asyncio.CancelledError:
        await asyncio.wait({work})
        raise
