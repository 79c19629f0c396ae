"""Give files back in whole or in part, and only to whom they belong.

Try:
    curl -s -X PUT http://127.0.0.1:8000/users/ada
    printf '%%PDF-1.7' | curl -s -X POST -T - 'http://127.0.0.1:8000/files?name=report.pdf' -H "Authorization: Bearer $(python -c "from examples.authentication import Tokens; print(Tokens(['$TOKEN_KEY']).issue(1, 'ada'))")"
    curl -s http://127.0.0.1:8000/files -H "Authorization: Bearer $(python -c "from examples.authentication import Tokens; print(Tokens(['$TOKEN_KEY']).issue(1, 'ada'))")"
"""  # noqa: E501

from quart import Quart

from ..uploads import create_app as create_uploads
from .responses import FileResponse
from .views import downloads

__all__ = ["FileResponse", "create_app", "register_downloads"]


def register_downloads(app: Quart, path: str = "/files") -> None:
    """`path` is that of the uploads."""
    app.response_class = FileResponse
    app.config["SEND_FILE_MAX_AGE_DEFAULT"] = 0  # static files: ask each time
    app.register_blueprint(downloads, url_prefix=path)


def create_app(folder: str = "") -> Quart:
    app = create_uploads(folder)
    register_downloads(app)
    return app
