"""Bodies, queries, forms and uploads."""

import ast

from ..engine.awaiting import misused
from ..engine.quart import Module, argument, mentions, parameters
from ..engine.rule import Found, Severity, rule
from ..engine.scopes import FUNCTIONS, TRIES, Function
from ..engine.words import PYDANTIC_ERRORS, SCHEMA_ERROR

BODY = {f"quart.request.{name}" for name in ("data", "files", "form", "json", "values")}
BODY_CALLS = {"quart.request.get_data", "quart.request.get_json"}
PATH_CALLS = {"aiofiles.open", "builtins.open", "os.path.join", "pathlib.Path"}
PATH_METHODS = {"joinpath", "save"}
NAME_WITHOUT_FOLDERS = {"name", "stem", "suffix", "suffixes"}
LISTS = {"builtins.list", "builtins.set", "builtins.tuple", "typing.List"}
FORMS = {"quart_schema.DataSource.FORM", "quart_schema.DataSource.FORM_MULTIPART"}
VALIDATED = {
    "quart_schema.validate_headers": "headers",
    "quart_schema.validate_querystring": "query_args",
    "quart_schema.validate_request": "data",
}
WRAPPING = (
    "quart_auth.basic_auth_required",
    "quart_auth.login_required",
    "quart_jwt_extended.",
    "quart_rate_limiter.",
    "quart_schema.validate_",
)
MISS_TYPE_ERROR = {*PYDANTIC_ERRORS, "builtins.ValueError"}
MISS_VALUE_ERROR = {*PYDANTIC_ERRORS, "builtins.KeyError", "builtins.TypeError"}
VALIDATING_BY_HAND = {"model_validate", "parse_obj", "TypeAdapter"}
TEXTS = {
    "quart.request.args",
    "quart.request.cookies",
    "quart.request.form",
    "quart.request.headers",
    "quart.websocket.args",
}
CONVERSIONS = {
    "builtins.float",
    "builtins.int",
    "datetime.date.fromisoformat",
    "datetime.datetime.fromisoformat",
    "decimal.Decimal",
    "uuid.UUID",
}
LOOKS_AT_TEXT = {"isascii", "isdecimal", "isdigit", "isnumeric", "fullmatch", "match"}


@rule(
    "QP101",
    "unawaited-request-body",
    Severity.ERROR,
    "`{}` is a coroutine, not the body; write `await {}` in an `async def`",
    on=(ast.Attribute, ast.Call),
    runs='post("/notes", form={"text": "hello"}) -> 500',
    example="""
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
    if isinstance(node, ast.Call):
        name, call, names = module.name(node.func), "()", BODY_CALLS
    else:
        name, call = module.name(node), ""
        names = BODY if isinstance(node.ctx, ast.Load) else set()
    if name in names and misused(module, node):
        yield node, name.removeprefix("quart.") + call


@rule(
    "QP108",
    "upload-filename",
    Severity.WARNING,
    "the client chooses `filename`, `../` and all; make a name of your own, or pass it "
    "through `secure_filename`",
    on=ast.Attribute,
    runs='[await post("/reports", files={"report": upload("../stolen")}), '
    'Path("stolen").exists()][1] -> True',
    example="""
          REPORTS = Path("reports")
          REPORTS.mkdir(exist_ok=True)
          @app.post("/reports")
          async def add_report():
              upload = (await request.files)["report"]
        -     await upload.save(REPORTS / upload.filename)
        +     await upload.save(REPORTS / uuid4().hex)
              return "", 201
    """,
)
def upload_filename(module: Module, node: ast.Attribute) -> Found:
    """The name arrives as sent: `../../etc/passwd` leaves the folder."""
    named = node.attr == "filename" and from_files(module, node.value)
    if named and becomes_path(module, node):
        yield node, ""


def from_files(module: Module, node: ast.AST, depth: int = 3) -> bool:
    """Whether an expression, or what its names were assigned, is `request.files`."""
    for part in ast.walk(node):
        if module.name(part) == "quart.request.files":
            return True
        if isinstance(part, ast.Name) and depth:
            value = module.assigned(part) or loop_source(module, part)
            if value is not None and from_files(module, value, depth - 1):
                return True
    return False


def loop_source(module: Module, name: ast.Name) -> ast.expr | None:
    for binding in module.bindings(name):
        for ancestor in module.ancestors(binding):
            if isinstance(ancestor, ast.For | ast.comprehension):
                return ancestor.iter
            if isinstance(ancestor, ast.stmt):
                break
    return None


def becomes_path(module: Module, node: ast.AST) -> bool:
    parent = module.parent(node)
    match parent:
        case ast.BinOp(op=ast.Div()):
            return True
        case ast.JoinedStr() | ast.FormattedValue() | ast.BinOp():
            return becomes_path(module, parent)
        case ast.Call(func=ast.Attribute(attr=attr)) if attr in PATH_METHODS:
            return True
        case ast.Call(func=func) if module.name(func) in PATH_CALLS:
            part = module.parent(parent)
            return not (
                isinstance(part, ast.Attribute) and part.attr in NAME_WITHOUT_FOLDERS
            )
        case ast.Assign(targets=[ast.Name() as target]):
            return any(becomes_path(module, use) for use in module.uses(target))
    return False


@rule(
    "QP112",
    "body-limit-in-view",
    Severity.ERROR,
    "the limit is set before the view runs, so this comes too late (413); set it in a "
    "`request_class` of the app, by path",
    on=ast.Attribute,
    runs='post("/reports", data=b"x" * 2_000) -> 413',
    example="""
        + LARGER_BODIES = {"/reports": 100_000}
        + class LimitedRequest(Request):
        +     def __init__(
        +         self, method: str, scheme: str, path: str, *args: Any, **options: Any
        +     ) -> None:
        +         if path in LARGER_BODIES:
        +             options["max_content_length"] = LARGER_BODIES[path]
        +         super().__init__(method, scheme, path, *args, **options)
        +         self.max_content_length = options["max_content_length"]
        + app.request_class = LimitedRequest
          app.config["MAX_CONTENT_LENGTH"] = 1_000
          @app.post("/reports")
          async def add_report():
        -     request.max_content_length = 100_000
              return {"size": len(await request.get_data())}
    """,
)
def body_limit_in_view(module: Module, node: ast.Attribute) -> Found:
    """Flask reads the attribute when the body is read; Quart has passed the limit to
    the body before the view starts. MAX_CONTENT_LENGTH holds for all routes."""
    stored = isinstance(node.ctx, ast.Store)
    if stored and module.name(node) == "quart.request.max_content_length":
        yield node, ""


@rule(
    "QP114",
    "decorator-above-route",
    Severity.ERROR,
    "`{}` stands above the route, so the app serves the view without it; move it below",
    on=ast.Module,
    runs='get("/notes") -> 200',
    example="""
          app.config.from_prefixed_env()  # QUART_SECRET_KEY
          def login_required(view):
              @wraps(view)
              async def guarded(*args, **kwargs):
                  if "user_id" not in session:
                      abort(401)
                  return await view(*args, **kwargs)

              return guarded
        - @login_required
          @app.get("/notes")
        + @login_required
          async def notes():
              return {"notes": []}
    """,
)
def decorator_above_route(module: Module, node: ast.Module) -> Found:
    """The route registers the function it is given. What wraps it afterwards, such as
    a login check or a validation, never runs, and nothing says so."""
    for route in module.routes:
        decorators = route.function.decorator_list
        if route.call not in decorators:
            continue
        for decorator in decorators[: decorators.index(route.call)]:
            func = decorator.func if isinstance(decorator, ast.Call) else decorator
            maker = module.local_function(func)
            if module.name(func).startswith(WRAPPING) or (maker and wraps(maker)):
                yield decorator, ast.unparse(func).rpartition(".")[2]


def wraps(maker: Function) -> bool:
    """Whether a decorator returns a function of its own."""
    inner = [*ast.walk(maker)]
    own = {node.name for node in inner[1:] if isinstance(node, FUNCTIONS)}
    return any(
        isinstance(node, ast.Return)
        and isinstance(node.value, ast.Name)
        and node.value.id in own
        for node in inner
    )


@rule(
    "QP115",
    "validated-argument-missing",
    Severity.ERROR,
    "the validated value is passed as `{}`, which this handler does not take "
    "(TypeError on every request); add the parameter",
    on=(ast.FunctionDef, ast.AsyncFunctionDef),
    runs='post("/notes", json={"text": "hello"}) -> 500',
    example="""
          QuartSchema(app, openapi_path=None)
          class Note(BaseModel):
              text: str
          @app.post("/notes")
          @validate_request(Note)
        - async def add_note(note: Note):
        -     return {"text": note.text}
        + async def add_note(data: Note):
        +     return {"text": data.text}
    """,
)
def validated_argument_missing(module: Module, node: Function) -> Found:
    """quart-schema passes by keyword: `data`, `query_args`, `headers`."""
    names = [module.decorator_name(one) for one in node.decorator_list]
    taken = parameters(node)
    for position, name in enumerate(names):
        wanted = VALIDATED.get(name)
        below = names[position:]
        if (
            wanted
            and all(each.startswith("quart_schema.") for each in below)
            and not node.args.kwarg
            and wanted not in taken
        ):
            yield node, wanted


@rule(
    "QP117",
    "unchecked-json-body",
    Severity.ERROR,
    "without a JSON content type the body is None, and this is a 500, not a 400; "
    "validate the body with a model",
    on=ast.Await,
    runs='post("/notes", data=b"hello") -> 500',
    example="""
        + QuartSchema(app, openapi_path=None)
          class Note(BaseModel):
              text: str
          @app.post("/notes")
        - async def add_note():
        -     data = Note(**await request.get_json())
        + @validate_request(Note)
        + async def add_note(data: Note):
              return {"text": data.text}
    """,
)
def unchecked_json_body(module: Module, node: ast.Await) -> Found:
    """Flask answers 415 when the content type is not JSON; Quart's `get_json()` gives
    None. A list or a missing key is 500 as well."""
    if module.function(node) not in module.views or not is_json_body(module, node):
        return
    uses: list[ast.AST] = [node]
    match module.parent(node):
        case (
            ast.Assign(targets=[ast.Name() as name])
            | ast.AnnAssign(target=ast.Name() as name)
        ):
            uses = [*module.uses(name)]
    guarded = any(is_guarded(module, one, MISS_TYPE_ERROR) for one in (node, *uses))
    if uses and not guarded and all(is_read(module, use) for use in uses):
        yield uses[0], ""


def is_guarded(module: Module, node: ast.AST, misses: set[str]) -> bool:
    """A `try` takes the error, by a class that fits, and does not answer 500."""
    for guard in module.ancestors(node):
        for handler in guard.handlers if isinstance(guard, TRIES) else ():
            caught = handler.type
            kinds = caught.elts if isinstance(caught, ast.Tuple) else [caught]
            fits = not misses.issuperset(map(module.name, kinds))
            if fits and not any(map(is_server_error, ast.walk(handler))):
                return True
    return False


def is_server_error(node: ast.AST) -> bool:
    match node:
        case ast.Return(value=ast.Tuple(elts=[_, ast.Constant(value=int(status)), *_])):
            return status >= 500
    return False


def is_json_body(module: Module, node: ast.Await) -> bool:
    match node.value:
        case ast.Call(func=func, args=[], keywords=given):
            forced = any(one.arg not in {"silent", "cache"} for one in given)
            return module.name(func) == "quart.request.get_json" and not forced
        case ast.Attribute():
            return module.name(node.value) == "quart.request.json"
    return False


def is_read(module: Module, node: ast.AST) -> bool:
    """It fails for None: a key, an attribute, `in` or `**` of it is asked for."""
    match module.parent(node):
        case ast.Subscript(value=value):
            return value is node
        case ast.Compare(ops=[ast.In() | ast.NotIn()], comparators=[other]):
            return other is node
        case ast.Attribute() | ast.keyword(arg=None):
            return True
    return False


@rule(
    "QP119",
    "list-in-query",
    Severity.ERROR,
    "one `{}` alone is no list for quart-schema and answers 400; turn one value into a "
    "list with a BeforeValidator",
    on=ast.Call,
    runs='get("/notes?tag=tea") -> 400',
    example="""
        + from pydantic import BaseModel, BeforeValidator
          QuartSchema(app, openapi_path=None)
        + def as_list(value: object) -> object:
        +     return value if isinstance(value, list) else [value]
          class Query(BaseModel):
        -     tag: list[str] = []
        +     tag: Annotated[list[str], BeforeValidator(as_list)] = []
          @app.get("/notes")
          @validate_querystring(Query)
          async def notes(query_args: Query):
              return {"tags": query_args.tag}
    """,
)
def list_in_query(module: Module, node: ast.Call) -> Found:
    """Two values, or the name with `[]`, are taken as a list; one is not (0.25), in
    queries and in forms."""
    name = module.name(node.func)
    source = module.name(argument(node, None, "source"))
    if name != "quart_schema.validate_querystring" and (
        name != "quart_schema.validate_request" or source not in FORMS
    ):
        return
    model = module.local_class(argument(node, 0, "model_class"))
    lines = model.body if model else []
    if any(isinstance(line, FUNCTIONS) for line in lines):
        return
    for line in lines:
        match line:
            case ast.AnnAssign(target=ast.Name(id=field), annotation=annotation):
                if is_list(module, annotation):
                    yield line, field


def is_list(module: Module, annotation: ast.expr) -> bool:
    match annotation:
        case ast.BinOp(left=left, right=ast.Constant(value=None)):
            return is_list(module, left)
        case ast.Subscript(value=kind, slice=ast.Tuple(elts=[inner, *notes])) if (
            module.name(kind) == "typing.Annotated"
        ):
            plain = all(
                isinstance(one, ast.Call) and module.name(one.func) == "pydantic.Field"
                for one in notes
            )
            return plain and is_list(module, inner)
        case ast.Subscript(value=kind):
            return module.name(kind) in LISTS
    return module.name(annotation) in LISTS


@rule(
    "QP121",
    "argument-converted-by-hand",
    Severity.ERROR,
    "`{}` fails on what clients send (500, not 400); use `get(..., type=int)` or a "
    "model",
    on=ast.Call,
    runs='get("/notes?page=two") -> 500',
    example="""
          @app.get("/notes")
          async def notes():
        -     page = int(request.args.get("page", 1))
        +     page = request.args.get("page", 1, type=int)
              return {"page": page}
    """,
)
def argument_converted_by_hand(module: Module, node: ast.Call) -> Found:
    """With `type=` a wrong number is the default. `@validate_querystring` says 400."""
    name = module.name(node.func)
    if name not in CONVERSIONS or len(node.args) != 1:
        return
    handles_it = {"builtins.ValueError", "builtins.Exception"}
    serves = {*module.views, *module.websocket_handlers}
    if (
        module.function(node) in serves
        and is_text(module, node.args[0])
        and not is_guarded(module, node, MISS_VALUE_ERROR)
        and not any(one.kind in handles_it for one in module.error_handlers)
    ):
        yield node, f"{name.removeprefix('builtins.')}(...)"


def is_text(module: Module, node: ast.expr) -> bool:
    """What a client sent, not looked at yet."""
    match node:
        case ast.Name():
            value = module.assigned(node)
            looked_at = any(
                mentions(parent, *LOOKS_AT_TEXT)
                for use in module.uses(node)
                if (parent := module.parent(use))
            )
            return value is not None and not looked_at and is_text(module, value)
        case ast.BoolOp(values=[first, *_]):
            return is_text(module, first)
        case ast.Call(func=ast.Attribute(value=owner, attr="get"), keywords=given):
            converted = any(one.arg == "type" for one in given)
            return is_texts(module, owner) and not converted
        case ast.Subscript(value=owner):
            return is_texts(module, owner)
    return False


def is_texts(module: Module, node: ast.AST) -> bool:
    if isinstance(node, ast.Name):
        node = module.assigned(node) or node
    return module.name(node.value if isinstance(node, ast.Await) else node) in TEXTS


@rule(
    "QP122",
    "subclass-as-response",
    Severity.WARNING,
    "`{}` is sent whole: `validate_response` drops the fields of dicts only, not of a "
    "subclass; return a dict or the model itself",
    on=ast.Return,
    runs='"password_hash" in await (await get("/users/ada")).get_json() -> True',
    example="""
          QuartSchema(app, openapi_path=None)
          class User(BaseModel):
              name: str
          class UserRow(User):
              password_hash: str
          @app.get("/users/ada")
          @validate_response(User)
          async def show_user():
              row = UserRow(name="Ada", password_hash="$argon2id$...")
        -     return row
        +     return row.model_dump()
    """,
)
def subclass_as_response(module: Module, node: ast.Return) -> Found:
    """FastAPI's `response_model` filters by the declared model; here an instance of the
    model passes as it is, and a subclass is one."""
    function = module.function(node)
    if not isinstance(function, FUNCTIONS) or node.value is None:
        return
    for decorator in function.decorator_list:
        match decorator:
            case ast.Call(func=func, args=[declared, *_]) if (
                module.name(func) == "quart_schema.validate_response"
            ):
                model, sent = (
                    module.local_class(declared),
                    sent_class(module, node.value),
                )
                if model and sent and model in bases_of(module, sent):
                    yield node, sent.name


def sent_class(module: Module, value: ast.expr | None) -> ast.ClassDef | None:
    """The class of this module that is called, or that a function is said to return."""
    match module.assigned(value) or value:
        case ast.Tuple(elts=[inner, *_]) | ast.Await(value=inner):
            return sent_class(module, inner)
        case ast.Call(func=func):
            made = module.definition(func)
            returned = made.returns if isinstance(made, FUNCTIONS) else None
            return module.local_class(returned or func)
    return None


def bases_of(module: Module, owner: ast.ClassDef) -> list[ast.ClassDef]:
    found = [one for base in owner.bases if (one := module.local_class(base))]
    return found + [above for one in found for above in bases_of(module, one)]


@rule(
    "QP502",
    "errorhandler-validation-error",
    Severity.ERROR,
    "quart-schema never raises pydantic's ValidationError into {}; handle "
    "RequestSchemaValidationError in the app",
    on=(ast.Module, ast.ExceptHandler),
    runs='post("/notes", json={}) -> 400',
    example="""
          QuartSchema(app, openapi_path=None)
          class Note(BaseModel):
              text: str
        - @app.errorhandler(ValidationError)
        + @app.errorhandler(RequestSchemaValidationError)
          async def invalid(error):  # here
              return {"error": "the request is not valid"}, 422
          @app.post("/notes")
          @validate_request(Note)
          async def add_note(data: Note):
              return {"text": data.text}
    """,
)
def errorhandler_validation_error(
    module: Module, node: ast.Module | ast.ExceptHandler
) -> Found:
    """The library wraps the error in a BadRequest; pydantic's own stands in its
    `validation_error`. It comes before the view runs, so `except` there is never
    reached either."""
    if isinstance(node, ast.ExceptHandler):
        if module.name(node.type) in PYDANTIC_ERRORS and only_validated(module, node):
            yield node, "a view"
    elif module.imports_any("quart_schema") and not mentions(node, *VALIDATING_BY_HAND):
        handlers = module.error_handlers
        right = [one for one in handlers if one.kind == SCHEMA_ERROR]
        for one in handlers:
            covered = any(one.may_share_app(other) for other in right)
            if one.kind in PYDANTIC_ERRORS and not covered:
                yield one.place, "the app"


def only_validated(module: Module, node: ast.ExceptHandler) -> bool:
    """In a view that quart-schema validates, around code that makes no model."""
    function, guard = module.function(node), module.parent(node)
    if not isinstance(function, FUNCTIONS) or not isinstance(guard, ast.Try):
        return False
    validates = {module.decorator_name(one) for one in function.decorator_list}
    calls = [
        part
        for line in guard.body
        for part in ast.walk(line)
        if isinstance(part, ast.Call)
    ]
    words = [ast.unparse(call.func).rpartition(".")[2] for call in calls]
    return not validates.isdisjoint(VALIDATED) and not any(
        word[:1].isupper() or word in VALIDATING_BY_HAND for word in words
    )


@rule(
    "QP906",
    "quart-schema-title",
    Severity.ERROR,
    'QuartSchema takes no `{}` (TypeError); write `info=Info(title="...", '
    'version="...")`',
    on=ast.Call,
    runs="import -> TypeError",
    example="""
        + from quart_schema import Info, QuartSchema
        - QuartSchema(app, title="Notes")
        + QuartSchema(app, info=Info(title="Notes", version="1.0"))
    """,
)
def quart_schema_title(module: Module, node: ast.Call) -> Found:
    """The arguments went in 0.14."""
    if module.name(node.func) == "quart_schema.QuartSchema":
        given = [one.arg for one in node.keywords if one.arg in {"title", "version"}]
        if given:
            yield node, str(given[0])
