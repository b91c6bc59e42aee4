"""The report's plots as files for a paper, drawn with matplotlib: vectors where the format has them, fonts embedded."""

from __future__ import annotations

import math
import re
from collections.abc import Mapping
from pathlib import Path
from typing import Any

from harness.present.report.content import Report, Section
from harness.present.report.kernel_section import kernel_plots
from harness.present.report.plots import Area, Axis, Curve, Dots, Mark, Plot
from kernels.api import InputError

# the page's colours on white paper, and matplotlib's names of its markers, in the same order
_COLOURS = ("#0072b2", "#d55e00", "#009e73", "#b04f8e", "#b88600", "#3a9bd9", "#6b4fbb", "#5c6675")
_MARKERS = ("o", "s", "^", "D", "v", "P")
_DASHES = {"ideal": (0, (5, 4)), "law": (0, (1, 2)), "bound": (0, (8, 3, 2, 3)), "segment": "-"}
_NAMES = {"ideal": "ideal", "law": "fitted law", "bound": "bound", "segment": "level"}
_NEUTRAL = "#5c6675"
# of a legend beside one another; letters of its font in a line, and those whose room a line's sample and a gap take
_ENTRIES, _LETTERS, _SAMPLE = 4, 70, 10
# inches: one column of a two-column page, and a row of a plot that has one a case
_WIDTH, _HEIGHT, _WIDE, _ROW = 3.5, 2.5, 7.0, 0.17
_SETTINGS: dict[Any, Any] = {
    "font.size": 8, "axes.linewidth": 0.6, "grid.linewidth": 0.4, "grid.color": "#dfe3e9", "lines.linewidth": 1.2,
    "legend.frameon": False, "legend.fontsize": 7, "savefig.dpi": 300, "svg.hashsalt": "scalemark",
    # TrueType within PDF, and outlines within SVG: printers and readers need no font of ours
    "pdf.fonttype": 42, "svg.fonttype": "path",
    # names are texts, whatever dollars they hold
    "text.parse_math": False,
}  # fmt: skip
# what a file's name should not hold
_UNFIT = re.compile(r"[^A-Za-z0-9._+-]")


def write_figures(report: Report, format_: str, folder: Path) -> list[Path]:
    """Every plot of the report as ``svg``, ``pdf`` or ``png`` in ``folder``; raises `InputError` without matplotlib."""
    try:
        import matplotlib
    except ImportError as error:
        raise InputError("figures need matplotlib: pip install 'scalemark[report]'") from error
    folder.mkdir(parents=True, exist_ok=True)
    written = []
    # a date would make files of equal figures differ
    metadata: dict[str, Any] = {"svg": {"Date": None}, "pdf": {"CreationDate": None}}.get(format_, {})
    with matplotlib.rc_context(_SETTINGS):
        for section in report.sections:
            for plot in kernel_plots(section):
                path = folder / f"{_UNFIT.sub('_', plot.name)}.{format_}"
                _figure(plot, section).savefig(path, format=format_, metadata=metadata)
                written.append(path)
    return written


def _figure(plot: Plot, section: Section) -> Any:
    from matplotlib.figure import Figure

    size = (_WIDE, 0.8 + _ROW * len(plot.y.ticks)) if plot.is_wide else (_WIDTH, _HEIGHT)
    figure = Figure(figsize=size, layout="constrained")
    axes = figure.add_subplot()
    axes.set_title(plot.title, fontsize=8, loc="left")
    _scale(axes.xaxis, axes.set_xscale, axes.set_xlim, plot.x)
    _scale(axes.yaxis, axes.set_yscale, axes.set_ylim, plot.y)
    axes.grid(True)
    axes.spines[["top", "right"]].set_visible(False)
    colours = {backend: index for index, backend in enumerate(section.backends)}
    for mark in plot.marks:
        _draw_mark(axes, mark, colours)
    handles, labels = axes.get_legend_handles_labels()
    unique = dict(zip(labels, handles, strict=True))
    if unique and not plot.is_wide:
        columns = max(1, min(len(unique), _ENTRIES, _LETTERS // (max(map(len, unique)) + _SAMPLE)))
        figure.legend(unique.values(), unique.keys(), loc="outside lower center", ncols=columns)
        figure.set_figheight(_HEIGHT + _ROW * (math.ceil(len(unique) / columns) - 1))
    return figure


def _scale(axis: Any, set_scale: Any, set_limits: Any, wanted: Axis) -> None:
    if wanted.is_log:
        set_scale("log")
    set_limits(wanted.low, wanted.high)
    axis.set_ticks([value for value, _ in wanted.ticks], [text for _, text in wanted.ticks])
    axis.set_ticks([], minor=True)
    axis.set_label_text(wanted.label)


def _draw_mark(axes: Any, mark: Mark, colours: Mapping[str, int]) -> None:
    index = colours.get(mark.backend, 0)
    colour = _COLOURS[index % len(_COLOURS)] if mark.backend else _NEUTRAL
    if isinstance(mark, Area):
        axes.fill(*zip(*mark.outline, strict=True), facecolor=colour, edgecolor=colour, alpha=0.6, linewidth=0.4)
    elif isinstance(mark, Curve):
        axes.plot(
            *zip(*mark.points, strict=True), linestyle=_DASHES[mark.role], linewidth=0.9, label=_NAMES[mark.role],
            color=_NEUTRAL if mark.role == "ideal" else colour,
        )  # fmt: skip
    else:
        _draw_dots(axes, mark, colour, _MARKERS[index % len(_MARKERS)])


def _draw_dots(axes: Any, mark: Dots, colour: str, marker: str) -> None:
    below = [dot.y - (dot.y if dot.low is None else dot.low) for dot in mark.dots]
    above = [(dot.y if dot.high is None else dot.high) - dot.y for dot in mark.dots]
    axes.errorbar(
        [dot.x for dot in mark.dots],
        [dot.y for dot in mark.dots],
        yerr=[[max(value, 0.0) for value in below], [max(value, 0.0) for value in above]],
        color=colour,
        marker=marker,
        markersize=3.5,
        linestyle="-" if mark.joined else "",
        elinewidth=0.7,
        capsize=1.5,
        label=mark.backend,
    )
