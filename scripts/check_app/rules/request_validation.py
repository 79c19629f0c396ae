"""Bodies, queries, forms and uploads."""

import ast

from ..engine.awaiting import misused
from ..engine.quart import Module
from ..engine.rule import Found, Severity, rule

BODY = {f"quart.request.{name}" for name in ("data", "files", "form", "json", "values")}
BODY_CALLS = {"quart.request.get_data", "quart.request.get_json"}


@rule(
    "QP101",
    "unawaited-request-body",
    Severity.ERROR,
    "`{}` is a coroutine, not the body; write `await {}` in an `async def`",
    on=(ast.Attribute, ast.Call),
    runs='post("/notes", form={"text": "hello"}) -> 500',
    example="""
          from quart import Quart, request

          app = Quart(__name__)


          @app.post("/notes")
          async def add_note():
        -     text = request.form["text"]
        +     text = (await request.form)["text"]
              return {"text": text}
    """,
)
def unawaited_request_body(module: Module, node: ast.Attribute | ast.Call) -> Found:
    """Quart reads the body while the view runs, so `form`, `files`, `json`, `data`,
    `values`, `get_json()` and `get_data()` are awaited; in Flask they are not."""
    called = isinstance(node, ast.Call)
    name = module.name(node.func if isinstance(node, ast.Call) else node)
    loaded = called or isinstance(node.ctx, ast.Load)
    if name in (BODY_CALLS if called else BODY) and loaded and misused(module, node):
        yield node, name.removeprefix("quart.") + ("()" if called else "")
