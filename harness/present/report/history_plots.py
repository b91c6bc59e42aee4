"""How cases came to their times: a plot a case over commits or days, with the level of every segment."""

from __future__ import annotations

import math
from collections.abc import Sequence
from itertools import accumulate

from harness.analyse.history import CaseHistory, Point, Segment
from harness.analyse.scaling import TableRow
from harness.present import units
from harness.present.history import tell_change
from harness.present.report.content import Section
from harness.present.report.plots import Axis, Curve, Dot, Dots, Mark, Plot, linear_axis
from harness.statistics import launch_interval

# of a section's cases those that changed most
_MOST_PLOTS = 12
# digits of a commit beneath the axis, and the share of the axis that its text takes
_DIGITS, _TICK_GAP = 7, 0.2
# how far a level reaches beyond its points, and the room at the ends of either axis, as a share of it
_REACH, _ROOM = 0.4, 0.1
# around a single level the axis of times reaches as far, as a share
_LEAST_SPAN = 0.05


def history_plots(section: Section) -> list[Plot]:
    """A plot for each case that was measured at several points, the largest changes first."""
    rows = {(row.case_id, row.stack, row.synchronisation): row for row in section.rows}
    told = sorted(section.histories, key=_change, reverse=True)[:_MOST_PLOTS]
    return [
        _plot(
            history,
            rows[history.case_id, history.stack, history.synchronisation],
            section,
            f"{section.anchor}.history.{number}",
        )
        for number, history in enumerate(told)
    ]


def _change(history: CaseHistory) -> float:
    return max((abs(math.log(segment.ratio)) for segment in history.segments if segment.ratio), default=0.0)


def _plot(history: CaseHistory, row: TableRow, section: Section, name: str) -> Plot:
    backend = section.backend_of(row)
    starts = [0, *accumulate(segment.points for segment in history.segments)]
    marks: list[Mark] = [
        Curve(
            role="segment",
            points=[(start - _REACH, segment.value), (start + segment.points - 1 + _REACH, segment.value)],
            backend=backend,
            tip=describe_change(segment),
        )
        for start, segment in zip(starts, history.segments, strict=False)
    ]
    dots = [_dot(index, point) for index, point in enumerate(history.points)]
    marks.append(Dots(backend=backend, dots=dots, joined=False))
    times_s = [bound for dot in dots for bound in (dot.low, dot.y, dot.high) if bound]
    ranks = units.counted(row.ranks, "rank")
    return Plot(
        name=name,
        title=", ".join(filter(None, [f"History: {backend}", section.problem_of(row), ranks])),
        x=_points_axis(history.points, starts),
        y=_times_axis(times_s),
        marks=marks,
    )


def _dot(index: int, point: Point) -> Dot:
    interval = launch_interval([math.exp(log) for log in point.logs]) if len(point.logs) > 1 else None
    low, high = interval or (None, None)
    launches = units.counted(len(point.logs), "launch")
    tip = "\n".join([point.label, units.duration(point.value), f"{launches}, {point.when[:10]}"])
    # two or three launches may leave an interval of decades, which would flatten all else
    return Dot(x=index, y=point.value, low=max(low, point.value / 2) if low else None,
               high=min(high, point.value * 2) if high else None, tip=tip)  # fmt: skip


def describe_change(segment: Segment) -> str:
    """The level of a segment and, unless it is the first, how much it changed and after what."""
    return ": ".join(filter(None, [f"{units.duration(segment.value)} from {segment.first}", tell_change(segment)]))


def _times_axis(times_s: Sequence[float]) -> Axis:
    """Not from zero: what matters here are changes of some per cent."""
    low, high = min(times_s), max(times_s)
    room = max(_ROOM * (high - low), _LEAST_SPAN * high)
    return linear_axis("time", low - room, high + room, units.duration)


def _points_axis(points: Sequence[Point], starts: Sequence[int]) -> Axis:
    """Points at equal distances; the newest, the oldest and where segments begin are named as far as there is room."""
    last = len(points) - 1
    room = max(_REACH, _ROOM * last)
    chosen: list[int] = []
    for index in (last, 0, *starts[1:-1]):
        if all(abs(index - other) >= _TICK_GAP * (last + 2 * room) for other in chosen):
            chosen.append(index)
    ticks = [(float(index), _short(points[index].label)) for index in sorted(chosen)]
    return Axis(label="commit or day", low=-room, high=last + room, ticks=ticks)


def _short(label: str) -> str:
    """A commit in fewer digits; days stay whole."""
    return label if "-" in label else label[:_DIGITS]
