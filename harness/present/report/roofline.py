"""The roofline: how fast a kernel computes for what it moves (Williams, Waterman and Patterson, CACM 52, 2009)."""

from __future__ import annotations

from collections.abc import Sequence

from harness.analyse.scaling import TableRow
from harness.present import units
from harness.present.report.content import Section
from harness.present.report.plots import Curve, Dot, Dots, Mark, Plot, log_axis
from harness.present.report.scaling_plots import describe


def roofline(section: Section) -> list[Plot]:
    """One plot, of a rank's flop/s over flop a byte with the roof, where both are counted and some bound is known."""
    rows = [row for row in section.rows if row.counts and row.median_s and _intensity(row)]
    roof = _roof(section, rows)
    if not roof:
        return []
    marks: list[Mark] = [Curve(role="bound", points=roof, tip="the roof: memory bandwidth, then arithmetic")]
    for backend in section.backends:
        dots = [
            Dot(
                x=_intensity(row),
                y=row.work.flops / row.median_s,
                tip=_describe(row, backend, row.work.flops / row.median_s),
            )
            for row in rows
            if section.backend_of(row) == backend and row.work and row.median_s
        ]
        marks.append(Dots(backend=backend, dots=dots, joined=False))
    points = [(dot.x, dot.y) for mark in marks if isinstance(mark, Dots) for dot in mark.dots] + roof
    return [
        Plot(
            name=f"{section.anchor}.roofline",
            title="Roofline of a rank",
            x=log_axis("flop a byte of memory traffic", [x for x, _ in points], units.significant),
            y=log_axis("flop/s", [y for _, y in points], units.quantity),
            marks=marks,
        )
    ]


def _describe(row: TableRow, backend: str, rate: float) -> str:
    place = f"{units.quantity(rate, 'flop/s')} a rank at {units.significant(_intensity(row))} flop a byte"
    return f"{describe(row, backend)}\n{place}"


def _intensity(row: TableRow) -> float:
    """Floating-point operations a byte moved through memory; 0 where either is not counted."""
    return row.work.flops / row.work.memory_bytes if row.work and row.work.memory_bytes else 0.0


def _roof(section: Section, rows: Sequence[TableRow]) -> list[tuple[float, float]]:
    """Flop/s over intensity: the highest of the cases' roofs, for ranks share memory and data fit caches."""
    bandwidth = peak = 0.0
    for row in rows:
        samples = section.samples.get(row.key)
        limits_s = samples.limits_s if samples else {}
        if row.work and limits_s.get("memory_s"):
            bandwidth = max(bandwidth, row.work.memory_bytes / limits_s["memory_s"])
        if row.work and limits_s.get("compute_s"):
            peak = max(peak, row.work.flops / limits_s["compute_s"])
    if not (peak or bandwidth):
        return []
    intensities = [_intensity(row) for row in rows]
    corners = {min(intensities) / 2, max(intensities) * 2, *([peak / bandwidth] if peak and bandwidth else [])}
    return [(x, min(rate for rate in (x * bandwidth, peak) if rate)) for x in sorted(corners)]
