"""CORS."""

import ast

from ..engine.quart import Module, argument
from ..engine.rule import Found, rule

CORS = {"quart_cors.cors", "quart_cors.route_cors", "quart_cors.websocket_cors"}


@rule("QP605 cors-wildcard-credentials error", on=ast.Call, word="cors")
def cors_wildcard_credentials(module: Module, node: ast.Call) -> Found:
    """any origin with credentials is forbidden (all requests are 500); list the origins

    quart-cors raises ValueError after the error handlers, while it adds headers.

    runs: get("/") -> 500

    - cors(app, allow_origin="*", allow_credentials=True)
    + cors(app, allow_origin=["https://app.example"], allow_credentials=True)
    """
    credentials = module.value(argument(node, None, "allow_credentials"))
    origin = argument(node, None, "allow_origin")
    if credentials is True and origin and module.name(node.func) in CORS:
        origin = module.fallback(origin)
        if "*" in map(module.value, getattr(origin, "elts", [origin])):
            yield node, ""


@rule("QP608 route-cors error", on=ast.Call, word="cors")
def route_cors(module: Module, node: ast.Call) -> Found:
    """on Quart 0.23 its preflight answers 500; use `cors(app)` or `cors(blueprint)`

    quart-cors 0.8 makes the response without the context that 0.23 wants.

    runs: 0.23: client.options("/notes") -> 500

    - from quart_cors import route_cors
    + cors(app)
      @app.post("/notes")
    - @route_cors()
      async def add_note():
          return "", 201
    """
    if module.name(node.func) == "quart_cors.route_cors":
        yield node, ""
