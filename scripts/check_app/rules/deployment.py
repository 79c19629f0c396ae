"""Servers, and the commands that start an app."""

import ast
import re

from ..engine.deployment import Line, TextFile
from ..engine.quart import Module, mentions
from ..engine.rule import Found, rule

WSGI = {
    "asgiref.wsgi": "WsgiToAsgi",
    "waitress": "serve",
    "werkzeug.middleware.proxy_fix": "ProxyFix",
    "werkzeug.serving": "make_server run_simple",
}
HYPERCORN = r"\bhypercorn .*\w:(build|create|get|make)_app(?![\w(\\])"
WORKERS = r"\bhypercorn .*(-w|--workers)[ =]?([2-9]|\d\d)\b"
OTHER_WORKER = r" (-k|--worker-class|-c|--config)\b(?! ?=? ?(sync|gthread|gevent))"
GUNICORN = rf"\bgunicorn(?= )(?!.*{OTHER_WORKER}).* [a-z_][\w.]*:[a-z_]"
FLASK_RUN = r"\bflask( (--app|-A) \S+| --debug)* run\b"
FLASK_ENV = r"(?<![\w${])(QUART|FLASK)_ENV\W+dev"
SHELL_FORM = (  # of a Dockerfile
    r"^(CMD|ENTRYPOINT) +(?!\[|.*\b(exec|pytest)\b)(.*[ /])?(hypercorn|python3?|quart) "
)
DEPLOYMENT = {
    HYPERCORN: "Hypercorn calls no factory: all requests are 500; write `create_app()`",
    WORKERS: "SIGTERM cuts the requests of other workers; run `-w 0` several times",
    GUNICORN: "this worker is WSGI: all requests are 500; use Hypercorn",
    FLASK_RUN: "`flask run` takes no Quart app; use Hypercorn, or `quart run`",
    FLASK_ENV: "Quart has not read it since 0.19; drop it (`quart run --debug` debugs)",
    SHELL_FORM: "in the shell form `sh` may keep SIGTERM to itself; use `CMD [...]`",
}
EXCUSES = {  # what in the files of the project makes it right
    GUNICORN: r"worker_class|a2wsgi|GUNICORN_CMD",
    FLASK_ENV: r"\$.?(QUART|FLASK)_E|quart_env|['\"](QUART_(ENV)?|FLASK_ENV|ENV)['\"]",
    SHELL_FORM: r"SHELL\W+/bin/bash|FROM \S*alpine|dumb-init|tini\W+-g",
}


@rule("QP810 wsgi error", on=(ast.Attribute, ast.Call))
def wsgi(module: Module, node: ast.Attribute | ast.Call) -> Found:
    """`{}` is WSGI, Quart is an ASGI app; serve it with Hypercorn, wrap `app.asgi_app`

    A WSGI server gets `__call__() missing 1 required positional argument`.

    runs: import -> AttributeError

    - from werkzeug.middleware.proxy_fix import ProxyFix
    + from hypercorn.middleware import ProxyFixMiddleware
    - app.wsgi_app = ProxyFix(app.wsgi_app)
    + # Websockets need WebsocketScheme of reverse_proxy inside it, else each is a 400.
    + app.asgi_app = ProxyFixMiddleware(app.asgi_app)
    """
    match node:
        case ast.Attribute(value=owner, attr="wsgi_app", ctx=ast.Load()):
            wrong = module.is_app(owner)
        case ast.Call(args=args) if module.calls_one_of(node, WSGI):
            wrong = any(module.is_app(a) or mentions(a, "asgi_app") for a in args)
        case _:
            wrong = False
    if wrong:
        yield node, ast.unparse(getattr(node, "func", node))


@rule("QP823 deployment-command error", on=Line)
def deployment_command(source: TextFile, node: Line) -> Found:
    """{}

    Hypercorn takes a factory for a WSGI app, and gunicorn serves no other.

    runs: fragment: a Procfile, which needs a server that listens

    - web: hypercorn app:create_app
    + web: hypercorn "app:create_app()"
    """
    words = " ".join(re.sub(r"[\"'\[\],]", " ", node.text).split())
    for wrong, problem in DEPLOYMENT.items():
        texts = [source.text, *(one.text for one in source.modules)]
        excuse = re.compile(EXCUSES.get(wrong, "(?!)"))
        line = node.text if wrong is SHELL_FORM else words
        if re.search(wrong, line) and not any(map(excuse.search, texts)):
            yield node, problem
