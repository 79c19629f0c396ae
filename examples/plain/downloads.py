"""Send a file of a folder as a download."""

from pathlib import Path

from quart import Quart, Response, send_from_directory


def create_app(folder: Path) -> Quart:
    app = Quart(__name__)
    app.config["SEND_FILE_MAX_AGE_DEFAULT"] = 0  # static files too: else 12 hours

    @app.get("/reports/<name>")
    async def send_report(name: str) -> Response:
        response = await send_from_directory(folder, name, as_attachment=True)
        response.timeout = 3600  # seconds; else a slow line is cut after 60
        response.headers["Cache-Control"] = "private, no-cache"  # Quart: public
        response.headers["X-Content-Type-Options"] = "nosniff"
        return response

    return app
