"""Findings: judged, silenced, sorted by severity, and printed as text or JSON."""

import ast
import json
import re
import tokenize
from collections import Counter, defaultdict
from collections.abc import Callable, Iterable, Iterator
from contextlib import suppress
from io import StringIO
from pathlib import Path
from typing import NamedTuple

from . import ruff_bridge
from .deployment import TextFile
from .flask import PHASES, FlaskModule, as_flask, phase_of, turn
from .project import Project, Unread
from .quart import Module
from .rule import RULES, Finding, Rule, Severity, Source, page_path

NOQA = re.compile(r"#\s*noqa\b(?:\s*:\s*([A-Z]+\d+(?:[,\s]+[A-Z]+\d+)*))?", re.I)
FOLDED = 5
FILES = 10


class Report(NamedTuple):
    """`ruff` says why Ruff's part is missing; it is empty when nothing is."""

    findings: list[Finding]
    unread: list[Unread]
    left_out: list[str]
    checked: int
    in_app: int
    ruff: str

    @property
    def status(self) -> int:
        if self.unread or not self.checked:
            return 2
        grave = any(one.severity is not Severity.NOTE for one in self.findings)
        return 1 if grave else 0


def report_on(
    project: Project, wanted: Callable[[str, str], bool], *, with_ruff: bool = True
) -> Report:
    """`wanted` tells whether the rule of an id is to judge the file at a path."""
    modules = [module for module in project.modules if module.in_app]
    found: list[Finding] = []
    unread = [*project.unread]
    sources: list[Source] = [*modules, *project.texts]
    for source in sources:
        rules = [one for one in RULES.values() if wanted(one.id, source.path)]
        try:
            found += judge(source, rules)
        except RecursionError:
            unread.append(Unread(source.path, 1, "nested too deeply to check"))
    ours = {(one.path, one.line, one.id) for one in found}
    of_ruff, problem = ruff_bridge.run(modules if with_ruff else [])
    for one in of_ruff:
        twin = one.path, one.line, ruff_bridge.ALSO_OURS.get(one.id, "")
        if wanted(one.id, one.path) and twin not in ours:
            found.append(one)
    if project.reads_flask:
        tests = {one.path for one in modules if one.is_test}
        phases = {one: phase_of(one.id, in_tests=one.path in tests) for one in found}
        found = [one._replace(phase=phases[one]) for one in found if phases[one]]
    found.sort(key=lambda one: (one.phase, [*Severity].index(one.severity), one))
    checked = len(project.modules) + len(project.texts) + len(project.unread)
    left_out = project.left_out
    return Report(found, sorted(unread), left_out, checked, len(modules), problem)


def judge(source: Source, rules: Iterable[Rule]) -> Iterator[Finding]:
    """Ask the rules about each node of the kinds they look at, in one walk."""
    by_kind: dict[type[ast.AST], list[Rule]] = defaultdict(list)
    for rule in rules:
        for kind in rule.kinds if rule.asks(source) else ():
            by_kind[kind].append(rule)
    found = {
        rule.finding(source, part, word)
        for kind in by_kind
        for node in source.nodes(kind)
        for rule in by_kind[kind]
        for part, word in rule.check(source, node)
    }
    silent = silenced(source.text) if found else {}
    for finding in found:
        if not finding.id.startswith(silent.get(finding.line, ())):
            yield finding


def silenced(text: str) -> dict[int, tuple[str, ...]]:
    """The ids, or the beginnings of ids, that a `noqa` comment names, by line."""
    found: dict[int, tuple[str, ...]] = {}
    if "noqa" in text.lower():
        with suppress(tokenize.TokenError, SyntaxError):
            for token in tokenize.generate_tokens(StringIO(text).readline):
                match = NOQA.search(token.string)
                if match and token.type == tokenize.COMMENT:
                    ids = re.split(r"[,\s]+", (match[1] or "").upper())
                    found[token.start[0]] = tuple(ids)
    return found


def folded(findings: list[Finding]) -> Iterator[tuple[Finding, int]]:
    """Each finding and 0; of a rule that fires often the first one, and how many."""
    numbers = Counter((one.phase, one.id) for one in findings)
    seen: set[tuple[str, str]] = set()
    for one in findings:
        kind = one.phase, one.id
        others = numbers[kind] - 1 if numbers[kind] > FOLDED else 0
        if not (others and kind in seen):
            yield one, others
        seen.add(kind)


def as_text(report: Report, limit: int) -> str:
    lines: list[str] = []
    phase = ""
    rows = [*folded(report.findings)]
    for one, others in rows[:limit]:
        if one.phase != phase:
            phase = one.phase
            lines += [*([""] if lines else []), f"{PHASES[phase]}:"]
        source = "ruff, " if one.source == "ruff" else ""
        more = f" [and {others} more; --json lists them]" if others else ""
        lines.append(
            f"{one.path}:{one.line}:{one.column}: {one.severity}: {one.id} "
            f"{one.message} ({source}{one.page}){more}"
        )
    if rest := len(rows[limit:]):
        lines.append(f"... and {rest} more lines (--limit 0 shows all)")
    for two in report.unread:
        lines.append(f"{two.path}:{two.line}:1: not checked: {two.reason}")
    if lines:
        lines.append("")
    for code, number in counts(report).items():
        name = RULES[code].name if code in RULES else "(ruff)"
        lines.append(f"{number:5}  {code} {name}")
    lines += per_file(report)
    lines.append(summary(report))
    lines += report.left_out
    if report.ruff:
        lines.append(report.ruff)
    return "\n".join(lines) + "\n"


def per_file(report: Report) -> Iterator[str]:
    """Of a migration, where most of the work is."""
    files = Counter(one.path for one in report.findings if one.phase)
    for path, number in files.most_common(FILES):
        yield f"{number:5}  {path}"
    if len(files) > FILES:
        yield f"       and {len(files) - FILES} more files"


def summary(report: Report) -> str:
    number = Counter(one.severity for one in report.findings)
    kinds = ", ".join(f"{number[kind]} {kind}s" for kind in Severity)
    return (
        f"{kinds}; {report.checked} files, {report.in_app} of a Quart app, "
        f"{len(report.unread)} not checked"
    )


def as_json(report: Report, limit: int) -> str:
    shown = report.findings[:limit]
    content = {
        "schema": 2,
        "findings": [fields(one) for one in shown],
        "counts": counts(report),
        "not_shown": len(report.findings) - len(shown),
        "files": {
            "checked": report.checked,
            "in_app": report.in_app,
            "unread": len(report.unread),
        },
        "unread": [one._asdict() for one in report.unread],
        "left_out": report.left_out,
        "ruff": report.ruff or None,
    }
    return json.dumps(content, indent=2) + "\n"


def fields(finding: Finding) -> dict[str, str | int]:
    """`phase` only where there are phases."""
    named = finding._asdict()
    return {key: named[key] for key in named if key != "phase" or finding.phase}


def counts(report: Report) -> dict[str, int]:
    return dict(sorted(Counter(one.id for one in report.findings).items()))


def explain(rule: Rule) -> str:
    def block(code: str) -> str:
        return "\n".join(f"    {line}".rstrip() for line in code.splitlines())

    wrong = as_flask(rule.wrong) if rule.of_migration else rule.wrong
    return (
        f"{rule.id} {rule.name} ({rule.severity}, {page_path(rule.page)})\n\n"
        f"{example_message(rule)}\n\nWhy: {rule.why}\n\nShown: {rule.runs}\n\n"
        f"Wrong:\n\n{block(wrong)}\n\nRight:\n\n{block(rule.right)}\n"
    )


def table() -> str:
    """The rules as a markdown page, formatted as mdformat formats it."""
    parts = ["# Rules of check_app", ABOUT]
    pages: dict[str, list[Rule]] = {}
    for rule in sorted(RULES.values(), key=lambda rule: (rule.page, rule.id)):
        pages.setdefault(rule.page, []).append(rule)
    for page, rules in pages.items():
        rows = [["id", "name", "severity", "finding"], ["--"] * 4]
        rows += [[r.id, r.name, r.severity, example_message(r)] for r in rules]
        lines = [f"| {' | '.join(row)} |" for row in rows]
        parts += [f"## [{page}]({page_path(page)})", "\n".join(lines)]
    return "\n\n".join(parts) + "\n"


ABOUT = (
    "What `scripts/check_app` looks for; `python scripts/check_app --explain QP301` "
    "shows the wrong code,\nthe right code and the reason. This page is what "
    "`python scripts/check_app --rules` prints."
)


def example_message(rule: Rule) -> str:
    """The message that the rule's own wrong example brings about."""
    return min(one.message for one in judge(example_of(rule), [rule]))


def example_of(rule: Rule, code: str | None = None) -> Source:
    """The wrong example, or other code, as the rule is to see it."""
    text = rule.wrong if code is None else code
    if not rule.is_code:
        return TextFile(Path(rule.file), rule.file, text)
    if rule.of_migration and code is None:
        text = as_flask(text)
    kind = FlaskModule if rule.of_migration else Module
    example = kind(Path(rule.file), rule.file, text)
    example.in_app = True
    example.index()
    if isinstance(example, FlaskModule):
        turn([example])
    return example
