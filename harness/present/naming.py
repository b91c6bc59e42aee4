"""Cases in words: what tells those that are shown together apart. Their ids end in digits that only programs read."""

from __future__ import annotations

import re
from collections.abc import Callable, Iterable, Sequence
from operator import attrgetter
from typing import Any, Protocol, TypeVar

from harness.case import Case, CaseColumns, sortable
from harness.present import units

# beside parameters, in the order of telling
_CIRCUMSTANCES = ("device", "stack", "nodes", "ranks", "threads")
_SOME_HAVE = ("synchronisation", "sweep")
_DIGITS = re.compile(r"(\d+)")
# cases told by name where many share a remark
_NAMED = 3


class Named(Protocol):
    """What is told of a case: a row of a scaling table, a comparison, a history."""

    @property
    def case_id(self) -> str: ...
    @property
    def kernel(self) -> str: ...
    @property
    def backend(self) -> str: ...
    @property
    def parameters(self) -> dict[str, Any]: ...
    @property
    def nodes(self) -> int: ...
    @property
    def ranks(self) -> int: ...
    @property
    def threads(self) -> int: ...


T = TypeVar("T", bound=Named)


class CaseNames:
    """Names for cases that are shown together.

    A name has the kernel, the backend and what differs among the kernel's shown cases: parameters, scale, device, stack
    and, where the rows have them, synchronisation and sweep. What no words tell apart, such as another tool's
    benchmarks, keeps its id.
    """

    def __init__(self, rows: Iterable[Named]) -> None:
        self._telling: dict[str, tuple[list[str], list[str]]] = {}
        rows = list(rows)
        for kernel, group in by_kernel(rows).items():
            parameters = [name for name in parameter_names(group) if differs(group, parameter_of(name))]
            self._telling[kernel] = (
                parameters,
                [name for name in (*_CIRCUMSTANCES, *_SOME_HAVE) if _is_told(group, name)],
            )
        words = [(self._words(row), row.case_id) for row in rows]
        ids = dict(words)
        self._shared = {name for name, case_id in words if ids[name] != case_id}

    def of(self, row: Named) -> str:
        """The case's name, such as ``allreduce mpi4py, message_bytes=64 KiB, ranks 2``."""
        words = self._words(row)
        return f"{words} ({row.case_id})" if words in self._shared else words

    def details(self, row: Named) -> str:
        """The part of the name after kernel and backend; empty where nothing differs."""
        parameters, attributes = self._telling[row.kernel]
        told = [f"{name}={units.parameter(name, row.parameters.get(name))}" for name in parameters]
        return ", ".join([*told, *(f"{name} {value}" for name in attributes if (value := getattr(row, name)))])

    def some(self, rows: Sequence[Named]) -> str:
        """The first few names, and how many more there are."""
        more = f" and {len(rows) - _NAMED:,} more" if len(rows) > _NAMED else ""
        return "; ".join(map(self.of, rows[:_NAMED])) + more

    def with_ids(self, rows: Sequence[Named], width: int) -> list[str]:
        """The names, and beside them the ids where all of both fit into the width."""
        found = list(map(self.of, rows))
        longest = max(map(len, found))
        lines = [
            name if row.case_id in name else f"{name.ljust(longest)}  {row.case_id}"
            for name, row in zip(found, rows, strict=True)
        ]
        return lines if max(map(len, lines)) <= width else found

    def lines(self, rows: Sequence[Named], width: int) -> list[list[str]]:
        """For each case its name with its id beside it, or below it where they have no room."""
        return [
            [line] if row.case_id in line else [line, f"  {row.case_id}"]
            for row, line in zip(rows, self.with_ids(rows, width), strict=True)
        ]

    def columns(self, row: Named, format_: str) -> dict[str, Any]:
        """What stands beside the id in a table: the name in Markdown, all that tells the case for programs."""
        if format_ == "markdown":
            return {"case": self.of(row)}
        return {name: getattr(row, name) for name in ("kernel", "backend", "parameters", *_CIRCUMSTANCES)}

    def _words(self, row: Named) -> str:
        """The name as far as words go; cases of other tools have no backend."""
        if not row.backend:
            return row.case_id
        return ", ".join(filter(None, [f"{row.kernel} {row.backend}", self.details(row)]))


def name_cases(cases: Iterable[Case]) -> dict[str, str]:
    """The names of cases that are shown together, by their ids."""
    rows = [CaseColumns(**case.describe()) for case in cases]
    names = CaseNames(rows)
    return {row.case_id: names.of(row) for row in rows}


def place(row: Named) -> tuple[Any, ...]:
    """Sorts cases as people read them: by kernel, parameters, scale, backend, then id; numbers by their size."""
    values = [sortable(value) for value in row.parameters.values()]
    parts = [(int(part) if part.isdecimal() else 0, part) for part in _DIGITS.split(row.case_id)]
    return row.kernel, values, (row.nodes, row.ranks, row.threads), row.backend, parts


def shared(rows: Sequence[Named]) -> str:
    """What all these rows of one kernel share, in the words of the command line's options; of other tools nothing.

    Parameters that are empty go without saying.
    """
    first = rows[0]
    if not first.backend:
        return ""
    parameters = [
        f"{name}={first.parameters[name]}"
        for name in parameter_names(rows)
        if first.parameters.get(name) != "" and not differs(rows, parameter_of(name))
    ]
    circumstances = [
        f"{name} {value}"
        for name in _CIRCUMSTANCES
        if (value := getattr(first, name)) and not differs(rows, attrgetter(name))
    ]
    # what is usual goes without saying
    windows = ["synchronisation window"] if {getattr(row, "synchronisation", "") for row in rows} == {"window"} else []
    return " · ".join([*filter(None, [" ".join(parameters)]), *circumstances, *windows])


def shared_by_kernel(rows: Iterable[Named]) -> list[str]:
    """A line a kernel of what its cases share, so that names need not say it."""
    return [f"{kernel}: {told}" for kernel, group in by_kernel(rows).items() if (told := shared(group))]


def by_kernel(rows: Iterable[T]) -> dict[str, list[T]]:
    """The rows of each kernel, in the order of their first row."""
    found: dict[str, list[T]] = {}
    for row in rows:
        found.setdefault(row.kernel, []).append(row)
    return found


def differs(rows: Sequence[T], value: Callable[[T], Any]) -> bool:
    """Whether the rows tell more than one value."""
    return any(value(row) != value(rows[0]) for row in rows)


def parameter_names(rows: Iterable[Named]) -> list[str]:
    """The names of the rows' parameters, in the kernel's order."""
    return list(dict.fromkeys(name for row in rows for name in row.parameters))


def parameter_of(name: str) -> Callable[[Named], Any]:
    """A function from a row to its parameter of that name."""
    return lambda row: row.parameters.get(name)


def _is_told(rows: Iterable[Named], name: str) -> bool:
    """Whether rows have different values there; what was never measured has no stack, and not all rows have a sweep."""
    return len({value for row in rows if (value := getattr(row, name, ""))}) > 1
