"""Find the mistakes that Quart code is prone to, without importing it.

    python scripts/check_app src tests
    python scripts/check_app --explain QP301

Only files of a Quart app are judged: those that import quart (or quart_*), those that
its modules import, and those that import its modules; also the files that start it
(Dockerfile, Procfile, compose and unit files). A file named by itself is judged within
its package. Ruff, where it is installed, adds its rules for async code.
`# noqa: QP301` (or `# noqa`) at the end of a line silences what is found there.

An error fails or lies, a warning loses data, leaks, hangs or blocks, a note hardens.
A rule that fires more than five times is one line with a count; --json lists all.

--from-flask reads Flask code as though it imported Quart and lists what has to change:
first what fails at import, then at the start, in a request, and what changes unseen.
The other rules have their turn when the code imports Quart.

[tool.quart-patterns] in the pyproject.toml of the first PATH, or above it:
    select = ["QP"]      ignore = ["QP505"]      exclude = ["migrations"]
    per-file-ignores = {"tests/*" = ["QP4"]}

Exit status: 0 no errors and warnings, 1 some, 2 wrong usage, nothing to check, or a
file that could not be read or parsed. Where ruff is absent or fails, the report says
so, and the status does not change.

--json prints one object:
    schema     2
    findings   [{severity, path, line, column, id, message, page, source}], the worst
               first; source is "check_app" or "ruff"; with --from-flask also phase
    counts     {id: number} of all findings
    not_shown  how many findings --limit keeps back
    files      {checked, in_app, unread}
    unread     [{path, line, reason}]
    left_out   what was left out as another framework's
    ruff       why its part is missing or incomplete, else null
"""

import argparse
import re
import sys
from collections.abc import Callable, Iterable, Sequence
from functools import cache
from pathlib import Path

from . import rules
from .engine.configuration import Configuration, Unusable
from .engine.flask import FlaskModule
from .engine.project import Project
from .engine.quart import Module
from .engine.report import as_json, as_text, explain, report_on, table
from .engine.ruff_bridge import PAGES
from .engine.rule import RULES

__all__ = ["main", "rules"]

LINES = 100


def parser() -> argparse.ArgumentParser:
    usage = argparse.ArgumentParser(
        prog="check_app",
        description=__doc__,
        formatter_class=argparse.RawDescriptionHelpFormatter,
    )
    add = usage.add_argument
    add("paths", nargs="*", type=Path, metavar="PATH", help="files and folders")
    add("--select", type=ids, default=[], help="only these: QP301,QP4,ASYNC")
    add("--ignore", type=ids, default=[], help="all but these, in the same form")
    add(
        "--exclude",
        action="append",
        default=[],
        metavar="NAME",
        help="leave out files and folders of this name, as .venv, build and the like "
        "always are unless they are a PATH",
    )
    add("--from-flask", action="store_true", help="what a move to Quart changes")
    add("--limit", type=int, help="lines to show (100, with --json all; 0: all)")
    add("--json", action="store_true", help="print JSON, see above")
    add("--explain", choices=sorted(RULES), metavar="ID", help="wrong, right and why")
    add("--rules", action="store_true", help="print all rules as markdown tables")
    return usage


def ids(text: str) -> list[str]:
    """Rule ids or their beginnings, separated by commas."""
    found = [word for word in re.split(r"[,\s]+", text.upper()) if word]
    for word in found:
        if not known(word):
            raise argparse.ArgumentTypeError(f"no rule has an id like {word}")
    return found


def known(word: str, codes: Iterable[str] = (*RULES, *PAGES)) -> bool:
    return any(code.startswith(word) or word.startswith(code) for code in codes)


def wanted(
    configuration: Configuration, chosen: Sequence[str], ignore: Sequence[str]
) -> Callable[[str, str], bool]:
    """What the command line says comes before what the project says."""
    on = tuple(chosen)

    @cache
    def off(path: str) -> tuple[str, ...]:
        return *ignore, *configuration.ignore, *configuration.ignored_in(path)

    return lambda code, path: code.startswith(on) and not code.startswith(off(path))


def main(arguments: Sequence[str] | None = None) -> int:
    usage = parser()
    given = usage.parse_args(arguments)
    if given.explain:
        sys.stdout.write(explain(RULES[given.explain]))
        return 0
    if given.rules:
        sys.stdout.write(table())
        return 0
    if not given.paths:
        usage.error("give at least one PATH, --explain ID or --rules")
    try:
        configuration = Configuration.of(given.paths[0], known)
    except Unusable as error:
        usage.error(str(error))
    chosen = given.select or configuration.select or [""]
    kind = FlaskModule if given.from_flask else Module
    project = Project(given.paths, [*given.exclude, *configuration.exclude], kind=kind)
    with_ruff = not given.from_flask and any(known(word, PAGES) for word in chosen)
    report = report_on(
        project, wanted(configuration, chosen, given.ignore), with_ruff=with_ruff
    )
    show, lines = (as_json, 0) if given.json else (as_text, LINES)
    limit = lines if given.limit is None else given.limit
    sys.stdout.write(show(report, limit if limit > 0 else sys.maxsize))
    if not report.checked:
        names = ", ".join(map(str, given.paths))
        print(f"no Python file under {names}: is the PATH right?", file=sys.stderr)
    return report.status
