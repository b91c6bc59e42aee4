"""A kernel's part of the page: in words, in plots, as a table, and where it was measured."""

from __future__ import annotations

from collections.abc import Sequence

from harness.analyse.scaling import TableRow
from harness.present import remarks, units
from harness.present.analysis import describe_law, name_series
from harness.present.columns import Cell, Column, make_columns
from harness.present.report.content import Section
from harness.present.report.elements import Markup, element, join, void
from harness.present.report.environment import environment
from harness.present.report.history_plots import history_plots
from harness.present.report.parameter_plots import parameter_plots
from harness.present.report.plots import Curve, Plot
from harness.present.report.roofline import roofline
from harness.present.report.sample_plots import sample_plots
from harness.present.report.scaling_plots import scaling_plots
from harness.present.report.svg import COLOURS, draw, marker

# beyond as many, plots beside one another and wide ones of as many rows are folded away
_SHOWN_PLOTS, _SHOWN_ROWS = 12, 40
# what the terminal draws its bars with
_BLOCKS = "█▏▎▍▌▋▊▉"
# the rank from which on columns have no room on paper
_MINOR = 7
_ROLES = (
    ("ideal", "ideal scaling"),
    ("law", "fitted law"),
    ("bound", "bound of the machine"),
    ("segment", "level between changes"),
)


def kernel_plots(section: Section) -> list[Plot]:
    """All plots of a section, in the page's order."""
    return [
        *scaling_plots(section),
        *parameter_plots(section),
        *roofline(section),
        *history_plots(section),
        *sample_plots(section),
    ]


def kernel_section(section: Section) -> Markup:
    """The section as HTML."""
    scaling = "" if section.mode == "none" else f"{section.mode} scaling, "
    plots = kernel_plots(section)
    narrow = [plot for plot in plots if not plot.is_wide]
    return element(
        "section",
        element("h2", section.kernel, " ", element("small", f"{scaling}sweep {section.sweep}")),
        *(
            element("p", f"{sentence[:1].upper()}{sentence[1:]}.", class_="answer")
            for sentence in remarks.headlines(section.rows)
        ),
        element("p", remarks.constants(section.rows), class_="quiet"),
        _toggles(section),
        _key(plots),
        _side_by_side(narrow, section) if narrow else None,
        _laws(section),
        *(_wide(plot, section) for plot in plots if plot.is_wide),
        _table(section),
        environment(section),
        id=section.anchor,
        class_="kernel",
    )


def _toggles(section: Section) -> Markup:
    boxes = [
        element("label", void("input", type="checkbox", checked=True, data_backend=index), marker(index), backend)
        for index, backend in enumerate(section.backends)
    ]
    return element("fieldset", element("legend", "Backends shown", class_="hidden"), *boxes, class_="toggles")


def _key(plots: Sequence[Plot]) -> Markup | None:
    """What the lines are that no marker tells apart, as far as there are any."""
    drawn = {mark.role for plot in plots if not plot.is_wide for mark in plot.marks if isinstance(mark, Curve)}
    line = element("path", d="M0 7h26")
    samples = [
        element("span", element("svg", element("g", line, class_=role), viewBox="0 0 26 14", aria_hidden="true"), name)
        for role, name in _ROLES
        if role in drawn
    ]
    return element("p", *samples, class_="key") if samples else None


def _side_by_side(plots: Sequence[Plot], section: Section) -> Markup:
    drawn = [draw(plot, _colours(section)) for plot in plots]
    shown = element("div", *drawn[:_SHOWN_PLOTS], class_="plots")
    if len(drawn) <= _SHOWN_PLOTS:
        return shown
    more = element("summary", units.counted(len(drawn) - _SHOWN_PLOTS, "more plot"))
    return join([shown, element("details", more, element("div", *drawn[_SHOWN_PLOTS:], class_="plots"))])


def _wide(plot: Plot, section: Section) -> Markup:
    drawn = draw(plot, _colours(section))
    if len(plot.y.ticks) <= _SHOWN_ROWS:
        return drawn
    return element("details", element("summary", f"{plot.title}: {len(plot.y.ticks)} cases"), drawn)


def _colours(section: Section) -> dict[str, int]:
    return {backend: index for index, backend in enumerate(section.backends)}


def _laws(section: Section) -> Markup | None:
    """The laws of the series, or how much has to be measured until there are any, each sentence once."""
    told: dict[str, list[str]] = {}
    for name, law in zip(name_series(section.laws, section.rows), section.laws, strict=True):
        told.setdefault(describe_law(law), []).append(name)
    if not told:
        return None
    items = [
        element(
            "li", f"{sentence} ", element("small", "; ".join(series) if len(series) < 4 else f"{len(series)} series")
        )
        for sentence, series in told.items()
    ]
    return element("details", element("summary", "Scaling laws"), element("ul", *items), open=len(items) < 8)


def _table(section: Section) -> Markup:
    rows = section.rows
    columns = [_filled(column) for column in make_columns(rows)]
    names = [column.name for column in columns]
    classes = [_class_of(column) for column in columns]
    head = element(
        "tr",
        *(
            element("th", " ".join(column.header), scope="col", class_=class_)
            for column, class_ in zip(columns, classes, strict=True)
        ),
        element("th", "case", scope="col"),
    )
    body = []
    for index, row in enumerate(rows):
        cells = [_cell(column.cells[index], class_, row) for column, class_ in zip(columns, classes, strict=True)]
        begins = index > 0 and row.problem != rows[index - 1].problem
        case = element("td", element("code", row.case_id))
        backend = section.backends.index(section.backend_of(row))
        body.append(element("tr", *cells, case, data_backend=backend, class_="begins" if begins else None))
    table = element("table", element("thead", head), element("tbody", *body))
    told = [*remarks.footnotes(rows, names), remarks.legend({*names, remarks.MARK})]
    scroll = element("div", table, *(element("p", line, class_="quiet") for line in told), class_="scroll")
    return element("details", element("summary", "Table"), scroll, open=True)


def _filled(column: Column) -> Column:
    """The column with its repeated values, which the terminal leaves out: here the row that has them may be hidden."""
    if column.header == [""]:
        return column
    cells: list[Cell] = []
    for cell in column.cells:
        cells.append(cell if cell.text or not cells else Cell(cells[-1].text, "dim"))
    return Column(header=column.header, cells=cells, width=column.width, rank=column.rank, right=column.right)


def _class_of(column: Column) -> str | None:
    told = ["number"] * column.right + ["minor"] * (column.rank >= _MINOR)
    return " ".join(told) or None


def _cell(cell: Cell, class_: str | None, row: TableRow) -> Markup:
    classes = " ".join(filter(None, [class_, cell.style])) or None
    if cell.text and not cell.text.strip(_BLOCKS):
        length = f"{100 * min(row.efficiency or 0.0, 1.0):.0f}"
        bar = element("svg", element("path", d=f"M0 4H{length}"), viewBox="0 0 100 8", preserveAspectRatio="none")
        return element("td", bar, class_=f"bar {cell.style}")
    return element("td", cell.text, class_=classes)


def colour_rules(sections: Sequence[Section]) -> str:
    """CSS that takes a backend out of a kernel's section when its box is not checked: it needs no script."""
    most = max((len(section.backends) for section in sections), default=0)
    colours = [f".c{index}{{--ink:var(--c{index})}}" for index in range(COLOURS)]
    hiding = [
        f'.kernel:has(input[data-backend="{index}"]:not(:checked)) [data-backend="{index}"]:not(input){{display:none}}'
        for index in range(most)
    ]
    return "\n".join([*colours, *hiding])
