"""Check every input at the edge, and refuse it in one shape.

Try:
    curl -s -H Content-Type:application/json -d '{"id":1}' http://127.0.0.1:8000/users
    curl -s 'http://127.0.0.1:8000/users?username=ada&limit=5'
    (echo '{"username":"ada"}'; sleep 1) | websockets ws://127.0.0.1:8000/usernames
"""

from datetime import UTC, datetime
from typing import Any

from pydantic import ValidationError
from pydantic_core import from_json
from quart import Quart, Request, abort, websocket
from quart_schema import DataSource, Info, QuartSchema, validate
from werkzeug.exceptions import HTTPException

from .models import Avatar, NewUser, Trace, User, UserPage, UserQuery, Wanted


class StrictRequest(Request):
    async def get_json(
        self, force: bool = False, silent: bool = False, cache: bool = True
    ) -> Any:
        if not (force or self.is_json):
            return None if silent else abort(415)
        try:
            return from_json(await self.get_data(cache=cache), allow_inf_nan=False)
        except ValueError as error:
            return None if silent else self.on_json_loading_failed(error)


def faults(error: Exception | None) -> list[Any]:
    if not isinstance(error, ValidationError):
        return []
    found = error.errors(include_url=False, include_context=False, include_input=False)
    return found[:20]


async def problem(error: HTTPException) -> tuple[dict[str, Any], int, dict[str, str]]:
    body = {
        "type": "about:blank",
        "title": error.name,
        "status": error.code,
        "detail": error.description,
        "errors": faults(getattr(error, "validation_error", None)),
    }
    headers = dict(error.get_headers()) | {"Content-Type": "application/problem+json"}
    return body, error.code or 500, headers


def create_app() -> Quart:
    app = Quart(__name__, static_folder=None)
    app.config["MAX_CONTENT_LENGTH"] = 256 * 1024
    app.request_class = StrictRequest
    app.register_error_handler(HTTPException, problem)
    QuartSchema(app, info=Info(title="Users", version="1.0.0"), openapi_path=None)
    users: dict[str, User] = {}

    @app.post("/users")
    @validate(request=NewUser, responses={201: (User, None)})
    async def create_user(data: NewUser) -> tuple[User, int]:
        if data.username in users:
            abort(409, "This username is taken.")
        profile = data.model_dump(exclude={"password"})
        user = User(id=len(users) + 1, created_at=datetime.now(UTC), **profile)
        users[user.username] = user
        return user, 201

    @app.get("/users")
    @validate(querystring=UserQuery, headers=Trace, responses={200: (UserPage, None)})
    async def list_users(query_args: UserQuery, headers: Trace) -> UserPage:
        app.logger.info("%s lists users", headers.x_request_id)
        names = query_args.username or list(users)
        found = [users[name] for name in names if name in users]
        return UserPage(users=found[: query_args.limit])

    @app.put("/users/<username>/avatar")
    @validate(request=Avatar, request_source=DataSource.FORM_MULTIPART, responses={})
    async def put_avatar(username: str, data: Avatar) -> dict[str, Any]:
        if username not in users:
            abort(404)
        return {"alt": data.alt, "bytes": len(data.image.read())}

    @app.websocket("/usernames")
    async def usernames() -> None:
        while True:
            try:
                wanted = Wanted.model_validate_json(await websocket.receive())
            except ValidationError as error:
                await websocket.send_json({"errors": faults(error)})
            else:
                await websocket.send_json({"free": wanted.username not in users})

    return app
