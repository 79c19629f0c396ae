"""Group routes by resource in blueprints, and guard the protected ones at their parent.

MEMBERS tells who may log in: JSON of names and hashes as auth.hasher makes them.

Try:
    curl -s -i http://127.0.0.1:8000/api/members
    curl -s -i -d '{"name": "ada", "password": "guess"}' http://127.0.0.1:8000/auth/login
    curl -s http://127.0.0.1:8000/api/members -H "Authorization: Bearer $(python -c 'from time import time as t; import jwt; print(jwt.encode({"iss": "auth", "aud": "api", "sub": "ada", "iat": int(t()), "exp": int(t()) + 60}, "$SECRET_KEY"))')"
"""  # noqa: E501

import json
import os
from collections.abc import AsyncGenerator, Mapping
from concurrent.futures import ThreadPoolExecutor

from quart import Quart
from werkzeug.exceptions import HTTPException
from werkzeug.wrappers import Response

from . import api, auth


async def answer(error: HTTPException) -> Response:
    response = error.get_response()
    problem = {"title": error.name, "status": error.code, "detail": error.description}
    response.data = json.dumps(problem)
    response.content_type = "application/problem+json"
    return response


def create_app(
    members: Mapping[str, str] | None = None, secret_key: str | None = None
) -> Quart:
    app = Quart(__name__)
    app.secret_key = secret_key or os.environ["SECRET_KEY"]
    if len(app.secret_key.encode()) < 32:
        raise ValueError("SECRET_KEY needs 32 bytes or more")
    if members is None:
        members = json.loads(os.environ.get("MEMBERS", "{}"))
    app.extensions["members"] = members
    app.config["MAX_CONTENT_LENGTH"] = 65_536
    app.register_error_handler(HTTPException, answer)
    app.register_blueprint(auth.blueprint)
    app.register_blueprint(api.blueprint)

    @app.while_serving
    async def hashing_thread() -> AsyncGenerator[None, None]:
        with ThreadPoolExecutor(1) as app.extensions["hashing"]:
            yield

    return app
