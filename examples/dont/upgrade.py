"""How not to bring an app from Quart 0.22 to 0.23."""

from typing import Any

import quart
from quart import Quart


def overridden_method() -> Quart:
    class App(Quart):
        async def handle_exception(self, error: Exception) -> Any:
            await super().handle_exception(error)
            return self.response_class("Sorry.", 500)

    return App(__name__)


def branch_on_the_version() -> Quart:
    app = Quart(__name__)
    if quart.__version__ < "0.23":
        app.config["RESPONSE_TIMEOUT"] = 3600
    return app
