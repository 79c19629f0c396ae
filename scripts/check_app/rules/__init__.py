"""The rules, one module for each page, each entered into the table by its import."""

from importlib import import_module
from pathlib import Path

NAMES = sorted(
    path.stem for path in Path(__file__).parent.glob("*.py") if path.stem != "__init__"
)
for name in NAMES:
    import_module(f"{__name__}.{name}")
