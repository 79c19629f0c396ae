"""[tool.quart-patterns] of the project that is checked."""

import os
import tomllib
from collections.abc import Callable
from dataclasses import dataclass, field
from fnmatch import fnmatch
from pathlib import Path
from typing import Any

PER_FILE = "per-file-ignores"
KEYS = {"select", "ignore", "exclude", PER_FILE}


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
        here = Path(os.path.realpath(path))
        for folder in [here, *here.parents]:
            file = folder / "pyproject.toml"
            if os.path.isfile(file):
                try:
                    tool = tomllib.loads(file.read_text("utf-8")).get("tool")
                except (OSError, ValueError) as error:
                    raise Unusable(f"{file}: {error}") from None
                tool = tool if isinstance(tool, dict) else {}
                section = tool.get("quart-patterns", {})
                if wrong := complaint(section, known):
                    raise Unusable(f"{file}: [tool.quart-patterns] {wrong}")
                values = {key.replace("-", "_"): section[key] for key in section}
                return cls(folder, **values)
        return cls()

    def ignored_in(self, path: str) -> list[str]:
        """The ids that are off in the file at `path`."""
        inner = os.path.relpath(os.path.realpath(path), self.folder)
        given = self.per_file_ignores.items()
        return [code for name, codes in given if fnmatch(inner, name) for code in codes]


def complaint(section: Any, known: Callable[[str], bool]) -> str:
    """What is wrong with the section, if anything is."""
    per_file = section.get(PER_FILE, {}) if isinstance(section, dict) else None
    if not isinstance(per_file, dict):
        return f"or its {PER_FILE} is no table"
    if unknown := section.keys() - KEYS:
        return f"has no key {', '.join(sorted(unknown))}"
    lists = [section[key] for key in section if key != PER_FILE]
    for given in [*lists, *per_file.values()]:
        if not isinstance(given, list) or not all(
            isinstance(one, str) for one in given
        ):
            return f"{given!r} is no list of strings"
    codes = [*section.get("select", []), *section.get("ignore", [])]
    for code in [*codes, *(code for each in per_file.values() for code in each)]:
        if not known(code):
            return f"no rule has an id like {code}"
    return ""
