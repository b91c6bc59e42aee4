"""Histories: for people a line that can be taken in at a glance, then the segments; for programs a row a segment."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import msgspec
from rich.console import Console

from harness.analyse.history import CaseHistory, Segment
from harness.analyse.side import TIME
from harness.present import units
from harness.present.naming import CaseNames, place, shared
from harness.present.render import rows as render_rows

_LEVELS = "▁▂▃▄▅▆▇█"
_CHANGE = "│"
# of more cases than this, those that never changed are counted and not listed
_LISTED = 20
_MEANS = "values are geometric means over launches; `scalemark table` shows medians"


def render(histories: Sequence[CaseHistory], metric: str, format_: str) -> str:
    """The histories as ``text``, ``csv``, ``json`` or ``markdown``; but for text, one row a segment."""
    names = CaseNames(histories)
    if format_ != "text":
        return render_rows([row for history in histories for row in _rows(history, names, format_)], format_)
    listed = [item for item in sorted(histories, key=place) if len(item.segments) > 1 or len(histories) <= _LISTED]
    told = [_tell(item, names, metric) for item in listed]
    if len(told) < len(histories):
        told.append(f"{units.counted(len(histories) - len(told), 'case')} without a change, not listed")
    return "\n\n".join([*told, f"{_MEANS}\n{shared(histories)}"])


def sparkline(values: Sequence[float], changes: Sequence[int]) -> str:
    """One block a value, as high as it lies between the smallest and the largest, with a bar before each change."""
    low, high = min(values), max(values)
    step = (high - low) / (len(_LEVELS) - 1) or 1.0
    blocks = [_LEVELS[round((value - low) / step)] for value in values]
    return "".join(_CHANGE + block if index in changes else block for index, block in enumerate(blocks))


def _tell(history: CaseHistory, names: CaseNames, metric: str) -> str:
    values = [point.value for point in history.points]
    changes: list[int] = []
    for segment in history.segments[:-1]:
        changes.append((changes[-1] if changes else 0) + segment.points)
    ends = f"{_value(min(values), metric)} to {_value(max(values), metric)}"
    (name,) = names.with_ids([history], Console().width - len("  WORSE"))
    lines = [
        name + ("  WORSE" if history.is_worse else ""),
        f"  {sparkline(values, changes)}  {ends}",
    ]
    lines += [f"  {_describe(segment, metric)}" for segment in history.segments]
    if history.left_out:
        lines.append(f"  left out: {history.left_out}")
    return "\n".join(lines)


def _describe(segment: Segment, metric: str) -> str:
    span = segment.first if segment.first == segment.last else f"{segment.first} to {segment.last}"
    told = ", ".join(filter(None, [segment.when[:10], units.counted(segment.launches, "launch")]))
    return "  ".join(filter(None, [_value(segment.value, metric), span, f"({told})", tell_change(segment)]))


def tell_change(segment: Segment) -> str:
    """How much a segment differs from the one before, and after what; empty for the first."""
    if segment.ratio is None or segment.low is None or segment.high is None:
        return ""
    change, low, high = (f"{100 * (ratio - 1):+.1f} %" for ratio in (segment.ratio, segment.low, segment.high))
    return f"{change} [{low} … {high}] after {segment.changed_after}"


def _rows(history: CaseHistory, names: CaseNames, format_: str) -> list[dict[str, Any]]:
    newest = len(history.segments) - 1
    return [
        {
            "case_id": history.case_id,
            "stack": history.stack,
            "segment": index,
            **msgspec.structs.asdict(segment),
            "worse": history.is_worse and index == newest,
            **names.columns(history, format_),
        }
        for index, segment in enumerate(history.segments)
    ]


def _value(value: float, metric: str) -> str:
    return units.duration(value) if metric == TIME else units.quantity(value)
