"""The rules, one module for each page, each entered into the table by its import."""

from importlib import import_module
from pathlib import Path

for path in sorted(Path(__file__).parent.glob("[!_]*.py")):
    import_module(f"{__name__}.{path.stem}")
