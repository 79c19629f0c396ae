"""QP6xx: the app factory, configuration, secrets, CORS and headers."""

import ast
import re
from collections.abc import Iterator
from typing import NamedTuple

from .module import FUNCTIONS, Module, argument
from .rule import Found, rule

ENVIRONMENT = {"os.environ.get", "os.getenv"}
SECRETS = ("SECRET_KEY", "JWT_SECRET", "JWT_SECRET_KEY", "QUART_SECRET_KEY")
NOT_SERVED = re.compile(r"test|dev|local|DebugConfig", re.I)
BASE_SETTINGS = "pydantic_settings.BaseSettings"
CACHES = {"functools.cache", "functools.lru_cache"}
DEVELOPMENT = {"debug", "dev", "development", "testing"}
DSN = re.compile(r"^pydantic\.(\w+\.)*\w+D[sS][nN]$")
SECRET_TYPES = {"pydantic.SecretBytes", "pydantic.SecretStr"}
URL_TYPES = {"pydantic.AnyHttpUrl", "pydantic.AnyUrl", "pydantic.HttpUrl"}
CORS = {"quart_cors.cors", "quart_cors.route_cors", "quart_cors.websocket_cors"}
SECURE_COOKIES = {
    "QUART_AUTH_COOKIE_HTTP_ONLY",
    "QUART_AUTH_COOKIE_SECURE",
    "SESSION_COOKIE_HTTPONLY",
    "SESSION_COOKIE_SECURE",
}


class Setting(NamedTuple):
    """An entry of the configuration; `owner` is the class or function it is in."""

    key: str
    value: ast.expr
    owner: str


def settings(module: Module, *keys: str) -> Iterator[Setting]:
    """What the app is served with: not in tests or under a name made for them."""
    text = "" if module.is_test else module.text.upper()
    if any(key in text for key in keys):
        for setting in all_settings(module):
            if setting.key.upper() in keys and not NOT_SERVED.search(setting.owner):
                yield setting


def all_settings(module: Module) -> Iterator[Setting]:
    """`app.config[...] = `, `app.debug = `, `config.update(...)`, config classes."""
    for target, value in module.assignments:
        owner = owner_of(module, target)
        place = module.within(target, ast.ClassDef, *FUNCTIONS)
        match target:
            case ast.Subscript(value=config, slice=ast.Constant(value=str(key))):
                if is_config(module, config):
                    yield Setting(key, value, owner)
            case ast.Attribute(value=app, attr="debug" | "testing" | "secret_key"):
                if module.is_app(app) and not module.in_main_block(target):
                    yield Setting(target.attr, value, owner)
            case ast.Name(id=key) if not isinstance(place, FUNCTIONS):
                yield Setting(key, value, owner)
    for call in module.nodes(ast.Call):
        match call.func:
            case ast.Attribute(value=config, attr="update" | "from_mapping"):
                if is_config(module, config):
                    for given in call.keywords:
                        owner = owner_of(module, call)
                        yield Setting(given.arg or "", given.value, owner)


def owner_of(module: Module, node: ast.AST) -> str:
    place = module.within(node, ast.ClassDef, *FUNCTIONS)
    return str(getattr(place, "name", ""))


def is_config(module: Module, node: ast.expr) -> bool:
    return (
        isinstance(node, ast.Attribute)
        and node.attr == "config"
        and module.is_app(node.value)
    )


def environment_key(module: Module, node: ast.AST | None) -> str:
    """The variable that an expression reads from the environment."""
    match node:
        case ast.Call(func=func, args=[ast.Constant(value=str(key)), *_]):
            return key if module.name(func) in ENVIRONMENT else ""
        case ast.Subscript(value=owner, slice=ast.Constant(value=str(key))):
            return key if module.name(owner) == "os.environ" else ""
    return ""


def default_of(module: Module, node: ast.expr) -> ast.expr:
    """The default of `os.getenv(KEY, DEFAULT)` or `config.get(KEY, DEFAULT)`."""
    match module.assigned(node) or node:
        case ast.Call(func=ast.Attribute(attr="get" | "getenv"), args=[_, default]):
            return default
        case ast.BoolOp(op=ast.Or(), values=[*_, default]):
            return default
        case value:
            return value


@rule(
    "QP601",
    "environment-in-class-body",
    "read once, when the module is imported: what is set later, by tests too, has no "
    "effect; read it in `create_app`",
    page="configuration",
    wrong="""
        import os

        from quart import Quart


        class Config:
            DATABASE_URL = os.environ["DATABASE_URL"]  # QP601


        def create_app() -> Quart:
            app = Quart(__name__)
            app.config.from_object(Config)
            return app
    """,
    right="""
        import os

        from quart import Quart


        def create_app() -> Quart:
            app = Quart(__name__)
            app.config["DATABASE_URL"] = os.environ["DATABASE_URL"]
            return app
    """,
)
def environment_in_class_body(module: Module) -> Found:
    """A missing variable fails the import, so not even `--help` or a test that needs
    no database runs. Only the first such line of a class is reported."""
    reported: set[ast.AST] = set()
    for node in [*module.nodes(ast.Call), *module.nodes(ast.Subscript)]:
        if module.function(node) is None and environment_key(module, node):
            owner = module.within(node, ast.ClassDef)
            if owner and owner not in reported:
                reported.add(owner)
                yield node, ""


@rule(
    "QP602",
    "config-class-not-instance",
    "`{}` itself is read, so its `__init__`, `__post_init__` and properties never run; "
    "pass an instance: `{}()`",
    page="configuration",
    wrong="""
        from dataclasses import dataclass

        from quart import Quart


        @dataclass
        class Config:
            PAGE_SIZE: int = 20

            def __post_init__(self) -> None:
                if self.PAGE_SIZE < 1:
                    raise ValueError("PAGE_SIZE")


        def create_app() -> Quart:
            app = Quart(__name__)
            app.config.from_object(Config)  # QP602
            return app
    """,
    right="""
        from dataclasses import dataclass

        from quart import Quart


        @dataclass
        class Config:
            PAGE_SIZE: int = 20

            def __post_init__(self) -> None:
                if self.PAGE_SIZE < 1:
                    raise ValueError("PAGE_SIZE")


        def create_app() -> Quart:
            app = Quart(__name__)
            app.config.from_object(Config())
            return app
    """,
)
def config_class_not_instance(module: Module) -> Found:
    """`from_object` copies upper-case attributes. On the class these are the defaults,
    unchecked, and property objects in place of values."""
    for call in module.nodes(ast.Call):
        match call:
            case ast.Call(func=ast.Attribute(attr="from_object"), args=[given]):
                for name in classes_in(module, given):
                    found = module.local_class(name)
                    if found and computes(found):
                        yield given, found.name
                        break


def classes_in(module: Module, node: ast.expr) -> list[ast.expr]:
    """The class that is named, or those in the table that is looked up."""
    match node:
        case ast.Subscript(value=table) | ast.Call(func=ast.Attribute(value=table)):
            choices = module.assigned(table)
            return choices.values if isinstance(choices, ast.Dict) else []
    return [node]


def computes(owner: ast.ClassDef) -> bool:
    return any(
        isinstance(line, FUNCTIONS)
        and (
            line.name in {"__init__", "__post_init__"}
            or any(ast.unparse(node) == "property" for node in line.decorator_list)
        )
        for line in owner.body
    )


@rule(
    "QP603",
    "secret-in-source",
    "whoever reads the source can forge sessions; take `{}` from the environment, "
    "without a default",
    page="configuration",
    wrong="""
        import os

        from quart import Quart


        def create_app() -> Quart:
            app = Quart(__name__)
            app.secret_key = os.environ.get("SECRET_KEY", "change-me")  # QP603
            return app
    """,
    right="""
        import os

        from quart import Quart


        def create_app() -> Quart:
            app = Quart(__name__)
            app.secret_key = os.environ["SECRET_KEY"]
            return app
    """,
)
def secret_in_source(module: Module) -> Found:
    """A default is a secret in the source as well, and nothing says that it is in
    use."""
    for setting in settings(module, *SECRETS):
        value = module.value(default_of(module, setting.value))
        if isinstance(value, str | bytes) and value:
            yield setting.value, setting.key.upper()


@rule(
    "QP604",
    "debug-in-source",
    "`{}` in the source shows clients tracebacks with local variables; leave it to "
    "`quart run --debug` and to tests",
    page="configuration",
    wrong="""
        from quart import Quart


        def create_app() -> Quart:
            app = Quart(__name__)
            app.config["DEBUG"] = True  # QP604
            return app
    """,
    right="""
        from quart import Quart


        def create_app() -> Quart:
            return Quart(__name__)
    """,
)
def debug_in_source(module: Module) -> Found:
    """Under an ASGI server the configuration counts, not how it was started. TESTING
    does the same since 0.22."""
    for setting in settings(module, "DEBUG", "TESTING"):
        if module.value(setting.value) is True:
            yield setting.value, f"{setting.key.upper()} = True"


@rule(
    "QP605",
    "cors-wildcard-credentials",
    "any origin together with credentials is forbidden: every response becomes 500; "
    "list the origins",
    page="app_factory",
    wrong="""
        from quart import Quart
        from quart_cors import cors


        def create_app() -> Quart:
            app = Quart(__name__)
            return cors(app, allow_origin="*", allow_credentials=True)  # QP605
    """,
    right="""
        from quart import Quart
        from quart_cors import cors


        def create_app() -> Quart:
            app = Quart(__name__)
            origins = ["https://app.example"]
            return cors(app, allow_origin=origins, allow_credentials=True)
    """,
)
def cors_wildcard_credentials(module: Module) -> Found:
    """quart-cors raises ValueError while it adds the headers, after every error
    handler. `*` is also what it takes when no origin is given."""
    for call in module.nodes(ast.Call):
        if module.name(call.func) not in CORS:
            continue
        credentials = argument(call, None, "allow_credentials")
        if module.value(credentials) is not True:
            continue
        origin = argument(call, None, "allow_origin")
        if origin is None:
            if "ALLOW_ORIGIN" not in module.text:
                yield call, ""
        elif "*" in {module.value(each) for each in origins_in(module, origin)}:
            yield call, ""


def origins_in(module: Module, node: ast.expr) -> list[ast.expr]:
    match default_of(module, node):
        case ast.List(elts=origins) | ast.Tuple(elts=origins) | ast.Set(elts=origins):
            return origins
        case origin:
            return [origin]


@rule(
    "QP606",
    "unanchored-origin",
    "quart-cors matches the beginning only, so `https://a.example.evil.io` passes; end "
    r"the pattern with `\Z`",
    page="app_factory",
    wrong=r"""
        import re

        from quart import Quart
        from quart_cors import cors


        def create_app() -> Quart:
            app = Quart(__name__)
            origin = re.compile(r"https://\w+\.example")  # QP606
            return cors(app, allow_origin=origin)
    """,
    right=r"""
        import re

        from quart import Quart
        from quart_cors import cors


        def create_app() -> Quart:
            app = Quart(__name__)
            origin = re.compile(r"https://\w+\.example\Z")
            return cors(app, allow_origin=origin)
    """,
)
def unanchored_origin(module: Module) -> Found:
    """The library calls `pattern.match(origin)`, which ignores what follows."""
    for call in module.nodes(ast.Call):
        if module.name(call.func) in CORS and (
            given := argument(call, None, "allow_origin")
        ):
            for origin in origins_in(module, given):
                match module.assigned(origin) or origin:
                    case ast.Call(func=func, args=[pattern, *_]) as made:
                        text = module.value(pattern)
                        if (
                            module.name(func) == "re.compile" and isinstance(text, str)
                        ) and not text.endswith(("$", r"\Z", r"\z")):
                            yield made, ""


@rule(
    "QP607",
    "origins-in-one-string",
    "the origins are compared as one string, which no browser sends; split it into a "
    "list",
    page="app_factory",
    wrong="""
        import os

        from quart import Quart
        from quart_cors import cors


        def create_app() -> Quart:
            app = Quart(__name__)
            return cors(app, allow_origin=os.environ["CORS_ORIGINS"])  # QP607
    """,
    right="""
        import os

        from quart import Quart
        from quart_cors import cors


        def create_app() -> Quart:
            app = Quart(__name__)
            return cors(app, allow_origin=os.environ["CORS_ORIGINS"].split(","))
    """,
)
def origins_in_one_string(module: Module) -> Found:
    """`https://a.example,https://b.example` allows neither, and the only sign is a
    header that is missing."""
    for call in module.nodes(ast.Call):
        if module.name(call.func) in CORS and (
            given := argument(call, None, "allow_origin")
        ):
            value = module.assigned(given) or given
            text = module.value(default_of(module, given))
            several = environment_key(module, value).endswith("ORIGINS")
            if several or (isinstance(text, str) and "," in text):
                yield given, ""


@rule(
    "QP608",
    "route-cors",
    "on Quart 0.23 the preflight of `route_cors` answers 500; use `cors(app)` or "
    "`cors(blueprint)`",
    page="app_factory",
    wrong="""
        from quart import Quart
        from quart_cors import route_cors

        app = Quart(__name__)


        @app.post("/notes")
        @route_cors(allow_origin="https://app.example")  # QP608
        async def add_note():
            return "", 201
    """,
    right="""
        from quart import Blueprint
        from quart_cors import cors

        blueprint = cors(
            Blueprint("notes", __name__), allow_origin="https://app.example"
        )


        @blueprint.post("/notes")
        async def add_note():
            return "", 201
    """,
)
def route_cors(module: Module) -> Found:
    """quart-cors 0.8 calls `make_default_options_response()` without the context that
    0.23 wants."""
    for call in module.nodes(ast.Call):
        if module.name(call.func) == "quart_cors.route_cors":
            yield call, ""


@rule(
    "QP609",
    "x-xss-protection",
    "the header is obsolete and opens holes in the browsers that still read it; send a "
    "Content-Security-Policy",
    page="app_factory",
    wrong="""
        from quart import Quart

        app = Quart(__name__)


        @app.after_request
        async def harden(response):
            response.headers["X-XSS-Protection"] = "1; mode=block"  # QP609
            return response
    """,
    right="""
        from quart import Quart

        app = Quart(__name__)


        @app.after_request
        async def harden(response):
            response.headers["Content-Security-Policy"] = "default-src 'self'"
            return response
    """,
)
def x_xss_protection(module: Module) -> Found:
    """Browsers dropped the filter that it steered because it could be turned against a
    page. `0`, which turns it off, is not reported."""
    for node in module.nodes(ast.Constant):
        if not isinstance(node.value, str) or node.value.lower() != "x-xss-protection":
            continue
        value: ast.expr | None = None
        match module.parent(node):
            case ast.Subscript() as target:
                line = module.parent(target)
                value = line.value if isinstance(line, ast.Assign) else None
            case ast.Dict(keys=keys, values=values):
                value = values[keys.index(node)] if node in keys else None
        if str(module.value(value)).startswith("1"):
            yield node, ""


@rule(
    "QP610",
    "trusted-hosts-ignored",
    "Flask reads TRUSTED_HOSTS, Quart does not: any Host header passes; check "
    "`request.host` or let the proxy do it",
    page="app_factory",
    wrong="""
        from quart import Quart


        def create_app() -> Quart:
            app = Quart(__name__)
            app.config["TRUSTED_HOSTS"] = ["app.example"]  # QP610
            return app
    """,
    right="""
        from quart import Quart, abort, request


        def create_app() -> Quart:
            app = Quart(__name__)

            @app.before_request
            async def check_host() -> None:
                if request.host != "app.example":
                    abort(400)

            return app
    """,
)
def trusted_hosts_ignored(module: Module) -> Found:
    """The key exists in `app.config` because Quart takes Flask's defaults over."""
    if module.text.count("TRUSTED_HOSTS") == 1:
        for setting in settings(module, "TRUSTED_HOSTS"):
            yield setting.value, ""


@rule(
    "QP611",
    "insecure-cookie",
    "`{} = False` sends the cookie where others can read it; leave that to tests",
    page="configuration",
    wrong="""
        from quart import Quart


        def create_app() -> Quart:
            app = Quart(__name__)
            app.config["SESSION_COOKIE_HTTPONLY"] = False  # QP611
            return app
    """,
    right="""
        from quart import Quart


        def create_app() -> Quart:
            app = Quart(__name__)
            app.config["SESSION_COOKIE_SECURE"] = True
            app.config["SESSION_COOKIE_SAMESITE"] = "Lax"
            return app
    """,
)
def insecure_cookie(module: Module) -> Found:
    """Without Secure it travels over plain HTTP, without HttpOnly scripts read it."""
    for setting in settings(module, *SECURE_COOKIES):
        if module.value(setting.value) is False:
            yield setting.value, setting.key


@rule(
    "QP612",
    "dotenv-in-app",
    "the developer's file reaches all that imports or builds the app, tests too; load "
    "it where the app is started",
    page="configuration",
    wrong="""
        import os

        from dotenv import load_dotenv
        from quart import Quart

        load_dotenv()  # QP612


        def create_app() -> Quart:
            app = Quart(__name__)
            app.secret_key = os.environ["SECRET_KEY"]
            return app
    """,
    right="""
        import os

        from quart import Quart


        def create_app() -> Quart:
            app = Quart(__name__)
            app.secret_key = os.environ["SECRET_KEY"]
            return app
    """,
)
def dotenv_in_app(module: Module) -> Found:
    """A test run then sees the developer's database and secrets. `quart run` loads
    `.env` by itself."""
    factories = [one for one in module.functions if one.name == "create_app"]
    for call in module.nodes(ast.Call):
        name = module.name(call.func)
        if name in {"dotenv.load_dotenv", "dotenv.main.load_dotenv"}:
            at_import = factories and module.at_import(call)
            if at_import or module.builds_app(module.function(call)):
                yield call, ""
        elif name == "pydantic_settings.SettingsConfigDict":
            file = argument(call, None, "env_file")
            if file and not module.is_test:
                yield file, ""


@rule(
    "QP613",
    "development-by-default",
    "whoever forgets the argument serves `{}` to the world; make production the "
    "default, or none",
    page="app_factory",
    wrong="""
        from quart import Quart


        def create_app(environment: str = "development") -> Quart:  # QP613
            app = Quart(__name__)
            app.config["DEBUG"] = environment == "development"
            return app
    """,
    right="""
        from quart import Quart


        def create_app(debug: bool = False) -> Quart:
            app = Quart(__name__)
            app.config["DEBUG"] = debug
            return app
    """,
)
def development_by_default(module: Module) -> Found:
    """`hypercorn "acme:create_app()"` passes nothing. Clients then see tracebacks with
    local variables."""
    for function in module.functions:
        defaults = [*function.args.defaults, *filter(None, function.args.kw_defaults)]
        given = [module.value(default) for default in defaults]
        chosen = [word for word in given if word in DEVELOPMENT]
        if chosen and module.builds_app(function) and not module.is_test:
            yield function, str(chosen[0])


@rule(
    "QP614",
    "global-in-factory",
    "`{}` belongs to whichever app was made last; keep it in `app.extensions` or "
    "`app.config`",
    page="app_factory",
    wrong="""
        from quart import Quart

        prices: dict[str, int] = {}


        def create_app(own: dict[str, int]) -> Quart:
            global prices  # QP614
            prices = own
            return Quart(__name__)
    """,
    right="""
        from quart import Quart


        def create_app(prices: dict[str, int]) -> Quart:
            app = Quart(__name__)
            app.extensions["prices"] = prices
            return app
    """,
)
def global_in_factory(module: Module) -> Found:
    """Two apps in one process, as in every test run, then share it."""
    for node in module.nodes(ast.Global):
        if module.builds_app(module.function(node)):
            yield node, ", ".join(node.names)


@rule(
    "QP615",
    "shared-schema",
    "one QuartSchema for several apps describes the last one in the documents of all; "
    "make it in the factory",
    page="app_factory",
    wrong="""
        from quart import Quart
        from quart_schema import QuartSchema

        schema = QuartSchema()


        def create_app() -> Quart:
            app = Quart(__name__)
            schema.init_app(app)  # QP615
            return app
    """,
    right="""
        from quart import Quart
        from quart_schema import QuartSchema


        def create_app() -> Quart:
            app = Quart(__name__)
            QuartSchema(app)
            return app
    """,
)
def shared_schema(module: Module) -> Found:
    """The object keeps the app that it was given last."""
    for call in module.nodes(ast.Call):
        match call.func:
            case ast.Attribute(value=ast.Name() as schema, attr="init_app"):
                if (
                    module.kind(schema) == "quart_schema.QuartSchema"
                    and module.function(call)
                    and made_at_import(module, schema)
                ):
                    yield call, ""


def made_at_import(module: Module, name: ast.Name) -> bool:
    return any(module.function(one) is None for one in module.bindings(name))


@rule(
    "QP616",
    "blueprint-changed-in-factory",
    "`{}` is made at import and changed in the factory: the second app fails with "
    "`already been registered`; do both at import",
    page="blueprints",
    wrong="""
        from quart import Blueprint, Quart

        api = Blueprint("api", __name__, url_prefix="/api")
        notes = Blueprint("notes", __name__, url_prefix="/notes")


        def create_app() -> Quart:
            app = Quart(__name__)
            api.register_blueprint(notes)  # QP616
            app.register_blueprint(api)
            return app
    """,
    right="""
        from quart import Blueprint, Quart

        api = Blueprint("api", __name__, url_prefix="/api")
        notes = Blueprint("notes", __name__, url_prefix="/notes")
        api.register_blueprint(notes)


        def create_app() -> Quart:
            app = Quart(__name__)
            app.register_blueprint(api)
            return app
    """,
)
def blueprint_changed_in_factory(module: Module) -> Found:
    """A blueprint that an app has taken on is closed. The tests make a second app."""
    for call in module.nodes(ast.Call):
        match call.func:
            case ast.Attribute(
                value=ast.Name() as owner, attr="register_blueprint" | "add_url_rule"
            ):
                if (
                    module.kind(owner) == "quart.Blueprint"
                    and made_at_import(module, owner)
                    and module.builds_app(module.function(call))
                ):
                    yield call, owner.id


def settings_fields(module: Module) -> Iterator[tuple[ast.ClassDef, ast.AnnAssign]]:
    """The fields of pydantic-settings classes."""
    for owner in module.nodes(ast.ClassDef):
        if any(module.class_kind(base) == BASE_SETTINGS for base in owner.bases):
            for line in owner.body:
                if isinstance(line, ast.AnnAssign):
                    yield owner, line


def types_in(module: Module, annotation: ast.expr) -> set[str]:
    return {module.name(node) for node in ast.walk(annotation)}


@rule(
    "QP617",
    "settings-print-secrets",
    "a secret that is refused stands in the error message; set "
    "hide_input_in_errors=True in `model_config`",
    page="configuration",
    wrong="""
        from pydantic import Field, SecretStr
        from pydantic_settings import BaseSettings
        from quart import Quart


        class Settings(BaseSettings):  # QP617
            secret_key: SecretStr = Field(min_length=32)


        def create_app() -> Quart:
            app = Quart(__name__)
            app.secret_key = Settings().secret_key.get_secret_value()
            return app
    """,
    right="""
        from pydantic import Field, SecretStr
        from pydantic_settings import BaseSettings, SettingsConfigDict
        from quart import Quart


        class Settings(BaseSettings):
            model_config = SettingsConfigDict(hide_input_in_errors=True)

            secret_key: SecretStr = Field(min_length=32)


        def create_app() -> Quart:
            app = Quart(__name__)
            app.secret_key = Settings().secret_key.get_secret_value()
            return app
    """,
)
def settings_print_secrets(module: Module) -> Found:
    """`input_value='...'` is printed even for a SecretStr, and a start that fails is
    what gets logged and pasted."""
    if "hide_input_in_errors" in module.text:
        return
    reported = set()
    for owner, field in settings_fields(module):
        if types_in(module, field.annotation) & SECRET_TYPES and owner not in reported:
            reported.add(owner)
            yield owner, ""


@rule(
    "QP618",
    "origins-as-urls",
    "pydantic's URL types add a slash, and no browser sends one, so the origin never "
    "matches; use `str` with a pattern",
    page="configuration",
    wrong="""
        from pydantic import HttpUrl
        from pydantic_settings import BaseSettings
        from quart import Quart

        app = Quart(__name__)


        class Settings(BaseSettings):
            cors_origins: list[HttpUrl]  # QP618
    """,
    right="""
        from typing import Annotated

        from pydantic import Field
        from pydantic_settings import BaseSettings
        from quart import Quart

        app = Quart(__name__)
        Origin = Annotated[str, Field(pattern=r"^https?://[^/]+$")]


        class Settings(BaseSettings):
            cors_origins: list[Origin]
    """,
)
def origins_as_urls(module: Module) -> Found:
    """`str(HttpUrl("https://app.example"))` is `https://app.example/`."""
    for _, field in settings_fields(module):
        if (
            "origin" in ast.unparse(field.target).lower()
            and types_in(module, field.annotation) & URL_TYPES
            and "strip(" not in module.text
        ):
            yield field, ""


@rule(
    "QP619",
    "dsn-in-the-open",
    "`{}` shows its password wherever the settings are printed; type it SecretStr",
    page="configuration",
    wrong="""
        from pydantic import PostgresDsn
        from pydantic_settings import BaseSettings
        from quart import Quart

        app = Quart(__name__)


        class Settings(BaseSettings):
            database_url: PostgresDsn  # QP619
    """,
    right="""
        from pydantic import SecretStr
        from pydantic_settings import BaseSettings, SettingsConfigDict
        from quart import Quart

        app = Quart(__name__)


        class Settings(BaseSettings):
            model_config = SettingsConfigDict(hide_input_in_errors=True)

            database_url: SecretStr
    """,
)
def dsn_in_the_open(module: Module) -> Found:
    """Tracebacks, debuggers and logs print objects by their repr."""
    for _, field in settings_fields(module):
        if any(map(DSN.match, types_in(module, field.annotation))):
            hidden = field.value and "repr=False" in ast.unparse(field.value)
            if not hidden:
                yield field, ast.unparse(field.target)


@rule(
    "QP620",
    "cached-settings",
    "the first call decides for the whole process, so one test's environment reaches "
    "the next; build the settings in `create_app`",
    page="configuration",
    wrong="""
        from functools import cache

        from pydantic_settings import BaseSettings
        from quart import Quart


        class Settings(BaseSettings):
            page_size: int = 20


        @cache
        def settings() -> Settings:  # QP620
            return Settings()


        def create_app() -> Quart:
            app = Quart(__name__)
            app.config["PAGE_SIZE"] = settings().page_size
            return app
    """,
    right="""
        from pydantic_settings import BaseSettings
        from quart import Quart


        class Settings(BaseSettings):
            page_size: int = 20


        def create_app(settings: Settings | None = None) -> Quart:
            settings = settings or Settings()
            app = Quart(__name__)
            app.config["PAGE_SIZE"] = settings.page_size
            return app
    """,
)
def cached_settings(module: Module) -> Found:
    """An argument of the factory does what the cache is meant for."""
    for function in module.functions:
        names = {module.decorator_name(one) for one in function.decorator_list}
        if names & CACHES:
            for node in module.body(function):
                if (
                    isinstance(node, ast.Return)
                    and module.kind(node.value) == BASE_SETTINGS
                ):
                    yield function, ""


@rule(
    "QP621",
    "settings-from-object",
    "`from_object` copies upper-case names only, so nothing of these settings arrives; "
    "use `from_mapping(SECRET_KEY=...)`",
    page="configuration",
    wrong="""
        from pydantic_settings import BaseSettings
        from quart import Quart


        class Settings(BaseSettings):
            page_size: int = 20


        def create_app(settings: Settings) -> Quart:
            app = Quart(__name__)
            app.config.from_object(settings)  # QP621
            return app
    """,
    right="""
        from pydantic_settings import BaseSettings
        from quart import Quart


        class Settings(BaseSettings):
            page_size: int = 20


        def create_app(settings: Settings) -> Quart:
            app = Quart(__name__)
            app.config.from_mapping(PAGE_SIZE=settings.page_size)
            return app
    """,
)
def settings_from_object(module: Module) -> Found:
    """The keys are missing without a word."""
    fields = [ast.unparse(field.target) for _, field in settings_fields(module)]
    if any(field.isupper() for field in fields):
        return
    for call in module.nodes(ast.Call):
        match call:
            case ast.Call(func=ast.Attribute(attr="from_object"), args=[given]):
                if module.kind(given) == BASE_SETTINGS:
                    yield given, ""


@rule(
    "QP622",
    "masked-secret-key",
    "a SecretStr is no key: the first session that is written answers 500; pass "
    "`.get_secret_value()`",
    page="configuration",
    wrong="""
        from pydantic import SecretStr
        from quart import Quart


        def create_app(key: SecretStr) -> Quart:
            app = Quart(__name__)
            app.config["SECRET_KEY"] = key  # QP622
            return app
    """,
    right="""
        from pydantic import SecretStr
        from quart import Quart


        def create_app(key: SecretStr) -> Quart:
            app = Quart(__name__)
            app.config["SECRET_KEY"] = key.get_secret_value()
            return app
    """,
)
def masked_secret_key(module: Module) -> Found:
    """The signer wants text or bytes, and asks for it only when it signs."""
    secrets = {
        ast.unparse(field.target)
        for _, field in settings_fields(module)
        if types_in(module, field.annotation) & SECRET_TYPES
    }
    for setting in settings(module, "SECRET_KEY"):
        match setting.value:
            case ast.Attribute(attr=attr) if attr in secrets:
                yield setting.value, ""
            case value if module.kind(value) in SECRET_TYPES:
                yield value, ""
