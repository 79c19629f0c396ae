"""A response without a time limit, which proxies pass on as it comes."""

from collections.abc import AsyncIterator, Iterator

from quart import Response, request

Parts = AsyncIterator[str] | Iterator[str]


def stream_response(parts: Parts, content_type: str) -> Response:
    """`parts` may use no `request` or `g`: the view has ended when they are made."""
    if request.method == "HEAD":  # else all of it would be made
        parts = iter(())
    response = Response(parts, content_type=content_type)
    response.timeout = None  # else it is cut after RESPONSE_TIMEOUT, 60 seconds
    response.headers["Cache-Control"] = "no-store"
    response.headers["X-Accel-Buffering"] = "no"  # nginx
    return response
