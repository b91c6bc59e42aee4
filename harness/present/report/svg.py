"""Plots as SVG within the page. Colours and strokes are classes, so that light, dark and print differ only in CSS."""

from __future__ import annotations

from collections.abc import Mapping
from typing import NamedTuple

from harness.present.report.elements import Markup, element, join
from harness.present.report.plots import Area, Axis, Curve, Dot, Dots, Mark, Plot

# user units of a plot that stands beside others, of one as wide as the page, and of one row of the latter
_WIDTH, _HEIGHT, _WIDE, _ROW = 440, 270, 920, 20
_CHARACTER = 6.1
# marker outlines around 0, 0, so that backends differ not by colour alone
_SHAPES = (
    "m-4 0a4 4 0 1 0 8 0a4 4 0 1 0-8 0z", "m-3.5-3.5h7v7h-7z", "m0-4.6l4.4 7.8h-8.8z", "m0-5l4.6 5l-4.6 5l-4.6-5z",
    "m0 4.6l4.4-7.8h-8.8z", "m-1.4-4.5h2.8v3.1h3.1v2.8h-3.1v3.1h-2.8v-3.1h-3.1v-2.8h3.1z",
)  # fmt: skip
COLOURS = 8


class Frame(NamedTuple):
    """The plotting area within a drawing, in user units, and how values get there."""

    left: float
    top: float
    right: float
    bottom: float
    x_axis: Axis
    y_axis: Axis

    def x(self, value: float) -> float:
        """Across, limited to the area and a little more."""
        return self.left + min(max(self.x_axis.place(value), -0.02), 1.02) * (self.right - self.left)

    def y(self, value: float) -> float:
        """Down, limited like `x`."""
        return self.bottom - min(max(self.y_axis.place(value), -0.02), 1.02) * (self.bottom - self.top)

    def is_within(self, y: float) -> bool:
        """Whether the value down is on the axis."""
        return 0 <= self.y_axis.place(y) <= 1


def draw(plot: Plot, colours: Mapping[str, int]) -> Markup:
    """The plot as a figure with its title; ``colours`` numbers the backends."""
    width = _WIDE if plot.is_wide else _WIDTH
    height = 62 + _ROW * len(plot.y.ticks) if plot.is_wide else _HEIGHT
    longest = max((len(text) for _, text in plot.y.ticks), default=0)
    left = min(longest * _CHARACTER, 0.45 * width) + (10 if plot.is_wide else 32)
    frame = Frame(left, 8, width - 8, height - 40, plot.x, plot.y)
    drawing = element(
        "svg",
        *_axes(frame, plot),
        *(_draw_mark(mark, frame, colours) for mark in plot.marks),
        viewBox=f"0 0 {width} {height}",
        role="group",
        aria_label=f"{plot.title}. Arrow keys go from point to point.",
        tabindex=0,
    )
    return element("figure", element("figcaption", plot.title), drawing, class_="wide" if plot.is_wide else None)


def marker(index: int) -> Markup:
    """A backend's marker alone, for legends."""
    shape = element("path", d=f"M7 7{_SHAPES[index % len(_SHAPES)]}", class_="dot")
    return element("svg", shape, viewBox="0 0 14 14", class_=f"marker c{index % COLOURS}", aria_hidden="true")


def _axes(frame: Frame, plot: Plot) -> list[Markup]:
    across, down = [], []
    for value, text in plot.x.ticks:
        x = _short(frame.x(value))
        across.append(element("path", d=f"M{x} {_short(frame.top)}V{_short(frame.bottom)}", class_="grid"))
        across.append(element("text", text, x=x, y=_short(frame.bottom + 15), text_anchor="middle"))
    most = int((frame.left - 8) / _CHARACTER)
    for value, text in plot.y.ticks:
        y = frame.y(value)
        shown = text if len(text) <= most else f"{text[: most - 1]}…"
        down.append(element("path", d=f"M{_short(frame.left)} {_short(y)}H{_short(frame.right)}", class_="grid"))
        down.append(element("text", shown, x=_short(frame.left - 6), y=_short(y + 3.5), text_anchor="end"))
    middle = _short((frame.left + frame.right) / 2)
    label = element("text", plot.x.label, x=middle, y=_short(frame.bottom + 33), text_anchor="middle", class_="label")
    if plot.y.label:
        turned = f"rotate(-90) translate({_short(-(frame.top + frame.bottom) / 2)} 10)"
        down.append(element("text", plot.y.label, transform=turned, text_anchor="middle", class_="label"))
    return [element("g", *across, *down, label, class_="axes", aria_hidden="true")]


def _draw_mark(mark: Mark, frame: Frame, colours: Mapping[str, int]) -> Markup:
    index = colours.get(mark.backend)
    if isinstance(mark, Dots):
        drawn = _draw_dots(mark, frame, _SHAPES[(index or 0) % len(_SHAPES)])
    elif isinstance(mark, Curve):
        path = element("path", d=_path(mark.points, frame), class_=mark.role)
        drawn = element("g", element("title", mark.tip), path) if mark.tip else path
    else:
        drawn = _draw_area(mark, frame)
    if index is None:
        return drawn
    return element("g", drawn, class_=f"c{index % COLOURS}", data_backend=index)


def _draw_dots(mark: Dots, frame: Frame, shape: str) -> Markup:
    parts = [_draw_dot(dot, frame, shape) for dot in mark.dots]
    if mark.joined and len(mark.dots) > 1:
        parts.insert(0, element("path", d=_path([(dot.x, dot.y) for dot in mark.dots], frame), class_="line"))
    return join(parts)


def _draw_dot(dot: Dot, frame: Frame, shape: str) -> Markup:
    x, y = frame.x(dot.x), frame.y(dot.y)
    parts = [element("title", dot.tip)] if dot.tip else []
    if dot.low is not None and dot.high is not None:
        ends = [_short(frame.y(bound)) for bound in (dot.low, dot.high)]
        # an end beyond the axis has no cap, for it is not there
        caps = [
            f"M{_short(x - 3)} {end}h6"
            for bound, end in zip((dot.low, dot.high), ends, strict=True)
            if frame.is_within(bound)
        ]
        parts.append(element("path", d=f"M{_short(x)} {ends[0]}V{ends[1]}{''.join(caps)}", class_="interval"))
    parts.append(element("path", d=f"M{_short(x)} {_short(y)}{shape}", class_="dot"))
    return element("g", *parts, class_="point")


def _draw_area(mark: Area, frame: Frame) -> Markup:
    parts = [element("title", mark.tip)] if mark.tip else []
    parts.append(element("path", d=f"{_path(mark.outline, frame)}z", class_="area"))
    return element("g", *parts, class_="point")


def _path(points: list[tuple[float, float]], frame: Frame) -> str:
    return "M" + "L".join(f"{_short(frame.x(x))} {_short(frame.y(y))}" for x, y in points)


def _short(value: float) -> str:
    return f"{value:.1f}".removesuffix(".0")
