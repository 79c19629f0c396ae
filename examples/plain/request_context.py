"""Take what you need while the request is there, and pass it on as plain values."""

from collections.abc import AsyncGenerator, Awaitable, Callable

from quart import Quart, Response, request, url_for


async def profile(username: str, language: str) -> AsyncGenerator[str, None]:
    yield f"{username} in {language}\n"


def create_app(send_mail: Callable[[str, str], Awaitable[None]], origin: str) -> Quart:
    app = Quart(__name__)

    @app.post("/users/<username>")
    async def create_user(username: str) -> tuple[dict[str, str], int]:
        link = origin + url_for("show_user", username=username)
        app.add_background_task(send_mail, f"{username}@example.com", link)
        return {"username": username}, 201

    @app.get("/users/<username>")
    async def show_user(username: str) -> Response:
        language = request.args.get("language", "en")
        return Response(profile(username, language), content_type="text/plain")

    return app
