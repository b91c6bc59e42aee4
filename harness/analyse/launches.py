"""The runs of one case in one stack, brought together: launches first, samples second."""

from __future__ import annotations

import math
from collections.abc import Sequence

import numpy as np
from msgspec import Struct

from harness import statistics
from harness.store.read import Run, StoredCheck

# a time of fewer of the clock's steps is known to no better than one per cent, and of one shorter than as many readings
# of the clock these are more than five
CLOCK_STEPS = 100
CLOCK_READINGS = 20


class Timing(Struct, frozen=True, kw_only=True):
    """Seconds of one case over its launches; ``low_s`` and ``high_s`` enclose the median with 95 % probability.

    ``cv`` is the coefficient of variation of all samples, ``launch_median_s`` one median a launch, ``missed_windows``
    the share of steps that a rank was late for; None after a barrier.
    """

    launches: int
    samples: int
    median_s: float
    low_s: float | None
    high_s: float | None
    min_s: float
    p99_s: float
    cv: float | None
    launch_median_s: list[float]
    missed_windows: float | None


def time_launches(runs: Sequence[Run]) -> Timing | None:
    """The timing of a case from its finished runs, one a launch; None when there are none.

    Launches are the unit of comparison, so the median is that of their medians, with the t interval over their
    logarithms (see `statistics.typical_interval` for launches in modes). A single launch says nothing of the variation
    between launches: its interval is that of its samples, counted as so many as are independent.
    """
    if not runs:
        return None
    launches_s = [np.sort(run.samples_s) for run in runs]
    medians_s = [statistics.quantile_of_sorted(samples_s, 0.5) for samples_s in launches_s]
    pooled_s = launches_s[0] if len(launches_s) == 1 else np.sort(np.concatenate(launches_s))
    if len(launches_s) == 1:
        interval_s = statistics.median_interval(pooled_s, statistics.effective_samples(runs[0].samples_s))
    else:
        interval_s = statistics.typical_interval(medians_s) if min(medians_s) > 0 else None
    low_s, high_s = interval_s or (None, None)
    return Timing(
        launches=len(launches_s),
        samples=len(pooled_s),
        median_s=statistics.quantile_of_sorted(np.sort(medians_s), 0.5),
        low_s=low_s,
        high_s=high_s,
        min_s=float(pooled_s[0]),
        p99_s=statistics.quantile_of_sorted(pooled_s, 0.99),
        cv=statistics.coefficient_of_variation(pooled_s),
        launch_median_s=medians_s,
        missed_windows=_missed_windows(runs),
    )


def _missed_windows(runs: Sequence[Run]) -> float | None:
    missed = sum(len(run.missed_window) for run in runs)
    if all(run.synchronisation == "barrier" for run in runs):
        return None
    return missed / (missed + sum(len(run.samples_s) for run in runs))


def is_near_clock(time_s: float | None, resolution_s: float | None, cost_s: float | None = None) -> bool:
    """Whether a time is shorter than `CLOCK_STEPS` of the clock's steps, or `CLOCK_READINGS` readings of it, each of
    which takes ``cost_s``; what is unknown makes none so.
    """
    return time_s is not None and time_s < max(CLOCK_STEPS * (resolution_s or 0.0), CLOCK_READINGS * (cost_s or 0.0))


def worst_check(runs: Sequence[Run]) -> StoredCheck | None:
    """The check furthest beyond its tolerance, so that one wrong answer among many launches is seen."""
    checks = [run.check for run in runs if run.check is not None]
    return max(checks, key=_excess, default=None)


def _excess(check: StoredCheck) -> tuple[bool, float, float]:
    """Whether it failed, the error over the tolerance, and the error, which ranks those without any tolerance."""
    error = math.inf if check.error is None else abs(check.error)
    return not check.passed, error / check.tolerance if check.tolerance else error, error


def middle_figures(runs: Sequence[Run]) -> tuple[dict[str, float | str | None], dict[str, str]]:
    """Figures of merit and their units, by name: of numbers the median over launches, of words the newest launch's."""
    values: dict[str, list[float | str | None]] = {}
    units = {}
    for run in runs:
        for figure in run.figures:
            values.setdefault(figure.name, []).append(figure.value)
            units[figure.name] = figure.unit
    return {name: _middle(found) for name, found in values.items()}, units


def _middle(values: list[float | str | None]) -> float | str | None:
    if len(values) == 1:
        return values[0]
    numbers = [value for value in values if isinstance(value, int | float)]
    return float(np.median(numbers)) if numbers else values[-1]
