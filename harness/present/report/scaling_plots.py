"""How a kernel scales: time and efficiency over ranks, a pair of plots a problem."""

from __future__ import annotations

from collections.abc import Sequence
from itertools import groupby
from operator import attrgetter

from harness.analyse.laws.curve import law_curve
from harness.analyse.scaling import TableRow
from harness.present import units
from harness.present.analysis import describe_law
from harness.present.report.content import Section
from harness.present.report.plots import Axis, Curve, Dot, Dots, Mark, Plot, log_axis, measured_axis, side_by_side

# an interval may widen the axis of times by at most this factor beyond the points
_WIDEST = 3.0
# efficiencies beyond this leave the plot
_MOST_EFFICIENT = 3.0


def scaling_plots(section: Section) -> list[Plot]:
    """Two plots for each problem that was measured on several numbers of ranks; the second where there is a base."""
    plots: list[Plot] = []
    for number, (_, group) in enumerate(groupby(section.rows, key=attrgetter("problem"))):
        rows = [row for row in group if row.counts]
        if len({row.ranks for row in rows}) < 2:
            continue
        plots.append(_times(section, rows, f"{section.anchor}.time.{number}"))
        if any(row.efficiency is not None for row in rows):
            plots.append(_efficiencies(section, rows, f"{section.anchor}.efficiency.{number}"))
    return plots


def describe(row: TableRow, backend: str) -> str:
    """A row in a few lines."""
    lines = [f"{backend}, {units.counted(row.ranks, 'rank')}"]
    if row.median_s is not None:
        lines.append(f"{units.duration(row.median_s)}{_interval(row)}")
    if row.speedup is not None and row.efficiency is not None:
        lines.append(f"speed-up {units.ratio(row.speedup)}, efficiency {units.percent(row.efficiency)}")
    if row.rate is not None:
        lines.append(units.quantity(row.rate, row.rate_unit))
    if row.bound and row.fraction_of_bound is not None:
        lines.append(f"{units.percent(row.fraction_of_bound)} of the {row.bound} bound")
    counts = f"{units.counted(row.launches, 'launch')}, {units.counted(row.samples, 'sample')}"
    return "\n".join([*lines, counts])


def efficiency_interval(row: TableRow) -> tuple[float, float] | None:
    """What encloses the efficiency with 95 % probability; None where it is not known."""
    if row.speedup_low is None or row.speedup_high is None or not row.speedup or row.efficiency is None:
        return None
    share = row.efficiency / row.speedup
    return row.speedup_low * share, row.speedup_high * share


def _interval(row: TableRow) -> str:
    if row.low_s is None or row.high_s is None:
        return ""
    return f"  [{units.duration(row.low_s)} … {units.duration(row.high_s)}]"


def _times(section: Section, rows: Sequence[TableRow], name: str) -> Plot:
    marks: list[Mark] = []
    for backend, group in _by_backend(section, rows):
        marks += _reference_curves(section, backend, group)
        dots = [
            Dot(x=row.ranks, y=row.median_s, low=row.low_s, high=row.high_s, tip=describe(row, backend))
            for row in group
            if row.median_s
        ]
        marks.append(Dots(backend=backend, dots=dots))
    ranks = _ranks_axis(rows)
    return Plot(
        name=name,
        title=": ".join(filter(None, ["Time of a step", section.problem_of(rows[0])])),
        x=ranks,
        y=log_axis("time", _shown_times(marks), units.duration),
        marks=side_by_side(sorted(marks, key=lambda mark: isinstance(mark, Dots)), ranks),
    )


def _reference_curves(section: Section, backend: str, rows: Sequence[TableRow]) -> list[Curve]:
    """Ideal scaling from the base, the fitted law, and the least time that the machine allows."""
    # without loss, what took so long would have taken its efficient share of it
    ideal = [(float(row.ranks), row.median_s * row.efficiency) for row in rows if row.median_s and row.efficiency]
    bound = [
        (float(row.ranks), row.median_s * row.fraction_of_bound)
        for row in rows
        if row.median_s and row.fraction_of_bound
    ]
    curves = [
        Curve(role="ideal", points=ideal, backend=backend, tip=f"{backend}: ideal scaling from its fewest ranks"),
        Curve(role="bound", points=bound, backend=backend, tip=f"{backend}: the least time this machine allows"),
    ]
    for law in section.laws:
        if law.line == rows[0].line:
            tip = f"{backend}: {describe_law(law)}"
            curves.append(Curve(role="law", points=law_curve(law, rows), backend=backend, tip=tip))
    return [curve for curve in curves if len(curve.points) > 1]


def _efficiencies(section: Section, rows: Sequence[TableRow], name: str) -> Plot:
    marks: list[Mark] = []
    most = 1.0
    for backend, group in _by_backend(section, rows):
        dots = []
        for row in group:
            if row.efficiency is not None:
                low, high = efficiency_interval(row) or (None, None)
                dots.append(Dot(x=row.ranks, y=row.efficiency, low=low, high=high, tip=describe(row, backend)))
                most = max(most, row.efficiency, min(high or 0.0, 1.5 * row.efficiency))
        marks.append(Dots(backend=backend, dots=dots))
    ranks = _ranks_axis(rows)
    high = min(1.06 * most, _MOST_EFFICIENT)
    step = 0.25 if high <= 1.5 else 0.5
    ticks = [(index * step, f"{100 * index * step:.0f} %") for index in range(int(high / step) + 1)]
    ideal = Curve(role="ideal", points=[(ranks.low, 1.0), (ranks.high, 1.0)], tip="no loss")
    return Plot(
        name=name,
        title=": ".join(filter(None, ["Efficiency", section.problem_of(rows[0])])),
        x=ranks,
        y=Axis(label="efficiency", low=0.0, high=high, ticks=ticks),
        marks=[ideal, *side_by_side(marks, ranks)],
    )


def _by_backend(section: Section, rows: Sequence[TableRow]) -> list[tuple[str, list[TableRow]]]:
    """The rows of each backend's series, ranks growing, of a number of ranks the one on the fewest nodes."""
    found: dict[str, dict[int, TableRow]] = {}
    for row in sorted(rows, key=attrgetter("nodes")):
        found.setdefault(section.backend_of(row), {}).setdefault(row.ranks, row)
    return [
        (backend, sorted(found[backend].values(), key=attrgetter("ranks")))
        for backend in section.backends
        if backend in found
    ]


def _ranks_axis(rows: Sequence[TableRow]) -> Axis:
    """The axis of the rows' ranks."""
    return measured_axis("ranks", (float(row.ranks) for row in rows), lambda value: f"{value:,.0f}")


def _shown_times(marks: Sequence[Mark]) -> list[float]:
    times_s = []
    for mark in marks:
        if isinstance(mark, Dots):
            for dot in mark.dots:
                times_s += [dot.y, max(dot.low or dot.y, dot.y / _WIDEST), min(dot.high or dot.y, dot.y * _WIDEST)]
        elif isinstance(mark, Curve):
            times_s += [y for _, y in mark.points]
    return times_s
