"""An example's wrong and right code, made out of one text.

The text leaves out what every example has, as no reader misses it there: the imports of
the names below and of standard modules, `app = Quart(__name__)`, and blank lines.
"""

import ast
import sys
from collections import defaultdict
from itertools import takewhile
from symtable import SymbolTable, symtable

HERE = "  # here"
APP = "app = Quart(__name__)"
IMPORTED_FROM = {
    name: module
    for module, names in {
        "pathlib": "Path",
        "typing": "Annotated",
        "uuid": "uuid4",
        "pydantic": "BaseModel BeforeValidator ValidationError",
        "quart": "Blueprint Quart Response abort current_app g jsonify make_response "
        "request send_file session stream_with_context url_for websocket",
        "quart_cors": "cors",
        "quart_schema": "Info QuartSchema RequestSchemaValidationError "
        "validate_querystring validate_request",
        "sqlalchemy": "create_engine event text",
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


def side_of(example: str, side: str, *, is_code: bool) -> str:
    """The text of one side, `-` or `+`, with `# here` in the lines that a finding may
    be in: where the example has it, else in those that this side alone has."""
    rows = [row for row in example.splitlines() if row[:1] in {side, " ", ""}]
    if not any(row.endswith(HERE) for row in rows):
        rows = [row + HERE if row.startswith(side) else row for row in rows]
    lines = [row[2:] for row in rows]
    return "\n".join(completed(lines) if is_code else lines) + "\n"


def completed(lines: list[str]) -> list[str]:
    """With the imports that are missing, the app, and blank lines around blocks."""
    text = "\n".join(lines)
    body = ast.parse(text).body
    imports = [*takewhile(lambda node: isinstance(node, IMPORTS), body)]
    names = free_names(symtable(text, "example", "exec"))
    has_app = "app" in names or not ("quart" in text or names & QUART_NAMES)
    if has_app:
        names.add("Quart")
    result = [*header(lines[: len(imports)], names), *(["", APP] if has_app else [])]
    start, gap = len(imports), 0 if has_app else 1
    for node in body[start:]:
        is_block = isinstance(node, BLOCKS)
        result += [""] * (2 if is_block else gap)
        result += lines[start : node.end_lineno]
        start, gap = node.end_lineno or 0, 2 if is_block else 0
    return result


def free_names(table: SymbolTable) -> set[str]:
    """What is read and nowhere bound."""
    symbols = table.get_symbols()
    found = {one.get_name() for one in symbols if one.is_global()}
    for inner in table.get_children():
        found |= free_names(inner)
    bound = (one for one in symbols if one.is_assigned() or one.is_imported())
    return found - {one.get_name() for one in bound}


def header(given: list[str], names: set[str]) -> list[str]:
    """The import lines in the order of isort, with a blank line between its groups."""
    sources: dict[str, list[str]] = defaultdict(list)
    for name in sorted(names & IMPORTED_FROM.keys()):
        sources[IMPORTED_FROM[name]].append(name)
    lines = [
        *given,
        *(f"import {name}" for name in names & sys.stdlib_module_names),
        *(f"from {source} import {', '.join(sources[source])}" for source in sources),
    ]
    groups: list[list[str]] = [[], []]
    for line in sorted(lines, key=lambda line: (line.startswith("from"), line)):
        package = line.split()[1].partition(".")[0]
        groups[package not in sys.stdlib_module_names].append(line)
    own, foreign = groups
    return [*own, *([""] if own and foreign else []), *foreign]
