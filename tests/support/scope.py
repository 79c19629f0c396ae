"""What an ASGI server tells an app of a connection."""

from collections.abc import Mapping
from typing import Any


def asgi_scope(
    kind: str, path: str, headers: Mapping[str, str] | None = None, **more: Any
) -> Any:
    """`kind` is `http` or `websocket`; `more` is what only that kind has."""
    return {
        "type": kind,
        "asgi": {"spec_version": "2.3", "version": "3.0"},
        "scheme": "http" if kind == "http" else "ws",
        "http_version": "1.1",
        "path": path,
        "raw_path": path.encode(),
        "query_string": b"",
        "root_path": "",
        "headers": [
            (name.lower().encode(), value.encode())
            for name, value in (headers or {}).items()
        ],
        "extensions": {},
        **more,
    }
