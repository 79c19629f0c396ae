"""Settings, secrets and flags: where they are read, and what they are set to."""

import ast
import re
from collections.abc import Iterator

from ..engine.quart import Module, Setting, argument, mentions, parameters
from ..engine.rule import Found, rule

ENVIRONMENT = {"os.environ", "os.getenv"}
SECRETS = ("SECRET_KEY", "JWT_SECRET", "JWT_SECRET_KEY")
BASES = {"builtins.object", "pydantic.BaseModel", "pydantic_settings.BaseSettings"}
DOTENV = {"dotenv.load_dotenv", "dotenv.main.load_dotenv"}
FOR_TESTS = re.compile(r"test|dev|local|debug", re.I)
LOOPBACK = re.compile(r"localhost|127\.|::1|unix:|fd:")
STARTS_APP = re.compile(r"__main__|create_app\(|\.run(_task)?\(|\bserve\(")
CONFIG_CLASS = re.compile(r"(Config|Configuration|Settings)\b")
# in a class, as ast.unparse writes it
COMPUTES = re.compile(r"def __(post_)?init__\(|property\n +def [A-Z_]+\(")
UPPER_CASE = re.compile(r"^ +(self\.|def )?[A-Z][A-Z0-9_]*[ ,:(]|setattr", re.M)


def served(module: Module, *keys: str) -> Iterator[Setting]:
    """What production gets: not under a name for tests or an `if`, nor set twice."""
    found = []
    settings = [one for one in module.configured if one.key.upper() in keys]
    for one in settings if not module.is_test else []:
        names = [getattr(outer, "name", None) for outer in module.ancestors(one.target)]
        is_handed_on = f".{one.key}".lower() in ast.unparse(one.value).lower()
        is_for_tests = FOR_TESTS.search(" ".join(filter(None, names)))
        if not is_handed_on and not is_for_tests:
            found.append(one)
    known = [one.key.upper() for one in found]
    for one in found:
        if known.count(one.key.upper()) == 1 and not module.within(one.target, ast.If):
            yield one


@rule("QP601 environment-in-class-body note", on=ast.ClassDef)
def environment_in_class_body(module: Module, node: ast.ClassDef) -> Found:
    """read once, at import: what is set later has no effect; read it in `create_app`

    Where it is missing nothing can be imported. One line of a class is reported.

    runs: import -> KeyError

    - class Config:
    -     TITLE = os.environ["TITLE"]
    + def create_app():
    +     app = Quart(__name__)
    +     app.config["TITLE"] = os.environ["TITLE"]
    +     return app
    """
    names = " ".join([node.name, *map(ast.unparse, node.bases)])
    if CONFIG_CLASS.search(names) and not module.is_test:
        for part in [one for one in ast.walk(node) if module.name(one) in ENVIRONMENT]:
            if not (module.function(part) or module.within(part, ast.keyword)):
                yield part, ""
                return


@rule("QP602 config-class-not-instance error", on=ast.Call, word="from_object")
def config_class_not_instance(module: Module, node: ast.Call) -> Found:
    """the class is read, so `__init__` and properties never run; pass `{}()`

    Of a class `from_object` copies defaults, unchecked, and properties for values.

    runs: app.config.get("PAGE_SIZE") -> None

      class Config:
          def __init__(self):
              self.PAGE_SIZE = 20
    - app.config.from_object(Config)
    + app.config.from_object(Config())
    """
    match node:
        case ast.Call(func=ast.Attribute(attr="from_object"), args=[given]):
            table = module.assigned(getattr(given, "value", None))  # of CONFIGS[name]
            names = table.values if isinstance(table, ast.Dict) else [given]
            owners = filter(None, map(module.local_class, names))
            if any(COMPUTES.search(ast.unparse(owner)) for owner in owners):
                yield given, ast.unparse(given)


@rule("QP621 settings-from-object error", on=ast.Call, word="from_object")
def settings_from_object(module: Module, node: ast.Call) -> Found:
    """it copies upper-case names only, so nothing of this; use `from_mapping(KEY=...)`

    The keys are missing without a word.

    runs: app.config.get("PAGE_SIZE") -> None

      class Config:
    -     page_size = 20
    +     PAGE_SIZE = 20
      app.config.from_object(Config)  # here
    """
    match node:
        case ast.Call(func=ast.Attribute(attr="from_object"), args=[given]):
            made = module.assigned(given) or given
            kind = made.func if isinstance(made, ast.Call) else made
            match isinstance(kind, ast.Name) and module.bindings(kind):
                case [ast.arg(annotation=ast.expr() as kind)]:
                    pass
            owner = module.local_class(kind)
            bases = map(module.name, owner.bases if owner else [kind])
            takes_some = owner and UPPER_CASE.search(ast.unparse(owner))
            if BASES.issuperset(bases) and not takes_some:
                yield given, ""


@rule("QP603 secret-in-source warning", on=ast.Module)
def secret_in_source(module: Module, node: ast.Module) -> Found:
    """who reads the source can forge sessions; take `{}` from the environment alone

    Nothing says that a default is in use, unless it is compared and refused.

    runs: app.secret_key -> 'change-me'

    - app.secret_key = os.environ.get("SECRET_KEY", "change-me")
    + app.config.from_prefixed_env()  # QUART_SECRET_KEY
    """
    for key, given, _ in served(module, *SECRETS):
        compared = [part for one in module.nodes(ast.Compare) for part in ast.walk(one)]
        value = module.value(module.fallback(given))
        is_secret = isinstance(value, str | bytes) and value not in {"", b"", key}
        if is_secret and value not in map(module.value, compared):
            yield given, key.upper()


@rule("QP604 debug-in-source warning", on=(ast.Module, ast.Call))
def debug_in_source(module: Module, node: ast.Module | ast.Call) -> Found:
    """`{}` shows clients tracebacks and variables; leave it to `quart run --debug`

    A server heeds it, however it was started; TESTING does the same since 0.22.

    runs: b"locals" in await (await get("/crash")).get_data() -> True

    - app.config["DEBUG"] = True
      @app.get("/crash")
      async def crash():
          return {}["key"]
    """
    if isinstance(node, ast.Module):
        for key, value, target in served(module, "DEBUG", "TESTING"):
            if module.value(value) is True and not isinstance(target, ast.Name):
                yield value, f"{key} = True"
    elif isinstance(node.func, ast.Attribute) and node.func.attr in {"run", "run_task"}:
        host = argument(node, 0, "host")
        address = module.value(host and module.fallback(host))
        is_public = isinstance(address, str) and not LOOPBACK.match(address)
        is_debug = module.value(argument(node, 2, "debug")) is True
        if is_public and is_debug and module.is_app(node.func.value):
            yield node, f"debug=True on {address}"


@rule("QP612 dotenv-in-app note", on=ast.Module, word="dotenv")
def dotenv_in_app(module: Module, node: ast.Module) -> Found:
    """the developer's file reaches tests too; load it where the app is started

    Whoever imports or builds the app gets it. `quart run` loads `.env` by itself.

    runs: os.environ.pop('TITLE', None) -> 'Draft'

    - from dotenv import load_dotenv
      Path(".env").write_text("TITLE=Draft")
    - load_dotenv()
      app.config["TITLE"] = os.environ.get("TITLE", "Users")
    """
    calls = [one for one in module.nodes(ast.Call) if module.name(one.func) in DOTENV]
    for call in calls:
        starts = STARTS_APP.search(module.text) and "Quart(" not in module.text
        function = module.function(call)
        is_early = module.builds_app(function) or not (function or starts)
        is_chosen = mentions(call, *parameters(function)) if function else False
        is_wanted = is_chosen or module.within(call, ast.If) or module.is_test
        if is_early and not is_wanted:
            yield call, ""
            return
