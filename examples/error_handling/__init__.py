"""Answer every error as a problem document (RFC 9457), and log what is our fault.

Try:
    curl -s -i http://127.0.0.1:8000/users/0
    curl -s -i -X DELETE http://127.0.0.1:8000/users/1
    curl -s -i -X PUT http://127.0.0.1:8000/usernames/ada
"""

from quart import Quart
from werkzeug.exceptions import Conflict, HTTPException, NotFound
from werkzeug.wrappers import Response

from .groups import answer_group
from .problems import answer_problem

__all__ = ["UserNotFound", "answer_problem", "register_error_handlers"]


class UserNotFound(NotFound):
    description = "There is no such user."


class UsernameTaken(Exception):
    """Raised by code that knows nothing of HTTP."""


async def answer_username_taken(error: UsernameTaken) -> Response:
    return await answer_problem(Conflict("This username is taken."))


def register_error_handlers(app: Quart) -> None:
    app.config["PROPAGATE_EXCEPTIONS"] = False  # else TESTING and DEBUG skip them
    app.register_error_handler(HTTPException, answer_problem)
    app.register_error_handler(ExceptionGroup, answer_group)


def create_app() -> Quart:
    app = Quart(__name__)
    register_error_handlers(app)
    app.register_error_handler(UsernameTaken, answer_username_taken)
    names = {1: "ada"}

    @app.get("/users/<int:user_id>")
    async def show_user(user_id: int) -> dict[str, str]:
        if user_id not in names:
            raise UserNotFound
        return {"username": names[user_id]}

    @app.put("/usernames/<username>")
    async def take_username(username: str) -> tuple[dict[str, str], int]:
        if username in names.values():
            raise UsernameTaken
        names[len(names) + 1] = username
        return {"username": username}, 201

    return app
