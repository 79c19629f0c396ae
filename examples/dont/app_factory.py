"""Factories that leak, break or lie."""

import re

from quart import Quart
from quart_cors import cors, route_cors
from quart_schema import Info, QuartSchema

from examples.app_factory.settings import Settings

schema = QuartSchema(info=Info(title="Parcels", version="1.0.0"))
settings: Settings


def with_quotes(app: Quart) -> Quart:
    @app.get("/quotes/<int:grams>")
    async def quote(grams: int) -> dict[str, int]:
        return {"grams": grams, "cents": grams * 450 // 1000}

    return app


def development_by_default(environment: str = "development") -> Quart:
    app = Quart(__name__)
    app.config["DEBUG"] = environment == "development"

    @app.get("/quotes/<int:grams>")
    async def quote(grams: int) -> dict[str, int]:
        carrier_key = "ck-4711"
        rates = {"no": 450}
        return {"grams": grams, "cents": grams * rates["se"] // 1000}

    return app


def wildcard_with_credentials() -> Quart:
    app = Quart(__name__)
    cors(app, allow_origin="*", allow_credentials=True)
    return with_quotes(app)


def origins_in_one_string() -> Quart:
    origins = "https://app.example.com,https://admin.example.com"
    app = Quart(__name__)
    cors(app, allow_origin=origins, allow_credentials=True)
    return with_quotes(app)


def open_ended_origin() -> Quart:
    app = Quart(__name__)
    subdomains = re.compile(r"https://.*\.example\.com")
    cors(app, allow_origin=subdomains, allow_credentials=True)
    return with_quotes(app)


def cors_per_route() -> Quart:
    app = Quart(__name__)

    @app.get("/quotes/<int:grams>")
    @route_cors(allow_origin="https://app.example.com", allow_credentials=True)
    async def quote(grams: int) -> dict[str, int]:
        return {"grams": grams, "cents": grams * 450 // 1000}

    return app


def shared_schema(path: str) -> Quart:
    app = Quart(__name__)
    schema.init_app(app)

    @app.get(path)
    async def listing() -> list[str]:
        return []

    return app


def titled_schema() -> Quart:
    app = Quart(__name__)
    QuartSchema(app, title="Parcels", version="1.0.0")
    return with_quotes(app)


def public_docs() -> Quart:
    app = Quart(__name__)
    QuartSchema(app, info=Info(title="Parcels", version="1.0.0"))
    return with_quotes(app)


def forgotten_import() -> Quart:
    app = Quart(__name__)

    @app.errorhandler(RequestSchemaValidationError)
    async def invalid(error: Exception) -> tuple[dict[str, str], int]:
        return {"title": "Invalid request"}, 422

    return with_quotes(app)


def global_settings(own: Settings) -> Quart:
    global settings
    settings = own
    app = Quart(__name__)

    @app.get("/quotes/<int:grams>")
    async def quote(grams: int) -> dict[str, int]:
        return {"grams": grams, "cents": grams * settings.cents_per_kg // 1000}

    return app


def trusted_hosts() -> Quart:
    app = Quart(__name__)
    app.config["TRUSTED_HOSTS"] = ["api.example.com"]
    return with_quotes(app)
