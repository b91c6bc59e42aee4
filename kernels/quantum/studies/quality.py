"""Statistics over seeds: how good, and how long until good enough."""

from __future__ import annotations

import math
from collections.abc import Sequence
from typing import Literal, NamedTuple

import numpy as np
from numpy.typing import ArrayLike
from scipy.stats import binom

from kernels.api import Figure

Better = Literal["higher", "lower", "neither"]


class Curve(NamedTuple):
    """Of one training run: the loss and the seconds since the start after each round, an iteration or an epoch."""

    losses: list[float]
    seconds: list[float]

    def rounds_to(self, loss: float) -> float:
        """How many rounds until the loss is reached; infinite if it never is."""
        return next((float(count) for count, found in enumerate(self.losses, start=1) if found <= loss), math.inf)

    def seconds_to(self, loss: float) -> float:
        """How long until the loss is reached, or else until the end."""
        return next((spent for found, spent in zip(*self, strict=True) if found <= loss), self.seconds[-1])


def expected_to_target(spent: Sequence[float], reached: Sequence[bool]) -> float:
    """What one success costs when failures are followed by a new seed: all that was spent, over the successes.

    ``spent`` counts until the target or the end. Infinite without a success. Auger and Hansen, "Performance evaluation
    of an advanced local search evolutionary algorithm", CEC 2005, equation 4.
    """
    return sum(spent) / sum(reached) if any(reached) else math.inf


def median_interval(values: ArrayLike) -> tuple[float, float] | None:
    """The order statistics that enclose the median with at least 95 % probability; None below six values.

    Hoefler and Belli, "Scientific Benchmarking of Parallel Computing Systems", SC15, section 3.1.3, with the exact
    binomial ranks, since seeds are few: of ten values the second and the ninth. Values may be infinite.
    """
    ordered = np.sort(np.asarray(values, dtype=float))
    rank = int(binom.ppf(0.025, len(ordered), 0.5))
    return (float(ordered[rank - 1]), float(ordered[-rank])) if rank else None


def seed_figures(name: str, values: Sequence[float], unit: str = "", better: Better = "neither") -> list[Figure]:
    """The median over seeds and, from six seeds on, its 95 % interval; "never" where it is infinite."""
    interval = median_interval(values)
    found = [(name, float(np.median(values)))]
    if interval:
        found += [(f"{name}, low", interval[0]), (f"{name}, high", interval[1])]
    return [_figure(label, value, unit, better) for label, value in found]


def time_figures(rounds: str, curves: Sequence[Curve], target: float) -> list[Figure]:
    """The share of seeds at the target loss, how many ``rounds`` until they were, and the expected seconds to one."""
    counts = [curve.rounds_to(target) for curve in curves]
    reached = [count < math.inf for count in counts]
    seconds = [curve.seconds_to(target) for curve in curves]
    return [
        Figure(name="share of seeds at target", value=sum(reached) / len(reached), better="higher"),
        *seed_figures(f"{rounds} to target", counts, better="lower"),
        _figure("expected time to target", expected_to_target(seconds, reached), "s", "lower"),
    ]


def _figure(name: str, value: float, unit: str, better: Better) -> Figure:
    return Figure(name=name, value=value if math.isfinite(value) else "never", unit=unit, better=better)
