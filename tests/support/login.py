"""Users who have logged in to an app whose token key is `KEY`."""

from examples.authentication import Tokens

KEY = "correct-horse-battery-staple-2026"


def bearer(user_id: int, role: str = "user", lifetime: int = 86_400) -> dict[str, str]:
    """The headers of `user-1`, ...; a suite that takes long does not outlive them."""
    token = Tokens([KEY], lifetime).issue(user_id, f"user-{user_id}", role)
    return {"Authorization": f"Bearer {token}"}
