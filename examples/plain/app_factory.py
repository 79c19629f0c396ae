"""One function makes the app, from one argument that tests replace."""

from collections.abc import Mapping
from typing import Any

from quart import Blueprint, Quart, current_app

pages = Blueprint("pages", __name__)


@pages.get("/")
async def index() -> dict[str, str]:
    return {"title": current_app.config["TITLE"]}


def create_app(config: Mapping[str, Any] | None = None) -> Quart:
    app = Quart(__name__)
    app.config.from_prefixed_env()  # QUART_TITLE=... is config["TITLE"]
    app.config.setdefault("TITLE", "Users")
    app.config.from_mapping(config or {})
    app.register_blueprint(pages)
    return app
