"""Users register, log in, and see what they may see."""

from quart.typing import TestClientProtocol as Client

from examples.authentication import Tokens
from examples.configuration import Settings


async def test_a_user_is_created_and_read(client: Client, ada: dict[str, str]) -> None:
    bob = {"username": "bob", "email": "bob@example.com", "password": "password123"}
    created = await client.post("/users", json=bob)
    assert created.status_code == 201
    user = await created.get_json()
    shown = await client.get(f"/users/{user['id']}", headers=ada)
    assert await shown.get_json() == user


async def test_a_name_is_taken_once(client: Client, ada: dict[str, str]) -> None:
    other = {"username": "ada", "email": "x@example.com", "password": "password123"}
    assert (await client.post("/users", json=other)).status_code == 409


async def test_users_are_for_those_who_are_logged_in(client: Client) -> None:
    assert (await client.get("/api/users")).status_code == 401


async def test_an_expired_token_is_refused(client: Client, settings: Settings) -> None:
    expired = Tokens(settings.token_keys, lifetime=-60).issue(1, "ada")
    headers = {"Authorization": f"Bearer {expired}"}
    assert (await client.get("/api/users", headers=headers)).status_code == 401
