"""Logging belongs to the process: what a test configures must not outlive it."""

import logging
from collections.abc import Iterator
from contextlib import contextmanager


@contextmanager
def logging_as_before() -> Iterator[None]:
    """Put back the handlers, filters and levels of every logger."""
    manager = logging.getLogger().manager
    loggers = [logging.getLogger(), *map(logging.getLogger, manager.loggerDict)]
    states = [
        (one, one.level, one.handlers[:], one.filters[:], one.propagate, one.disabled)
        for one in loggers
    ]
    known = set(manager.loggerDict)
    try:
        yield
    finally:
        for one, level, handlers, filters, propagate, disabled in states:
            if one.level != level:  # to set it empties the cache of every logger
                one.setLevel(level)
            one.handlers[:], one.filters[:] = handlers, filters
            one.propagate, one.disabled = propagate, disabled
        for name in set(manager.loggerDict) - known:
            new = logging.getLogger(name)
            new.handlers.clear()
            new.filters.clear()
            new.disabled = False
