"""Scaling tables: for people, as wide as their terminal; for programs, as CSV, JSON or Markdown in plain SI numbers."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import Any

import msgspec

from harness.analyse.scaling import ScalingTable, TableRow
from harness.present.kernel_table import KernelTables
from harness.present.render import rows as render_rows
from harness.present.render import structs, to_text

_COLUMNS = TableRow.__struct_fields__
# what a reader of a pull-request comment does not need: it is in CSV and JSON
_NOT_IN_MARKDOWN = (
    "series", "item", "figure_units", "kernel_version", "device", "launch_median_s", "work", "serial_fraction_low",
    "serial_fraction_high",
)  # fmt: skip


def render(tables: Sequence[ScalingTable], format_: str) -> str:
    """The tables of sweeps as ``text``, ``csv``, ``json`` or ``markdown``.

    The columns of the last three are the fields of `TableRow`. CSV holds parameters and figures as JSON objects
    within a cell; Markdown rounds to four digits, leaves out columns that are empty throughout, and tells the clock's
    resolution only beside times that are near it.
    """
    if format_ == "text":
        return to_text(KernelTables(tables))
    rows = [row for table in tables for row in table.rows]
    if format_ == "json":
        return structs(rows)
    if format_ == "csv":
        return render_rows([_cells(row, _exact) for row in rows], "csv")
    cells = [
        _cells(
            row if row.is_near_clock else msgspec.structs.replace(row, resolution_s=None, timer_cost_s=None), _readable
        )
        for row in rows
    ]
    shown = [name for name in _COLUMNS if name not in _NOT_IN_MARKDOWN and any(row[name] for row in cells)]
    return render_rows([{name: row[name] for name in shown} for row in cells], "markdown")


def _cells(row: TableRow, show: Callable[[Any], str]) -> dict[str, str]:
    values = {name: getattr(row, name) for name in _COLUMNS}
    return {name: "" if value is None else show(value) for name, value in values.items()}


def _exact(value: Any) -> str:
    return value if isinstance(value, str) else msgspec.json.encode(value).decode()


def _readable(value: Any) -> str:
    if isinstance(value, float):
        return f"{value:.4g}"
    if isinstance(value, dict):
        return ", ".join(f"{name}={_readable(item)}" for name, item in value.items())
    return _exact(value)
