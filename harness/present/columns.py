"""The columns of a kernel's table for people, and which of them a terminal has room for."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from itertools import groupby
from operator import attrgetter
from typing import Any, NamedTuple

import msgspec
from msgspec import Struct
from rich.cells import cell_len

from harness.analyse.scaling import TableRow
from harness.present import units
from harness.present.naming import differs, parameter_names, parameter_of
from harness.present.remarks import BEYOND, MARK, coarsely, fastest_at, point_of

# spaces between two columns
GAP = 2
_BAR_CELLS = 8
_MOST_FIGURE_COLUMNS = 6
_EIGHTHS = ("", "▏", "▎", "▍", "▌", "▋", "▊", "▉")


class Cell(NamedTuple):
    """A text and its style."""

    text: str
    style: str = ""


_NOTHING = Cell("–", "dim")
_EMPTY = Cell("")


class Column(Struct, kw_only=True):
    """A column of one kernel's table.

    Columns of ``rank`` 0 always stand, others by rank as the width allows. Long headers break at underscores.
    """

    header: list[str]
    cells: list[Cell]
    width: int
    rank: int = 0
    right: bool = True

    @property
    def name(self) -> str:
        """The header in one line."""
        return "_".join(self.header)

    def align(self, text: str) -> str:
        """The text in the column's width."""
        room = " " * (self.width - cell_len(text))
        return room + text if self.right else text + room


def room(columns: Sequence[Column]) -> int:
    """The width that these columns take."""
    return sum(column.width + GAP for column in columns) - GAP


def fit(columns: Sequence[Column], width: int) -> list[Column]:
    """As many columns as the width takes, the most telling ones first, in their own order."""
    left = width - room([column for column in columns if column.rank == 0])
    shown = {index for index, column in enumerate(columns) if column.rank == 0}
    for index, column in sorted(enumerate(columns), key=lambda item: item[1].rank):
        if column.rank > 0 and column.width + GAP <= left:
            left -= column.width + GAP
            shown.add(index)
    return [column for index, column in enumerate(columns) if index in shown]


def make_columns(rows: Sequence[TableRow]) -> list[Column]:
    """All columns that say something about these rows, from left to right."""
    return [
        *([_column("", rows, _mark, right=False)] if any(row.is_bad for row in rows) else []),
        *_case_columns(rows),
        _column("median", rows, _median),
        _column("±", rows, _plus_minus),
        *_scaling_columns(rows),
        *_peer_columns(rows),
        *_rate_columns(rows),
        *([] if lists_figures(rows) else _figure_columns(rows)),
        *_bound_columns(rows),
        _column("95 % interval", rows, _interval, rank=9),
        _column("min", rows, lambda row: _duration(row.min_s), rank=8),
        _column("p99", rows, lambda row: _duration(row.p99_s), rank=7),
        _column("cv", rows, lambda row: _share(row.cv), rank=10),
        _column("samples", rows, lambda row: Cell(f"{row.samples:,}"), rank=10),
        _column("check error", rows, _check_error, rank=11),
    ]


def _case_columns(rows: Sequence[TableRow]) -> list[Column]:
    """What tells the cases apart, as far as they differ; parameters that grow with the ranks stand beside them."""
    varying = [name for name in parameter_names(rows) if differs(rows, parameter_of(name))]
    series = [list(group) for _, group in groupby(rows, key=attrgetter("series"))]
    grown = [name for name in varying if any(differs(group, parameter_of(name)) for group in series)]
    scale = [
        name
        for name in ("device", "stack", "synchronisation", "threads", "nodes", "ranks")
        if differs(rows, attrgetter(name))
    ]
    return [
        *[_without_repeats(_parameter_column(name, rows), rows) for name in varying if name not in grown],
        _without_repeats(_column("backend", rows, lambda row: Cell(row.backend), right=False), rows),
        *[_attribute_column(name, rows, right=name not in ("device", "stack", "synchronisation")) for name in scale],
        *[_parameter_column(name, rows) for name in grown],
    ]


def _parameter_column(name: str, rows: Sequence[TableRow]) -> Column:
    value = parameter_of(name)
    words = any(isinstance(value(row), str) for row in rows)
    return _column(name, rows, lambda row: Cell(units.parameter(name, value(row))), right=not words)


def _attribute_column(name: str, rows: Sequence[TableRow], right: bool) -> Column:
    return _column(name, rows, lambda row: Cell(str(getattr(row, name)) or "–"), right=right)


def _scaling_columns(rows: Sequence[TableRow]) -> list[Column]:
    if all(row.base_case_id in (None, row.case_id) for row in rows):
        return []
    return [
        _column("speed-up", rows, _speedup, rank=3),
        _column("efficiency", rows, lambda row: _share(row.efficiency)),
        _column("", rows, _bar, rank=4, right=False),
        _column("serial", rows, lambda row: _share(row.serial_fraction), rank=9),
    ]


def _peer_columns(rows: Sequence[TableRow]) -> list[Column]:
    fastest = fastest_at(rows)

    def show(row: TableRow) -> Cell:
        if row.peer_speedup is None:
            return _NOTHING
        return Cell(units.ratio(row.peer_speedup), "bold green" if fastest[point_of(row)] is row else "")

    return [_column("vs slowest", rows, show, rank=2)] if fastest else []


def _rate_columns(rows: Sequence[TableRow]) -> list[Column]:
    found = {row.rate_unit for row in rows if row.rate_unit}
    if len(found) == 1:
        return [_column(found.pop(), rows, lambda row: _quantity(row.rate, ""), rank=5)]
    return [_column("rate", rows, lambda row: _quantity(row.rate, row.rate_unit), rank=5)] if found else []


def lists_figures(rows: Sequence[TableRow]) -> bool:
    """Whether the figures of one case are so many that they stand below the table, a line each."""
    return len(rows) == 1 and len(rows[0].figures) > _MOST_FIGURE_COLUMNS


def _figure_columns(rows: Sequence[TableRow]) -> list[Column]:
    """The figure that a kernel names first is what it is about: it goes before how fast that is."""
    first = {next(iter(row.figures), "") for row in rows}
    names = dict.fromkeys(name for row in rows for name in row.figures)
    return [_figure_column(name, rows, rank=1 if name in first else 6) for name in names]


def _figure_column(name: str, rows: Sequence[TableRow], rank: int) -> Column:
    def show(row: TableRow) -> Cell:
        return Cell(units.figure(row.figures[name], row.figure_units[name])) if name in row.figures else _NOTHING

    return _column(name, rows, show, rank=rank)


def _bound_columns(rows: Sequence[TableRow]) -> list[Column]:
    if all(row.bound is None for row in rows):
        return []
    return [
        _column("of bound", rows, _of_bound, rank=5),
        _column("bound", rows, lambda row: Cell(row.bound) if row.bound else _NOTHING, rank=7, right=False),
    ]


def _of_bound(row: TableRow) -> Cell:
    """How near to the limit, marked where it is beyond."""
    share = _share(row.fraction_of_bound)
    return Cell(f"{BEYOND} {share.text}", "yellow") if row.beats_bound else share


def _column(name: str, rows: Sequence[TableRow], show: Callable[[TableRow], Cell], **settings: Any) -> Column:
    header = name.split("_")
    cells = [show(row) for row in rows]
    width = max(max(map(cell_len, header)), max(cell_len(cell.text) for cell in cells))
    return Column(header=header, cells=cells, width=width, **settings)


def _without_repeats(column: Column, rows: Sequence[TableRow]) -> Column:
    """The column with a value only where it, or the problem, differs from the row above."""
    cells = list(column.cells)
    for index in range(1, len(rows)):
        if rows[index].problem == rows[index - 1].problem and column.cells[index] == column.cells[index - 1]:
            cells[index] = _EMPTY
    return msgspec.structs.replace(column, cells=cells)


def _mark(row: TableRow) -> Cell:
    return Cell(MARK, "bold red") if row.is_bad else _EMPTY


def _median(row: TableRow) -> Cell:
    if row.median_s is None:
        return Cell(row.status.replace("_", " "), "red")
    return Cell(coarsely(units.duration(row.median_s), row.is_near_clock), "bold")


def _half_width(row: TableRow) -> float | None:
    if row.low_s is None or row.high_s is None or not row.median_s:
        return None
    return (row.high_s - row.low_s) / 2 / row.median_s


def _plus_minus(row: TableRow) -> Cell:
    """Half the interval; past 100 % the launches differ too much, or are too few, for a number to say more."""
    half = _half_width(row)
    return Cell(">100 %", "yellow") if half is not None and half > 1 else _share(half)


def _interval(row: TableRow) -> Cell:
    if row.low_s is None or row.high_s is None:
        return _NOTHING
    return Cell(f"{units.duration(row.low_s)} … {units.duration(row.high_s)}")


def _speedup(row: TableRow) -> Cell:
    if row.speedup is None:
        return _NOTHING
    return Cell("base", "dim") if row.base_case_id == row.case_id else Cell(units.ratio(row.speedup))


def _bar(row: TableRow) -> Cell:
    """The efficiency as a bar: full at 100 %."""
    if row.efficiency is None:
        return _EMPTY
    whole, eighths = divmod(round(min(row.efficiency, 1.0) * _BAR_CELLS * 8), 8)
    colour = "green" if row.efficiency >= 0.8 else "yellow" if row.efficiency >= 0.5 else "red"
    return Cell("█" * whole + _EIGHTHS[eighths], colour)


def _check_error(row: TableRow) -> Cell:
    return _NOTHING if row.check_error is None else Cell(f"{row.check_error:.1e}")


def _duration(seconds: float | None) -> Cell:
    return _NOTHING if seconds is None else Cell(units.duration(seconds))


def _quantity(value: float | None, unit: str) -> Cell:
    return _NOTHING if value is None else Cell(units.quantity(value, unit))


def _share(share: float | None) -> Cell:
    return _NOTHING if share is None else Cell(units.percent(share))
