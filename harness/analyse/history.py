"""The history of a kernel: its cases over commits or dates, cut into segments where they changed."""

from __future__ import annotations

import math
from collections import defaultdict
from collections.abc import Iterable, Sequence
from itertools import pairwise
from typing import Any, Literal

from msgspec import Struct

from harness.analyse.change_points import change_at, find_changes
from harness.analyse.circumstances import describe_machine
from harness.analyse.side import TIME, Outcome, Side, log_value
from harness.case import Case, CaseColumns, Synchronisation
from kernels.api import InputError
from kernels.explain import suggest

By = Literal["commit", "date"]
# what a launch says, and its environment
_Measured = tuple[Outcome, dict[str, Any]]


class Point(Struct, frozen=True):
    """What was measured of a case at one commit or on one day; ``logs`` are the logarithms of the launches' values."""

    label: str
    when: str
    logs: list[float]

    @property
    def value(self) -> float:
        """The geometric mean over launches."""
        return math.exp(math.fsum(self.logs) / len(self.logs))


class Segment(Struct, frozen=True, kw_only=True):
    """Points between two changes. ``ratio`` is its value over that of the segment before, with a 90 % interval.

    The change came after ``changed_after`` (the last point of the segment before) and not later than ``first``.
    """

    first: str
    last: str
    when: str
    points: int
    launches: int
    value: float
    changed_after: str = ""
    ratio: float | None = None
    low: float | None = None
    high: float | None = None


class CaseHistory(CaseColumns, frozen=True, kw_only=True):
    """One case in one stack, its ranks synchronised in one way, over time.

    ``left_out`` says what was not comparable with the newest launch.
    """

    stack: str
    synchronisation: Synchronisation = "barrier"
    points: list[Point]
    segments: list[Segment]
    is_worse: bool
    left_out: str = ""


def make_history(
    sides: Sequence[Side], kernel: str, threshold: float = 0.05, metric: str = TIME, by: By = "commit"
) -> list[CaseHistory]:
    """What `find_histories` finds; raises `InputError` when that is nothing."""
    histories = find_histories(sides, kernel, threshold, metric, by)
    if not histories:
        names = ", ".join(side.name for side in sides)
        others = {case.kernel for side in sides for case in side.cases.values()} - {kernel}
        told = f"; {suggest(kernel, sorted(others))}" if others else ""
        raise InputError(f"{names}: no finished launch of kernel {kernel!r} with {metric}{told}")
    return histories


def find_histories(
    sides: Sequence[Side], kernel: str, threshold: float = 0.05, metric: str = TIME, by: By = "commit"
) -> list[CaseHistory]:
    """The histories of all cases of a kernel that any side holds.

    Of launches that lie in several sides (a baseline is a copy) one counts.
    """
    found: dict[tuple[str, str, Synchronisation], dict[tuple[str, str], _Measured]] = defaultdict(dict)
    cases: dict[str, Case] = {}
    for side in sides:
        for case_id, outcomes in side.outcomes.items():
            if side.cases[case_id].kernel == kernel:
                cases[case_id] = side.cases[case_id]
                for outcome in outcomes:
                    launch = (outcome.sweep, outcome.run_id)
                    measured = (outcome, side.environments[outcome.environment])
                    found[case_id, outcome.stack, outcome.synchronisation][launch] = measured
    higher = next((side.better for side in sides if side.better != "neither"), "lower") == "higher"
    histories = [
        _make_case(cases[case_id], stack, way, launches.values(), threshold, higher, by)
        for (case_id, stack, way), launches in sorted(found.items())
    ]
    return [history for history in histories if history.points]


def _make_case(
    case: Case,
    stack: str,
    synchronisation: Synchronisation,
    found: Iterable[_Measured],
    threshold: float,
    higher_is_better: bool,
    by: By,
) -> CaseHistory:
    launches = [item for item in found if log_value(item[0]) is not None and item[0].is_right]
    comparable = _like_newest(launches)
    points = _make_points(comparable, by)
    segments = _cut([point.logs for point in points], points, math.log1p(threshold))
    newest = segments[-1] if segments else None
    worse = newest is not None and newest.ratio is not None and (newest.ratio < 1) == higher_is_better
    dropped = len(launches) - len(comparable)
    return CaseHistory(
        **case.describe(),
        stack=stack,
        synchronisation=synchronisation,
        points=points,
        segments=segments,
        is_worse=worse,
        left_out=f"{dropped} launch{'es' * (dropped > 1)} of another machine or kernel version" if dropped else "",
    )


def _like_newest(launches: Sequence[_Measured]) -> list[_Measured]:
    """The launches on the newest one's machine and of its kernel version: a series of anything else would lie.

    Unknown machines are taken to be the same, as `compare` does.
    """
    if not launches:
        return []
    newest, environment = max(launches, key=lambda item: item[0].ended)
    here = describe_machine(environment)
    return [
        (outcome, where)
        for outcome, where in launches
        if outcome.kernel_version == newest.kernel_version and (not here or describe_machine(where) in ("", here))
    ]


def _make_points(launches: Iterable[_Measured], by: By) -> list[Point]:
    """Launches of one label together, in the order of each label's first launch."""
    points: dict[str, Point] = {}
    for outcome, environment in sorted(launches, key=lambda item: (item[0].ended, item[0].run_id)):
        label = _label(outcome, environment, by)
        point = points.setdefault(label, Point(label, outcome.ended, []))
        log = log_value(outcome)
        if log is not None:
            point.logs.append(log)
    return list(points.values())


def _label(outcome: Outcome, environment: dict[str, Any], by: By) -> str:
    """The commit in ten digits, with a mark when the checkout was dirty; without a commit, or by date, the day."""
    code = environment.get("code") or {}
    commit = str(code.get("commit") or "")
    if by == "commit" and commit:
        return commit[:10] + ("+" if code.get("dirty") else "")
    return outcome.ended[:10] or "undated"


def _cut(logs: Sequence[Sequence[float]], points: Sequence[Point], threshold: float) -> list[Segment]:
    if not points:
        return []
    borders = [0, *find_changes(logs, threshold), len(points)]
    segments = []
    for index, (start, stop) in enumerate(pairwise(borders)):
        inside = points[start:stop]
        values = [value for point in inside for value in point.logs]
        change = change_at(logs, borders[index - 1], start, stop) if index else None
        low, high = change.interval() if change else (None, None)
        segments.append(
            Segment(
                first=inside[0].label,
                last=inside[-1].label,
                when=inside[0].when,
                points=len(inside),
                launches=len(values),
                value=math.exp(math.fsum(values) / len(values)),
                changed_after=points[start - 1].label if index else "",
                ratio=change.value if change else None,
                low=low,
                high=high,
            )
        )
    return segments
