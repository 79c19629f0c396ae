from quart import Quart

from examples.app_factory import create_app
from examples.configuration import Settings

PAGES = "https://app.example.com"
NEEDED = {
    "secret_key": "s" * 32,
    "token_key": "t" * 32,
    "database_url": "sqlite+aiosqlite:///unused.sqlite3",
}


def make_app(**settings: object) -> Quart:
    return create_app(Settings.model_validate({**NEEDED, **settings}))


async def test_two_apps_do_not_see_each_other() -> None:
    public = make_app(cors_origins=[PAGES])
    internal = make_app(api_docs=True)
    for app, reader, docs in ((public, PAGES, 404), (internal, None, 200)):
        client = app.test_client()
        answer = await client.get("/live", headers={"Origin": PAGES})
        assert answer.headers.get("Access-Control-Allow-Origin") == reader
        assert (await client.get("/openapi.json")).status_code == docs
