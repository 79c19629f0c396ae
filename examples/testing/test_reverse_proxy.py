from examples.reverse_proxy import create_app


async def test_the_address_that_the_proxy_saw_counts() -> None:
    headers = {
        "Host": "app.example.com",
        "X-Forwarded-For": "198.51.100.1, 203.0.113.9",  # the first one is invented
        "X-Forwarded-Proto": "https",
    }
    client = create_app(trusted_hops=1).test_client()
    answer = await client.get("/client", headers=headers)
    assert await answer.get_json() == {
        "address": "203.0.113.9",
        "link": "https://app.example.com/client",
    }
