#!/usr/bin/env python3
"""Find the mistakes that Quart code is prone to, without importing it.

    python scripts/check_app.py src tests
    python scripts/check_app.py --explain QP301

Only files of a Quart app are judged: those that import quart (or quart_*), those that
its modules import, and those that import its modules. A file named by itself is judged
within its package. Ruff, where it is installed, adds its rules for async code.
`# noqa: QP301` (or `# noqa`) at the end of a line silences what is found there.

Exit status: 0 nothing found, 1 findings, 2 wrong usage, or a file that could not be
read or parsed (with or without findings). Where ruff is absent or fails, the report
says so, and the status does not change.

--json prints one object:
    schema    1
    findings  [{path, line, column, id, message, page, source}], in order of place;
              source is "check_app" or "ruff"
    counts    {id: number} of all findings
    left_out  how many findings --limit keeps back
    files     {checked, in_app, unread}
    unread    [{path, line, reason}]
    ruff      why its part is missing or incomplete, else null
"""

import argparse
import gc
import json
import re
import sys
import tokenize
from collections import Counter
from collections.abc import Iterable, Iterator, Sequence
from contextlib import contextmanager
from io import StringIO
from pathlib import Path
from typing import NamedTuple

from check_app_rules import RULES, Rule, ruff
from check_app_rules.module import Module
from check_app_rules.project import Project, Unread

NOQA = re.compile(r"#\s*noqa\b(?:\s*:\s*([A-Z]+\d+(?:[,\s]+[A-Z]+\d+)*))?", re.I)


ABOUT = (
    "What `scripts/check_app.py` looks for; `scripts/check_app.py --explain QP301` "
    "shows the wrong\ncode, the right code and the reason. This page is what "
    "`scripts/check_app.py --rules` prints."
)


class Finding(NamedTuple):
    """The fields are those of --json; columns count from 1."""

    path: str
    line: int
    column: int
    id: str
    message: str
    page: str
    source: str = "check_app"


class Report(NamedTuple):
    """`ruff` says why Ruff's part is missing; it is empty when nothing is."""

    findings: list[Finding]
    unread: list[Unread]
    checked: int
    in_app: int
    ruff: str


def report_on(
    project: Project, selected: Sequence[str], ignored: Sequence[str]
) -> Report:
    def wanted(code: str) -> bool:
        return code.startswith(tuple(selected)) and not code.startswith(tuple(ignored))

    rules = [rule for rule in RULES.values() if wanted(rule.id)]
    modules = [module for module in project.modules if module.in_app]
    findings: list[Finding] = []
    unread = [*project.unread]
    for module in modules:
        try:
            findings += judge(module, rules)
        except RecursionError:
            unread.append(Unread(module.path, 1, "nested too deeply to check"))
    problem = ""
    if modules and not all(code.startswith("QP") for code in selected):
        found, problem = ruff.run(modules)
        for module, line, column, code, text in found:
            if wanted(code):
                page = page_path(ruff.page_of(code))
                place = (module.path, line, column)
                findings.append(Finding(*place, code, text, page, "ruff"))
    checked = len(project.modules) + len(project.unread)
    return Report(sorted(findings), sorted(unread), checked, len(modules), problem)


def judge(module: Module, rules: Iterable[Rule]) -> Iterator[Finding]:
    found = {
        Finding(module.path, *module.place(node), rule.id, rule.say(word), page)
        for rule in rules
        for page in [page_path(rule.page)]
        for node, word in rule.check(module)
    }
    silent = silenced(module.text) if found else {}
    for finding in found:
        if not finding.id.startswith(silent.get(finding.line, ())):
            yield finding


def page_path(page: str) -> str:
    return f"patterns/{page}.md"


def silenced(text: str) -> dict[int, tuple[str, ...]]:
    """The ids, or the beginnings of ids, that a `noqa` comment names, by line."""
    found: dict[int, tuple[str, ...]] = {}
    if "noqa" not in text.lower():
        return found
    try:
        for token in tokenize.generate_tokens(StringIO(text).readline):
            if token.type == tokenize.COMMENT and (match := NOQA.search(token.string)):
                ids = re.split(r"[,\s]+", (match[1] or "").upper())
                found[token.start[0]] = tuple(ids)
    except (tokenize.TokenError, SyntaxError):
        return found
    return found


# What is printed


def as_text(report: Report, limit: int) -> str:
    lines = [
        f"{one.path}:{one.line}:{one.column}: {one.id} {one.message} "
        f"({'ruff, ' if one.source == 'ruff' else ''}{one.page})"
        for one in report.findings[:limit]
    ]
    if left_out := len(report.findings[limit:]):
        lines.append(f"... and {left_out} more (--limit 0 shows all)")
    lines += [
        f"{one.path}:{one.line}:1: not checked: {one.reason}" for one in report.unread
    ]
    if lines:
        lines.append("")
    for code, number in counts(report).items():
        lines.append(
            f"{number:5}  {code} {RULES[code].name if code in RULES else '(ruff)'}"
        )
    places = len({one.path for one in report.findings})
    lines.append(
        f"{len(report.findings)} findings in {places} files; "
        f"{report.checked} files, {report.in_app} of a Quart app, "
        f"{len(report.unread)} not checked"
    )
    if report.ruff:
        lines.append(report.ruff)
    return "\n".join(lines) + "\n"


def as_json(report: Report, limit: int) -> str:
    shown = report.findings[:limit]
    return (
        json.dumps(
            {
                "schema": 1,
                "findings": [one._asdict() for one in shown],
                "counts": counts(report),
                "left_out": len(report.findings) - len(shown),
                "files": {
                    "checked": report.checked,
                    "in_app": report.in_app,
                    "unread": len(report.unread),
                },
                "unread": [one._asdict() for one in report.unread],
                "ruff": report.ruff or None,
            },
            indent=2,
        )
        + "\n"
    )


def counts(report: Report) -> dict[str, int]:
    return dict(sorted(Counter(one.id for one in report.findings).items()))


def explain(rule: Rule) -> str:
    def block(code: str) -> str:
        return "\n".join(f"    {line}".rstrip() for line in code.splitlines())

    return (
        f"{rule.id} {rule.name} ({page_path(rule.page)})\n\n"
        f"{example_message(rule)}\n\nWhy: {rule.why}\n\n"
        f"Wrong:\n\n{block(rule.wrong)}\n\nRight:\n\n{block(rule.right)}\n"
    )


def table() -> str:
    """The rules as a markdown page, formatted as mdformat formats it."""
    parts = ["# Rules of check_app.py", ABOUT]
    subjects: dict[str, list[Rule]] = {}
    for rule in sorted(RULES.values()):
        subjects.setdefault(rule.subject, []).append(rule)
    for subject, rules in subjects.items():
        rows = [["id", "name", "finding", "page"]]
        for rule in rules:
            link = f"[{rule.page}]({page_path(rule.page)})"
            rows.append([rule.id, rule.name, example_message(rule), link])
        rows.insert(1, ["--"] * 4)
        lines = [" | ".join(row) for row in rows]
        parts += [f"## {subject}", "\n".join(f"| {line} |" for line in lines)]
    return "\n\n".join(parts) + "\n"


def example_message(rule: Rule) -> str:
    """The message that the rule's own wrong example brings about."""
    example = Module(Path(rule.file), rule.file, rule.wrong)
    example.in_app = example.skips_lifespan = True
    return min(judge(example, [rule])).message


# The command line


def parser() -> argparse.ArgumentParser:
    usage = argparse.ArgumentParser(
        prog="check_app.py",
        description=__doc__,
        formatter_class=argparse.RawDescriptionHelpFormatter,
    )
    add = usage.add_argument
    add(
        "paths", nargs="*", type=Path, metavar="PATH", help="files and folders to check"
    )
    add("--select", type=ids, default=[""], help="only these: QP301,QP4,ASYNC")
    add("--ignore", type=ids, default=[], help="all but these, in the same form")
    add(
        "--exclude",
        action="append",
        default=[],
        metavar="NAME",
        help="leave out files and folders of this name, as .venv, build and the like "
        "always are unless they are a PATH",
    )
    add("--limit", type=int, default=100, help="findings to show (100; 0: all)")
    add("--json", action="store_true", help="print JSON, see above")
    add("--explain", choices=sorted(RULES), metavar="ID", help="wrong, right and why")
    add("--rules", action="store_true", help="print all rules as a markdown table")
    return usage


@contextmanager
def no_collection() -> Iterator[None]:
    """Syntax trees hold no garbage; looking for it takes longer than parsing."""
    gc.disable()
    try:
        yield
    finally:
        gc.enable()


def ids(text: str) -> list[str]:
    """Rule ids or their beginnings, separated by commas."""
    found = [word for word in re.split(r"[,\s]+", text.upper()) if word]
    for word in found:
        if not any(known.startswith(word) for known in RULES) and not any(
            word.startswith(code) or code.startswith(word) for code in ruff.PAGES
        ):
            raise argparse.ArgumentTypeError(f"no rule has an id like {word}")
    return found


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
    with no_collection():
        project = Project(given.paths, given.exclude)
        report = report_on(project, given.select, given.ignore)
    write = as_json if given.json else as_text
    sys.stdout.write(write(report, given.limit or sys.maxsize))
    return 2 if report.unread else 1 if report.findings else 0


if __name__ == "__main__":
    sys.stdout.reconfigure(errors="backslashreplace")  # type: ignore[union-attr]
    sys.exit(main())
