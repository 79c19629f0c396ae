"""Hash in a thread: on the loop it would stop every other request."""

import asyncio
from concurrent.futures import ThreadPoolExecutor

from argon2 import PasswordHasher
from argon2.exceptions import InvalidHashError, VerificationError

hasher = PasswordHasher(time_cost=2, memory_cost=19_456, parallelism=1)
hashing_thread = ThreadPoolExecutor(1)


async def hash_password(password: str) -> str:
    loop = asyncio.get_running_loop()
    return await loop.run_in_executor(hashing_thread, hasher.hash, password)


async def verify_password(stored: str, password: str) -> bool:
    """False for a wrong password, and for a stored hash that cannot be read."""
    loop = asyncio.get_running_loop()
    try:
        await loop.run_in_executor(hashing_thread, hasher.verify, stored, password)
    except (InvalidHashError, VerificationError):
        return False
    return True
