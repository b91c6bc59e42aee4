"""What a report is made of: a section a kernel and sweep, and, where there is something to compare with, verdicts."""

from __future__ import annotations

from collections.abc import Sequence
from functools import cached_property
from operator import attrgetter

from msgspec import Struct

from harness.analyse.compare import CompareTable
from harness.analyse.distribution import CaseSamples
from harness.analyse.history import CaseHistory
from harness.analyse.laws.fitted import FittedLaw
from harness.analyse.scaling import TableRow
from harness.case import Mode
from harness.present import units
from harness.present.naming import differs, parameter_names, parameter_of
from harness.store.record import RowKey


class Section(Struct, frozen=True, kw_only=True, dict=True):
    """One kernel in one sweep: its rows, the laws of its series, the samples behind it, and its past.

    ``histories`` are those of cases that were measured at several commits or on several days.
    """

    kernel: str
    sweep: str
    mode: Mode
    rows: list[TableRow]
    laws: list[FittedLaw]
    samples: dict[RowKey, CaseSamples]
    histories: list[CaseHistory] = []

    @property
    def anchor(self) -> str:
        """Where the page has it, and what its figures' files are called."""
        return f"{self.sweep}.{self.kernel}"

    @property
    def backends(self) -> list[str]:
        """The names that curves are told apart by, in the table's order."""
        return list(dict.fromkeys(self.backend_of(row) for row in self.rows))

    def backend_of(self, row: TableRow) -> str:
        """The backend, with its stack and synchronisation where the section has several of them."""
        stack = f" in {row.stack or 'no stack'}" if self._has_stacks else ""
        return row.backend + stack + (f" ({row.synchronisation})" if self._has_synchronisations else "")

    def problem_of(self, row: TableRow) -> str:
        """In words what tells the row's problem from the section's others; empty where there is only one."""
        parameters, attributes = self._telling
        told = [f"{name} {units.parameter(name, row.parameters.get(name))}" for name in parameters]
        return ", ".join([*told, *(f"{name} {getattr(row, name)}" for name in attributes)])

    @cached_property
    def _has_stacks(self) -> bool:
        return differs([row for row in self.rows if row.stack], attrgetter("stack"))

    @cached_property
    def _has_synchronisations(self) -> bool:
        return differs(self.rows, attrgetter("synchronisation"))

    @cached_property
    def _telling(self) -> tuple[list[str], list[str]]:
        """Parameters that differ between problems, not along a series, and other attributes that do."""
        differing = [name for name in parameter_names(self.rows) if differs(self.rows, parameter_of(name))]
        series = self.by_series().values()
        grown = {name for name in differing if any(differs(group, parameter_of(name)) for group in series)}
        attributes = [name for name in ("threads", "device") if differs(self.rows, attrgetter(name))]
        return [name for name in differing if name not in grown], attributes

    def by_series(self) -> dict[tuple[str, ...], list[TableRow]]:
        """The rows of every scaling curve."""
        found: dict[tuple[str, ...], list[TableRow]] = {}
        for row in self.rows:
            found.setdefault(row.line, []).append(row)
        return found


class Report(Struct, frozen=True, kw_only=True):
    """All sections, when (UTC, ISO 8601) and from where they were made, and every damaged file in a line."""

    sections: list[Section]
    source: str
    made: str
    damages: list[str]
    changes: CompareTable | None = None

    @property
    def rows(self) -> Sequence[TableRow]:
        """The rows of all sections."""
        return [row for section in self.sections for row in section.rows]
