"""How a kernel's time grows with its parameters: a plot each, at the most ranks."""

from __future__ import annotations

from collections.abc import Sequence

from harness.analyse.scaling import TableRow
from harness.present import units
from harness.present.naming import parameter_names
from harness.present.report.content import Section
from harness.present.report.plots import Dot, Dots, Mark, Plot, log_axis, measured_axis, side_by_side
from harness.present.report.scaling_plots import describe

# fewer values of a parameter are no curve
_FEWEST = 3


def parameter_plots(section: Section) -> list[Plot]:
    """Time over every positive number among the parameters that takes several values while all else stays."""
    rows = [row for row in section.rows if row.counts and row.median_s]
    most = max((row.ranks for row in rows), default=0)
    plots: list[Plot] = []
    for name in parameter_names(rows):
        for group in _groups([row for row in rows if row.ranks == most], name):
            plots.append(_plot(section, group, name, f"{section.anchor}.{name}.{len(plots)}"))
    return plots


def _groups(rows: Sequence[TableRow], name: str) -> list[list[TableRow]]:
    """Rows that differ in the parameter, the backend and the stack only, where the parameter takes enough values."""
    found: dict[tuple[object, ...], list[TableRow]] = {}
    for row in rows:
        if _number(row, name) > 0:
            others = [f"{key}={value}" for key, value in row.parameters.items() if key != name]
            found.setdefault((row.nodes, row.threads, row.device, *others), []).append(row)
    return [group for group in found.values() if len({_number(row, name) for row in group}) >= _FEWEST]


def _plot(section: Section, rows: Sequence[TableRow], name: str, plot_name: str) -> Plot:
    marks: list[Mark] = []
    for backend in section.backends:
        own = sorted((row for row in rows if section.backend_of(row) == backend), key=lambda row: _number(row, name))
        dots = [
            Dot(x=_number(row, name), y=row.median_s, low=row.low_s, high=row.high_s, tip=_describe(row, backend, name))
            for row in own
            if row.median_s
        ]
        if dots:
            marks.append(Dots(backend=backend, dots=dots))
    points = [dot for mark in marks if isinstance(mark, Dots) for dot in mark.dots]
    axis = measured_axis(
        name.replace("_", " "), [dot.x for dot in points], lambda value: units.parameter(name, _whole(value))
    )
    ranks = units.counted(rows[0].ranks, "rank")
    return Plot(
        name=plot_name,
        title=f"Time of a step over {name.replace('_', ' ')}, {ranks}",
        x=axis,
        y=log_axis("time", [dot.y for dot in points], units.duration),
        marks=side_by_side(marks, axis),
    )


def _number(row: TableRow, name: str) -> float:
    """The parameter's value, 0 where it is no number."""
    value = row.parameters.get(name)
    return float(value) if isinstance(value, int | float) and not isinstance(value, bool) else 0.0


def _whole(value: float) -> float:
    return int(value) if value.is_integer() else value


def _describe(row: TableRow, backend: str, name: str) -> str:
    return f"{describe(row, backend)}\n{name} {units.parameter(name, row.parameters[name])}"
