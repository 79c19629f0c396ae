"""A larger body for some routes, where MAX_CONTENT_LENGTH holds for the app."""

from typing import Any

from .json_request import JSONRequest

LARGER_BODIES = {"/messages": 5 * 2**20}  # bytes, by path


class LimitedRequest(JSONRequest):
    """The limit has to be known here: a view that sets it comes too late."""

    def __init__(
        self, method: str, scheme: str, path: str, *args: Any, **options: Any
    ) -> None:
        if path in LARGER_BODIES:
            options["max_content_length"] = LARGER_BODIES[path]
        super().__init__(method, scheme, path, *args, **options)
        self.max_content_length = options["max_content_length"]  # forms look here
