"""A validated POST, and headers with CORS: against bare Quart, and the usual way."""

import itertools
import json
from dataclasses import asdict, dataclass
from datetime import UTC, datetime
from typing import Any

from quart import Quart, Response, request
from quart_cors import cors
from quart_schema import Info, QuartSchema, validate_request, validate_response

from benchmarks.measure import Figure, Request, cpu_seconds, ratios, requests
from examples import app_factory, request_validation
from examples.configuration import Settings
from examples.lifespan import register_health

REQUESTS = 300
ORIGIN = "https://app.example"


def bare_post() -> Quart:
    app = Quart("bare")

    @app.post("/users")
    async def create_user() -> tuple[dict[str, Any], int]:
        data = await request.get_json()
        return {**data, "id": 1, "created_at": datetime.now(UTC).isoformat()}, 201

    return app


@dataclass
class NewUser:
    username: str
    email: str
    password: str
    bio: str | None = None


@dataclass
class User:
    id: int
    username: str
    email: str
    bio: str | None
    created_at: str


def dataclass_post() -> Quart:
    """What is often written: standard-library dataclasses for both directions."""
    app = Quart("dataclasses")
    QuartSchema(app, info=Info(title="Users", version="1.0.0"))

    @app.post("/users")
    @validate_request(NewUser)
    @validate_response(User, 201)
    async def create_user(data: NewUser) -> tuple[User, int]:
        profile = asdict(data)
        del profile["password"]
        return User(id=1, created_at=datetime.now(UTC).isoformat(), **profile), 201

    return app


def plain_get(name: str = "plain") -> Quart:
    """One route of app_factory, without its headers and without CORS."""
    app = Quart(name)
    app_factory.register_schema(app, docs=False)
    register_health(app)
    return app


def with_headers() -> Quart:
    """The same with what app_factory adds for them."""
    app = plain_get("with headers")
    app_factory.register_cors(app, [ORIGIN])
    app.after_request(app_factory.set_security_headers)
    return app


def whole() -> Quart:
    settings = Settings.model_validate(
        {
            "secret_key": "s" * 32,
            "token_key": "t" * 32,
            "database_url": "sqlite+aiosqlite:///never-opened.sqlite3",
            "cors_origins": [ORIGIN],
            "log_level": "WARNING",
        }
    )
    return app_factory.create_app(settings)


def bare_get() -> Quart:
    app = Quart("bare")

    @app.get("/live")
    async def live() -> dict[str, str]:
        return {"status": "live"}

    return app


def header_by_header() -> Quart:
    """What is often written: one assignment a header, CORS for every origin."""
    app = plain_get("header by header")
    cors(app, allow_origin="*", allow_headers=["Content-Type", "Authorization"])

    @app.before_request
    async def before_request() -> None:
        pass

    @app.after_request
    async def after_request(response: Response) -> Response:
        response.headers["X-Content-Type-Options"] = "nosniff"
        response.headers["X-Frame-Options"] = "DENY"
        response.headers["X-XSS-Protection"] = "1; mode=block"
        return response

    return app


async def figures(rounds: int) -> list[Figure]:
    numbers = itertools.count()

    def post() -> Request:
        user = {"username": f"ada_{next(numbers)}", "email": "ada@example.com"}
        body = json.dumps(user | {"password": "correct horse battery", "bio": "Maths."})
        kind = (b"content-type", b"application/json")
        return Request("POST", "/users", body.encode(), (kind,))

    def get() -> Request:
        return Request("GET", "/live", headers=((b"origin", ORIGIN.encode()),))

    posts = await cpu_seconds(
        {
            "bare": requests(bare_post(), REQUESTS, 201, post),
            "do": requests(request_validation.create_app(), REQUESTS, 201, post),
            "dont": requests(dataclass_post(), REQUESTS, 201, post),
        },
        rounds,
    )
    gets = await cpu_seconds(
        {
            "bare": requests(bare_get(), REQUESTS, 200, get),
            "plain": requests(plain_get(), REQUESTS, 200, get),
            "do": requests(with_headers(), REQUESTS, 200, get),
            "dont": requests(header_by_header(), REQUESTS, 200, get),
            "whole": requests(whole(), REQUESTS, 200, get),
        },
        rounds,
    )
    return [
        Figure(
            "validated POST, CPU",
            "bare get_json",
            ratios(posts["do"], posts["bare"]),
            1.5,
        ),
        Figure(
            "the same with dataclasses",
            "bare get_json",
            ratios(posts["dont"], posts["bare"]),
        ),
        Figure(
            "headers and CORS, CPU",
            "the same GET without",
            ratios(gets["do"], gets["plain"]),
            1.4,
        ),
        Figure(
            "the same header by header",
            "the same GET without",
            ratios(gets["dont"], gets["plain"]),
        ),
        Figure(
            "the whole of app_factory, CPU",
            "bare GET",
            ratios(gets["whole"], gets["bare"]),
        ),
    ]
