"""What is still to be measured, as launches: sets of cases that share a scale, a stack and a repeat.

They also share what MPI is told of threads, for that makes small messages slower: a case is as fast alone as beside
others.
"""

from __future__ import annotations

import os
import random
import secrets
import time
from collections import defaultdict
from collections.abc import Callable, Collection, Iterable, Mapping
from typing import Any

import msgspec
from msgspec import Struct

from harness.case import Case, Scale, Sweep
from harness.store.record import RunKey, Stack
from kernels.api import InputError

# what a launch costs before its first sample, and a case beside its sampling: for the expected time only
_LAUNCH_S = 3.0
_CASE_S = 1.0


class Launch(Struct, frozen=True, kw_only=True):
    """Cases that one set of processes will run, in a random order of its own.

    Two launches of one ``pair`` follow each other, in the same order, so that base and candidate of each case are
    equally far apart. ``code`` identifies the source code of ranks that do not run the host's own.
    """

    scale: Scale
    stack: Stack
    repeat: int
    cases: list[Case]
    pair: str = ""
    code: dict[str, Any] = {}

    def key(self, case: Case) -> RunKey:
        """What tells the run of one of its cases from those of other launches."""
        return case.id, self.stack.key, self.repeat


def plan_launches(
    sweep: Sweep, stacks_of: Callable[[Case], Iterable[Stack]], finished: Collection[RunKey]
) -> list[Launch]:
    """The launches that measure, in the stacks of each case, what ``finished`` lacks.

    Repeats come outermost, so that an interrupted sweep has measured every case equally often, within one launch.
    """
    missing: dict[tuple[int, Scale, Stack, bool], list[Case]] = {}
    for repeat in range(sweep.repeats):
        for item in sweep.cases:
            for stack in stacks_of(item.case):
                if (item.case.id, stack.key, repeat) not in finished:
                    key = (repeat, item.case.scale, stack, item.case.threads_call_mpi)
                    missing.setdefault(key, []).append(item.case)
    return [
        Launch(scale=scale, stack=stack, repeat=repeat, cases=random.sample(cases, len(cases)))
        for (repeat, scale, stack, _), cases in missing.items()
    ]


def plan_pairs(
    sweep: Sweep, stacks_of: Callable[[Case], tuple[Stack, Stack]], finished: Mapping[RunKey, str]
) -> list[Launch]:
    """The launches that measure each case in two stacks, one right after the other; which is first alternates.

    A pair of which one half is lacking is measured whole: halves of different days are no pair. ``finished`` tells the
    pair that each run was half of, if any.
    """
    missing: dict[tuple[int, Scale, tuple[Stack, Stack], bool], list[Case]] = {}
    for repeat in range(sweep.repeats):
        for item in sweep.cases:
            stacks = stacks_of(item.case)
            if not _are_paired([(item.case.id, stack.key, repeat) for stack in stacks], finished):
                key = (repeat, item.case.scale, stacks, item.case.threads_call_mpi)
                missing.setdefault(key, []).append(item.case)
    launches = []
    for (repeat, scale, stacks, _), cases in missing.items():
        pair, order = new_launch_id(), random.sample(cases, len(cases))
        for stack in stacks if repeat % 2 == 0 else reversed(stacks):
            launches.append(Launch(scale=scale, stack=stack, repeat=repeat, cases=order, pair=pair))
    return launches


def left_over(launches: Iterable[Launch], finished: Mapping[RunKey, str]) -> list[Launch]:
    """The launches with those cases that ``finished`` lacks; of a pair both launches keep what either lacks."""
    launches = list(launches)
    halves: dict[tuple[str, str], list[RunKey]] = defaultdict(list)
    for launch in launches:
        for case in launch.cases:
            halves[launch.pair, case.id].append(launch.key(case))

    def is_lacking(launch: Launch, case: Case) -> bool:
        if launch.pair:
            return not _are_paired(halves[launch.pair, case.id], finished)
        return launch.key(case) not in finished

    left = [
        msgspec.structs.replace(launch, cases=[case for case in launch.cases if is_lacking(launch, case)])
        for launch in launches
    ]
    return [launch for launch in left if launch.cases]


def _are_paired(halves: Iterable[RunKey], finished: Mapping[RunKey, str]) -> bool:
    """Whether all of these runs are halves of one pair; what was measured apart, or against another base, is none."""
    pairs = {finished.get(key, "") for key in halves}
    return len(pairs) == 1 and "" not in pairs


def expected_s(launches: list[Launch], budget_s: float) -> float:
    """About how long the launches take at least, in seconds: how long cases prepare and verify nobody knows before."""
    return sum(_LAUNCH_S + len(launch.cases) * (budget_s + _CASE_S) for launch in launches)


def check_fits_here(sweep: Sweep) -> None:
    """Raise `InputError` when this one machine cannot place the ranks of a case, each on cores of its own."""
    cores = len(os.sched_getaffinity(0))
    for item in sweep.cases:
        scale = item.case.scale
        if scale.nodes > 1:
            raise InputError(
                f"{item.case.id}: {scale.nodes} nodes, but this is one machine; name a cluster with --site"
            )
        if scale.ranks * scale.threads > cores:
            raise InputError(
                f"{item.case.id}: {scale.ranks} ranks × {scale.threads} threads, but this machine gives {cores} cores; "
                "ask for fewer, or for a cluster with --site"
            )


def new_launch_id() -> str:
    """A name that sorts by time and that no other writer picks."""
    return f"{time.strftime('%Y%m%dT%H%M%S', time.gmtime())}-{secrets.token_hex(3)}"


def run_id(launch_id: str, repeat: int) -> str:
    """The id of a case's record in a launch; unique within the case's folder."""
    return f"{repeat:03d}-{launch_id}"
