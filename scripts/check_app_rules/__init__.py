"""The rules of check_app.py, one module for each subject."""

from . import (
    configuration,
    contexts,
    database,
    errors,
    lifespan,
    removed,
    requests,
    tasks,
    websockets,
)
from .rule import RULES, Rule

__all__ = [
    "RULES",
    "Rule",
    "configuration",
    "contexts",
    "database",
    "errors",
    "lifespan",
    "removed",
    "requests",
    "tasks",
    "websockets",
]
