"""The ratio of two sides' times: launches first, samples second, and what many ratios at once may claim.

A launch enters by the median of its samples, whose own uncertainty is thereby part of the variation between launches.
Effects between launches multiply, so everything here is a logarithm: 0.05 is about 5 % longer.
"""

from __future__ import annotations

import math
from collections.abc import Callable, Sequence

import numpy as np
from msgspec import Struct

# the share of intervals that enclose the true ratio; each end alone is then a 95 % bound
CONFIDENCE = 0.90
# of the cases called faster or slower, at most this share is expected to be unchanged
FALSE_DISCOVERIES = 0.05
# nobody plans for more
MOST_LAUNCHES = 100


class Launches(Struct, frozen=True):
    """The logarithms of one side's launch medians: their count, mean and variance (over n - 1)."""

    count: int
    mean: float
    variance: float

    @classmethod
    def of(cls, logs: Sequence[float]) -> Launches:
        """Of at least one value; a single one has variance 0."""
        count = len(logs)
        mean = math.fsum(logs) / count
        squares = math.fsum((value - mean) ** 2 for value in logs)
        return cls(count, mean, squares / (count - 1) if count > 1 else 0.0)


class Ratio(Struct, frozen=True, kw_only=True):
    """The logarithm of NEW over BASE with its standard error and degrees of freedom.

    ``planned(extra)`` gives error and degrees if each side had that many more launches of the same variance.
    """

    log: float
    error: float
    degrees: float
    pairs: int = 0
    planned: Callable[[int], tuple[float, float]]

    @property
    def value(self) -> float:
        """NEW over BASE."""
        return math.exp(self.log)

    @property
    def log_interval(self) -> tuple[float, float]:
        """The 90 % t interval of the logarithm."""
        half = half_width(self.error, self.degrees)
        return self.log - half, self.log + half

    def interval(self, confidence: float = CONFIDENCE) -> tuple[float, float]:
        """The t interval that encloses NEW over BASE with that probability."""
        half = half_width(self.error, self.degrees, confidence)
        return math.exp(self.log - half), math.exp(self.log + half)

    @property
    def p_value(self) -> float:
        """Two-sided probability of a ratio so far from 1 if nothing had changed."""
        return p_value(self.log, self.error, self.degrees)


def unpaired(base: Launches, new: Launches) -> Ratio | None:
    """The ratio of launches measured independently; None when neither side has a second launch.

    Welch, "The generalization of 'Student's' problem when several different population variances are involved"
    (Biometrika 34, 1947): unlike the pooled t test it keeps its word when one side alone is unsteady. A side of one
    launch borrows the other's variance.
    """
    if base.count < 2 and new.count < 2:
        return None

    def planned(extra: int) -> tuple[float, float]:
        return _welch(base, new, extra)

    error, degrees = planned(0)
    return Ratio(log=new.mean - base.mean, error=error, degrees=degrees, planned=planned)


def paired(differences: Sequence[float]) -> Ratio | None:
    """The ratio from pairs of launches that followed each other closely, so that drift cancels; None below two pairs.

    ``differences`` holds, for each pair, the logarithm of NEW over BASE (Student's paired t).
    """
    if len(differences) < 2:
        return None
    pairs = Launches.of(differences)

    def planned(extra: int) -> tuple[float, float]:
        count = pairs.count + extra
        return math.sqrt(pairs.variance / count), count - 1.0

    error, degrees = planned(0)
    return Ratio(log=pairs.mean, error=error, degrees=degrees, pairs=pairs.count, planned=planned)


def half_width(error: float, degrees: float, confidence: float = CONFIDENCE) -> float:
    """Half the t interval."""
    from scipy.special import stdtrit

    return error * float(stdtrit(degrees, (1 + confidence) / 2))


def p_value(log: float, error: float, degrees: float) -> float:
    """Two-sided p value of a t statistic; of a difference without any variation 0, of none at all 1."""
    from scipy.special import stdtr

    if error == 0:
        return float(log == 0)
    return 2 * float(stdtr(degrees, -abs(log) / error))


def discoveries(p_values: Sequence[float], share: float = FALSE_DISCOVERIES) -> tuple[list[bool], float]:
    """Which of many comparisons count as changes, and the p value that one more would need.

    Benjamini and Hochberg, "Controlling the False Discovery Rate" (Journal of the Royal Statistical Society B 57,
    1995): when nothing has changed, the probability of a single claim among all is at most ``share``, however many
    there are.
    """
    if not p_values:
        return [], share
    ordered = np.sort(np.asarray(p_values, dtype=float))
    limits = share * np.arange(1, len(ordered) + 1) / len(ordered)
    passing = np.flatnonzero(ordered <= limits)
    count = int(passing[-1]) + 1 if len(passing) else 0
    limit = float(limits[count - 1]) if count else 0.0
    wanted = float(limits[min(count, len(limits) - 1)])
    return [count > 0 and value <= limit for value in p_values], wanted


def launches_to_settle(ratio: Ratio, threshold: float, p_needed: float) -> int | None:
    """How many more launches a side would settle the ratio, if ratio and variation stayed as observed.

    Settled is an interval that lies within the ``threshold`` (a logarithm), or beyond it with a p value of at most
    ``p_needed``. None when `MOST_LAUNCHES` would not do.
    """
    room = abs(abs(ratio.log) - threshold)
    beyond = abs(ratio.log) > threshold
    for extra in range(1, MOST_LAUNCHES + 1):
        error, degrees = ratio.planned(extra)
        if half_width(error, degrees) < room and (not beyond or p_value(ratio.log, error, degrees) <= p_needed):
            return extra
    return None


def _welch(base: Launches, new: Launches, extra: int) -> tuple[float, float]:
    """Standard error and Welch-Satterthwaite degrees of freedom, with ``extra`` launches more a side."""
    if base.count < 2 or new.count < 2:
        known = base if base.count > 1 else new
        share = 1 / (base.count + extra) + 1 / (new.count + extra)
        return math.sqrt(known.variance * share), known.count - 1.0 + 2 * extra
    squares = [(side.variance / (side.count + extra), side.count + extra) for side in (base, new)]
    total = sum(square for square, _ in squares)
    if total == 0:
        return 0.0, base.count + new.count - 2.0 + 2 * extra
    return math.sqrt(total), total**2 / sum(square**2 / (count - 1) for square, count in squares)
