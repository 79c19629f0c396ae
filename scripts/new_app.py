"""Start a new Quart service from the tested one of this skill, under its own name.

    new_app.py acme                  write the project into ./acme
    new_app.py acme --to DIR         write it into DIR, which must be new or empty
    new_app.py acme --without websockets --without background_tasks
    new_app.py --list                name the parts that can be left out

Exit codes: 0 written, 1 writing failed, 2 usage.
"""

import argparse
import ast
import importlib.util
import keyword
import re
import secrets
import sys
from collections.abc import Iterable, Iterator
from dataclasses import dataclass, field
from pathlib import Path, PurePosixPath

ROOT = Path(__file__).resolve().parents[1]
SERVICE = ROOT / "examples"
TESTS = SERVICE / "testing"
NOT_THE_SERVICE = {"__pycache__", "celery_worker", "dont", "plain", "testing"}
PROGRAMS = ["__main__.py", "task_queue/worker.py"]
LINE = 88
SMALL = (ast.Import, ast.ImportFrom, ast.Assign, ast.AnnAssign, ast.Expr)


@dataclass(frozen=True)
class Part:
    """What `--without` leaves out; `takes` are parts that cannot stay without it."""

    about: str
    takes: tuple[str, ...] = ()
    settings: tuple[str, ...] = ()
    tests: tuple[str, ...] = ()


PARTS = {
    "background_tasks": Part(
        "the welcome mail, reports with a status", tests=("test_mail",)
    ),
    "deployment": Part("Dockerfile, compose.yaml, units for systemd, nginx.conf"),
    "downloads": Part("GET /files", tests=("test_files",)),
    "lifespan": Part("/live and /ready", takes=("deployment",)),
    "reverse_proxy": Part(
        "the client's address and https, as nginx tells them",
        takes=("deployment",),
        settings=("trusted_hops",),
    ),
    "server_sent_events": Part("/events, which POST /announcements feeds"),
    "sessions": Part("/login and /account, pages for browsers"),
    "streaming": Part("/users.csv", takes=("server_sent_events",)),
    "structured_logging": Part(
        "one format for every line, request ids", settings=("log_level", "log_json")
    ),
    "task_queue": Part(
        "a worker that sends the welcome mail, and survives restarts",
        settings=("mail_outbox",),
        tests=("test_outbox",),
    ),
    "uploads": Part(
        "POST /files",
        takes=("downloads",),
        settings=("upload_folder",),
        tests=("test_files",),
    ),
    "websocket_broadcast": Part(
        "/ws/chat and /ws/pubsub", takes=("websocket_scaling",), tests=("test_chat",)
    ),
    "websocket_limits": Part(
        "how much a websocket may send",
        takes=("websocket_broadcast", "websocket_scaling"),
    ),
    "websocket_scaling": Part(
        "one hub and feed for several processes, by Redis", settings=("redis_url",)
    ),
    "websockets": Part(
        "/ws/echo",
        takes=("websocket_broadcast", "websocket_limits", "websocket_scaling"),
        tests=("test_server",),
    ),
}
REQUIREMENTS = {
    "argon2": ["argon2-cffi>=25.1"],
    "hypercorn": ["hypercorn>=0.18,<0.19"],
    "jwt": ["pyjwt>=2.12,<3"],
    "puremagic": ["puremagic>=1.30"],
    "pydantic": ["pydantic>=2.12,<3"],
    "pydantic_settings": ["pydantic-settings>=2.12,<3"],
    "pythonjsonlogger": ["python-json-logger>=4.2,<5"],
    "quart": ["quart>=0.22,<0.24"],
    "quart_cors": ["quart-cors>=0.8,<0.9"],
    "quart_schema": ["quart-schema[pydantic]>=0.25,<0.26"],
    "redis": ["redis>=8.1,<9"],
    "sqlalchemy": [
        "aiosqlite>=0.22",
        "asyncpg>=0.32",
        "sqlalchemy[asyncio]>=2.1.9,<2.2",
    ],
    "websockets": ["websockets>=17.4"],
    "httpx2": ["httpx2>=2.16"],
}
DEPLOYMENT = {  # files that are no modules, and where they go
    "Dockerfile": "Dockerfile",
    "acme-worker.service": "deploy/acme-worker.service",
    "acme.socket": "deploy/acme.socket",
    "acme@.service": "deploy/acme@.service",
    "compose.yaml": "compose.yaml",
    "dockerignore": ".dockerignore",
    "nginx.conf": "deploy/nginx.conf",
}
DEPLOYED = {  # what these files and the README hold of a part
    "task_queue": (
        r"^ +MAIL_OUTBOX.*\n|^  worker:\n(?:.+\n)+\n|^systemctl .* acme-worker\n"
        r"| acme-worker|, MAIL_OUTBOX=true"
    ),
    "uploads": (
        r"^    location = /files \{\n(?:.+\n)+\n|^    volumes: \[\"files:.*\n"
        r"|^  files:\n| && install .* stored_files"
    ),
    "websocket_scaling": (
        r"^  redis:\n(?:.+\n)+\n|^ +REDIS_URL.*\n|^ +redis: .*\n| redis-server\.service"
        r"|, Redis|, REDIS_URL"
    ),
}
TOOLS = ["pytest>=9.2", "pytest-asyncio>=1.5", "pytest-timeout>=2.4"]
ENVIRONMENT = """\
# Needed: two keys of 32 bytes or more.
SECRET_KEY=
TOKEN_KEY=
# Defaults:
BIND=127.0.0.1:8000
TRUSTED_HOPS=0
DATABASE_URL=sqlite+aiosqlite:///app.sqlite3
UPLOAD_FOLDER=stored_files
LOG_LEVEL=INFO
LOG_JSON=false
MAIL_OUTBOX=false
# For PostgreSQL: DATABASE_URL=postgresql+asyncpg://user:password@host/database
# For several processes: REDIS_URL=redis://127.0.0.1:6379/0
# For pages of other origins: CORS_ORIGINS=https://pages.example.com
"""
GITIGNORE = """\
*.sqlite3*
*.env
tls/
.venv/
/stored_files/
__pycache__/
"""
PYPROJECT = """\
[project]
name = "{project}"
version = "0.1.0"
requires-python = ">=3.11"
dependencies = [
{dependencies}]

[dependency-groups]
dev = [
{tools}]

[build-system]
requires = ["setuptools>=77"]
build-backend = "setuptools.build_meta"

[tool.setuptools]
packages = {{find = {{include = ["{name}*"]}}}}

[tool.pytest.ini_options]
testpaths = ["tests"]
pythonpath = ["."]
asyncio_mode = "auto"
asyncio_default_fixture_loop_scope = "function"
filterwarnings = ["error"]
timeout = 60
"""
README = """\
# {name}

A Quart service. With Python 3.11 or newer:

```sh
python3 -m venv .venv
.venv/bin/python -m pip install --upgrade pip
.venv/bin/python -m pip install -e . --group dev
.venv/bin/python -m pytest
.venv/bin/python -m {name}
```

The last command reads `.env` and serves on http://127.0.0.1:8000 with a SQLite file;
production takes the variables of `.env.example` from the environment. In another
terminal:

```sh
curl -i http://127.0.0.1:8000/users -H 'Content-Type: application/json' \\
  -d '{{"username": "ada", "email": "ada@example.com", "password": "correct-horse"}}'
curl -i http://127.0.0.1:8000/auth/login -H 'Content-Type: application/json' \\
  -d '{{"username": "ada", "password": "correct-horse"}}'
```

Routes such as `DELETE /users/1` need the role `admin`. The first admin gets it in the
database, and logs in again:

```sql
UPDATE users SET role = 'admin' WHERE username = 'ada';
```

The tests run on PostgreSQL where `TEST_DATABASE_URL` names a server in which they may
create databases: `postgresql+asyncpg://user:password@host/database`.

`{name}/app_factory.py` wires the parts, one line each. The tables are made at the
start; move to migrations (Alembic) before the first change of a table.
"""
README_OF_THE_WORKER = """
With `MAIL_OUTBOX=true` the welcome mail is stored with its user, and a second process
sends it: `.venv/bin/python -m {name}.task_queue.worker`.
"""
README_OF_DEPLOYMENT = """
## Deployment

`docker compose --env-file compose.env up -d --build --wait` serves it with
PostgreSQL, Redis and nginx; compose.yaml says what that needs. Put your own host for
app.example.com.

On a host the project and its `.venv` are in /srv/acme, and nginx.conf and the units of
systemd, all in `deploy/`, go where their first lines say. /etc/acme.env, mode 0600,
sets at least SECRET_KEY, TOKEN_KEY, DATABASE_URL, REDIS_URL, MAIL_OUTBOX=true.

```sh
systemctl enable --now acme.socket acme-worker acme@1 acme@2
```

starts it. To deploy, restart one after the other:

```sh
systemctl restart acme-worker
for number in 1 2; do systemctl restart acme@$number || break; done
```
"""


class Refused(Exception):
    """The name or the folder cannot be used."""


@dataclass
class Module:
    """One file; `path` is relative to the package, `kept` numbers the statements.

    `makers` numbers those that define or serve a name."""

    path: PurePosixPath
    source: str
    kept: set[int] = field(default_factory=set)
    needed: set[str] = field(default_factory=set)

    def __post_init__(self) -> None:
        self.body = ast.parse(self.source).body
        self.defined = set().union(*map(defined, self.body))
        assigned = {
            name
            for statement in self.body
            if isinstance(statement, ast.Assign)
            for name in defined(statement)
        }
        self.makers: dict[str, list[int]] = {}
        for number, statement in enumerate(self.body):
            for name in defined(statement) | attached(statement) & assigned:
                self.makers.setdefault(name, []).append(number)

    def keep_exports(self) -> None:
        for number, statement in enumerate(self.body):
            if defined(statement) == {"__all__"}:
                self.kept.add(number)

    def target(self, node: ast.ImportFrom) -> PurePosixPath | None:
        """What `from .x import y` names, as a path without suffix; else None."""
        module = (node.module or "").split(".")
        if module[0] == SERVICE.name:
            return PurePosixPath(*module[1:])
        if not node.level:
            return None
        return self.path.parents[node.level - 1].joinpath(*module)


def part_of(path: PurePosixPath) -> str:
    return path.parts[0].removesuffix(".py") if path.parts else ""


def names_in(node: ast.AST) -> set[str]:
    return {child.id for child in ast.walk(node) if isinstance(child, ast.Name)}


def strings_in(node: ast.AST) -> set[str]:
    return {
        str(child.value) for child in ast.walk(node) if isinstance(child, ast.Constant)
    }


def defined(statement: ast.stmt) -> set[str]:
    match statement:
        case ast.FunctionDef() | ast.AsyncFunctionDef() | ast.ClassDef():
            return {statement.name}
        case ast.Import():
            return {(a.asname or a.name).partition(".")[0] for a in statement.names}
        case ast.ImportFrom():
            return {alias.asname or alias.name for alias in statement.names}
        case ast.Assign():
            return set().union(*map(names_in, statement.targets))
        case ast.AnnAssign():
            return names_in(statement.target)
    return set()


def attached(statement: ast.stmt) -> set[str]:
    """Whom it serves: `users` in `@users.get` and in `users.before_request(...)`."""
    match statement:
        case ast.FunctionDef() | ast.AsyncFunctionDef():
            return set().union(*map(names_in, statement.decorator_list))
        case ast.Expr(value=ast.Call(func=ast.Attribute(value=owner))):
            return names_in(owner)
    return set()


class Service:
    """The modules of the service; only what `need` finds is written."""

    def __init__(self, left_out: set[str]) -> None:
        self.left_out = left_out
        self.modules: dict[PurePosixPath, Module] = {}
        for path in sorted(SERVICE.rglob("*.py")):
            relative = PurePosixPath(path.relative_to(SERVICE).as_posix())
            if relative.parts[0] in NOT_THE_SERVICE or part_of(relative) in left_out:
                continue
            self.modules[relative] = self.module(relative, path)

    def module(self, relative: PurePosixPath, path: Path) -> Module:
        """Read it, and drop the statements that use what is left out."""
        source = path.read_text(encoding="utf-8")
        module = Module(relative, source)
        gone = {
            name
            for statement in module.body
            if isinstance(statement, ast.ImportFrom)
            and (target := module.target(statement)) is not None
            and part_of(target) in self.left_out
            for name in defined(statement)
        }
        settings = {name for part in self.left_out for name in PARTS[part].settings}
        if not gone and not any(name in source.lower() for name in settings):
            return module
        return Module(relative, without_names(source, gone, settings))

    def find(self, target: PurePosixPath) -> Module | None:
        module = self.modules.get(target.with_suffix(".py"))
        return module or self.modules.get(target / "__init__.py")

    def need(self, module: Module, name: str) -> None:
        """Keep what defines `name` in `module`, and all that this needs in turn."""
        if name in module.needed:
            return
        module.needed.add(name)
        for number in module.makers.get(name, []):
            module.kept.add(number)
            self.need_names_of(module, module.body[number], name)

    def need_all(self, module: Module) -> None:
        for number, statement in enumerate(module.body):
            module.kept.add(number)
            module.needed |= defined(statement)
            for name in defined(statement) | {""}:
                self.need_names_of(module, statement, name)

    def need_names_of(self, module: Module, statement: ast.stmt, name: str) -> None:
        if isinstance(statement, ast.ImportFrom):
            target = module.target(statement)
            imported = None if target is None else self.find(target)
            for alias in statement.names:
                if imported is not None and name == (alias.asname or alias.name):
                    self.need(imported, alias.name)
            return
        for used in names_in(statement) & module.defined:
            self.need(module, used)


def without_names(source: str, gone: set[str], settings: set[str]) -> str:
    """Cut the parameters and statements that use `gone`, and the `settings`."""
    variables = {name.upper() for name in settings}
    cuts: list[tuple[int, int]] = []
    starts = [0]
    for line in source.encode().splitlines(keepends=True):
        starts.append(starts[-1] + len(line))

    def lines(node: ast.stmt) -> tuple[int, int]:
        decorators = getattr(node, "decorator_list", [])
        first = min([node.lineno, *(each.lineno for each in decorators)])
        return starts[first - 1], starts[node.end_lineno or node.lineno]

    def visit(body: list[ast.stmt]) -> None:
        for statement in body:
            if isinstance(statement, ast.FunctionDef | ast.AsyncFunctionDef):
                cuts.extend(parameters(statement))
                visit(statement.body)
            elif isinstance(statement, ast.ClassDef | ast.AsyncWith):
                visit(statement.body)
            elif isinstance(statement, ast.Import | ast.ImportFrom):
                continue
            elif (
                names_in(statement) & gone
                or defined(statement) & settings
                or strings_in(statement) & variables
            ):
                cuts.append(lines(statement))

    def parameters(
        function: ast.FunctionDef | ast.AsyncFunctionDef,
    ) -> Iterator[tuple[int, int]]:
        """From the end of the parameter before to the end of the one that goes."""
        arguments = [*function.args.posonlyargs, *function.args.args]
        defaults = [None] * (len(arguments) - len(function.args.defaults))
        previous = None
        for argument, default in zip(
            arguments, [*defaults, *function.args.defaults], strict=True
        ):
            last = default or argument
            end = starts[(last.end_lineno or 1) - 1] + (last.end_col_offset or 0)
            if previous is not None and names_in(argument) & gone:
                yield previous, end
            previous = end

    visit(ast.parse(source).body)
    text = source.encode()
    for start, end in sorted(cuts, reverse=True):
        text = text[:start] + text[end:]
    return text.decode()


def written(module: Module) -> str:
    """The kept statements with the comments above them and the blank lines between."""
    lines = module.source.splitlines()
    parts: list[str] = []
    blank = end = 0
    before: ast.stmt | None = None
    for number, statement in enumerate(module.body):
        decorators = getattr(statement, "decorator_list", [])
        start = min([statement.lineno, *(each.lineno for each in decorators)]) - 1
        gap = lines[end:start]
        end = statement.end_lineno or statement.lineno
        blank = max(blank, sum(not line for line in gap))
        if number not in module.kept and not is_docstring(number, statement):
            continue
        if parts:
            small = isinstance(before, SMALL) and isinstance(statement, SMALL)
            parts.extend([""] * (min(blank, 1) if small else blank))
        blank, before = 0, statement
        parts.extend(line for line in gap if line.startswith("#"))
        parts.extend(statement_lines(module, statement, lines[start:end]))
    return "\n".join(parts) + "\n" if parts else ""


def is_docstring(number: int, statement: ast.stmt) -> bool:
    return number == 0 and isinstance(statement, ast.Expr)


def statement_lines(module: Module, statement: ast.stmt, lines: list[str]) -> list[str]:
    if isinstance(statement, ast.ImportFrom):
        aliases = {alias.asname or alias.name: alias for alias in statement.names}
        if aliases.keys() <= module.needed:
            return lines
        source = "." * statement.level + (statement.module or "")
        imported = [
            ast.unparse(alias)
            for name, alias in aliases.items()
            if name in module.needed
        ]
        line = f"from {source} import {', '.join(imported)}"
        if len(line) <= LINE:
            return [line]
        return [f"from {source} import (", *(f"    {n}," for n in imported), ")"]
    if isinstance(statement, ast.Assign) and defined(statement) == {"__all__"}:
        exported = set(ast.literal_eval(statement.value))
        names = sorted(exported & module.needed)
        return ["__all__ = [", *(f'    "{name}",' for name in names), "]"]
    if isinstance(statement, ast.Expr) and isinstance(statement.value, ast.Constant):
        idea = str(statement.value.value).partition("\n")[0]
        return [f'"""{idea}"""']
    return lines


def imports(module: Module) -> set[str]:
    """The packages outside the service that its kept statements import."""
    found: set[str] = set()
    for number in module.kept:
        statement = module.body[number]
        if isinstance(statement, ast.Import):
            found |= {alias.name.partition(".")[0] for alias in statement.names}
        elif isinstance(statement, ast.ImportFrom) and not statement.level:
            found.add((statement.module or "").partition(".")[0])
    return found


def make_project(name: str, left_out: set[str]) -> dict[str, str]:
    """The files of the project and their texts."""
    service = Service(left_out)
    for program in map(PurePosixPath, PROGRAMS):
        if program in service.modules:
            service.need_all(service.modules[program])
    tests = [
        service.module(PurePosixPath("testing", path.name), path)
        for path in own_tests(left_out)
    ]
    for test in tests:
        service.need_all(test)
    modules = [module for module in service.modules.values() if module.kept]
    for module in modules:
        module.keep_exports()
    files = {f"{name}/{module.path}": written(module) for module in modules}
    for folder in {PurePosixPath(path).parent for path in files}:
        files.setdefault(f"{folder}/__init__.py", "")
    files |= {f"tests/{test.path.name}": written(test) for test in tests}
    files = {
        path: re.sub(rf"\b{SERVICE.name}\b", name, text) for path, text in files.items()
    }
    needed = set().union(*map(imports, modules))
    tested = set().union(*map(imports, tests)) - needed
    settings = [name for part in left_out for name in PARTS[part].settings]
    readme = README.format(name=name)
    if "task_queue" not in left_out:
        readme += README_OF_THE_WORKER.format(name=name)
    if "deployment" not in left_out:
        files |= deployment_files(name, left_out)
        readme += deployed(README_OF_DEPLOYMENT, name, left_out)
    return files | {
        ".env": environment(settings, secret=True),
        ".env.example": environment(settings, secret=False),
        ".gitignore": GITIGNORE,
        "README.md": readme,
        "pyproject.toml": PYPROJECT.format(
            name=name,
            project=name.replace("_", "-"),
            dependencies=listed(requirements(needed)),
            tools=listed(sorted({*TOOLS, *requirements(tested)})),
        ),
    }


def deployment_files(name: str, left_out: set[str]) -> dict[str, str]:
    files = {}
    for file, place in DEPLOYMENT.items():
        text = (SERVICE / "deployment" / file).read_text(encoding="utf-8")
        if "worker" not in file or "task_queue" not in left_out:
            files[place.replace("acme", name)] = deployed(text, name, left_out)
    return files


def deployed(text: str, name: str, left_out: set[str]) -> str:
    for part in left_out & DEPLOYED.keys():
        text = re.sub(DEPLOYED[part], "", text, flags=re.MULTILINE)
    return text.replace("acme", name)


def own_tests(left_out: set[str]) -> list[Path]:
    """The tests of the service, without those that show a single page."""
    pages = {path.stem for path in (ROOT / "patterns").glob("*.md")}
    skipped = {"test_plain", *(f"test_{name}" for name in pages)}
    skipped |= {name for part in left_out for name in PARTS[part].tests}
    return sorted(path for path in TESTS.glob("*.py") if path.stem not in skipped)


def requirements(packages: set[str]) -> list[str]:
    return sorted({each for name in packages for each in REQUIREMENTS.get(name, [])})


def listed(items: list[str]) -> str:
    return "".join(f'    "{item}",\n' for item in items)


def environment(left_out: list[str], *, secret: bool) -> str:
    lines = []
    for line in ENVIRONMENT.splitlines():
        variable, _, value = line.partition("=")
        if variable.rpartition(" ")[2].lower() not in left_out:
            key = secrets.token_hex(32) if secret and not value else value
            lines.append(f"{variable}={key}" if "=" in line else line)
    return "\n".join(lines) + "\n"


def check_name(name: str) -> None:
    if not name.isidentifier() or keyword.iskeyword(name) or name != name.lower():
        raise Refused(f"{name!r} is no name for a package; use a-z, 0-9 and _")
    taken = name in sys.stdlib_module_names or name in {"tests", SERVICE.name}
    if taken or importlib.util.find_spec(name) is not None:
        raise Refused(f"a module {name!r} exists already; choose another name")


def check_folder(folder: Path) -> None:
    if folder.exists() and (not folder.is_dir() or any(folder.iterdir())):
        raise Refused(f"{folder} is not an empty folder; choose another with --to")


def parts_to_leave_out(names: Iterable[str]) -> set[str]:
    return {taken for name in names for taken in (name, *PARTS[name].takes)}


def main(arguments: list[str] | None = None) -> int:
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    what = parser.add_mutually_exclusive_group(required=True)
    what.add_argument("name", nargs="?", help="of the package, such as acme")
    what.add_argument("--list", action="store_true", help="name the parts")
    parser.add_argument("--to", type=Path, metavar="DIR", help="default: ./NAME")
    parser.add_argument(
        "--without", action="append", default=[], choices=PARTS, metavar="PART"
    )
    options = parser.parse_args(arguments)
    if options.list:
        for name, part in PARTS.items():
            also = f" (takes {', '.join(part.takes)} with it)" if part.takes else ""
            print(f"{name}: {part.about}{also}")
        return 0
    folder = (options.to or Path(options.name)).expanduser().absolute()
    try:
        check_name(options.name)
        check_folder(folder)
    except Refused as refusal:
        print(refusal, file=sys.stderr)
        return 2
    try:
        for path, text in make_project(
            options.name, parts_to_leave_out(options.without)
        ).items():
            target = folder / path
            target.parent.mkdir(parents=True, exist_ok=True)
            if path == ".env":  # it has keys
                target.touch(0o600)
            target.write_text(text, encoding="utf-8")
    except OSError as error:
        print(f"{error}; remove {folder} and run again", file=sys.stderr)
        return 1
    print(f"{folder} is ready; its README.md says how to run and test it")
    return 0


if __name__ == "__main__":
    sys.exit(main())
