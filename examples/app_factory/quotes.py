from pydantic import BaseModel
from quart import Blueprint, current_app
from quart_schema import validate_response

from .settings import Settings

quotes = Blueprint("quotes", __name__, url_prefix="/quotes")


class Quote(BaseModel):
    grams: int
    cents: int


@quotes.get("/<int(min=1, max=30000):grams>")
@validate_response(Quote)
async def quote(grams: int) -> Quote:
    settings: Settings = current_app.extensions["settings"]
    return Quote(grams=grams, cents=-(-grams * settings.cents_per_kg // 1000))
