"""From the records of a sweep to its scaling table."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Iterable, Sequence
from pathlib import Path
from typing import Any, Literal

import msgspec

from harness.analyse.launches import middle_figures, time_launches, worst_check
from harness.analyse.limits import binding_limit
from harness.analyse.scaling import ScalingTable, TableRow
from harness.analyse.speedup import with_peers, with_speedups
from harness.case import Case, Sweep, SweepCase, Synchronisation, sortable
from harness.store.manifest import stand_in
from harness.store.read import Run, newest, sound
from harness.store.record import Status
from harness.store.results import open_results
from kernels.api import InputError

# stack key and synchronisation
_Way = tuple[str, Synchronisation]


def make_table(results: Path, sweep_name: str) -> ScalingTable:
    """The scaling table of a sweep in a results folder or packed file; raises `InputError` when it is not there.

    Without its manifest the records still make a table, see `stand_in`.
    """
    source = open_results(results)
    complaints: list[object] = []
    runs = list(sound(source.scan(sweep_name, Run), complaints))
    try:
        sweep = source.manifest(sweep_name)
    except InputError as error:
        sweep = stand_in(sweep_name)
        complaints.append(error)
    rows = make_rows(sweep, runs)
    return ScalingTable(sweep=sweep_name, mode=sweep.mode, rows=rows, damages=list(map(str, complaints)))


def make_rows(sweep: Sweep, runs: Iterable[Run]) -> list[TableRow]:
    """One row a case and way of measuring: kernels as the sweep names them, series after series, growing ranks.

    A way, the stack with the synchronisation, in which any case of a kernel was measured owes all of them; a case
    without any record is one row.
    """
    found: dict[str, dict[_Way, list[Run]]] = defaultdict(lambda: defaultdict(list))
    ways: dict[str, dict[_Way, None]] = defaultdict(dict)
    for run in newest(runs):
        way = (run.stack.key, run.synchronisation)
        found[run.case.id][way].append(run)
        ways[run.case.kernel][way] = None
    rows = [
        _make_row(sweep, item, way, found[item.case.id][way])
        for item in _all_cases(sweep, found)
        for way in ways[item.case.kernel] or [("", sweep.synchronisation)]
    ]
    if sweep.mode != "none":
        rows = with_speedups(rows)
    return _ordered(with_peers(rows))


def _all_cases(sweep: Sweep, found: dict[str, dict[_Way, list[Run]]]) -> list[SweepCase]:
    """The manifest's cases, and those that only records know; each of the latter stands for a series by its problem."""
    asked = {item.case.id for item in sweep.cases}
    extra = []
    for case_id, by_way in found.items():
        if case_id not in asked:
            runs = (run for group in by_way.values() for run in group)
            case = max((run.case for run in runs), key=lambda case: case.kernel_version)
            digest = case.id.rpartition(".")[2]
            extra.append(SweepCase(case, f"{case.kernel}.{case.backend}.t{case.scale.threads}.{digest}"))
    return [*sweep.cases, *extra]


def _make_row(sweep: Sweep, item: SweepCase, way: _Way, found: Sequence[Run]) -> TableRow:
    stack, synchronisation = way
    case = item.case
    runs = [run for run in found if run.case.kernel_version == case.kernel_version]
    done = [run for run in runs if run.status == "ok"]
    timing = time_launches(done)
    check = worst_check(done)
    work = done[-1].work if done else None
    limit = binding_limit(done)
    figures, units = middle_figures(done)
    status, message = _judge(sweep, case, found, runs)
    row = TableRow(
        sweep=sweep.name,
        **case.describe(),
        stack=stack,
        status=status,
        message=message,
        rate=work.items / timing.median_s if work and timing and timing.median_s > 0 else None,
        rate_unit=f"{work.item}/s" if work else "",
        item=work.item if work else "",
        bound=limit[0] if limit else None,
        fraction_of_bound=limit[1] / timing.median_s if limit and timing and timing.median_s > 0 else None,
        check_error=check.error if check else None,
        check_passed=check.passed if check else None,
        figures=figures,
        figure_units=units,
        mode=sweep.mode,
        series=item.series,
        kernel_version=case.kernel_version,
        work=work,
        resolution_s=max((run.timer.resolution_s for run in done if run.timer), default=None),
        timer_cost_s=max((run.timer.cost_s for run in done if run.timer), default=None),
        synchronisation=synchronisation,
    )
    return msgspec.structs.replace(row, **msgspec.structs.asdict(timing)) if timing else row


def _judge(
    sweep: Sweep, case: Case, found: Sequence[Run], runs: Sequence[Run]
) -> tuple[Status | Literal["missing"], str]:
    """Status and message of a row: the first launch without a result speaks for the case, then what is not measured
    yet, then a wrong answer.
    """
    if not runs:
        versions = sorted({run.case.kernel_version for run in found})
        if versions:
            return (
                "missing",
                f"measured with kernel version {versions[-1]}, now version {case.kernel_version} is asked for",
            )
        return "missing", "not measured yet"
    share = f" (in {{}} of {len(runs)} launches)" if len(runs) > 1 else ""
    unfinished = [run for run in runs if run.status != "ok"]
    if unfinished:
        return unfinished[0].status, unfinished[0].message + share.format(len(unfinished))
    if len(runs) < sweep.repeats:
        return "missing", f"{len(runs)} of {sweep.repeats} launches measured"
    wrong = [run for run in runs if run.check is not None and not run.check.passed]
    return "ok", wrong[0].message + share.format(len(wrong)) if wrong else ""


def _ordered(rows: list[TableRow]) -> list[TableRow]:
    """Kernels and backends as first seen; problems by the parameters of their smallest case; ranks growing."""
    place: dict[str, int] = {}
    smallest: dict[str, TableRow] = {}
    for row in rows:
        place.setdefault(row.kernel, len(place))
        place.setdefault(f"{row.kernel}.{row.backend}", len(place))
        if row.problem not in smallest or row.size < smallest[row.problem].size:
            smallest[row.problem] = row

    def key(row: TableRow) -> tuple[Any, ...]:
        first = smallest[row.problem]
        values = [sortable(value) for value in first.parameters.values()]
        return (
            place[row.kernel],
            first.device,
            values,
            row.problem,
            place[f"{row.kernel}.{row.backend}"],
            row.stack,
            row.synchronisation,
            row.size,
        )

    return sorted(rows, key=key)
