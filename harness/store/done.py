"""What of a sweep is done already, by its records' few telling fields: the samples stay unread."""

from __future__ import annotations

import itertools
from collections.abc import Iterable, Iterator
from operator import attrgetter
from pathlib import Path

import msgspec
from msgspec import Struct

from harness.case import Case, Synchronisation
from harness.store.decode import decode_file
from harness.store.read import newest_of, record_paths
from harness.store.record import LaunchInfo, RunKey, Stack, Status
from harness.store.write import runs_folder


class _Case(Struct, frozen=True, gc=False):
    id: str
    kernel_version: int


class _Run(Struct, frozen=True, gc=False):
    """The few fields that tell whether a run is done; the decoder passes over the samples."""

    schema: int
    run_id: str
    case: _Case
    stack: Stack
    launch: LaunchInfo
    status: Status
    synchronisation: Synchronisation = "barrier"
    ended: str = ""

    @property
    def key(self) -> RunKey:
        return self.case.id, self.stack.key, self.launch.repeat


_DECODER = msgspec.json.Decoder(_Run)


def finished(
    results: Path, sweep_name: str, cases: Iterable[Case], synchronisation: Synchronisation
) -> dict[RunKey, str]:
    """Every run of ``cases`` that need not be done again, and the pair that the newest record of it was half of.

    A record counts when its status is ``ok``, its kernel version the one that the case asks for and its ranks were
    synchronised as asked: times after a barrier are not those in a window.
    """
    good = (
        run
        for case, run in _runs_of(results, sweep_name, cases)
        if run.status == "ok"
        and run.case.kernel_version == case.kernel_version
        and run.synchronisation == synchronisation
    )
    return {run.key: run.launch.pair for run in newest_of(good, attrgetter("key"))}


def attempted(
    results: Path, sweep_name: str, cases: Iterable[Case], synchronisation: Synchronisation, allocation: str
) -> set[RunKey]:
    """Every run of ``cases`` that has a record, good or bad, from one batch job, or a good one from anywhere."""
    cases = list(cases)
    from_job = {run.key for _, run in _runs_of(results, sweep_name, cases) if run.launch.allocation == allocation}
    return from_job | finished(results, sweep_name, cases, synchronisation).keys()


def _runs_of(results: Path, sweep_name: str, cases: Iterable[Case]) -> Iterator[tuple[Case, _Run]]:
    for case in {case.id: case for case in cases}.values():
        for run in _runs_of_case(results, sweep_name, case.id):
            yield case, run


def _runs_of_case(results: Path, sweep_name: str, case_id: str) -> Iterator[_Run]:
    folder = runs_folder(results, sweep_name) / case_id
    for path in record_paths(folder, []) if folder.is_dir() else ():
        run = decode_file(path, _DECODER)
        if isinstance(run, _Run) and run.case.id == case_id:
            yield run


def finished_cases(results: Path, sweep_name: str, case_ids: Iterable[str]) -> set[str]:
    """Those of the cases that have a finished run, of whatever kernel version and stack."""
    return {
        case_id
        for case_id in case_ids
        if any(run.status == "ok" for run in _runs_of_case(results, sweep_name, case_id))
    }


def next_repeat(results: Path, sweep_name: str, case_id: str, stack: str, synchronisation: Synchronisation) -> int:
    """The lowest repeat of a case in a stack that has no finished run so synchronised: one that failed is measured
    anew.
    """
    done = {
        run.launch.repeat
        for run in _runs_of_case(results, sweep_name, case_id)
        if run.status == "ok" and run.stack.key == stack and run.synchronisation == synchronisation
    }
    return next(repeat for repeat in itertools.count() if repeat not in done)
