"""Files as answers: in whole or in part, for as long as a slow line needs."""

from typing import Any

from quart import Response
from quart.wrappers.response import FileBody, IOBody
from werkzeug.exceptions import RequestedRangeNotSatisfiable

DOWNLOAD_SECONDS = 3600


def first_byte(begin: int, size: int) -> int:
    """`bytes=-500` are the last 500: Quart answers 500, Internal Server Error."""
    return max(size + begin, 0) if begin < 0 else begin


class FileParts(FileBody):
    buffer_size = 2**18  # Quart's 8,192 cost two turns of a thread each

    async def make_conditional(self, begin: int, end: int | None) -> int:
        return await super().make_conditional(first_byte(begin, self.size), end)


class IOParts(IOBody):
    async def make_conditional(self, begin: int, end: int | None) -> int:
        return await super().make_conditional(first_byte(begin, self.size), end)


class FileResponse(Response):
    """For `app.response_class`: static files and `send_file` answer with it too."""

    file_body_class = FileParts
    io_body_class = IOParts

    def __init__(self, response: Any = None, *args: Any, **options: Any) -> None:
        super().__init__(response, *args, **options)
        if isinstance(response, FileBody | IOBody):
            self.timeout = DOWNLOAD_SECONDS  # RESPONSE_TIMEOUT is 60 seconds

    async def make_conditional(self, *args: Any, **options: Any) -> Response:
        body = self.response
        if options.get("accept_ranges"):
            self.headers["Accept-Ranges"] = "bytes"
        try:
            return await super().make_conditional(*args, **options)
        except RequestedRangeNotSatisfiable as error:
            error.length = getattr(body, "size", None)  # Quart leaves it out
            raise
