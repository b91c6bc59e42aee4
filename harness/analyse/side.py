"""One side of a comparison: what each launch says of each case, wherever it is read from."""

from __future__ import annotations

import math
from collections import Counter, defaultdict
from collections.abc import Container, Iterable
from pathlib import Path
from typing import Any

import msgspec
import numpy as np
from msgspec import Struct

from harness.case import Case, Synchronisation
from harness.statistics import quantile_of_sorted
from harness.store import baselines, pack
from harness.store.decode import Damage
from harness.store.imports import read_foreign
from harness.store.imports.foreign import Better
from harness.store.read import WholeRun, decode_environment, newest_of, sound
from harness.store.record import Status
from harness.store.results import Results, open_results
from kernels.api import InputError

# the metric that every finished run has; all others are figures of merit
TIME = "time"


class Outcome(Struct, frozen=True, kw_only=True, gc=False):
    """What one launch says of one case. ``value`` is the median time in seconds or the figure of merit, if there is
    one.

    ``environment`` is an index into `Side.environments`, ``resolution_s`` the step of the clock and ``timer_cost_s``
    what a reading of it takes, where they are known.
    """

    run_id: str
    sweep: str
    stack: str
    repeat: int
    pair: str
    status: Status
    message: str
    is_right: bool
    value: float | None
    samples: int
    kernel_version: int
    environment: int
    started: str
    ended: str
    synchronisation: Synchronisation = "barrier"
    resolution_s: float | None = None
    timer_cost_s: float | None = None


class Side(Struct, frozen=True, kw_only=True):
    """Results brought down to outcomes, by case id. ``asked`` are the cases that sweeps ask for, by sweep and case id.

    ``better`` is the better direction of the metric and ``figures`` names the figures of merit that were seen.
    """

    name: str
    cases: dict[str, Case]
    outcomes: dict[str, list[Outcome]]
    asked: dict[tuple[str, str], Case]
    environments: list[dict[str, Any]]
    damages: list[str]
    better: Better
    figures: set[str]


class _Reader:
    """Takes runs one at a time and keeps of each only its outcome, so that memory does not grow with samples."""

    def __init__(self, metric: str) -> None:
        self.metric = metric
        self.cases: dict[str, Case] = {}
        self.outcomes: dict[str, list[Outcome]] = defaultdict(list)
        self.damages: list[object] = []
        self.directions: Counter[str] = Counter()
        self.figures: set[str] = set()
        self._environments: dict[bytes, int] = {}

    def take(self, found: Iterable[WholeRun | Damage]) -> None:
        """Keep the outcomes of runs, and what is damaged."""
        for run in sound(found, self.damages):
            known = self.cases.get(run.case.id)
            if known is None or known.kernel_version < run.case.kernel_version:
                self.cases[run.case.id] = run.case
            self.outcomes[run.case.id].append(self._outcome(run))

    def _outcome(self, run: WholeRun) -> Outcome:
        return Outcome(
            run_id=run.run_id,
            sweep=run.sweep,
            stack=run.stack.key,
            repeat=run.launch.repeat,
            pair=run.launch.pair,
            status=run.status,
            message=run.message,
            is_right=run.check is None or run.check.passed,
            value=self._value(run),
            samples=len(run.samples_s),
            kernel_version=run.case.kernel_version,
            environment=self._environments.setdefault(bytes(run.environment), len(self._environments)),
            started=run.started,
            ended=run.ended,
            synchronisation=run.synchronisation,
            resolution_s=run.timer.resolution_s if run.timer else None,
            timer_cost_s=run.timer.cost_s if run.timer else None,
        )

    def _value(self, run: WholeRun) -> float | None:
        self.figures.update(figure.name for figure in run.figures)
        if self.metric == TIME:
            return quantile_of_sorted(np.sort(run.samples_s), 0.5) if run.samples_s else None
        figure = next((figure for figure in run.figures if figure.name == self.metric), None)
        if figure is None:
            return None
        self.directions[figure.better] += 1
        return float(figure.value) if isinstance(figure.value, int | float) else None

    def finish(self, name: str, asked: dict[tuple[str, str], Case]) -> Side:
        """What was taken, as a side of that name."""
        better: Any = "lower" if self.metric == TIME else next(iter(self.directions), "neither")
        return Side(
            name=name,
            cases=self.cases,
            outcomes=dict(self.outcomes),
            asked=asked,
            environments=[decode_environment(content) for content in self._environments],
            damages=list(map(str, self.damages)),
            better=better,
            figures=self.figures,
        )


def read_side(name: str, results: Path, sweeps: Iterable[str] = (), metric: str = TIME) -> Side:
    """Read what a user names as one side: a results folder, a packed file, ``@baseline`` or another tool's results.

    ``results`` is where baselines lie; ``sweeps`` restricts our own results to some sweeps. All runs are kept, also
    those that a later one supersedes (see `newest_outcomes`). Raises `InputError` when there is nothing to read.
    """
    path = baselines.find(results, name[1:]) if name.startswith("@") else Path(name)
    reader = _Reader(metric)
    asked: dict[tuple[str, str], Case] = {}
    if _is_ours(path):
        source = open_results(path)
        for sweep in sweeps or source.sweep_names():
            reader.take(source.scan(sweep, WholeRun))
            asked |= _asked_cases(source, sweep, reader.damages)
    else:
        runs, damages = read_foreign(path)
        reader.take([*runs, *damages])
    return reader.finish(name, asked)


def of_stacks(side: Side, name: str, keys: Container[str]) -> Side:
    """What was measured in some stacks only, as a side called ``name``; what is damaged stays with the whole."""
    kept: dict[str, list[Outcome]] = {}
    used: dict[int, int] = {}
    for case_id, outcomes in side.outcomes.items():
        for outcome in outcomes:
            if outcome.stack in keys:
                environment = used.setdefault(outcome.environment, len(used))
                kept.setdefault(case_id, []).append(msgspec.structs.replace(outcome, environment=environment))
    environments = [side.environments[index] for index in used]
    return msgspec.structs.replace(side, name=name, outcomes=kept, environments=environments, damages=[])


def newest_outcomes(outcomes: Iterable[Outcome]) -> list[Outcome]:
    """One outcome a launch: of each sweep, stack, synchronisation and repeat, of the newest kernel version only."""
    outcomes = list(outcomes)
    version = max((outcome.kernel_version for outcome in outcomes), default=0)
    return newest_of(
        (outcome for outcome in outcomes if outcome.kernel_version == version),
        lambda outcome: (outcome.sweep, outcome.stack, outcome.synchronisation, outcome.repeat),
    )


def log_value(outcome: Outcome) -> float | None:
    """The logarithm of a finished launch's value; None where it has none: nothing there, not a number, 0 or less."""
    if outcome.status != "ok" or outcome.value is None or not 0 < outcome.value < math.inf:
        return None
    return math.log(outcome.value)


def _is_ours(path: Path) -> bool:
    return path.suffix == pack.SUFFIX or (path / "runs").is_dir()


def _asked_cases(source: Results, sweep: str, damages: list[object]) -> dict[tuple[str, str], Case]:
    """The cases of a sweep's manifest; without one, which is said among ``damages``, nobody knows what is missing."""
    try:
        return {(sweep, item.case.id): item.case for item in source.manifest(sweep).cases}
    except InputError as error:
        damages.append(error)
        return {}
