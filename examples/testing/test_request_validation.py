import pytest

from examples.request_validation import create_app


@pytest.mark.parametrize(
    "body", [b"", b"null", b'{"id": 1}', b'"\xff"', b"[" * 50_000, b'{"bio": NaN}']
)
async def test_bad_json_is_never_a_500(body: bytes) -> None:
    client = create_app().test_client()
    headers = {"Content-Type": "application/json"}
    response = await client.post("/users", data=body, headers=headers)

    assert response.status_code == 400
    assert response.mimetype == "application/problem+json"
