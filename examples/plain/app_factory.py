"""One function makes the app out of what the modules define."""

import os
from collections.abc import Mapping
from typing import Any

from quart import Blueprint, Quart, current_app

pages = Blueprint("pages", __name__)


@pages.get("/")
async def index() -> dict[str, str]:
    return {"title": current_app.config["TITLE"]}


def create_app(config: Mapping[str, Any] | None = None) -> Quart:
    """`config` is what a test sets; the environment is read now, not at import."""
    app = Quart(__name__)
    app.config["DEBUG"] = False  # else FLASK_DEBUG decides
    app.config["TITLE"] = os.environ.get("TITLE", "Users")
    app.config.from_mapping(config or {})
    app.register_blueprint(pages)
    return app
