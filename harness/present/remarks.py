"""What stands around a kernel's table: who is fastest, what all rows share, what went wrong, how to read it."""

from __future__ import annotations

from collections import Counter, defaultdict
from collections.abc import Callable, Sequence
from operator import attrgetter
from statistics import median
from typing import Any

from rich.table import Table
from rich.text import Text

from harness.analyse.laws.choice import fit_laws
from harness.analyse.laws.fitted import FEWEST_POINTS
from harness.analyse.scaling import TableRow
from harness.present import units
from harness.present.analysis import describe_law

LEGEND = (
    "median: of the launches' medians; ±: half its 95 % interval; speed-up and efficiency: against the series' fewest "
    "ranks (base); vs slowest: times as fast as the slowest backend at the same parameters and scale; of bound: the "
    "least time that this machine's limit allows, over the median; ✗: not a result."
)
# case ids told by name below a table, when many share a reason
_NAMED_CASES = 3
# series whose laws stand below a table
_TOLD_LAWS = 6


def differs(rows: Sequence[TableRow], value: Callable[[TableRow], Any]) -> bool:
    """Whether the rows tell more than one value."""
    return any(value(row) != value(rows[0]) for row in rows)


def parameter_names(rows: Sequence[TableRow]) -> list[str]:
    """The names of the rows' parameters, in the kernel's order."""
    return list(dict.fromkeys(name for row in rows for name in row.parameters))


def parameter_of(name: str) -> Callable[[TableRow], Any]:
    """A function from a row to its parameter of that name."""
    return lambda row: row.parameters.get(name)


def fastest_at(rows: Sequence[TableRow]) -> dict[tuple[Any, ...], TableRow]:
    """The fastest backend's row at every point where backends can be told apart: parameters, stack and scale."""
    fastest: dict[tuple[Any, ...], TableRow] = {}
    for row in rows:
        if row.peer_speedup is not None:
            rival = fastest.setdefault(point_of(row), row)
            if row.peer_speedup > (rival.peer_speedup or 0.0):
                fastest[point_of(row)] = row
    return fastest


def point_of(row: TableRow) -> tuple[Any, ...]:
    """Where backends meet."""
    return row.problem, row.stack, row.nodes, row.ranks


def headlines(rows: Sequence[TableRow]) -> list[str]:
    """Which backend is fastest, and how efficient each still is at the most ranks, as far as the rows tell."""
    sentences = []
    winners = Counter(row.backend for row in fastest_at(rows).values())
    if winners:
        points = winners.total()
        told = [f"{name} at {count} of {points} points" for name, count in winners.most_common()]
        sentences.append(f"fastest: {', '.join(told)}")
    most = max((row.ranks for row in rows if row.base_case_id not in (None, row.case_id)), default=0)
    efficiencies = defaultdict(list)
    for row in rows:
        if row.ranks == most and row.efficiency is not None:
            efficiencies[row.backend].append(row.efficiency)
    if efficiencies:
        told = [f"{name} {units.percent(median(found))}" for name, found in efficiencies.items()]
        sentences.append(f"efficiency at {most} ranks: {', '.join(told)}")
    return sentences


def list_figures(row: TableRow) -> Table:
    """A line a figure."""
    lines = Table.grid(padding=(0, 2, 0, 0))
    lines.add_column()
    lines.add_column(justify="right")
    for name, value in row.figures.items():
        lines.add_row(name.replace("_", " "), units.figure(value, row.figure_units[name]))
    return lines


def constants(rows: Sequence[TableRow]) -> str:
    """What all rows share, in the words of the command line's options."""
    first = rows[0]
    parameters = [
        f"{name}={first.parameters[name]}" for name in parameter_names(rows) if not differs(rows, parameter_of(name))
    ]
    scale = [
        f"{name} {getattr(first, name)}"
        for name in ("device", "stack", "nodes", "threads")
        if getattr(first, name) and not differs(rows, attrgetter(name))
    ]
    counts = [f"{name} {_range(rows, name)}" for name in ("launches", "samples")]
    return " · ".join([*filter(None, [" ".join(parameters)]), *scale, *counts])


def laws(rows: Sequence[TableRow]) -> list[str]:
    """A line a series whose points tell a law; `scalemark table --laws` has the intervals, and series beyond a few."""
    ranks: dict[str, set[int]] = defaultdict(set)
    for row in rows:
        ranks[row.series].add(row.ranks)
    long = {series for series, found in ranks.items() if len(found) >= FEWEST_POINTS}
    if len(long) > _TOLD_LAWS:
        return []
    fitted = fit_laws([row for row in rows if row.series in long], replicates=0)
    return [f"{law.series}: {describe_law(law)}" for law in fitted if law.law and law.over == "ranks"]


def reasons(rows: Sequence[TableRow]) -> dict[str, list[str]]:
    """Why rows are bad, each reason with the ids of the cases that it holds for."""
    found: dict[str, list[str]] = {}
    for row in rows:
        if row.is_bad:
            reason = row.message if row.status == "ok" else f"{row.status.replace('_', ' ')}: {row.message}"
            found.setdefault(reason, []).append(row.case_id)
    return found


def beyond_bounds(rows: Sequence[TableRow]) -> list[str]:
    """What to think of cases that are faster than they can be, a line a limit."""
    found: dict[str, list[str]] = defaultdict(list)
    for row in rows:
        if row.beats_bound and row.bound:
            found[row.bound].append(row.case_id)
    return [
        f"! faster than the limit of {bound} allows, so the kernel counts its work wrongly or the machine has changed "
        f"since it was calibrated (`scalemark run calibrate` does so anew): {_name(cases)}"
        for bound, cases in found.items()
    ]


def complaints(rows: Sequence[TableRow]) -> Table:
    """A line for each reason why rows are bad, with the cases that it holds for."""
    lines = Table.grid(padding=(0, 1, 0, 0))
    for reason, cases in reasons(rows).items():
        lines.add_row(Text("✗", style="bold red"), Text.assemble(f"{reason}  ", (_name(cases), "dim")))
    return lines


def _name(cases: Sequence[str]) -> str:
    """The first few case ids, and how many more."""
    more = f" and {len(cases) - _NAMED_CASES} more" if len(cases) > _NAMED_CASES else ""
    return ", ".join(cases[:_NAMED_CASES]) + more


def _range(rows: Sequence[TableRow], name: str) -> str:
    found = [getattr(row, name) for row in rows if row.median_s is not None] or [0]
    return f"{min(found):,}" if min(found) == max(found) else f"{min(found):,} to {max(found):,}"
