"""The scaling table: the records of a sweep, one row a case and stack, each with the base its speed-up names."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Iterable, Sequence
from pathlib import Path
from typing import Any, Literal

import msgspec
import numpy as np
from msgspec import Struct

from harness.analyse.launches import middle_figures, time_launches, worst_check
from harness.analyse.limits import binding_limit
from harness.analyse.ratio import Launches, unpaired
from harness.case import Case, Mode, Sweep, SweepCase
from harness.store.read import Damage, Run, newest
from harness.store.record import Stack, Status
from harness.store.results import open_results
from kernels.api import InputError, Work
from kernels.calibration.limits import MOST_FRACTION


class TableRow(Struct, frozen=True, kw_only=True):
    """One case in one stack. The fields are the columns that programs read, in this order; SI units.

    ``status`` is ``ok`` only when no launch of the case lacks its result; ``message`` says what is wrong. ``rate`` is
    the whole job's items per second, ``speedup`` its ratio to the rate of ``base_case_id`` (the fewest ranks of the
    series: T1/Tp in strong scaling, the scaled speed-up in weak) and ``efficiency`` that over the ratio of ranks.
    ``speedup_low`` and ``speedup_high`` enclose the speed-up with 95 % probability where both sides have several
    launches; ``serial_fraction`` is Karp and Flatt's, with its own interval. ``peer_speedup`` is the ratio to the
    slowest backend at the same parameters and scale. Wrong answers (``check_passed`` false) have times, but neither are
    a base nor have a ratio. ``bound`` names the limit of the machine that binds, and ``fraction_of_bound`` is the least
    time that it allows over the median.
    """

    sweep: str
    case_id: str
    kernel: str
    backend: str
    parameters: dict[str, Any]
    nodes: int
    ranks: int
    threads: int
    stack: str
    status: Status | Literal["missing"]
    launches: int = 0
    samples: int = 0
    median_s: float | None = None
    low_s: float | None = None
    high_s: float | None = None
    min_s: float | None = None
    p99_s: float | None = None
    rate: float | None = None
    rate_unit: str = ""
    speedup: float | None = None
    efficiency: float | None = None
    bound: str | None = None
    fraction_of_bound: float | None = None
    check_error: float | None = None
    figures: dict[str, float | str | None] = {}
    figure_units: dict[str, str] = {}
    item: str = ""
    mode: Mode = "none"
    series: str = ""
    base_case_id: str | None = None
    peer_speedup: float | None = None
    check_passed: bool | None = None
    device: str = "cpu"
    kernel_version: int = 0
    message: str = ""
    cv: float | None = None
    launch_median_s: list[float] = []
    speedup_low: float | None = None
    speedup_high: float | None = None
    serial_fraction: float | None = None
    serial_fraction_low: float | None = None
    serial_fraction_high: float | None = None
    work: Work | None = None

    @property
    def problem(self) -> str:
        """What the series of different backends share: kernel, parameters, threads and device."""
        return f"{self.kernel}.{self.series.removeprefix(f'{self.kernel}.{self.backend}.')}.{self.device}"

    @property
    def counts(self) -> bool:
        """Whether the row has a time, and the answer that took it was right."""
        return self.median_s is not None and self.check_passed is not False

    @property
    def beats_bound(self) -> bool:
        """Whether it is faster than it can be, so that its work is counted wrongly or the machine has changed."""
        return self.fraction_of_bound is not None and self.fraction_of_bound > MOST_FRACTION

    @property
    def is_bad(self) -> bool:
        """Whether a launch failed, is missing altogether, or gave a wrong answer."""
        return self.status != "ok" or self.check_passed is False


class ScalingTable(Struct, frozen=True, kw_only=True):
    """A sweep's rows, and a line on every file among its records that is none."""

    sweep: str
    mode: Mode
    rows: list[TableRow]
    damages: list[str] = []

    @property
    def is_bad(self) -> bool:
        """Whether anything is failed, missing, damaged or answered wrongly."""
        return bool(self.damages) or any(row.is_bad for row in self.rows)


def make_table(results: Path, sweep_name: str) -> ScalingTable:
    """The scaling table of a sweep in a results folder or packed file; raises `InputError` when it is not there.

    Without its manifest the records still make a table, but nobody knows what is missing or in which mode it scales.
    """
    source = open_results(results)
    found = list(source.scan(sweep_name, Run))
    runs = [run for run in found if isinstance(run, Run)]
    complaints = [str(damage) for damage in found if isinstance(damage, Damage)]
    try:
        sweep = source.manifest(sweep_name)
    except InputError as error:
        sweep = Sweep(name=sweep_name, mode="none", repeats=1, budget_s=0.0, cases=[])
        complaints.append(str(error))
    return ScalingTable(sweep=sweep_name, mode=sweep.mode, rows=make_rows(sweep, runs), damages=complaints)


def make_rows(sweep: Sweep, runs: Iterable[Run]) -> list[TableRow]:
    """One row a case and stack: kernels as the sweep names them, series after series, growing ranks.

    A stack that measured any case of a kernel owes all of them; a case without any record is one row.
    """
    found: dict[str, dict[str, list[Run]]] = defaultdict(lambda: defaultdict(list))
    stacks: dict[str, dict[str, Stack]] = defaultdict(dict)
    for run in newest(runs):
        found[run.case.id][run.stack.key].append(run)
        stacks[run.case.kernel].setdefault(run.stack.key, run.stack)
    rows = [
        _make_row(sweep, item, stack, found[item.case.id][stack])
        for item in _all_cases(sweep, found)
        for stack in stacks[item.case.kernel] or [""]
    ]
    if sweep.mode != "none":
        rows = _with_speedups(rows)
    return _ordered(_with_peers(rows))


def _all_cases(sweep: Sweep, found: dict[str, dict[str, list[Run]]]) -> list[SweepCase]:
    """The manifest's cases, and those that only records know; each of the latter stands for a series by its problem."""
    asked = {item.case.id for item in sweep.cases}
    extra = []
    for case_id, by_stack in found.items():
        if case_id not in asked:
            runs = (run for group in by_stack.values() for run in group)
            case = max((run.case for run in runs), key=lambda case: case.kernel_version)
            digest = case.id.rpartition(".")[2]
            extra.append(SweepCase(case, f"{case.kernel}.{case.backend}.t{case.scale.threads}.{digest}"))
    return [*sweep.cases, *extra]


def _make_row(sweep: Sweep, item: SweepCase, stack: str, found: Sequence[Run]) -> TableRow:
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
        case_id=case.id,
        kernel=case.kernel,
        backend=case.backend,
        parameters=case.parameters,
        nodes=case.scale.nodes,
        ranks=case.scale.ranks,
        threads=case.scale.threads,
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
        device=case.device,
        kernel_version=case.kernel_version,
        work=work,
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


def _with_speedups(rows: Sequence[TableRow]) -> list[TableRow]:
    """Rates over the rate of the series' fewest ranks (Hoefler and Belli, SC15, rule 1: the base is named)."""
    bases: dict[tuple[str, str, str], TableRow] = {}
    for row in rows:
        key = (row.series, row.device, row.stack)
        if row.counts and row.rate and (key not in bases or (row.ranks, row.nodes) < _size(bases[key])):
            bases[key] = row
    return [_with_speedup(row, bases.get((row.series, row.device, row.stack))) for row in rows]


def _with_speedup(row: TableRow, base: TableRow | None) -> TableRow:
    if base is None or not base.rate or not row.rate or not row.counts:
        return row
    speedup = row.rate / base.rate
    low, high = _speedup_interval(row, base)
    # of a base with several ranks the law speaks as of one: what grows with the ranks is seen from there on
    ranks = row.ranks / base.ranks
    return msgspec.structs.replace(
        row,
        speedup=speedup,
        speedup_low=low,
        speedup_high=high,
        efficiency=speedup / ranks,
        base_case_id=base.case_id,
        serial_fraction=karp_flatt(speedup, ranks),
        serial_fraction_low=karp_flatt(high, ranks),
        serial_fraction_high=karp_flatt(low, ranks),
    )


def _speedup_interval(row: TableRow, base: TableRow) -> tuple[float | None, float | None]:
    """95 % interval of the ratio of rates; none for the base, which is its own measure."""
    if row is base or not (row.work and base.work and row.median_s and base.median_s):
        return None, None
    sides = [Launches.of(np.log(side.launch_median_s).tolist()) for side in (row, base)]
    quicker = unpaired(*sides) if min(side.count for side in sides) > 1 else None
    if quicker is None:
        return None, None
    low, high = quicker.interval(0.95)
    grown = row.work.items / base.work.items
    return low * grown, high * grown


def karp_flatt(speedup: float | None, ranks: float) -> float | None:
    """The serial fraction (1/S - 1/p) / (1 - 1/p) that a speed-up tells; None on one rank or without a speed-up.

    Karp and Flatt, "Measuring Parallel Processor Performance" (CACM 33, 1990), equation 2. One that stays the same over
    ranks is serial work, one that rises is overhead, and a negative one is a speed-up beyond the ranks.
    """
    return (1 / speedup - 1 / ranks) / (1 - 1 / ranks) if speedup and ranks > 1 else None


def _with_peers(rows: Sequence[TableRow]) -> list[TableRow]:
    """The ratio of the slowest backend's time to each row's, where several backends did the same."""
    peers: dict[tuple[str, str, str], list[float]] = defaultdict(list)
    for row in rows:
        if row.counts and row.median_s:
            peers[_peer_key(row)].append(row.median_s)
    return [
        msgspec.structs.replace(row, peer_speedup=max(peers[_peer_key(row)]) / row.median_s)
        if row.counts and row.median_s and len(peers[_peer_key(row)]) > 1
        else row
        for row in rows
    ]


def _peer_key(row: TableRow) -> tuple[str, str, str]:
    """Kernel, stack, and of the case's id what follows the backend: scale, device and parameters."""
    return row.kernel, row.stack, row.case_id.removeprefix(f"{row.kernel}.{row.backend}.")


def _ordered(rows: list[TableRow]) -> list[TableRow]:
    """Kernels and backends as first seen; problems by the parameters of their smallest case; ranks growing."""
    place: dict[str, int] = {}
    smallest: dict[str, TableRow] = {}
    for row in rows:
        place.setdefault(row.kernel, len(place))
        place.setdefault(f"{row.kernel}.{row.backend}", len(place))
        if row.problem not in smallest or _size(row) < _size(smallest[row.problem]):
            smallest[row.problem] = row

    def key(row: TableRow) -> tuple[Any, ...]:
        first = smallest[row.problem]
        values = [_sortable(value) for value in first.parameters.values()]
        return (
            place[row.kernel],
            first.device,
            values,
            row.problem,
            place[f"{row.kernel}.{row.backend}"],
            row.stack,
            _size(row),
        )

    return sorted(rows, key=key)


def _sortable(value: Any) -> tuple[bool, float, str]:
    """Numbers by their size and before words, so that values of any type have an order."""
    return (False, value, "") if isinstance(value, int | float) else (True, 0.0, str(value))


def _size(row: TableRow) -> tuple[int, int]:
    return row.ranks, row.nodes
