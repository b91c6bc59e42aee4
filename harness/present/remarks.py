"""What stands around a kernel's table: who is fastest, what all rows share, what went wrong, how to read it."""

from __future__ import annotations

from collections import Counter, defaultdict
from collections.abc import Container, Iterable, Sequence
from statistics import median
from typing import Any

from rich.table import Table
from rich.text import Text

from harness.analyse.launches import CLOCK_READINGS, CLOCK_STEPS
from harness.analyse.laws.choice import fit_laws
from harness.analyse.laws.fitted import FEWEST_POINTS
from harness.analyse.scaling import TableRow
from harness.present import naming, units
from harness.present.analysis import describe_law, name_series
from harness.present.naming import CaseNames

# of a row without a result, of one that is faster than it can be, and of a time that is near the clock's resolution
MARK, BEYOND, COARSE = "✗", "!", "~"
# by the header of a column
_MEANINGS = {
    "median": "of the launches' medians",
    "±": "half the median's 95 % interval",
    "speed-up": "against the series' fewest ranks (base)",
    "efficiency": "the speed-up over how many times the base's ranks there are",
    "serial": "the serial fraction that the speed-up tells (Karp and Flatt)",
    "vs slowest": "times as fast as the slowest backend at the same parameters and scale",
    "of bound": "the least time that this machine's limit allows, over the median",
    "cv": "coefficient of variation of all samples",
    MARK: "not a result",
}
# the figure of merit that a machine with counters of energy gives every case
ENERGY = "energy"
# series whose laws stand below a table
_TOLD_LAWS = 6


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
    return row.problem, row.stack, row.synchronisation, row.nodes, row.ranks


def headlines(rows: Sequence[TableRow]) -> list[str]:
    """Which backend is fastest, and how efficient each still is at the most ranks, as far as the rows tell."""
    sentences = []
    winners = Counter(row.backend for row in fastest_at(rows).values())
    if winners:
        points = winners.total()
        told = [f"{name} at {count} of {units.counted(points, 'point')}" for name, count in winners.most_common()]
        sentences.append(f"fastest: {', '.join(told)}")
    most = max((row.ranks for row in rows if row.base_case_id not in (None, row.case_id)), default=0)
    efficiencies = defaultdict(list)
    for row in rows:
        # what was measured on one number of ranks alone is its own base
        if row.ranks == most and row.efficiency is not None and row.base_case_id != row.case_id:
            efficiencies[row.backend].append(row.efficiency)
    if efficiencies:
        told = [f"{name} {units.percent(median(found))}" for name, found in efficiencies.items()]
        sentences.append(f"efficiency at {units.counted(most, 'rank')}: {', '.join(told)}")
    return sentences


def legend(headers: Container[str]) -> str:
    """What the columns of these headers mean, and what their mark says of bad rows."""
    return "; ".join(f"{name}: {meaning}" for name, meaning in _MEANINGS.items() if name in headers) + "."


def list_figures(row: TableRow) -> Table:
    """A line a figure."""
    lines = Table.grid(padding=(0, 2, 0, 0))
    lines.add_column()
    lines.add_column(justify="right")
    for name, value in row.figures.items():
        lines.add_row(name.replace("_", " "), units.figure(value, row.figure_units[name]))
    return lines


def constants(rows: Sequence[TableRow]) -> str:
    """What all rows share, in the words of the command line's options, and how much was measured."""
    counts = [f"{name} {_range(rows, name)}" for name in ("launches", "samples")]
    measured = [row for row in rows if row.median_s is not None]
    without_energy = measured and not any(ENERGY in row.figures for row in measured)
    return " · ".join([naming.shared(rows), *counts, *(["energy not measured"] if without_energy else [])])


def laws(rows: Sequence[TableRow]) -> list[str]:
    """A line a series whose points tell a law; `scalemark table --laws` has the intervals, and series beyond a few."""
    ranks: dict[str, set[int]] = defaultdict(set)
    for row in rows:
        ranks[row.series].add(row.ranks)
    long = {series for series, found in ranks.items() if len(found) >= FEWEST_POINTS}
    if len(long) > _TOLD_LAWS:
        return []
    fitted = fit_laws([row for row in rows if row.series in long], replicates=0)
    told = [law for law in fitted if law.law and law.over == "ranks"]
    return [f"{name}: {describe_law(law)}" for name, law in zip(name_series(told, rows), told, strict=True)]


def reasons(rows: Sequence[TableRow]) -> dict[str, list[TableRow]]:
    """Why rows are bad, each reason with the rows that it holds for."""
    found: dict[str, list[TableRow]] = {}
    for row in rows:
        if row.is_bad:
            reason = row.message if row.status == "ok" else f"{row.status.replace('_', ' ')}: {row.message}"
            found.setdefault(reason, []).append(row)
    return found


def footnotes(rows: Sequence[TableRow], headers: Container[str]) -> list[str]:
    """What the marks in columns mean; what they would say of columns that are not shown stands there without them."""
    mark = f"{BEYOND} " if "of bound" in headers else ""
    coarse = coarse_clock((row.median_s, row.resolution_s, row.timer_cost_s) for row in rows)
    return [*(f"{mark}{line}" for line in _beyond_bounds(rows)), *coarse, *_missed_windows(rows)]


def _beyond_bounds(rows: Sequence[TableRow]) -> list[str]:
    """What to think of cases that are faster than they can be, a line a limit."""
    names = CaseNames(rows)
    found: dict[str, list[TableRow]] = defaultdict(list)
    for row in rows:
        if row.beats_bound and row.bound:
            found[row.bound].append(row)

    def without_messages(bound: str) -> str:
        """Ranks of a node may share memory instead."""
        return "or nothing was sent as a message, " if bound.startswith("network") else ""

    return [
        f"faster than the limit of {bound} allows: most likely the machine was busy when it was calibrated "
        f"(`scalemark run calibrate` does so anew), or it has changed since, {without_messages(bound)}"
        f"or the kernel counts its work wrongly: {names.some(cases)}"
        for bound, cases in found.items()
    ]


def coarsely(time: str, is_near_clock: bool) -> str:
    """The time, marked where it is near the clock's resolution."""
    return f"{COARSE} {time}" if is_near_clock else time


def coarse_clock(times_s: Iterable[tuple[float | None, float | None, float | None]]) -> list[str]:
    """What the mark of times near the clock means, as far as there are any.

    Of each time itself, the step of the clock and what a reading of it takes, as far as they are known.
    """
    known = [(time_s, step_s or 0.0, cost_s or 0.0) for time_s, step_s, cost_s in times_s if time_s is not None]
    steps_s = [step_s for time_s, step_s, _ in known if time_s < CLOCK_STEPS * step_s]
    costs_s = [cost_s for time_s, _, cost_s in known if time_s < CLOCK_READINGS * cost_s]
    lines = []
    if steps_s:
        told, share = units.duration(max(steps_s)), f"{100 / CLOCK_STEPS:g} %"
        lines.append(
            f"{COARSE} shorter than {CLOCK_STEPS} steps of the clock ({told}), so samples may be wrong by over {share}"
        )
    if costs_s:
        told, share = units.duration(max(costs_s)), f"{100 / CLOCK_READINGS:g} %"
        lines.append(
            f"{COARSE} shorter than {CLOCK_READINGS} readings of the clock ({told} each): they may be over {share}"
        )
    return lines


def _missed_windows(rows: Sequence[TableRow]) -> list[str]:
    """How many steps did not count, where ranks start in windows."""
    shares = [row.missed_windows for row in rows if row.missed_windows]
    if not shares:
        return []
    most, least = units.percent(max(shares)), units.percent(min(shares))
    told = most if most == least else f"{least} to {most}"
    return [f"{told} of the steps in windows missed theirs, because a rank was late; they do not count"]


def complaints(rows: Sequence[TableRow]) -> Table:
    """A line for each reason why rows are bad, with the cases that it holds for."""
    names = CaseNames(rows)
    lines = Table.grid(padding=(0, 1, 0, 0))
    for reason, cases in reasons(rows).items():
        lines.add_row(Text(MARK, style="bold red"), Text.assemble(f"{reason}  ", (names.some(cases), "dim")))
    return lines


def _range(rows: Sequence[TableRow], name: str) -> str:
    found = [getattr(row, name) for row in rows if row.median_s is not None] or [0]
    return f"{min(found):,}" if min(found) == max(found) else f"{min(found):,} to {max(found):,}"
