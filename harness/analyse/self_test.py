"""How often this machine makes identical code look changed: one result, split in two at random, many times."""

from __future__ import annotations

import random
from collections import Counter, defaultdict

import numpy as np
from msgspec import Struct

from harness.analyse.ratio import Launches, Ratio, unpaired
from harness.analyse.side import Side, log_value, newest_outcomes
from harness.analyse.verdicts import Verdict, judge
from kernels.api import InputError

FEWEST_LAUNCHES = 4


class SelfTest(Struct, frozen=True, kw_only=True):
    """Shares of all (split, case) pairs by verdict; ``quiet_splits`` is the share of splits without any false alarm.

    ``launch_variation`` is the median over cases of the standard deviation between launches, relative to the time.
    """

    name: str
    splits: int
    cases: int
    launches_a_side: int
    threshold: float
    slower: float
    faster: float
    inconclusive: float
    same: float
    quiet_splits: float
    launch_variation: float


def self_test(side: Side, threshold: float, splits: int = 200, seed: int = 0) -> SelfTest:
    """Split the launches of all cases alike and compare the halves; raises `InputError` below four launches."""
    cases = _cases(side)
    if not cases:
        raise InputError(
            f"{side.name}: no case has {FEWEST_LAUNCHES} launches; right would be a sweep with --repeats 10"
        )
    generator = random.Random(seed)
    verdicts: Counter[Verdict] = Counter()
    quiet = 0
    for _ in range(splits):
        # what launches of one repeat share, such as a slow minute, must fall on the same side
        order: dict[tuple[str, int], float] = defaultdict(generator.random)
        judgements = judge([r for logs in cases if (r := _split(logs, order)) is not None], threshold)
        alarms = sum(item.verdict in ("slower", "faster") for item in judgements)
        verdicts.update(item.verdict for item in judgements)
        quiet += alarms == 0
    total = verdicts.total()
    return SelfTest(
        name=side.name,
        splits=splits,
        cases=len(cases),
        launches_a_side=min(len(logs) for logs in cases) // 2,
        threshold=threshold,
        slower=verdicts["slower"] / total,
        faster=verdicts["faster"] / total,
        inconclusive=verdicts["inconclusive"] / total,
        same=verdicts["same"] / total,
        quiet_splits=quiet / splits,
        launch_variation=float(np.median([np.std(list(logs.values()), ddof=1) for logs in cases])),
    )


def _cases(side: Side) -> list[dict[tuple[str, int], float]]:
    """For each case, stack and synchronisation with enough launches their logarithms, by sweep and repeat."""
    found: dict[tuple[str, str, str], dict[tuple[str, int], float]] = defaultdict(dict)
    for case_id, outcomes in side.outcomes.items():
        for outcome in newest_outcomes(outcomes):
            log = log_value(outcome)
            if log is not None and outcome.is_right:
                found[case_id, outcome.stack, outcome.synchronisation][outcome.sweep, outcome.repeat] = log
    return [logs for logs in found.values() if len(logs) >= FEWEST_LAUNCHES]


def _split(logs: dict[tuple[str, int], float], order: dict[tuple[str, int], float]) -> Ratio | None:
    shuffled = sorted(logs, key=lambda launch: order[launch])
    half = len(shuffled) // 2
    return unpaired(
        Launches.of([logs[launch] for launch in shuffled[:half]]),
        Launches.of([logs[launch] for launch in shuffled[half : 2 * half]]),
    )
