"""Password hashes that hold up the event loop."""

import ast

from ..engine.quart import Module
from ..engine.rule import Found, rule

WERKZEUG = "check_password_hash generate_password_hash"
PASSLIB_SCHEMES = (
    "argon2 bcrypt bcrypt_sha256 pbkdf2_sha1 pbkdf2_sha256 pbkdf2_sha512 scrypt "
    "sha256_crypt sha512_crypt"
)
SLOW_HASHES = {  # functions of a module, methods of a kind
    "argon2.PasswordHasher": "hash verify",
    "bcrypt": "checkpw hashpw kdf",
    "hashlib": "pbkdf2_hmac scrypt",
    "passlib.context.CryptContext": "encrypt hash verify verify_and_update",
    "pwdlib.PasswordHash": "hash verify verify_and_update",
    "werkzeug.security": WERKZEUG,
    **dict.fromkeys(("flask_bcrypt", "flask_bcrypt.Bcrypt"), WERKZEUG),
    **dict.fromkeys(("quart_bcrypt", "quart_bcrypt.Bcrypt"), WERKZEUG),
    **{f"passlib.hash.{one}": "encrypt hash verify" for one in PASSLIB_SCHEMES.split()},
}


@rule("QP701 password-hash-blocks warning", on=ast.Call)
def password_hash_blocks(module: Module, node: ast.Call) -> Found:
    """`{}` is slow on purpose, and holds up everybody; `asyncio.to_thread({}, ...)`

    Each hash takes a tenth of a second from the one thread that serves everybody.

    runs: blocks(add_member("tea")) -> True

      from werkzeug.security import generate_password_hash
      async def add_member(password):
    -     return generate_password_hash(password)
    +     return await asyncio.to_thread(generate_password_hash, password)
    """
    if module.calls_one_of(node, SLOW_HASHES) and module.runs_in_loop(node):
        yield node, ast.unparse(node.func)
