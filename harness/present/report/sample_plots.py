"""What lies behind the medians: how samples are distributed, and whether the ranks were as fast as one another."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np

from harness.analyse.distribution import CaseSamples
from harness.analyse.scaling import TableRow
from harness.present import units
from harness.present.report.content import Section
from harness.present.report.plots import Area, Curve, Dot, Dots, Mark, Plot, linear_axis, log_axis, rows_axis
from harness.statistics import quantile_of_sorted

_BINS = 72
# height of the highest distribution, in rows
_HEIGHT = 0.82
# samples further from the median than these factors stand at the edge of the plot
_LEAST, _MOST = 1 / 8, 32.0


def sample_plots(section: Section) -> list[Plot]:
    """The distribution of every case's samples and, where cases have several ranks, the ranks' shares of the time."""
    found = [(row, section.samples[row.key]) for row in section.rows if row.key in section.samples]
    spread = [(row, samples) for row, samples in found if row.median_s]
    uneven = [(row, samples) for row, samples in found if samples.rank_shares]
    return [
        *([_distributions(section, spread)] if spread else []),
        *([_imbalance(section, uneven)] if uneven else []),
    ]


def _distributions(section: Section, cases: Sequence[tuple[TableRow, CaseSamples]]) -> Plot:
    """Histograms over the logarithm of a sample's time over its case's median, each as high as any other."""
    ratios = [np.clip(samples.ordered_s / row.median_s, _LEAST, _MOST) for row, samples in cases if row.median_s]
    outermost = [quantile_of_sorted(values, share) for values in ratios for share in (0.005, 0.995)]
    axis = log_axis(
        "sample's time over its case's median (what lies further out stands at the edge)",
        [0.8, 1.25, *outermost],
        units.ratio,
    )
    edges = np.geomspace(axis.low, axis.high, _BINS + 1)
    marks: list[Mark] = [Curve(role="ideal", points=[(1.0, -0.9), (1.0, len(cases) - 0.4)], tip="the case's median")]
    for index, ((row, samples), values) in enumerate(zip(cases, ratios, strict=True)):
        counts, _ = np.histogram(np.clip(values, axis.low, axis.high), edges)
        backend = section.backend_of(row)
        outline = _outline(edges, index + 0.3 - _HEIGHT * counts / counts.max(), index + 0.3)
        marks.append(Area(backend=backend, outline=outline, tip=_describe(section, row, samples)))
    return Plot(
        name=f"{section.anchor}.samples",
        title="Distribution of the samples",
        x=axis,
        y=rows_axis([_label(section, row) for row, _ in cases]),
        marks=marks,
        is_wide=True,
    )


def _outline(edges: np.ndarray, tops: np.ndarray, floor: float) -> list[tuple[float, float]]:
    """A staircase over the bins that are not empty at either end; equal steps are one."""
    occupied = np.flatnonzero(tops < floor)
    first, last = int(occupied[0]), int(occupied[-1])
    points = [(float(edges[first]), floor)]
    for index in range(first, last + 1):
        if tops[index] != points[-1][1]:
            points += [(float(edges[index]), points[-1][1]), (float(edges[index]), float(tops[index]))]
    return [*points, (float(edges[last + 1]), points[-1][1]), (float(edges[last + 1]), floor)]


def _describe(section: Section, row: TableRow, samples: CaseSamples) -> str:
    quantiles = {"min": 0.0, "5 %": 0.05, "median": 0.5, "95 %": 0.95, "p99": 0.99, "max": 1.0}
    told = [
        f"{name} {units.duration(quantile_of_sorted(samples.ordered_s, share))}" for name, share in quantiles.items()
    ]
    launches = ", ".join(units.duration(value) for value in row.launch_median_s[:8])
    counts = f"{units.counted(row.launches, 'launch')}, {units.counted(row.samples, 'sample')}"
    return "\n".join([_label(section, row), ", ".join(told), f"launches' medians: {launches}", counts])


def _imbalance(section: Section, cases: Sequence[tuple[TableRow, CaseSamples]]) -> Plot:
    """A dot a rank; all of them at 1 would be even."""
    shares = [share for _, samples in cases for share in samples.rank_shares]
    reach = max(0.02, *(abs(share - 1) for share in shares)) * 1.08
    marks: list[Mark] = [Curve(role="ideal", points=[(1.0, -0.9), (1.0, len(cases) - 0.4)], tip="the mean rank")]
    for index, (row, samples) in enumerate(cases):
        label = _label(section, row)
        dots = [
            Dot(x=share, y=index, tip=f"{label}\nrank {rank}: {units.percent(share)} of the mean rank's time")
            for rank, share in enumerate(samples.rank_shares)
        ]
        marks.append(Dots(backend=section.backend_of(row), dots=dots, joined=False))
    return Plot(
        name=f"{section.anchor}.ranks",
        title="Imbalance: each dot is a rank",
        x=linear_axis(
            "rank's median time over the mean rank's", 1 - reach, 1 + reach, lambda share: f"{100 * share:g} %"
        ),
        y=rows_axis([_label(section, row) for row, _ in cases]),
        marks=marks,
        is_wide=True,
    )


def _label(section: Section, row: TableRow) -> str:
    """A case in a row's few words."""
    problem = section.problem_of(row)
    ranks = units.counted(row.ranks, "rank")
    return ", ".join(filter(None, [section.backend_of(row), problem, ranks]))
