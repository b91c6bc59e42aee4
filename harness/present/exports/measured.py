"""What every export is made from."""

from __future__ import annotations

from collections import defaultdict

from msgspec import Struct

from harness.analyse.scaling import ScalingTable, TableRow
from harness.store.read import WholeRun

# sweep, case id, stack key, kernel version
RowKey = tuple[str, str, str, int]


class Measured(Struct, frozen=True, kw_only=True):
    """Sweeps as tables, and the runs that the tables are made of."""

    tables: list[ScalingTable]
    runs: list[WholeRun]

    @property
    def rows(self) -> list[TableRow]:
        """The rows of all tables."""
        return [row for table in self.tables for row in table.rows]

    def runs_by_row(self) -> dict[RowKey, list[WholeRun]]:
        """The finished runs of each row."""
        found = defaultdict(list)
        for run in self.runs:
            if run.status == "ok":
                found[run.sweep, run.case.id, run.stack.key, run.case.kernel_version].append(run)
        return dict(found)


def key_of(row: TableRow) -> RowKey:
    """What `Measured.runs_by_row` knows a row by."""
    return row.sweep, row.case_id, row.stack, row.kernel_version
