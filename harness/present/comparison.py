"""Verdicts: for people, the bad ones first; for pull requests, as a comment; for programs, as CSV or JSON."""

from __future__ import annotations

from collections import Counter
from collections.abc import Sequence
from typing import Any, get_args

import msgspec
from rich.console import Console, Group
from rich.table import Table
from rich.text import Text

from harness.analyse.circumstances import Difference
from harness.analyse.compare import CompareTable, Comparison
from harness.analyse.self_test import SelfTest
from harness.analyse.side import TIME
from harness.analyse.verdicts import Verdict
from harness.present import units
from harness.present.naming import CaseNames, place, shared_by_kernel
from harness.present.remarks import coarse_clock, coarsely
from harness.present.render import rows as render_rows
from harness.present.render import structs, to_text

_ORDER: tuple[Verdict, ...] = get_args(Verdict)
_WIDEST = max(map(len, _ORDER))
_STYLES: dict[Verdict, str] = {
    "slower": "bold red", "failed": "bold red", "missing": "red", "inconclusive": "yellow", "faster": "green",
    "new": "cyan", "unavailable": "dim", "same": "dim",
}  # fmt: skip
# of more cases than this, those that are the same are counted and not listed
_LISTED = 40
_MEANS = "BASE and NEW are geometric means over launches, NEW/BASE is their quotient; `scalemark table` shows medians"
_HEADERS = ("BASE", "NEW", "NEW/BASE", "90 % interval", "launches")


def render(table: CompareTable, format_: str) -> str:
    """The verdicts as ``text``, ``csv``, ``json`` or ``markdown``. Programs get the fields of `Comparison`."""
    if format_ == "json":
        return structs(table.rows)
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
    cases, launches = units.counted(result.cases, "case"), units.counted(result.launches_a_side, "launch")
    return "\n".join(
        [
            f"{result.name}: identical code, split in two {result.splits} times; {cases}, {launches} a side or more, "
            f"threshold {units.percent(result.threshold)}",
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
    names = CaseNames(table.rows)
    if table.differences:
        parts += [Text("what differs", style="bold"), _differences(table.differences), Text()]
    shown = _shown(table.rows)
    with_ratio = [row for row in shown if row.ratio is not None]
    if with_ratio:
        parts += [*_verdicts(with_ratio, table, names), Text()]
    unjudged = [row for row in shown if row.low is None]
    if unjudged:
        parts += [_reasons(unjudged, names), Text()]
    told = [*footnotes(with_ratio), *shared_by_kernel(table.rows)]
    if told:
        parts += [*(Text(line, style="dim") for line in told), Text()]
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


def _verdicts(rows: Sequence[Comparison], table: CompareTable, names: CaseNames) -> list[Text]:
    """A line a case, its name last and never broken, its id where there is room; what else is said follows below."""
    cells = [_numbers(row, table) for row in rows]
    widths = [max(map(len, column)) for column in zip(_HEADERS, *cells, strict=True)]
    head, *numbers = ("  ".join(map(str.rjust, line, widths)) for line in [_HEADERS, *cells])
    cases = names.with_ids(rows, Console().width - _WIDEST - len(head) - 4)
    lines = [Text("  ".join(["verdict".ljust(_WIDEST), head, "case"]), style="bold")]
    for row, told, case in zip(rows, numbers, cases, strict=True):
        verdict = (row.verdict.ljust(_WIDEST), _STYLES[row.verdict])
        lines.append(Text.assemble(verdict, f"  {told}  {case}"))
        if row.message and row.low is not None:
            lines.append(Text(" " * (_WIDEST + 2) + row.message, style="dim"))
    for line in lines:
        line.no_wrap, line.overflow = True, "ignore"
    return lines


def _reasons(rows: Sequence[Comparison], names: CaseNames) -> Table:
    """Cases that could not be judged, brought together by their reason."""
    found: dict[tuple[Verdict, str], list[Comparison]] = {}
    for row in rows:
        found.setdefault((row.verdict, row.message), []).append(row)
    grid = Table.grid(padding=(0, 2, 0, 0))
    for (verdict, message), cases in found.items():
        told = Text.assemble(message, ("\n" + names.some(cases), "dim"))
        grid.add_row(Text(verdict, style=_STYLES[verdict]), Text(f"{len(cases):,}"), told)
    return grid


def footnotes(rows: Sequence[Comparison]) -> list[str]:
    """What has to be known of the numbers of these rows."""
    means = [_MEANS] if any(max(row.base_launches, row.new_launches) > 1 for row in rows) else []
    times = ((value, row.resolution_s, row.timer_cost_s) for row in rows for value in (row.base, row.new))
    return [*means, *coarse_clock(times)]


def _markdown(table: CompareTable) -> str:
    """A comment for a pull request: the sum first, what needs eyes in a table, the rest folded away."""
    names = CaseNames(table.rows)
    parts = [
        f"**scalemark: {summarise(table) or 'no cases'}** "
        f"({table.metric} of `{table.new}` against `{table.base}`, threshold {units.percent(table.threshold)})"
    ]
    if table.differences:
        parts.append("\n".join(f"- differs: {tell_difference(item)}" for item in table.differences))
    shown = _shown(table.rows)
    if shown:
        parts.append(_rows(shown, table, names))
    parts += footnotes(table.rows)
    if len(shown) < len(table.rows):
        same = [row for row in _sorted(table.rows) if row.verdict == "same"]
        parts.append(_folded(f"{len(same):,} same", _rows(same, table, names)))
    if told := shared_by_kernel(table.rows):
        parts.append(_folded("what all cases of a kernel share", "\n".join(f"- {line}" for line in told)))
    return "\n\n".join(parts)


def _rows(rows: Sequence[Comparison], table: CompareTable, names: CaseNames) -> str:
    headers = ["verdict", "case", *map(str.lower, _HEADERS), "remark", "id"]
    cells = []
    for row in rows:
        name = names.of(row)
        id_ = "" if row.case_id in name else f"`{row.case_id}`"
        cells.append(dict(zip(headers, [row.verdict, name, *_numbers(row, table), row.message, id_], strict=True)))
    return render_rows(cells, "markdown")


def _folded(title: str, body: str) -> str:
    return f"<details><summary>{title}</summary>\n\n{body}\n\n</details>"


def _shown(rows: Sequence[Comparison]) -> list[Comparison]:
    return [row for row in _sorted(rows) if row.verdict != "same" or len(rows) <= _LISTED]


def _sorted(rows: Sequence[Comparison]) -> list[Comparison]:
    """The worst verdicts first, and of one verdict the largest changes."""
    return sorted(rows, key=lambda row: (_ORDER.index(row.verdict), -abs((row.ratio or 1) - 1), place(row)))


def _numbers(row: Comparison, table: CompareTable) -> list[str]:
    """What stands below `_HEADERS`."""
    interval = f"{row.low:.3f} to {row.high:.3f}" if row.low is not None and row.high is not None else ""
    launches = dict.fromkeys(f"{count:,}" for count in (row.base_launches, row.new_launches))
    return [
        _value(row.base, row, table),
        _value(row.new, row, table),
        "" if row.ratio is None else f"{row.ratio:.3f}",
        interval if row.ratio is None or interval else "cannot be judged",
        " and ".join(launches),
    ]


def _value(value: float | None, row: Comparison, table: CompareTable) -> str:
    if value is None:
        return ""
    if table.metric != TIME:
        return units.quantity(value)
    return coarsely(units.duration(value), row.is_near_clock(value))
