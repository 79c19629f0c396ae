"""Build the app in one function, from one settings object.

Try:
    curl -s -i http://127.0.0.1:8000/quotes/900
    curl -s -i http://127.0.0.1:8000/quotes/31000
    curl -s -i http://127.0.0.1:8000/openapi.json
"""

from quart import Quart
from quart_cors import cors
from quart_schema import Info, QuartSchema

from .quotes import quotes
from .security import set_security_headers
from .settings import Settings


def create_app(settings: Settings | None = None) -> Quart:
    settings = settings or Settings()
    app = Quart(__name__)
    app.debug = False  # else FLASK_DEBUG decides
    app.extensions["settings"] = settings
    QuartSchema(
        app,
        info=Info(title="Parcels", version="1.0.0"),
        openapi_path="/openapi.json" if settings.docs else None,
    )
    if settings.cors_origins:
        cors(app, allow_origin=settings.cors_origins, allow_credentials=True)
    app.after_request(set_security_headers)
    app.register_blueprint(quotes)
    return app
