"""An app behind a proxy."""

import ast
import re

from ..engine.quart import Module
from ..engine.rule import Found, rule

AROUND_ITSELF = r"(\w+) = [\w.]*Middleware\(\1\b"


@rule("QP821 proxy-fix-around-app error", on=ast.Assign, word="Middleware")
def proxy_fix_around_app(module: Module, node: ast.Assign) -> Found:
    """`{}` is an AttributeError: this is no Quart app any more; wrap `app.asgi_app`

    Servers take it, but tests, commands and `app.run()` need the app itself.

    runs: app.run -> AttributeError

      from hypercorn.middleware import ProxyFixMiddleware
    - app = ProxyFixMiddleware(app)
    + # Websockets need WebsocketScheme of this page inside it, else each is a 400.
    + app.asgi_app = ProxyFixMiddleware(app.asgi_app)
      if __name__ == "__main__":
          app.run()
    """
    app = node.targets[0]
    wraps = module.is_app(app) and re.match(AROUND_ITSELF, ast.unparse(node))
    for use in module.uses(app) if wraps and isinstance(app, ast.Name) else ():
        later, part = use.lineno > node.lineno, module.parent(use)
        if later and isinstance(part, ast.Attribute) and part.attr != "app":
            yield node, ast.unparse(part)
