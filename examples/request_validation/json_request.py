"""JSON bodies: refuse with 400 or 415 what Quart turns into None or a 500."""

from typing import Any

from pydantic_core import from_json
from quart import Request, abort


class JSONRequest(Request):
    async def get_json(
        self, force: bool = False, silent: bool = False, cache: bool = True
    ) -> Any:
        if not (force or self.is_json):
            if silent:
                return None
            abort(415, "Send application/json.")
        data = await self.get_data(cache=cache)
        try:
            return from_json(data, allow_inf_nan=False)
        except ValueError:
            if silent:
                return None
            abort(400, "The body is not valid JSON.")
