"""The whole service, one line a part.

Try:
    curl -s -i http://127.0.0.1:8000/ready
    curl -s -i http://127.0.0.1:8000/users -H 'Content-Type: application/json' -d '{"username": "ada", "email": "ada@example.com", "password": "correct-horse"}'
    (echo hello; sleep 1) | websockets ws://127.0.0.1:8000/ws/echo
"""  # noqa: E501

from collections.abc import Sequence
from datetime import timedelta

from quart import Quart, Response
from quart_cors import cors, cors_exempt
from quart_schema import Info, QuartSchema

from .authentication import register_authentication
from .background_tasks import Mailer, log_mail, register_jobs, register_mail
from .blueprints import register_blueprints
from .configuration import Settings, configure, load_settings
from .database_sessions import check_database, register_database
from .deployment import register_systemd
from .downloads import register_downloads
from .error_handling import register_error_handlers
from .lifespan import register_health
from .password_hashing import register_password_hashing
from .request_validation import JSONRequest
from .reverse_proxy import register_proxy
from .server_sent_events import register_events
from .sessions import register_pages
from .streaming.csv_export import exports
from .structured_logging import configure_logging, register_request_id
from .task_queue import register_outbox
from .uploads import register_uploads
from .websocket_broadcast import register_broadcast, register_pubsub
from .websocket_limits import PacedWebsockets
from .websocket_scaling import register_scaling
from .websockets import echo


def create_app(settings: Settings | None = None, mailer: Mailer = log_mail) -> Quart:
    settings = settings or load_settings()
    configure_logging(settings.log_level, json_lines=settings.log_json)
    app = Quart(__name__)
    app.request_class = JSONRequest
    configure(app, settings)
    register_request_id(app)
    register_error_handlers(app)
    register_schema(app, docs=settings.api_docs)
    register_database(app, settings.database_url.get_secret_value())
    register_authentication(app, settings.token_keys, settings.cors_origins)
    register_password_hashing(app)
    register_mail(app, mailer)
    register_outbox(app, settings.mail_outbox)
    register_jobs(app)
    register_blueprints(app)
    register_pages(app, settings.cors_origins)
    app.register_blueprint(exports)
    register_uploads(app, settings.upload_folder)
    register_downloads(app)
    register_events(app)
    app.register_blueprint(echo)
    register_broadcast(app)
    register_pubsub(app)
    if settings.redis_url:
        register_scaling(app, settings.redis_url.get_secret_value())
    register_health(app, database=check_database)
    register_cors(app, settings.cors_origins)
    app.after_request(set_security_headers)
    app.asgi_app = PacedWebsockets(app.asgi_app)  # type: ignore[method-assign]
    register_proxy(app, settings.trusted_hops)
    register_systemd(app)
    return app


def register_schema(app: Quart, *, docs: bool) -> None:
    """Describe the routes; `/openapi.json`, `/docs` ... are public where they exist."""
    path = "/openapi.json" if docs else None
    QuartSchema(app, info=Info(title="Users", version="1.0.0"), openapi_path=path)


def register_cors(app: Quart, origins: Sequence[str]) -> None:
    """Let the pages of `origins` read answers; call it when every route is there."""
    if not origins:
        return
    for rule in app.url_map.iter_rules():
        if rule.websocket:  # else each client that sends no Origin is refused
            cors_exempt(app.view_functions[rule.endpoint])  # type: ignore[type-var]
    cors(
        app,
        allow_origin=origins,
        allow_credentials=True,
        allow_headers=["Authorization", "Content-Type"],
        expose_headers=["X-Request-Id"],
        max_age=timedelta(hours=1),
    )


async def set_security_headers(response: Response) -> Response:
    """What an API sends; a view's own header goes before it."""
    headers = response.headers
    headers.setdefault("Cache-Control", "no-store")
    headers.setdefault("Referrer-Policy", "no-referrer")
    headers.setdefault("X-Content-Type-Options", "nosniff")
    if response.mimetype != "text/html":  # a page needs a policy of its own
        policy = "default-src 'none'; frame-ancestors 'none'"
        headers.setdefault("Content-Security-Policy", policy)
    return response


if __name__ == "__main__":
    from .serving import run

    run(create_app())
