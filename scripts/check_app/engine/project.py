"""The files of a code base: found, read, and joined to the Quart app they make up."""

import os
import re
import stat
from collections import Counter
from collections.abc import Iterable, Iterator
from contextlib import suppress
from functools import cache
from importlib.util import decode_source
from itertools import islice
from pathlib import Path
from platform import python_version
from typing import NamedTuple, TypeVar

from .deployment import STARTS_APP, TextFile
from .flask import FlaskModule, turn
from .quart import Module
from .words import SETTINGS

Source = TypeVar("Source", Module, TextFile)

MAX_BYTES = 2_000_000
MAX_CONTEXT = 2_000
EXCLUDED = (
    ".eggs .git .hg .hypothesis .mypy_cache .nox .pytest_cache .ruff_cache .svn .tox "
    ".venv __pycache__ build dist node_modules site-packages venv"
)
PROJECT_MARKS = (".git", "pyproject.toml", "setup.py", "setup.cfg", "requirements.txt")
BUILDS_APP = re.compile(r"\b(Quart|Flask|Blueprint)\s*[()]")
PYTEST_FILES = (
    "pytest.toml .pytest.toml pytest.ini .pytest.ini pyproject.toml tox.ini setup.cfg"
)
PYTEST_SECTION = re.compile(r"^\[(tool[.:])?pytest(\.ini_options)?\](?s:.*)", re.M)
REQUIREMENTS = ("Pipfile", "*.lock", "pyproject.toml", "*requirements*.txt")
BEFORE_STRICT = re.compile(  # the mode is strict since pytest-asyncio 0.19
    r'pytest[-_]asyncio"?\s*(=\s*"|\nversion = ")?[=~^]*0\.(\d|1[0-8])\b'
)
OTHER_MODE = re.compile(r"asyncio[-_]mode\W+auto|anyio_mode|trio_mode")


class Unread(NamedTuple):
    """A file that was not checked, and why."""

    path: str
    line: int
    reason: str


class Project:
    """`modules` and `texts` are to be judged; what stands around only explains them."""

    def __init__(
        self,
        paths: Iterable[Path],
        exclude: Iterable[str] = (),
        *,
        kind: type[Module] = Module,
    ) -> None:
        """`kind` is FlaskModule where a Flask code base is to become Quart's."""
        roots, excluded = [*paths], {*EXCLUDED.split(), *exclude}
        self.reads_flask = kind.reads_flask
        self.unread: list[Unread] = []
        code, starters = split(find(roots, excluded, self.unread))
        around, _ = split(find(surroundings(roots), excluded, []))
        others = ((real, around[real]) for real in around if real not in code)
        self.modules = [*opened(kind, code.items(), self.unread)]
        modules = [*opened(kind, islice(others, MAX_CONTEXT), []), *self.modules]
        texts = [*opened(TextFile, starters.items(), [])]

        self._project = cache(lambda folder: project_folder(folder, roots))
        for module in modules:
            folder = self._project(module.file.parent)
            module.inner = module.file.relative_to(folder).as_posix()
        for text in texts:
            inside = f"{self._project(text.file.parent)}{os.sep}"
            text.modules = [m for m in modules if str(m.file).startswith(inside)]
        self.texts = [text for text in texts if starts_quart_alone(text)]

        self._files = {place_of(module.file): module for module in modules}
        self._places = {one for name in self._files for one in [name, *parents(name)]}
        self._heads = {*map(os.path.basename, self._places)}
        for module in modules:
            module.local_imports = {*self._imports(module)}
            module.neighbours |= module.local_imports
            for imported in () if module.is_test else module.local_imports:
                imported.neighbours.add(module)
        self._join(modules)
        turn([one for one in modules if one.in_app and isinstance(one, FlaskModule)])

    def _join(self, modules: list[Module]) -> None:
        """Mark the modules that import Quart, are imported by its app, or import it.

        Beside another framework only what imports Quart itself is judged.
        """
        tops = {module: top_folder(str(module.file)) for module in modules}
        mixed = {tops[one] for one in modules if one.imports_other_framework}
        plain = {one for one in modules if tops[one] not in mixed}
        builders = new = {one for one in modules if builds_app(one)}
        joined = {one for one in modules if one.imports_quart}
        while new:
            new = {one for by in new for one in by.local_imports} & plain - joined
            joined |= new
        joined |= {one for one in plain if one.local_imports & builders}
        texts = [*(one.text for one in modules), *(one.text for one in self.texts)]
        settings = {*SETTINGS.findall("\n".join(texts))}
        for module in joined:
            module.index()
            module.in_app = True
            module.settings = settings
            self._describe(module)
        out = Counter(tops[one] for one in self.modules if one not in joined)
        self.left_out = [
            f"{folder}: another framework is imported there too, so "
            f"{out[folder]} files that do not import quart were not judged"
            for folder in sorted(mixed & out.keys() if builders else ())
        ]

    def _describe(self, module: Module) -> None:
        """What the conftests around a module and the configuration of pytest say."""
        above = [*parents(str(module.file))]
        places = [os.path.join(folder, "conftest") for folder in above]
        module.conftests = [*filter(None, map(self._files.get, places))]
        if "fixture" in module.text:
            settings = pytest_settings(above)
            folder = self._project(module.file.parent)
            if OTHER_MODE.search(settings) or pins_old_asyncio(folder):
                module.asyncio_mode = "auto"
            elif settings:
                module.asyncio_mode = "strict"

    def _imports(self, module: Module) -> Iterator[Module]:
        """The modules of this code base that `module` imports."""
        above = [*parents(str(module.file))]
        for node in module.imports:
            level = getattr(node, "level", 0)
            base = getattr(node, "module", None) or ""
            for alias in node.names:
                parts = [*filter(None, f"{base}.{alias.name}".split("."))]
                for place in self._import_places(above, parts[0], level):
                    for end in range(1, len(parts) + 1):
                        path = os.path.join(place, *parts[:end])
                        if found := self._files.get(path):
                            yield found

    def _import_places(self, above: list[str], head: str, level: int) -> list[str]:
        """The folders in which an import may find its first word."""
        if level:
            return above[level - 1 : level]
        places = [one for up in above for one in (up, os.path.join(up, "src"))]
        known = head in self._heads
        return [
            one for one in places if known and os.path.join(one, head) in self._places
        ]


def find(
    roots: Iterable[Path], excluded: set[str], unread: list[Unread]
) -> dict[str, Path]:
    """The files below the roots by their real paths; a root is never excluded."""

    def complain(error: OSError) -> None:
        unread.append(Unread(str(error.filename), 1, reason_of(error)))

    found: dict[str, Path] = {}
    seen: set[str] = set()
    for root in roots:
        if not os.path.isdir(root):
            found.setdefault(os.path.realpath(root), root)
            continue
        for folder, folders, names in os.walk(root, onerror=complain, followlinks=True):
            real = os.path.realpath(folder)
            is_foreign = "pyvenv.cfg" in names and folder != str(root)
            if real in seen or is_foreign:
                folders.clear()
                continue
            seen.add(real)
            folders[:] = sorted({*folders} - excluded)
            for name in sorted({*names} - excluded):
                if name.endswith(".py") or STARTS_APP.search(name):
                    path = os.path.join(folder, name)
                    found.setdefault(os.path.realpath(path), Path(path))
    return found


def split(found: dict[str, Path]) -> tuple[dict[str, Path], dict[str, Path]]:
    """The code, and the files that start an app."""
    starters = {one: found[one] for one in found if STARTS_APP.search(found[one].name)}
    return {one: found[one] for one in found if one not in starters}, starters


def surroundings(roots: Iterable[Path]) -> Iterator[Path]:
    """Where the code stands that a file or folder, named by itself, belongs to."""
    for root in roots:
        folder = top_folder(os.path.realpath(root))
        if is_package(folder):
            yield Path(folder)
        elif os.path.isfile(root):
            yield from root.absolute().parent.glob("*.py")


def opened(
    kind: type[Source], files: Iterable[tuple[str, Path]], unread: list[Unread]
) -> Iterator[Source]:
    for real, path in files:
        try:
            yield kind(Path(real), str(path), read(path))
        except SyntaxError as error:
            reason = f"Python {python_version()} cannot parse it: {error.msg}"
            unread.append(Unread(str(path), error.lineno or 1, reason))
        except (RecursionError, MemoryError):
            unread.append(Unread(str(path), 1, "nested too deeply to parse"))
        except (OSError, ValueError) as error:
            unread.append(Unread(str(path), 1, reason_of(error)))


def read(file: Path) -> str:
    if not stat.S_ISREG(file.stat().st_mode):
        raise ValueError("not a regular file")
    with file.open("rb") as source:
        data = source.read(MAX_BYTES + 1)
    if len(data) > MAX_BYTES:
        raise ValueError(f"larger than {MAX_BYTES:,} bytes")
    if b"\0" in data:
        raise ValueError("not text: it holds a null byte")
    return decode_source(data)


def reason_of(error: Exception) -> str:
    return getattr(error, "strerror", None) or str(error)


def builds_app(module: Module) -> bool:
    return module.imports_quart and bool(BUILDS_APP.search(module.text))


def starts_quart_alone(text: TextFile) -> bool:
    """Whether the project that a file stands in serves Quart, and nothing else."""
    mixed = any(module.imports_other_framework for module in text.modules)
    return not mixed and any(map(builds_app, text.modules))


def project_folder(folder: Path, roots: Iterable[Path]) -> Path:
    """The root of the project around a folder, else the parent of its package."""
    above = [folder, *folder.parents]
    for one in above:
        if any((one / mark).exists() for mark in PROJECT_MARKS):
            return one
    for root in map(os.path.realpath, roots):
        if Path(root) in above:
            return Path(root)
    return Path(top_folder(str(folder))).parent


def place_of(file: Path) -> str:
    """What an import finds it as: without suffix, a package as its folder."""
    return os.path.splitext(file)[0].removesuffix(f"{os.sep}__init__")


def parents(path: str) -> Iterator[str]:
    while (above := os.path.dirname(path)) != path:
        yield above
        path = above


def is_package(folder: str) -> bool:
    return os.path.isfile(os.path.join(folder, "__init__.py"))


def top_folder(path: str) -> str:
    """The outermost package around a file or folder, else the folder itself."""
    folder = path if os.path.isdir(path) else os.path.dirname(path)
    while is_package(folder) and is_package(os.path.dirname(folder)):
        folder = os.path.dirname(folder)
    return folder


def pytest_settings(folders: Iterable[str]) -> str:
    """What the nearest file that configures pytest says, from that section on."""
    for folder in folders:
        for name in PYTEST_FILES.split():
            with suppress(OSError, ValueError):
                text = Path(folder, name).read_text("utf-8")
                if found := PYTEST_SECTION.search(text):
                    return found[0]
    return ""


@cache
def pins_old_asyncio(folder: Path) -> bool:
    """Whether the requirements of a project keep pytest-asyncio below 0.19."""
    files = (file for name in REQUIREMENTS for file in sorted(folder.glob(name)))
    texts = (file.read_text("utf-8", "replace") for file in files if file.is_file())
    return any(map(BEFORE_STRICT.search, texts))
