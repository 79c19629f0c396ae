"""Wrapped apps: the rules of reverse_proxy."""

from check_app.cli import RULES

from tests.check_app import PREAMBLE, cases, judged, marked


@cases("""
## proxies
import hypercorn.middleware
from hypercorn.middleware import ProxyFixMiddleware

app = ProxyFixMiddleware(app, mode="legacy")  # QP821
print(app.app, app)

def run():
    app.run()
## proxies around what is served
from hypercorn.middleware import ProxyFixMiddleware

served = ProxyFixMiddleware(app)
app.asgi_app = ProxyFixMiddleware(app.asgi_app)
other = ProxyFixMiddleware(other)
app.run()
other.run()
## proxies at the end
from hypercorn.middleware import ProxyFixMiddleware

app.config["A"] = 1
app = ProxyFixMiddleware(app)
first, second = app, app
application = Quart(__name__)
application = wrapped(application)
application.run()
""")
def test_proxies(code: str) -> None:
    found = {(id, line) for id, line in judged(PREAMBLE + code) if id == "QP821"}
    assert found == marked(PREAMBLE + code)


def test_no_example_refuses_websockets_without_a_word() -> None:
    right = [rule.right for rule in RULES.values() if "ProxyFix" in rule.right]
    assert len(right) == 2
    for code in right:
        assert "Websockets need WebsocketScheme" in code
