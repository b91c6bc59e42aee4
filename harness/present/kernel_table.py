"""One table a kernel for people: how it scales and which backend is fastest, at a glance."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from itertools import groupby
from operator import attrgetter

from rich.console import Console, ConsoleOptions, RenderResult
from rich.segment import Segment
from rich.text import Text

from harness.analyse.scaling import ScalingTable, TableRow
from harness.present import units
from harness.present.columns import GAP, Cell, Column, fit, lists_figures, make_columns, room
from harness.present.naming import differs
from harness.present.remarks import MARK, complaints, constants, footnotes, headlines, laws, legend, list_figures

# no screen shows more at once
_WIDEST_TERMINAL = 500


class KernelTables:
    """Everything that sweeps measured, as a rich renderable: it is told its width when it is drawn."""

    def __init__(self, tables: Sequence[ScalingTable]) -> None:
        self._tables = tables

    def __rich_console__(self, console: Console, options: ConsoleOptions) -> RenderResult:
        shown: set[str] = set()
        left_out: set[str] = set()
        wanted = 0
        for table in self._tables:
            if not table.rows:
                yield Text(f"sweep {table.sweep}: no cases\n")
            for kernel, group in groupby(table.rows, key=attrgetter("kernel")):
                rows = list(group)
                yield _title(kernel, table, rows)
                yield from map(Text, headlines(rows))
                yield Text()
                every = make_columns(rows)
                columns = fit(every, options.max_width)
                headers = {column.name for column in columns}
                shown |= headers
                left_out |= {column.name for column in every} - headers
                wanted = max(wanted, room(every))
                yield from _draw(rows, columns, console)
                yield Text(constants(rows), style="dim")
                if lists_figures(rows):
                    yield list_figures(rows[0])
                yield from (Text(line, style="dim") for line in laws(rows))
                yield from (Text(line, style="yellow") for line in footnotes(rows, headers))
                if any(row.is_bad for row in rows):
                    shown.add(MARK)
                    yield complaints(rows)
                yield Text()
        if shown:
            yield Text(legend(shown), style="dim")
        if left_out:
            more = units.counted(len(left_out), "more column")
            wider = f"in a wider terminal (COLUMNS={wanted}) and " if wanted <= _WIDEST_TERMINAL else ""
            yield Text(f"{more} {wider}in --format csv", style="dim")


def _title(kernel: str, table: ScalingTable, rows: Sequence[TableRow]) -> Text:
    scaling = f"  {table.mode} scaling" if table.mode != "none" and differs(rows, attrgetter("ranks")) else ""
    return Text.assemble((kernel, "bold"), scaling, (f"  sweep {table.sweep}", "dim"))


def _draw(rows: Sequence[TableRow], columns: Sequence[Column], console: Console) -> Iterator[Segment]:
    """The table, line by line: rich's own takes seconds for ten thousand rows."""
    height = max(len(column.header) for column in columns)
    for line in range(height):
        names = ([""] * (height - len(column.header)) + column.header for column in columns)
        yield from _line(columns, [Cell(name[line]) for name in names], console)
    yield Segment("─" * room(columns) + "\n")
    begins = [index > 0 and row.problem != rows[index - 1].problem for index, row in enumerate(rows)]
    spaced = not all(begins[1:])
    for index in range(len(rows)):
        if spaced and begins[index]:
            yield Segment.line()
        yield from _line(columns, [column.cells[index] for column in columns], console)


def _line(columns: Sequence[Column], cells: Sequence[Cell], console: Console) -> Iterator[Segment]:
    for column, cell in zip(columns, cells, strict=True):
        style = console.get_style(cell.style) if cell.style else None
        yield Segment(column.align(cell.text), style)
        yield Segment(" " * GAP)
    yield Segment.line()
