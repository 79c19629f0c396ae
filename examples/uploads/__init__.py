"""Take files of any size into a folder, whole or not at all.

Try:
    curl -s -X PUT http://127.0.0.1:8000/users/ada
    printf '%%PDF-1.7' | curl -s -i -X POST -T - 'http://127.0.0.1:8000/files?name=report.pdf' -H "Authorization: Bearer $(python -c "from examples.authentication import Tokens; print(Tokens(['$TOKEN_KEY']).issue(1, 'ada'))")"
    printf '%%PDF-1.7' | curl -s -i -F 'file=@-;filename=report.pdf' http://127.0.0.1:8000/files -H "Authorization: Bearer $(python -c "from examples.authentication import Tokens; print(Tokens(['$TOKEN_KEY']).issue(1, 'ada'))")"
"""  # noqa: E501

import os
from collections.abc import AsyncGenerator
from pathlib import Path

from quart import Quart

from ..authentication import register_authentication
from ..database_sessions import register_database
from ..database_sessions.users import users
from ..error_handling import register_error_handlers
from ..request_validation import limit_bodies
from .files import StoredFile, remove_leftovers
from .paced_body import PacedBodies
from .store import FileStore
from .views import described, uploads

__all__ = ["FileStore", "StoredFile", "create_app", "described", "register_uploads"]

LIMIT = 100 * 2**20  # bytes of one request


def register_uploads(
    app: Quart, folder: str, limit: int = LIMIT, path: str = "/files"
) -> None:
    """The folder is the store's own, and made when the first file comes."""
    store = app.extensions["file_store"] = FileStore(Path(folder))
    limits = limit_bodies(app, {path: limit})
    limits.app = PacedBodies(limits.app, [path])  # inside it
    app.register_blueprint(uploads, url_prefix=path)

    @app.while_serving
    async def clean_up() -> AsyncGenerator[None, None]:
        app.add_background_task(remove_leftovers, store)
        yield


def create_app(folder: str = "", limit: int = LIMIT) -> Quart:
    app = Quart(__name__)
    register_error_handlers(app)
    default = "sqlite+aiosqlite:///app.sqlite3"
    register_database(app, os.environ.get("DATABASE_URL", default))
    register_authentication(app, [os.environ["TOKEN_KEY"]])
    folder = folder or os.environ.get("UPLOAD_FOLDER", "stored_files")
    register_uploads(app, folder, limit)
    app.register_blueprint(users)
    return app
