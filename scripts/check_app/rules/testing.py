"""Tests: the client, fixtures and commands."""

import ast
import re

from ..engine import words
from ..engine.awaiting import misused
from ..engine.quart import Module, argument
from ..engine.rule import Found, rule

RESPONSE = "quart.Response"
COROUTINES = {
    words.CLIENT: " ".join(words.CLIENT_VERBS),
    RESPONSE: "get_data get_json",
    words.TEST_WEBSOCKET: "close receive receive_json send send_json",
}
COMMANDS = {"click.command", "click.Group.command", f"{words.APP_GROUP}.command"}
LIFESPAN = re.compile(r"\btest_app\b|\bstartup\(|LifespanManager")


@rule("QP103 unawaited-client-call error", on=(ast.Attribute, ast.Call))
def unawaited_client_call(module: Module, node: ast.Attribute | ast.Call) -> Found:
    """this is a coroutine in Quart: without `await` nothing is sent or read

    The app runs in the loop of the test, and the body may still be streaming.

    runs: await test_index() -> AttributeError

      async def test_index():
    -     response = app.test_client().get("/")
    +     response = await app.test_client().get("/")
          assert response.status_code == 404
    """
    match node:
        case ast.Attribute(value=owner, attr="data" | "json"):
            found = module.kind(owner) == RESPONSE
        case _:
            found = isinstance(node, ast.Call) and module.calls_one_of(node, COROUTINES)
    if found and misused(module, node):
        yield node, ""


@rule("QP801 async-command error", on=ast.AsyncFunctionDef)
def async_command(module: Module, node: ast.AsyncFunctionDef) -> Found:
    """click drops this coroutine and exits 0; make it `def`, `asyncio.run()` the work

    Neither click nor `quart` awaits a command. Other decorators may run it.

    runs: app.test_cli_runner().invoke(args=['seed']).output -> ''

      @app.cli.command("seed")
    - async def seed():
    + def seed():
          print("seeded")
    """
    for decorator in reversed(node.decorator_list):
        func = getattr(decorator, "func", decorator)
        name, owner = module.name(func), module.kind(getattr(func, "value", None))
        name = name or f"{owner}.{getattr(func, 'attr', '')}"
        if name in COMMANDS:
            yield node, ""
        elif not name.startswith("click."):
            break


@rule("QP804 async-fixture-in-strict-mode error", on=ast.AsyncFunctionDef)
def async_fixture_in_strict_mode(module: Module, node: ast.AsyncFunctionDef) -> Found:
    """in strict mode nothing awaits this; use `pytest_asyncio.fixture`, or auto mode

    Strict is the default; the nearest pytest configuration tells the mode.

    runs: int(await asyncio.to_thread(pytest.main, ["-c/dev/null", __file__])) -> 1

      import pytest
      import pytest_asyncio
    - @pytest.fixture
    + @pytest_asyncio.fixture
      async def client():  # here
          return app.test_client()
      def test_client(client):
          assert client.app is app
    """
    names = map(module.decorator_name, node.decorator_list)
    if module.asyncio_mode == "strict" and "pytest.fixture" in names:
        yield node, ""


@rule("QP805 client-without-lifespan warning", on=ast.Module)
def client_without_lifespan(module: Module, node: ast.Module) -> Found:
    """nothing here runs the app's serving hooks; `async with app.test_app():` does

    Reported once, for tests that start no app, where only hooks set what views read.

    runs: await test_price() -> AssertionError

      def create_app():
          app = Quart(__name__)

          @app.before_serving
          async def load_price():
              app.config["PRICE"] = 3

          app.add_url_rule("/price", view_func=lambda: str(app.config["PRICE"]))
          return app
      async def test_price():
    -     response = await create_app().test_client().get("/price")
    +     async with create_app().test_app() as app:
    +         response = await app.test_client().get("/price")
          assert response.status_code == 200
    """
    clients = [c for c in module.nodes(ast.Call) if module.kind(c) == words.CLIENT]
    if clients and module.is_test and skips_lifespan([module, *module.conftests]):
        yield clients[0], ""


def skips_lifespan(tests: list[Module]) -> bool:
    """Whether they start no app, have none of their own, and set by hand nothing of
    what hooks set."""
    texts = [one.text for one in tests if "_serving" not in one.text]
    started = any(LIFESPAN.search(one.text) for one in tests)
    if started or any("Quart(" in text for text in texts):
        return False
    missing = map(str, set_by_hooks_alone(tests))
    return any(not any(name in text for text in texts) for name in missing)


def set_by_hooks_alone(tests: list[Module]) -> set[object]:
    """What only hooks that start the app set: attributes, keys and globals that other
    functions read, in what these modules import."""
    modules = new = {*tests}
    while new:
        new = {one for by in new for one in by.local_imports} - modules
        modules |= new
    by_hooks, by_others, read = set[object](), set[object](), set[object]()
    for module in modules:
        starting = {one for one, _ in module.hooks(*words.STARTING_HOOKS)}
        ending = {one for one, _ in module.hooks(*words.ENDING_HOOKS)}
        hooks = {None, *starting, *ending}
        for target, value in module.assignments:
            known = by_hooks if module.function(target) in starting else by_others
            if not isinstance(value, ast.Constant) or value.value is not None:
                known.add(shared_word(module, target))
        for mapping in module.nodes(ast.Dict):
            by_others |= {*map(module.value, mapping.keys)}
        for kind in (ast.Attribute, ast.Name, ast.Constant):
            for one in module.nodes(kind):
                stored = isinstance(getattr(one, "ctx", None), ast.Store)
                if module.function(one) not in hooks and not stored:
                    word = getattr(one, "attr", getattr(one, "id", None))
                    read.add(word or getattr(one, "value", None))
    return (by_hooks - by_others) & read


def shared_word(module: Module, node: ast.expr) -> object:
    """An attribute, a key, or a name of the module."""
    match node:
        case ast.Attribute(attr=word) | ast.Subscript(slice=ast.Constant(value=word)):
            return word
        case ast.Name(id=word):
            scopes = map(module.function, module.bindings(node))
            return word if None in scopes else None
    return None


@rule("QP820 form-in-data error", on=ast.Call)
def form_in_data(module: Module, node: ast.Call) -> Found:
    """Quart's client drops a dict in `data=`; write `form=`, and `files=` for uploads

    The form is empty, and nothing says so. An upload is a `FileStorage`.

    runs: await test_add_note() -> AssertionError

      @app.post("/notes")
      async def add_note():
          return dict(await request.form)
      async def test_add_note():
    -     response = await app.test_client().post("/notes", data={"text": "tea"})
    +     response = await app.test_client().post("/notes", form={"text": "tea"})
          assert await response.get_json() == {"text": "tea"}
    """
    data = argument(node, None, "data")
    match module.assigned(data) or data:
        case ast.Dict(keys=[_, *_]) if module.kind(node) == RESPONSE:
            yield node, ""
