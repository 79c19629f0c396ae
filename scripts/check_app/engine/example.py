"""An example's wrong and right code, made out of one text.

The text leaves out what every example has, as no reader misses it there: the imports of
the names below and of standard modules, `app = Quart(__name__)`, and blank lines.
"""

import ast
import sys
from collections import defaultdict
from collections.abc import Iterable
from itertools import takewhile

HERE = "  # here"
APP = "app = Quart(__name__)"
WIDTH = 88
IMPORTED_FROM = {
    name: module
    for module, names in {
        "collections.abc": "AsyncIterator Awaitable Callable Iterator",
        "dataclasses": "dataclass",
        "datetime": "UTC datetime timedelta",
        "functools": "wraps",
        "pathlib": "Path",
        "typing": "Annotated Any",
        "uuid": "uuid4",
        "pydantic": "BaseModel BeforeValidator Field ValidationError",
        "quart": "Blueprint Quart Request Response abort current_app g "
        "has_request_context jsonify make_response redirect render_template request "
        "send_file session stream_with_context url_for websocket",
        "quart_cors": "cors",
        "quart_schema": "Info QuartSchema RequestSchemaValidationError "
        "validate_querystring validate_request validate_response",
        "sqlalchemy": "create_engine event select text",
        "sqlalchemy.ext.asyncio": "AsyncSession async_sessionmaker create_async_engine",
        "sqlalchemy.orm": "DeclarativeBase Mapped Session mapped_column",
        "sqlalchemy.pool": "NullPool",
        "werkzeug.exceptions": "HTTPException",
    }.items()
    for name in names.split()
}
QUART_NAMES = {name for name, source in IMPORTED_FROM.items() if source == "quart"}
BLOCKS = (ast.FunctionDef, ast.AsyncFunctionDef, ast.ClassDef)
IMPORTS = (ast.Import, ast.ImportFrom)


def made_of(example: str, side: str, *, is_code: bool) -> tuple[str, set[int]]:
    """The text of one side, `-` or `+`, and the lines that a finding may be in.

    Those are the lines with `# here`, else the ones that this side alone has.
    """
    rows = [row for row in example.splitlines() if row[:1] in {side, " ", ""}]
    wanted = {n for n, row in enumerate(rows, 1) if row.endswith(HERE)} or {
        n for n, row in enumerate(rows, 1) if row.startswith(side)
    }
    lines = [row[2:].removesuffix(HERE) for row in rows]
    return completed(lines, wanted) if is_code else ("\n".join(lines) + "\n", wanted)


def completed(lines: list[str], wanted: set[int]) -> tuple[str, set[int]]:
    tree = ast.parse("\n".join(lines))
    given = [*takewhile(lambda node: isinstance(node, IMPORTS), tree.body)]
    names = free_names(tree)
    knows_quart = any("quart" in line for line in lines) or names & QUART_NAMES
    if has_app := "app" in names or not knows_quart:
        names.add("Quart")
    result, own = header(given, names)
    in_imports = any(number in wanted for node in given for number in span(node))
    places = {n for n, line in enumerate(result, 1) if in_imports and line in own}
    gap = 1 if result else 0
    if has_app:
        result += ["", APP]
        gap = 0
    start = given[-1].end_lineno or 0 if given else 0
    for node in tree.body[len(given) :]:
        is_block = isinstance(node, BLOCKS)
        result += [""] * (2 if is_block and result else gap)
        end = node.end_lineno or start
        for number in range(start + 1, end + 1):
            line = lines[number - 1]
            if line or number >= span(node).start:
                result.append(line)
            if number in wanted:
                places.add(len(result))
        start, gap = end, 2 if is_block else 0
    return "\n".join(result) + "\n", places


def span(node: ast.stmt) -> range:
    decorators = getattr(node, "decorator_list", [])
    first = min([node.lineno, *(one.lineno for one in decorators)])
    return range(first, (node.end_lineno or node.lineno) + 1)


def free_names(tree: ast.Module) -> set[str]:
    """What is read and nowhere bound."""
    read, bound = set(), set()
    for node in ast.walk(tree):
        match node:
            case ast.Name(id=name, ctx=ast.Load()):
                read.add(name)
            case ast.Name(id=name) | ast.arg(arg=name):
                bound.add(name)
            case ast.alias(name=name, asname=asname):
                bound.add(asname or name.partition(".")[0])
            case ast.FunctionDef(name=str(name)) | ast.AsyncFunctionDef(name=str(name)):
                bound.add(name)
            case ast.ClassDef(name=name) | ast.ExceptHandler(name=str(name)):
                bound.add(name)
    return read - bound


def header(given: Iterable[ast.stmt], names: set[str]) -> tuple[list[str], set[str]]:
    """The import lines, sorted as isort does, and those that stand in the example."""
    plain = {name for name in names if name in sys.stdlib_module_names}
    sources: dict[str, set[str]] = defaultdict(set)
    for name in names & IMPORTED_FROM.keys():
        sources[IMPORTED_FROM[name]].add(name)
    own = set()
    for node in given:
        words = {ast.unparse(alias) for alias in getattr(node, "names", [])}
        if isinstance(node, ast.ImportFrom):
            sources[node.module or ""] |= words
            own.add(node.module or "")
        else:
            plain |= words
            own |= words
    groups: list[list[str]] = [[], []]
    found = set()
    for module in [*sorted(plain), *sorted(sources)]:
        lines = import_lines(module, sources.get(module) if module in sources else None)
        groups[module.partition(".")[0] not in sys.stdlib_module_names] += lines
        found |= {*lines} if module in own else set()
    first, second = groups
    return [*first, *([""] if first and second else []), *second], found


def import_lines(module: str, names: set[str] | None) -> list[str]:
    if names is None:
        return [f"import {module}"]
    ordered = sorted(
        names, key=lambda name: (not name.isupper(), name[0].islower(), name)
    )
    line = f"from {module} import {', '.join(ordered)}"
    if len(line) <= WIDTH:
        return [line]
    return [f"from {module} import (", *(f"    {name}," for name in ordered), ")"]
