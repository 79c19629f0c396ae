"""[tool.quart-patterns] of the project that is checked."""

import tomllib
from collections.abc import Callable
from dataclasses import dataclass, field
from fnmatch import fnmatch
from pathlib import Path
from typing import Any


class Unusable(Exception):
    """The section says what cannot be followed."""


@dataclass(frozen=True)
class Configuration:
    folder: Path = Path()
    select: list[str] = field(default_factory=list)
    ignore: list[str] = field(default_factory=list)
    exclude: list[str] = field(default_factory=list)
    per_file_ignores: dict[str, list[str]] = field(default_factory=dict)

    @classmethod
    def of(cls, path: Path, known: Callable[[str], bool]) -> "Configuration":
        """The section of the nearest pyproject.toml at or above `path`."""
        here = path.resolve()
        for folder in [here, *here.parents]:
            file = folder / "pyproject.toml"
            if file.is_file():
                return cls.read(file, known)
        return cls()

    @classmethod
    def read(cls, file: Path, known: Callable[[str], bool]) -> "Configuration":
        try:
            section = tomllib.loads(file.read_text("utf-8")).get("tool", {})
        except (OSError, ValueError) as error:
            raise Unusable(f"{file}: {error}") from None
        section = section.get("quart-patterns", {})
        values: dict[str, Any] = {
            key.replace("-", "_"): section[key] for key in section
        }
        unknown = values.keys() - {
            "select",
            "ignore",
            "exclude",
            "per_file_ignores",
        }
        if unknown:
            keys = ", ".join(sorted(unknown))
            raise Unusable(f"{file}: [tool.quart-patterns] has no key {keys}")
        per_file = values.get("per_file_ignores", {})
        if not isinstance(per_file, dict):
            raise Unusable(f"{file}: per-file-ignores is no table")
        lists = [values[key] for key in values if key != "per_file_ignores"]
        for given in [*lists, *per_file.values()]:
            if not isinstance(given, list) or not all(
                isinstance(item, str) for item in given
            ):
                raise Unusable(f"{file}: {given!r} is no list of strings")
        codes = [
            *values.get("select", []),
            *values.get("ignore", []),
            *(code for each in per_file.values() for code in each),
        ]
        for code in codes:
            if not known(code):
                raise Unusable(f"{file}: no rule has an id like {code}")
        return cls(file.parent, **values)

    def ignored_in(self, path: str) -> list[str]:
        """The ids that are off in the file at `path`."""
        try:
            inner = Path(path).resolve().relative_to(self.folder.resolve()).as_posix()
        except ValueError:
            inner = path
        return [
            code
            for pattern, codes in self.per_file_ignores.items()
            if fnmatch(inner, pattern)
            for code in codes
        ]
