"""What every export is made from."""

from __future__ import annotations

from collections import defaultdict

from msgspec import Struct

from harness.analyse.scaling import ScalingTable, TableRow
from harness.store.read import WholeRun
from harness.store.record import RowKey


class Measured(Struct, frozen=True, kw_only=True):
    """Sweeps as tables, and the runs that the tables are made of."""

    tables: list[ScalingTable]
    runs: list[WholeRun]

    @property
    def rows(self) -> list[TableRow]:
        """The rows of all tables."""
        return [row for table in self.tables for row in table.rows]

    def runs_by_row(self) -> dict[RowKey, list[WholeRun]]:
        """The finished runs of each row, by its key."""
        found = defaultdict(list)
        for run in self.runs:
            if run.status == "ok":
                found[run.row_key].append(run)
        return dict(found)
