"""The files of a code base: found, read, and joined to the Quart app they make up."""

import configparser
import os
import re
import stat
import tomllib
import warnings
from collections.abc import Iterable, Iterator
from functools import cache
from importlib.util import decode_source
from itertools import islice
from pathlib import Path
from platform import python_version
from typing import NamedTuple

from .deployment import STARTS_APP, TextFile
from .quart import Module
from .words import DISPOSES, SETTINGS

MAX_BYTES = 2_000_000
MAX_CONTEXT = 2_000
EXCLUDED = {
    ".eggs",
    ".git",
    ".hg",
    ".hypothesis",
    ".mypy_cache",
    ".nox",
    ".pytest_cache",
    ".ruff_cache",
    ".svn",
    ".tox",
    ".venv",
    "__pycache__",
    "build",
    "dist",
    "node_modules",
    "site-packages",
    "venv",
}
PROJECT_MARKS = (".git", "pyproject.toml", "setup.py", "setup.cfg", "requirements.txt")
BUILDS_APP = re.compile(r"\b(Quart|Blueprint)\s*[()]")
OWN_APP_OR_LIFESPAN = re.compile(r"Quart\(|\btest_app\b|\bstartup\(|LifespanManager")
REQUIREMENTS = ("Pipfile", "*.lock", "pyproject.toml", "*requirements*.txt")
BEFORE_STRICT = re.compile(  # the mode is strict since pytest-asyncio 0.19
    r'pytest[-_]asyncio"?\s*(=\s*"|\nversion = ")?[=~^]*0\.(\d|1[0-8])\b'
)
OTHER_MODE = re.compile(r"asyncio[-_]mode\W+auto|anyio_mode|trio_mode")
PYTEST_FILES = {
    "pytest.toml": "pytest",
    ".pytest.toml": "pytest",
    "pytest.ini": "pytest",
    ".pytest.ini": "pytest",
    "pyproject.toml": "tool.pytest.ini_options",
    "tox.ini": "pytest",
    "setup.cfg": "tool:pytest",
}


class Unread(NamedTuple):
    """A file that was not checked, and why."""

    path: str
    line: int
    reason: str


class Project:
    """`modules` are the files to report on, `context` those that only explain them."""

    def __init__(self, paths: Iterable[Path], exclude: Iterable[str] = ()) -> None:
        self.roots = roots = [*paths]
        excluded = {*EXCLUDED, *exclude}
        self.unread: list[Unread] = []
        found = [*find(roots, excluded, self.unread)]
        files = [file for file in found if not STARTS_APP.search(file.name)]
        self.left_out: list[str] = []
        self.modules = [*parsed(files, self.unread)]
        for module in self.modules:
            module.inner = inner_path(module.file, roots)
        given = {os.path.realpath(file) for file in files}
        around = islice(find(surroundings(roots), excluded, []), MAX_CONTEXT)
        self.context = [
            *parsed(
                (file for file in around if os.path.realpath(file) not in given), []
            )
        ]
        self._files = {
            os.path.splitext(os.path.realpath(module.file))[0]: module
            for module in [*self.context, *self.modules]
        }
        self._places = {
            place for name in self._files for place in [name, *parents(name)]
        }
        self.texts = [text for text in texts(found) if self._starts_quart(text, roots)]
        self._join()
        for module in self.modules:
            self._describe_tests(module)

    def _starts_quart(self, text: TextFile, roots: list[Path]) -> bool:
        """Whether the project that a file stands in serves Quart, and Quart alone."""
        folder = f"{project_folder(text.file, roots)}{os.sep}"
        text.modules = [m for name, m in self._files.items() if name.startswith(folder)]
        return any(map(builds_app, text.modules)) and not any(
            module.imports_other_framework for module in text.modules
        )

    def _join(self) -> None:
        """Mark the modules that import Quart, are imported by its app, or import it."""
        modules = [*self._files.values()]
        mixed = {top_folder(m.file) for m in modules if m.imports_other_framework}
        plain = {m for m in modules if top_folder(m.file) not in mixed}
        builders = {m for m in modules if builds_app(m)}
        joined = {m for m in modules if m.imports_quart}
        reached = [*builders]
        while reached:
            new = {*self._imports(reached.pop())} & plain - joined
            joined |= new
            reached += new
        joined |= {m for m in plain if not builders.isdisjoint(self._imports(m))}
        sources: list[Module | TextFile] = [*modules, *self.texts]
        named = {name for one in sources for name in SETTINGS.findall(one.text)}
        for module in joined:
            module.in_app = True
            module.settings = named
            module.index()
            if DISPOSES in module.text or "_async_engine" in module.text:
                for other in self._imports(module):
                    other.is_disposed |= DISPOSES in module.text and not module.is_test
                    module.is_disposed |= DISPOSES in other.text
        if builders:
            self._say_what_is_left_out(mixed, joined)

    def _say_what_is_left_out(self, mixed: set[str], joined: set[Module]) -> None:
        """Beside another framework only what imports Quart itself is judged."""
        for folder in sorted(mixed):
            out = [
                module
                for module in self.modules
                if top_folder(module.file) == folder and module not in joined
            ]
            if out:
                self.left_out.append(
                    f"{folder}: another framework is imported there too, so "
                    f"{len(out)} files that do not import quart were not judged"
                )

    def _imports(self, module: Module) -> Iterator[Module]:
        """The modules of this code base that `module` imports."""
        here = os.path.dirname(os.path.realpath(module.file))
        for node in module.imports:
            base = getattr(node, "module", None) or ""
            level = getattr(node, "level", 0)
            for alias in node.names:
                name = f"{base}.{alias.name}"
                parts = [part for part in name.split(".") if part]
                for place in self._import_places(here, parts[0], level):
                    for end in range(1, len(parts) + 1):
                        path = os.path.join(place, *parts[:end])
                        for candidate in (path, os.path.join(path, "__init__")):
                            if found := self._files.get(candidate):
                                yield found

    def _import_places(self, here: str, head: str, level: int) -> Iterator[str]:
        above = [here, *parents(here)]
        if level:
            yield from above[level - 1 : level]
            return
        for folder in above:
            for place in (folder, os.path.join(folder, "src")):
                if os.path.join(place, head) in self._places:
                    yield place

    def _describe_tests(self, module: Module) -> None:
        folder = os.path.dirname(os.path.realpath(module.file))
        if not module.in_app:
            return
        if "fixture" in module.text:
            settings = next(pytest_configurations(folder), None)
            if pins_old_asyncio(project_folder(module.file, self.roots)):
                module.asyncio_mode = "auto"
            elif settings is not None:
                other = OTHER_MODE.search(str(settings))
                module.asyncio_mode = "auto" if other else "strict"
        places = [
            os.path.join(above, "conftest") for above in [folder, *parents(folder)]
        ]
        conftests = [*filter(None, map(self._files.get, places))]
        module.conftests = conftests
        tests = [module, *conftests]
        texts = [test.text for test in tests]
        asks = module.is_test and ".test_client" in module.text
        if not asks or any(map(OWN_APP_OR_LIFESPAN.search, texts)):
            return
        seen = {*tests}
        while tests:
            new = {*self._imports(tests.pop())} - seen
            seen |= new
            tests += new
        by_hooks = {name for one in seen for name in one.names_set(by_hooks=True)}
        by_others = {name for one in seen for name in one.names_set(by_hooks=False)}
        read = {name for one in seen for name in one.read_while_serving}
        missing = (by_hooks - by_others) & read
        module.skips_lifespan = any(
            not any(name in text for text in texts) for name in missing
        )


def find(
    roots: Iterable[Path], excluded: set[str], unread: list[Unread]
) -> Iterator[Path]:
    """Every Python file below the roots, each once; a root is never excluded."""
    seen: set[object] = set()
    for root in roots:
        stack = [root]
        while stack:
            here = stack.pop()
            try:
                status = here.stat()
                if stat.S_ISDIR(status.st_mode):
                    if (place := (status.st_dev, status.st_ino)) not in seen:
                        seen.add(place)
                        stack += inside(here, excluded, is_root=here == root)
                elif not stat.S_ISREG(status.st_mode):
                    unread.append(Unread(str(here), 1, "not a regular file"))
                elif (real := os.path.realpath(here)) not in seen:
                    seen.add(real)
                    yield here
            except OSError as error:
                unread.append(Unread(str(here), 1, reason_of(error)))


def inside(folder: Path, excluded: set[str], *, is_root: bool) -> list[Path]:
    """The folders and Python files of a folder, the last one first."""
    with os.scandir(folder) as entries:
        found = {entry.name: entry for entry in entries}
    if "pyvenv.cfg" in found and not is_root:
        return []
    return [
        folder / name
        for name in sorted(found, reverse=True)
        if name not in excluded
        and (name.endswith(".py") or STARTS_APP.search(name) or found[name].is_dir())
    ]


def surroundings(roots: Iterable[Path]) -> Iterator[Path]:
    """Where the code stands that a file or folder, named by itself, belongs to."""
    for root in roots:
        folder = top_folder(root)
        if is_package(folder):
            yield Path(folder)
        elif root.is_file():
            yield from root.absolute().parent.glob("*.py")


def parsed(files: Iterable[Path], unread: list[Unread]) -> Iterator[Module]:
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        for file in files:
            try:
                yield Module(file, str(file), read(file))
            except SyntaxError as error:
                reason = f"Python {python_version()} cannot parse it: {error.msg}"
                unread.append(Unread(str(file), error.lineno or 1, reason))
            except (RecursionError, MemoryError):
                unread.append(Unread(str(file), 1, "nested too deeply to parse"))
            except (OSError, ValueError) as error:
                unread.append(Unread(str(file), 1, reason_of(error)))


def texts(files: Iterable[Path]) -> Iterator[TextFile]:
    """The files that start an app."""
    for file in files:
        if STARTS_APP.search(file.name):
            try:
                text = file.read_text("utf-8")
            except (OSError, ValueError):
                continue
            yield TextFile(file, str(file), text)


def inner_path(file: Path, roots: Iterable[Path]) -> str:
    """The path below the project."""
    real = Path(os.path.realpath(file))
    return real.relative_to(project_folder(file, roots)).as_posix()


def project_folder(file: Path, roots: Iterable[Path]) -> Path:
    """The root of the project around a file, else the parent of its package."""
    real = Path(os.path.realpath(file))
    for folder in real.parents:
        if any((folder / mark).exists() for mark in PROJECT_MARKS):
            return folder
    for root in roots:
        base = Path(os.path.realpath(root))
        if base.is_dir() and base in real.parents:
            return base
    return Path(top_folder(file)).parent


def builds_app(module: Module) -> bool:
    return module.imports_quart and bool(BUILDS_APP.search(module.text))


def read(file: Path) -> str:
    with file.open("rb") as source:
        data = source.read(MAX_BYTES + 1)
    if len(data) > MAX_BYTES:
        raise ValueError(f"larger than {MAX_BYTES:,} bytes")
    if b"\0" in data:
        raise ValueError("not text: it holds a null byte")
    return decode_source(data)


def reason_of(error: Exception) -> str:
    return getattr(error, "strerror", None) or str(error)


def parents(path: str) -> Iterator[str]:
    while (above := os.path.dirname(path)) != path:
        yield above
        path = above


def is_package(folder: str) -> bool:
    return os.path.isfile(os.path.join(folder, "__init__.py"))


def top_folder(path: Path) -> str:
    """The outermost package around a file or folder, else the folder itself."""
    real = os.path.realpath(path)
    folder = real if os.path.isdir(real) else os.path.dirname(real)
    while is_package(folder) and is_package(os.path.dirname(folder)):
        folder = os.path.dirname(folder)
    return folder


@cache
def pins_old_asyncio(folder: Path) -> bool:
    """Whether the requirements of a project keep pytest-asyncio below 0.19."""
    files = (file for name in REQUIREMENTS for file in sorted(folder.glob(name)))
    texts = (file.read_text("utf-8", "replace") for file in files if file.is_file())
    return any(map(BEFORE_STRICT.search, texts))


def pytest_configurations(folder: str) -> Iterator[dict[str, object]]:
    """The settings of pytest, the nearest ones first."""
    for place in [folder, *parents(folder)]:
        for name, section in PYTEST_FILES.items():
            settings = pytest_settings(os.path.join(place, name), section)
            if settings is not None:
                yield settings


def pytest_settings(file: str, section: str) -> dict[str, object] | None:
    """The settings in one section of a file, or None where there are none."""
    try:
        text = Path(file).read_text("utf-8")
        if file.endswith(".toml"):
            found: object = tomllib.loads(text)
            for key in section.split("."):
                found = found.get(key) if isinstance(found, dict) else None
            return found if isinstance(found, dict) else None
        parser = configparser.ConfigParser(interpolation=None)
        parser.read_string(text)
        return dict(parser[section]) if parser.has_section(section) else None
    except (OSError, ValueError, configparser.Error):
        return None
