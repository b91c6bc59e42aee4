"""A plot as data, before it is drawn: the page draws it as SVG, `scalemark report --format pdf` with matplotlib."""

from __future__ import annotations

import math
import re
from collections.abc import Callable, Iterable, Sequence
from typing import Literal

import msgspec
from msgspec import Struct

# what a reference line stands for, which decides how it is drawn
Role = Literal["ideal", "law", "bound", "segment"]
# room beside the outermost values, as a share of the axis
_MARGIN = 0.06
# between the dots of two backends at the same place, likewise
_STEP = 0.014
# the most of them that stand beside one another without touching
_MEASURED_TICKS = 7
# decimals that say nothing, behind those that do
_ZEROS = re.compile(r"(?:\.|(\.\d*?[1-9]))0+(?!\d)")


class Axis(Struct, frozen=True, kw_only=True):
    """``low`` to ``high`` in the plot's own units, logarithmic or not, with the ticks and their texts."""

    label: str
    low: float
    high: float
    ticks: list[tuple[float, str]]
    is_log: bool = False

    def place(self, value: float) -> float:
        """Where a value lies, 0 at ``low`` and 1 at ``high``."""
        if self.is_log:
            return math.log(value / self.low) / math.log(self.high / self.low)
        return (value - self.low) / (self.high - self.low)


class Dot(Struct, frozen=True, kw_only=True):
    """A measured point; ``low`` and ``high`` enclose its y with 95 % probability. ``tip`` says it in words."""

    x: float
    y: float
    low: float | None = None
    high: float | None = None
    tip: str = ""


class Dots(Struct, frozen=True, kw_only=True):
    """Measured points of one backend, joined by a line unless they are not a series."""

    backend: str
    dots: list[Dot]
    joined: bool = True


class Curve(Struct, frozen=True, kw_only=True):
    """A reference line, of one backend or (``backend`` empty) of all."""

    role: Role
    points: list[tuple[float, float]]
    backend: str = ""
    tip: str = ""


class Area(Struct, frozen=True, kw_only=True):
    """A filled outline that stands for the samples of one case."""

    backend: str
    outline: list[tuple[float, float]]
    tip: str = ""


Mark = Dots | Curve | Area


class Plot(Struct, frozen=True, kw_only=True):
    """``name`` is unique within a report and fit for a file; ``is_wide`` plots have a row for each case."""

    name: str
    title: str
    x: Axis
    y: Axis
    marks: list[Mark]
    is_wide: bool = False


def log_axis(label: str, values: Iterable[float], tell: Callable[[float], str]) -> Axis:
    """A logarithmic axis around positive values, with ticks at 1, 2 and 5 or, over many decades, at powers of ten."""
    found = [value for value in values if value > 0] or [1.0]
    low, high = min(found), max(found)
    room = max((high / low) ** _MARGIN, 1.15)
    low, high = low / room, high * room
    decades = math.log10(high / low)
    step = max(1, round(decades / 5))
    factors = (1, 2, 5) if decades < 1.6 else (1, 3) if decades < 3 else (1,)
    powers = range(math.floor(math.log10(low)) - step, math.ceil(math.log10(high)) + step + 1)
    places = [factor * 10.0**power for power in powers for factor in factors if power % step == 0]
    ticks = [value for value in places if low <= value <= high]
    if len(ticks) < 2:
        low, high = max(value for value in places if value <= low), min(value for value in places if value >= high)
        ticks = [low, *(value for value in places if low < value < high), high]
    texts = [_ZEROS.sub(r"\1", tell(value)) for value in ticks]
    return Axis(label=label, low=low, high=high, ticks=list(zip(ticks, texts, strict=True)), is_log=True)


def linear_axis(label: str, low: float, high: float, tell: Callable[[float], str]) -> Axis:
    """An axis with about five ticks at multiples of 1, 2 or 5 times a power of ten."""
    rough = (high - low) / 5
    power = 10.0 ** math.floor(math.log10(rough))
    step = min((factor * power for factor in (1, 2, 5, 10)), key=lambda value: abs(value - rough))
    values = [index * step for index in range(math.ceil(low / step), math.floor(high / step) + 1)]
    return Axis(label=label, low=low, high=high, ticks=[(value, tell(value)) for value in values])


def measured_axis(label: str, values: Iterable[float], tell: Callable[[float], str]) -> Axis:
    """A logarithmic axis with a tick at every measured value, as far as they have room; the last always has one."""
    found = sorted(set(values))
    room = max((found[-1] / found[0]) ** _MARGIN, 1.15)
    step = math.ceil(len(found) / _MEASURED_TICKS)
    shown = found[::-1][::step]
    return Axis(
        label=label,
        low=found[0] / room,
        high=found[-1] * room,
        ticks=[(value, tell(value)) for value in reversed(shown)],
        is_log=True,
    )


def rows_axis(labels: Sequence[str]) -> Axis:
    """An axis of rows, the first on top."""
    return Axis(
        label="", low=len(labels) - 0.4, high=-0.9, ticks=[(float(index), label) for index, label in enumerate(labels)]
    )


def side_by_side(marks: Sequence[Mark], axis: Axis) -> list[Mark]:
    """The marks with each backend's dots moved a little along a logarithmic axis, so that no interval hides another."""
    count = sum(isinstance(mark, Dots) for mark in marks)
    moved: list[Mark] = []
    place = -(count - 1) / 2
    for mark in marks:
        if isinstance(mark, Dots):
            factor = (axis.high / axis.low) ** (place * min(_STEP, 0.08 / count))
            dots = [msgspec.structs.replace(dot, x=dot.x * factor) for dot in mark.dots]
            moved.append(msgspec.structs.replace(mark, dots=dots))
            place += 1
        else:
            moved.append(mark)
    return moved
