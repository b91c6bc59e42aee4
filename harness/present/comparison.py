"""Verdicts: for people, the bad ones first; for pull requests, as a comment; for programs, as CSV or JSON."""

from __future__ import annotations

from collections import Counter
from collections.abc import Sequence
from typing import Any, get_args

import msgspec
from rich.console import Group
from rich.table import Table
from rich.text import Text

from harness.analyse.circumstances import Difference
from harness.analyse.compare import CompareTable, Comparison
from harness.analyse.self_test import SelfTest
from harness.analyse.side import TIME
from harness.analyse.verdicts import Verdict
from harness.present import units
from harness.present.render import rows as render_rows
from harness.present.render import to_text

_ORDER: tuple[Verdict, ...] = get_args(Verdict)
_WIDEST = max(map(len, _ORDER))
_STYLES: dict[Verdict, str] = {
    "slower": "bold red", "failed": "bold red", "missing": "red", "inconclusive": "yellow", "faster": "green",
    "new": "cyan", "same": "dim",
}  # fmt: skip
# of more cases than this, those that are the same are counted and not listed
_LISTED = 40
# of the cases that share a reason
_NAMED = 3


def render(table: CompareTable, format_: str) -> str:
    """The verdicts as ``text``, ``csv``, ``json`` or ``markdown``. Programs get the fields of `Comparison`."""
    if format_ == "json":
        return msgspec.json.format(msgspec.json.encode(table.rows)).decode()
    if format_ == "csv":
        return render_rows([msgspec.structs.asdict(row) for row in table.rows], "csv")
    return _markdown(table) if format_ == "markdown" else to_text(_text(table))


def tell_difference(difference: Difference) -> str:
    """A difference in one line."""
    return f"{difference.what}: {difference.base} in BASE, {difference.new} in NEW"


def summarise(table: CompareTable) -> str:
    """How many cases got which verdict, worst first."""
    counts = Counter(row.verdict for row in table.rows)
    return ", ".join(f"{counts[verdict]:,} {verdict}" for verdict in _ORDER if counts[verdict])


def render_self_test(result: SelfTest, format_: str) -> str:
    """What a self-test found: one row for programs, a sentence each for people."""
    if format_ != "text":
        return render_rows([msgspec.structs.asdict(result)], format_)
    return "\n".join(
        [
            f"{result.name}: identical code, split in two {result.splits} times; {result.cases} cases, "
            f"{result.launches_a_side} launches a side or more, threshold {units.percent(result.threshold)}",
            f"false alarms: {_rate(result.slower)} slower, {_rate(result.faster)} faster; "
            f"{units.percent(result.quiet_splits)} of the comparisons had none at all",
            f"settled as same: {units.percent(result.same)}; inconclusive: {units.percent(result.inconclusive)}",
            f"launches differ by {units.percent(result.launch_variation)} (standard deviation, median over cases)",
        ]
    )


def _rate(share: float) -> str:
    return f"{100 * share:.2f} %"


def _text(table: CompareTable) -> Group:
    parts: list[Any] = []
    if table.differences:
        parts += [Text("what differs", style="bold"), _differences(table.differences), Text()]
    shown = _shown(table.rows)
    with_ratio = [row for row in shown if row.ratio is not None]
    if with_ratio:
        parts += [*_verdicts(with_ratio, table.metric), Text()]
    without = [row for row in shown if row.ratio is None]
    if without:
        parts += [_reasons(without), Text()]
    verb = f"{table.metric} of {table.new} against {table.base}, threshold {units.percent(table.threshold)}"
    summary = Text.assemble((summarise(table) or "no cases", "bold"), f"  {verb}", no_wrap=True, overflow="ignore")
    parts.append(summary)
    return Group(*parts)


def _differences(differences: Sequence[Difference]) -> Table:
    grid = Table(box=None, pad_edge=False, padding=(0, 2, 0, 0))
    for header in ("", "BASE", "NEW"):
        grid.add_column(header, header_style="dim")
    for item in differences:
        grid.add_row(Text(item.what), Text(item.base), Text(item.new))
    return grid


def _verdicts(rows: Sequence[Comparison], metric: str) -> list[Text]:
    """A line a case, its id last and never broken, so that it can be copied; what has to be said follows on its own."""
    cells = [_cells(row, metric) for row in rows]
    headers = ["BASE", "NEW", "NEW/BASE", "90 % interval", "launches"]
    widths = [max(map(len, column)) for column in zip(headers, *(found[1:-1] for found in cells), strict=True)]
    lines = [Text("  ".join(["verdict".ljust(_WIDEST), *map(str.rjust, headers, widths), "case"]), style="bold")]
    for row, (case_id, *numbers, message) in zip(rows, cells, strict=True):
        verdict = (row.verdict.ljust(_WIDEST), _STYLES[row.verdict])
        lines.append(Text.assemble(verdict, "  ", "  ".join([*map(str.rjust, numbers, widths), case_id])))
        if message:
            lines.append(Text(" " * (_WIDEST + 2) + message, style="dim"))
    for line in lines:
        line.no_wrap, line.overflow = True, "ignore"
    return lines


def _reasons(rows: Sequence[Comparison]) -> Table:
    """Cases without a ratio, brought together by their reason."""
    found: dict[tuple[Verdict, str], list[str]] = {}
    for row in rows:
        found.setdefault((row.verdict, row.message), []).append(row.case_id)
    grid = Table.grid(padding=(0, 2, 0, 0))
    for (verdict, message), cases in found.items():
        more = f" and {len(cases) - _NAMED:,} more" if len(cases) > _NAMED else ""
        named = ", ".join(cases[:_NAMED]) + more
        told = Text.assemble(message, ("\n" + named, "dim"))
        grid.add_row(Text(verdict, style=_STYLES[verdict]), Text(f"{len(cases):,}"), told)
    return grid


def _markdown(table: CompareTable) -> str:
    """A comment for a pull request: the sum first, what needs eyes in a table, the rest folded away."""
    headers = ["verdict", "case", "base", "new", "new/base", "90 % interval", "launches", "remark"]
    parts = [
        f"**scalemark: {summarise(table) or 'no cases'}** "
        f"({table.metric} of `{table.new}` against `{table.base}`, threshold {units.percent(table.threshold)})"
    ]
    if table.differences:
        parts.append("\n".join(f"- differs: {tell_difference(item)}" for item in table.differences))
    shown = _shown(table.rows)
    for title, rows in (("", shown), ("same", [row for row in _sorted(table.rows) if row not in shown])):
        if rows:
            cells = [dict(zip(headers, [row.verdict, *_cells(row, table.metric)], strict=True)) for row in rows]
            body = render_rows(cells, "markdown")
            parts.append(
                f"<details><summary>{len(rows):,} {title}</summary>\n\n{body}\n\n</details>" if title else body
            )
    return "\n\n".join(parts)


def _shown(rows: Sequence[Comparison]) -> list[Comparison]:
    return [row for row in _sorted(rows) if row.verdict != "same" or len(rows) <= _LISTED]


def _sorted(rows: Sequence[Comparison]) -> list[Comparison]:
    """The worst verdicts first, and of one verdict the largest changes."""
    return sorted(rows, key=lambda row: (_ORDER.index(row.verdict), -abs((row.ratio or 1) - 1), row.case_id))


def _cells(row: Comparison, metric: str) -> list[str]:
    show = units.duration if metric == TIME else units.quantity
    interval = f"{row.low:.3f} to {row.high:.3f}" if row.low is not None and row.high is not None else ""
    launches = (
        f"{row.base_launches:,}"
        if row.base_launches == row.new_launches
        else f"{row.base_launches:,} and {row.new_launches:,}"
    )
    return [
        row.case_id,
        "" if row.base is None else show(row.base),
        "" if row.new is None else show(row.new),
        "" if row.ratio is None else f"{row.ratio:.3f}",
        interval,
        launches,
        row.message,
    ]
