"""Password hashes that hold up the event loop."""

import ast

from ..engine.quart import Module
from ..engine.rule import Found, rule
from ..engine.words import SLOW_HASHES


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
