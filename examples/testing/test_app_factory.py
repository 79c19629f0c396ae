from pathlib import Path

from quart import Quart

from examples.app_factory import create_app
from examples.configuration import Settings

PAGES = "https://app.example.com"


def make_app(folder: Path, **settings: object) -> Quart:
    needed = {
        "secret_key": "s" * 32,
        "token_key": "t" * 32,
        "database_url": f"sqlite+aiosqlite:///{folder}/test.sqlite3",
    }
    return create_app(Settings.model_validate({**needed, **settings}))


async def test_two_apps_do_not_see_each_other(tmp_path: Path) -> None:
    public = make_app(tmp_path, cors_origins=[PAGES])
    internal = make_app(tmp_path, api_docs=True)
    for app, reader, docs in ((public, PAGES, 404), (internal, None, 200)):
        async with app.test_app():
            client = app.test_client()
            answer = await client.get("/live", headers={"Origin": PAGES})
            assert answer.headers.get("Access-Control-Allow-Origin") == reader
            assert (await client.get("/openapi.json")).status_code == docs
