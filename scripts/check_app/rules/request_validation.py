"""Bodies, queries, forms and uploads."""

import ast
import re

from ..engine.awaiting import misused
from ..engine.quart import Module, argument, contains, mentions, parameters
from ..engine.rule import Found, rule
from ..engine.scopes import FUNCTIONS
from ..engine.words import CATCH_ALL, PYDANTIC_ERRORS, SCHEMA_ERROR

BODY = "data files form get_data() get_json() json values"
JSON_BODY = {"quart.request.get_json", "quart.request.json"}
PATH_CALLS = {"aiofiles.open", "builtins.open", "os.path.join", "pathlib.Path"}
NAME_WITHOUT_FOLDERS = {"name", "stem", "suffix", "suffixes"}
LIST = r"(typing\.)?(list|set|tuple|List)(\[[^(),]*\])?"
LISTED = re.compile(rf"{LIST}( \| None)?|Annotated\[{LIST}, Field\([^()]*\)\]")
VALIDATES_WITH = "quart_schema.validate_"
VALIDATED = {"headers": "headers", "querystring": "query_args", "request": "data"}
WRAPPING = ("quart_auth.", "quart_jwt_extended.", "quart_rate_limiter.", VALIDATES_WITH)
MISS_TYPE_ERROR = {*PYDANTIC_ERRORS, "builtins.ValueError"}
TAKE_VALUE_ERROR = {*CATCH_ALL, "builtins.ValueError"}
MISS_VALUE_ERROR = {*PYDANTIC_ERRORS, "builtins.KeyError", "builtins.TypeError"}
TEXTS = "request.args request.cookies request.form request.headers websocket.args"
CONVERSIONS = {"UUID", "float", "fromisoformat", "int"}
SERVER_ERROR = re.compile(r"\b5\d\d\b")
CHECKS_INPUT = re.compile("json|schema|valid")  # in the name of a decorator
LOOKED_AT = re.compile(r"\.is[a-z]+$|match\(| in |[!=]= ")
MAKES_MODEL = re.compile(r"\b[A-Z]\w*\(|model_validate|parse_obj|TypeAdapter")
VALIDATES = re.compile(r"model_validate|parse_obj|TypeAdapter|\w\(\*\*")


@rule("QP101 unawaited-request-body error", on=(ast.Attribute, ast.Call))
def unawaited_request_body(module: Module, node: ast.Attribute | ast.Call) -> Found:
    """`{}` is a coroutine and nothing more; write `await {}` in an `async def`

    Quart reads the body while the view runs; in Flask it is there before.

    runs: post("/notes", form={"text": "hello"}) -> 500

      @app.post("/notes")
      async def add_note():
    -     return request.form["text"]
    +     return (await request.form)["text"]
    """
    called = getattr(node, "func", node)
    end = "" if called is node else "()"
    is_body = module.name(called).removeprefix("quart.request.") + end in BODY.split()
    if (is_body or module.saves_upload(node)) and misused(module, node):
        yield node, ast.unparse(called) + end


@rule("QP108 upload-filename warning", on=ast.Attribute, word="filename")
def upload_filename(module: Module, node: ast.Attribute) -> Found:
    """the client chooses `filename`, `../` and all; use your own or `secure_filename`

    The name arrives as sent: `../../etc/passwd` leaves the folder.

    runs: [Path("files").mkdir(), await post("/", files={"a": upload("../stolen")}),
    Path("stolen").exists()][2] -> True

      @app.post("/")
      async def add_file():
          upload = (await request.files)["a"]
    -     await upload.save(Path("files") / upload.filename)
    +     await upload.save(Path("files") / uuid4().hex)
          return "", 201
    """
    function = node.attr == "filename" and module.function(node)
    names = map(module.name, ast.walk(function)) if function else ()
    if "quart.request.files" in names and becomes_path(module, node):
        yield node, ""


def becomes_path(module: Module, node: ast.AST) -> bool:
    parent = module.parent(node)
    match parent:
        case ast.BinOp(op=ast.Div()):
            return True
        case ast.JoinedStr() | ast.FormattedValue() | ast.BinOp():
            return becomes_path(module, parent)
        case ast.Call(func=func):
            method = getattr(func, "attr", "")
            taken = getattr(module.parent(parent), "attr", "")
            opens = method in {"joinpath", "save"} or module.name(func) in PATH_CALLS
            return opens and taken not in NAME_WITHOUT_FOLDERS
    return any(becomes_path(module, use) for use in module.uses_of_value(node))


@rule("QP114 decorator-above-route error", on=ast.Module)
def decorator_above_route(module: Module, node: ast.Module) -> Found:
    """`{}` stands above the route: the app serves the view without it; move it below

    The route registers the function it is given; what wraps it later never runs.

    runs: get("/notes") -> 200

      def members_only(view):
          async def guarded():
              return await view() if request.authorization else abort(401)

          return guarded
    - @members_only
      @app.get("/notes")
    + @members_only
      async def notes():
          return {"notes": []}
    """
    for function, call, _ in module.routes:
        above = function.decorator_list
        for decorator in above[: above.index(call) if call in above else 0]:
            func = getattr(decorator, "func", decorator)
            maker = module.local_function(func)
            parts = ast.walk(maker) if maker else ()
            returned = [part.value for part in parts if isinstance(part, ast.Return)]
            wraps = any(map(module.local_function, returned))
            if wraps or module.name(func).startswith(WRAPPING):
                yield decorator, ast.unparse(func).rpartition(".")[2]


@rule("QP115 validated-argument-missing error", on=ast.AsyncFunctionDef)
def validated_argument_missing(module: Module, node: ast.AsyncFunctionDef) -> Found:
    """the value is passed as `{}`, which this view does not take (TypeError): add it

    quart-schema passes by keyword: `data`, `query_args`, `headers`.

    runs: post("/notes", json={"text": "hello"}) -> 500

      QuartSchema(app, openapi_path=None)
      class Note(BaseModel):
          text: str
      @app.post("/notes")
      @validate_request(Note)
    - async def add_note(note: Note):
    + async def add_note(data: Note):
          return "", 201
    """
    names = [module.decorator_name(one) for one in node.decorator_list]
    for position, name in enumerate(names):
        wanted = VALIDATED.get(name.removeprefix(VALIDATES_WITH), "")
        direct = all(one.startswith("quart_schema.") for one in names[position:])
        taken = wanted in parameters(node) or node.args.kwarg
        if wanted and direct and not taken and not module.is_test:
            yield node, wanted


@rule("QP117 unchecked-json-body error", on=ast.Await)
def unchecked_json_body(module: Module, node: ast.Await) -> Found:
    """without a JSON content type the body is None (500); validate it with a model

    Flask answers 415 when the content type is not JSON. A list is 500 as well.

    runs: post("/notes", data=b"hello") -> 500

    + QuartSchema(app, openapi_path=None)
      class Note(BaseModel):
          text: str
      @app.post("/notes")
    - async def add_note():
    -     data = Note(**await request.get_json())
    + @validate_request(Note)
    + async def add_note(data: Note):
          return {"text": data.text}
    """
    name = module.name(getattr(node.value, "func", node.value))
    if name in JSON_BODY and "force" not in ast.unparse(node):
        uses: list[ast.AST] = [*module.uses_of_value(node)] or [node]
        parts = {node, *uses}
        unchecked = all(is_unchecked(module, one, MISS_TYPE_ERROR) for one in parts)
        if unchecked and all(is_read(module, use) for use in uses):
            yield uses[0], ""


def is_read(module: Module, node: ast.AST) -> bool:
    """It fails for None: a key, an attribute, `in` or `**` of it is asked for."""
    match module.parent(node):
        case ast.Compare(ops=[ast.In() | ast.NotIn()], comparators=[owner]):
            return owner is node
        case ast.Subscript(value=owner):
            return owner is node
        case ast.Attribute() | ast.keyword(arg=None):
            return True
    return False


def is_unchecked(module: Module, node: ast.AST, misses: set[str]) -> bool:
    """In a view; not looked at, nor in a `try` that takes the error (not as 500)."""
    function = module.function(node)
    if function not in {*module.views, *module.websocket_handlers}:
        return False
    decorators = getattr(function, "decorator_list", ())
    names = " ".join(ast.unparse(getattr(one, "func", one)) for one in decorators)
    checked = CHECKS_INPUT.search(names) or mentions(function, "is_json")
    ways = [w for w in module.guards(node) if not SERVER_ERROR.search(ast.unparse(w))]
    return not checked and not any(module.caught(way) - misses for way in ways)


@rule("QP119 list-in-query error", on=ast.Call, word="quart_schema")
def list_in_query(module: Module, node: ast.Call) -> Found:
    """one `{}` alone is no list and answers 400; make it a list with a BeforeValidator

    Two values, or the name with `[]`, are taken as a list; one is not (0.25).

    runs: get("/notes?tag=tea") -> 400

      QuartSchema(app, openapi_path=None)
    + def as_list(value):
    +     return value if isinstance(value, list) else [value]
      class Query(BaseModel):
    -     tag: list[str] = []
    +     tag: Annotated[list[str], BeforeValidator(as_list)] = []
      @app.get("/notes")
      @validate_querystring(Query)
      async def notes(query_args: Query):
          return {"tags": query_args.tag}
    """
    asked = module.name(node.func) == "quart_schema.validate_querystring"
    if asked and not module.is_test:
        model = module.local_class(argument(node, 0, "model_class"))
        for line in model.body if model and not contains(model, *FUNCTIONS) else ():
            if LISTED.fullmatch(ast.unparse(getattr(line, "annotation", line))):
                yield line, ast.unparse(line).partition(":")[0]


@rule("QP121 argument-converted-by-hand error", on=ast.Call)
def argument_converted_by_hand(module: Module, node: ast.Call) -> Found:
    """`{}` fails on what clients send (500); use `get(..., type=int)` or a model

    With `type=` a wrong number is the default. `@validate_querystring` says 400.

    runs: get("/notes?page=two") -> 500

      @app.get("/notes")
      async def notes():
    -     return {"page": int(request.args.get("page", 1))}
    +     return {"page": request.args.get("page", 1, type=int)}
    """
    name = module.name(node.func)
    if name.rpartition(".")[2] in CONVERSIONS and len(node.args) == 1:
        handled = {one.kind for one in module.error_handlers} & TAKE_VALUE_ERROR
        unchecked = is_unchecked(module, node, MISS_VALUE_ERROR)
        if unchecked and not handled and is_text(module, node.args[0]):
            yield node, f"{name.removeprefix('builtins.')}(...)"


def is_text(module: Module, node: ast.expr) -> bool:
    """What a client sent, not looked at yet."""
    match node:
        case ast.Name() if value := module.assigned(node):
            near = [ast.unparse(module.parent(use) or use) for use in module.uses(node)]
            return not any(map(LOOKED_AT.search, near)) and is_text(module, value)
        case ast.BoolOp(values=[first, *_]):
            return is_text(module, first)
        case (
            ast.Subscript(value=owner)
            | ast.Call(func=ast.Attribute(value=owner, attr="get"))
        ):
            owner = module.assigned(owner) or owner
            name = module.name(owner.value if isinstance(owner, ast.Await) else owner)
            typed = "type" in {one.arg for one in getattr(node, "keywords", ())}
            return not typed and name.removeprefix("quart.") in TEXTS.split()
    return False


@rule("QP502 errorhandler-validation-error error", on=(ast.Module, ast.ExceptHandler))
def validation_error(module: Module, node: ast.Module | ast.ExceptHandler) -> Found:
    """pydantic's ValidationError never reaches {}; handle RequestSchemaValidationError

    quart-schema wraps it in a BadRequest, raised before the view runs.

    runs: post("/notes", json={}) -> 400

      QuartSchema(app, openapi_path=None)
      class Note(BaseModel):
          text: str
    - @app.errorhandler(ValidationError)
    + @app.errorhandler(RequestSchemaValidationError)
      async def invalid(error):  # here
          return "", 422
      @app.post("/notes")
      @validate_request(Note)
      async def add_note(data: Note):
          return "", 201
    """
    if isinstance(node, ast.ExceptHandler):
        decorators = getattr(module.function(node), "decorator_list", ())
        names = " ".join(map(module.decorator_name, decorators))
        lines = map(ast.unparse, getattr(module.parent(node), "body", ()))
        is_late = VALIDATES_WITH in names and module.caught(node) <= PYDANTIC_ERRORS
        if is_late and not any(map(MAKES_MODEL.search, lines)):
            yield node, "a view"
    elif handlers := module.error_handlers:
        foreign = VALIDATES.search(module.text) or "quart_schema" not in module.imported
        for one in handlers if not foreign else ():
            beside = {other.kind for other in handlers if one.may_share_app(other)}
            if one.kind in PYDANTIC_ERRORS and SCHEMA_ERROR not in beside:
                yield one.place, "the app"


@rule("QP906 quart-schema-title error", on=ast.Call, word="QuartSchema")
def quart_schema_title(module: Module, node: ast.Call) -> Found:
    """QuartSchema takes no such argument; `info=Info(title="...", version="...")`

    The arguments went in 0.14.

    runs: import -> TypeError

    - QuartSchema(app, title="Notes")
    + QuartSchema(app, info=Info(title="Notes", version="1.0"))
    """
    given = {one.arg for one in node.keywords} & {"title", "version"}
    if given and module.name(node.func) == "quart_schema.QuartSchema":
        yield node, ""
