from quart.typing import TestClientProtocol as Client

from examples.csrf import create_app

OWN_PAGE = {"Sec-Fetch-Site": "same-origin"}
FOREIGN_PAGE = {"Sec-Fetch-Site": "cross-site", "Origin": "https://evil.example"}


async def client_with_a_token() -> Client:
    client = create_app("k" * 32).test_client()
    async with client.session_transaction() as session:
        session["csrf_token"] = "a token"
    return client


async def test_pages_of_other_sites_change_nothing() -> None:
    client = await client_with_a_token()
    form = {"bio": "Hacked.", "csrf_token": "a token"}
    for headers in ({}, FOREIGN_PAGE):
        answers = [
            await client.post("/bio", form=form, headers=headers),
            await client.post("/api/bio", json={"bio": "Hacked."}, headers=headers),
        ]
        assert [answer.status_code for answer in answers] == [403, 403]
    answer = await client.get("/api/bio")
    assert await answer.get_json() == {"bio": ""}


async def test_a_form_needs_the_token_of_the_session() -> None:
    client = await client_with_a_token()
    for token, status in (("", 403), ("another", 403), ("a token", 303)):
        form = {"bio": "Counts.", "csrf_token": token}
        answer = await client.post("/bio", form=form, headers=OWN_PAGE)
        assert answer.status_code == status
