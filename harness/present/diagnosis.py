"""What doctor found: for people what will bite first, then all the rest by area; for programs one row a finding."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterator, Sequence
from itertools import groupby

import msgspec
from rich.console import Group, RenderableType
from rich.table import Table
from rich.text import Text

from harness.doctor.finding import Finding, Severity
from harness.present import render as rendering

_MARKS: dict[Severity, tuple[str, str]] = {
    "error": ("✗", "bold red"),
    "warning": ("!", "bold yellow"),
    "note": ("•", "cyan"),
    "ok": ("✓", "green"),
}
_WORDS: dict[Severity, tuple[str, str]] = {
    "error": ("error", "errors"),
    "warning": ("warning", "warnings"),
    "note": ("note", "notes"),
    "ok": ("fine", "fine"),
}
_WIDEST_SUBJECT = 24
_PROBLEMS: tuple[Severity, ...] = ("error", "warning")


def render(findings: Sequence[Finding], format_: str) -> str:
    """The findings as ``text``, ``csv``, ``json`` or ``markdown``, in the order of the examinations."""
    if format_ != "text":
        return rendering.rows([msgspec.structs.asdict(finding) for finding in findings], format_)
    problems = sorted((f for f in findings if f.severity in _PROBLEMS), key=lambda f: _PROBLEMS.index(f.severity))
    rest = [finding for finding in findings if finding.severity not in _PROBLEMS]
    parts: list[RenderableType] = [_count(findings)]
    parts += [_problem(finding) for finding in problems]
    parts += _areas(rest)
    return rendering.to_text(Group(*parts))


def _count(findings: Sequence[Finding]) -> Text:
    counts = Counter(finding.severity for finding in findings)
    told = [f"{counts[name]} {_WORDS[name][counts[name] != 1]}" for name in _MARKS if counts[name]]
    verdict = "a sweep would fail" if counts["error"] else "sweeps can run"
    return Text.assemble((verdict, "bold"), f": {', '.join(told)}")


def _problem(finding: Finding) -> Table:
    """One problem in full, over the whole width."""
    mark, style = _MARKS[finding.severity]
    grid = Table.grid(padding=(0, 1, 0, 0))
    grid.add_row()
    grid.add_row(Text(mark, style), Text.assemble((f"{finding.area}, {finding.subject}: ", "bold"), finding.found))
    grid.add_row("", _advice(finding))
    return grid


def _areas(findings: Sequence[Finding]) -> Iterator[RenderableType]:
    """What is fine or good to know, an area after another, all with their subjects in a column of one width."""
    width = max((len(finding.subject) for finding in findings), default=0)
    for area, members in groupby(findings, key=lambda finding: finding.area):
        yield Text(f"\n{area}", "bold")
        grid = Table.grid(padding=(0, 1, 0, 0))
        grid.add_column(width=1)
        grid.add_column(width=min(width, _WIDEST_SUBJECT))
        grid.add_column()
        for finding in members:
            mark, style = _MARKS[finding.severity]
            grid.add_row(Text(mark, style), Text(finding.subject), Text(finding.found))
            if finding.action:
                grid.add_row("", "", _advice(finding))
        yield grid


def _advice(finding: Finding) -> Table:
    grid = Table.grid(padding=(0, 1, 0, 0))
    grid.add_row(Text("why", "dim"), Text(finding.reason, "dim"))
    grid.add_row(Text("do", "dim"), Text(finding.action))
    return grid
