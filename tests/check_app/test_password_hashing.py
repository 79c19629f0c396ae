"""Password hashes on the event loop: the rule of password_hashing."""

import importlib

import pytest
from check_app.rules import password_hashing as rules

from tests.check_app import PREAMBLE, cases, check, judged


@cases("""
## hashing
import argon2
import bcrypt
import flask_bcrypt
import pwdlib
from passlib.context import CryptContext
from passlib.hash import hex_md5, pbkdf2_sha256

hasher = argon2.PasswordHasher()
context = CryptContext(schemes=["bcrypt"])
extension = flask_bcrypt.Bcrypt(app)
recommended = pwdlib.PasswordHash.recommended()

def helper(password):
    return inner(password)

def inner(password):
    return hasher.hash(password)  # QP701

def unused(password):
    return hasher.hash(password)

@app.get("/a")
async def one():
    bcrypt.checkpw(b"a", bcrypt.gensalt())  # QP701
    context.verify("a", "b")  # QP701
    extension.generate_password_hash("a")  # QP701
    recommended.verify("a", "b")  # QP701
    pbkdf2_sha256.verify("a", "b")  # QP701
    hex_md5.hash("a")
    hasher.check_needs_rehash("a")
    other.hash("a")
    await asyncio.to_thread(hasher.hash, "a")
    return helper("a")

@app.get("/b")
def two():
    return hasher.hash("a")

@app.cli.command()
def three():
    asyncio.run(insert())

async def insert():
    hasher.hash("a")

found = [hasher.hash("a")]
later = lambda: hasher.hash("a")
## hashing in tests
import pytest
import bcrypt

async def test_one():
    bcrypt.checkpw(b"a", b"b")
""")
def test_hashing(code: str) -> None:
    check(PREAMBLE + code)


@pytest.mark.parametrize(
    ("owner", "name"),
    [(one, name) for one, names in rules.SLOW_HASHES.items() for name in names.split()],
)
def test_each_slow_hash(owner: str, name: str) -> None:
    module, _, last = owner.rpartition(".")
    is_kind = last[0].isupper()
    code = f"""
import quart, {module if is_kind else owner}
hasher = {owner}{"()" * is_kind}
async def view():
    hasher.{name}("a")
"""
    assert judged(code) == {("QP701", 5)}
    if owner.partition(".")[0] in {"argon2", "hashlib", "werkzeug"}:
        found = importlib.import_module(module if is_kind else owner)
        assert hasattr(getattr(found, last) if is_kind else found, name)
