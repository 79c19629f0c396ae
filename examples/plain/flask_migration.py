"""The plain form of flask_migration: Flask's names, with `async` and `await`."""

from quart import Quart, render_template_string, request, session


def create_app(secret_key: str) -> Quart:
    app = Quart(__name__)
    app.config.from_mapping(
        SECRET_KEY=secret_key,  # Flask's: sessions stay valid
        MAX_CONTENT_LENGTH=64 * 1024 * 1024,  # Quart: 16 MiB, Flask: no limit
        SEND_FILE_MAX_AGE_DEFAULT=0,  # Quart: 12 hours, Flask: ask each time
    )

    @app.post("/name")
    async def set_name() -> tuple[str, int]:
        session["name"] = (await request.form)["name"]
        return "", 204

    @app.get("/")
    async def index() -> str:
        return await render_template_string("Hello {{ session.name }}")

    @app.get("/name")
    def show_name() -> dict[str, str]:  # nothing to await: it stays as it was
        return {"name": session.get("name", "")}

    return app
