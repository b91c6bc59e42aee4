"""Statistics as small pure functions. Imports nothing of the harness: measuring and analysing both stand on it."""

from __future__ import annotations

import functools
import math
from collections.abc import Sequence

import numpy as np
from msgspec import Struct

# down to this chance launches are taken for log-normal: of the many cases of a table some always look otherwise
NOT_NORMAL = 0.01
# two-sided 95 % of the standard normal distribution
Z95 = 1.959963984540054


class RankTest(Struct, frozen=True):
    """Outcome of `kruskal_wallis`: the chance of such a difference among equals, and the share of variance it makes."""

    p_value: float
    effect_size: float


def median_interval(
    values: Sequence[float] | np.ndarray, effective_samples: float | None = None
) -> tuple[float, float] | None:
    """Nonparametric 95 % interval of the median of independent samples, from order statistics.

    The ranks (n + 1 -+ z sqrt(n)) / 2, counted from 1 (Hoefler and Belli, "Scientific Benchmarking of Parallel
    Computing Systems", SC15, section 3.1.3), interpolated between whole ones (Hutson, "Calculating nonparametric
    confidence intervals for quantiles using fractional order statistics", J. Applied Statistics 26, 1999): rounded
    outwards they would enclose the median of 30 samples in 99 of 100 cases. Samples that depend on one another tell
    less: ``effective_samples`` of them widen the ranks' distance by sqrt(n / effective_samples). None below six values
    (or effective samples), where no two ranks enclose the median with 95 % probability.
    """
    n = len(values)
    effective = n if effective_samples is None else min(effective_samples, n)
    if effective < 6:
        return None
    ordered = np.sort(np.asarray(values, dtype=float))
    reach = min(Z95 * n / math.sqrt(effective) / (n - 1), 1.0)
    return quantile_of_sorted(ordered, (1 - reach) / 2), quantile_of_sorted(ordered, (1 + reach) / 2)


def quantile_of_sorted(ordered: np.ndarray, share: float) -> float:
    """The quantile of values in ascending order, interpolated linearly between the two nearest ranks.

    Hyndman and Fan, "Sample Quantiles in Statistical Packages" (The American Statistician 50, 1996), definition 7.
    """
    place = (len(ordered) - 1) * share
    below = math.floor(place)
    above = min(below + 1, len(ordered) - 1)
    return float(ordered[below] + (place - below) * (ordered[above] - ordered[below]))


def relative_half_width(values: Sequence[float] | np.ndarray, effective_samples: float | None = None) -> float | None:
    """Half the width of `median_interval` over the median; None where there is no interval."""
    interval = median_interval(values, effective_samples)
    if interval is None:
        return None
    centre = float(np.median(values))
    return (interval[1] - interval[0]) / 2 / centre if centre > 0 else None


def launch_interval(launch_medians: Sequence[float]) -> tuple[float, float] | None:
    """95 % interval of the typical launch's median, in the unit of the values, from one positive median a launch.

    A t interval over the logarithms: launches are the independent unit (Hunold and Carpen-Amarie, "Reproducible MPI
    Benchmarking Is Still Not as Easy as You Think", IEEE TPDS 2016), effects between them multiply, and a percentile
    bootstrap over so few values covers too little. None below two launches.
    """
    n = len(launch_medians)
    if n < 2:
        return None
    logs = np.log(np.asarray(launch_medians, dtype=float))
    half = student_t_97_5(n - 1) * float(logs.std(ddof=1)) / math.sqrt(n)
    centre = float(logs.mean())
    return math.exp(centre - half), math.exp(centre + half)


def typical_interval(launch_medians: Sequence[float]) -> tuple[float, float] | None:
    """95 % interval around the median of positive launch medians, which it always holds; None below two launches.

    `launch_interval`, stretched to the median. It lies around the geometric mean, and where launches fall into modes
    (three in ten slower, say) that is another place: where there are enough launches for it and their logarithms look
    anything but normal, the median's own order statistics decide.
    """
    interval = launch_interval(launch_medians)
    if interval is None:
        return None
    ordered = median_interval(launch_medians)
    if ordered is not None:
        chance = normality(np.log(launch_medians))
        if chance is not None and chance < NOT_NORMAL:
            return ordered
    centre = float(np.median(launch_medians))
    return min(interval[0], centre), max(interval[1], centre)


def bootstrap_interval(
    launches: Sequence[Sequence[float] | np.ndarray], generator: np.random.Generator, count: int = 1000
) -> tuple[float, float]:
    """95 % percentile interval of the median of launches' medians, launches drawn anew first, their samples second.

    Efron and Tibshirani, "An Introduction to the Bootstrap" (1993), chapter 13. The median of n values drawn anew from
    n ordered ones is the value whose rank the median of n uniform numbers falls on, which is Beta distributed (Maritz
    and Jarrett, JASA 73, 1978), so no sample is drawn in fact. It assumes no distribution, but over five launches
    covers too little: `typical_interval` is what tables show.
    """
    ordered = [np.sort(np.asarray(launch, dtype=float)) for launch in launches]
    medians = np.stack([_draw_medians(values, generator, (count, len(ordered))) for values in ordered], axis=-1)
    chosen = generator.integers(len(ordered), size=(count, len(ordered)))
    typical = np.median(np.take_along_axis(medians, chosen[..., None], axis=-1)[..., 0], axis=1)
    low, high = np.quantile(typical, (0.025, 0.975))
    return float(low), float(high)


def _draw_medians(ordered: np.ndarray, generator: np.random.Generator, shape: tuple[int, ...]) -> np.ndarray:
    """Medians of as many values drawn from ``ordered`` with replacement as it has, float64, of ``shape``."""
    n = len(ordered)
    middle = (n + 1) // 2
    place = generator.beta(middle, n - middle + 1, shape)
    low = ordered[np.minimum((place * n).astype(int), n - 1)]
    if n % 2:
        return low
    # the next order statistic above the one drawn, for the median of an even count lies between the two
    place += (1 - place) * generator.beta(1, n - middle, shape)
    return (low + ordered[np.minimum((place * n).astype(int), n - 1)]) / 2


def coefficient_of_variation(values: Sequence[float] | np.ndarray) -> float | None:
    """Standard deviation over mean; None below two values or where the mean is not positive."""
    values = np.asarray(values, dtype=float)
    mean = float(values.mean()) if len(values) > 1 else 0.0
    return float(values.std(ddof=1)) / mean if mean > 0 else None


def lag1_autocorrelation(values: Sequence[float] | np.ndarray) -> float:
    """Correlation of the ranks of samples that follow one another, -1 to 1; 0 for too few or equal samples.

    The serial rank correlation of Wald and Wolfowitz (Annals of Mathematical Statistics 14, 1943), not circular: a few
    samples in a heavy tail cannot hide that the others depend on one another.
    """
    n = len(values)
    if n < 3:
        return 0.0
    values = np.asarray(values, dtype=float)
    ordered = np.sort(values)
    # equal values share the middle of their ranks
    ranks = np.searchsorted(ordered, values, "left") + np.searchsorted(ordered, values, "right") - float(n)
    total = float(ranks @ ranks)
    return float(ranks[:-1] @ ranks[1:]) / total if total > 0 else 0.0


def effective_samples(values: Sequence[float] | np.ndarray) -> float:
    """How many independent samples would tell as much as these: n (1 - r) / (1 + r), at most n.

    For samples whose dependence falls as r to the power of the lag (Bayley and Hammersley, Supplement to the Journal of
    the Royal Statistical Society 8, 1946); r is `lag1_autocorrelation`, and what is negative counts as 0.
    """
    correlation = max(lag1_autocorrelation(values), 0.0)
    return len(values) * (1 - correlation) / (1 + correlation)


def kruskal_wallis(groups: Sequence[Sequence[float] | np.ndarray]) -> RankTest | None:
    """Whether the groups' samples come from the same distribution (Kruskal and Wallis, JASA 47, 1952).

    The effect size is H / (n - 1), epsilon squared, 0 to 1 (Kelley, PNAS 21, 1935; Tomczak and Tomczak, 2014). None
    where there are fewer than two groups, or five samples in all, which no such test can tell apart.
    """
    n = sum(len(group) for group in groups)
    if len(groups) < 2 or n < 5 or min(len(group) for group in groups) < 1:
        return None
    pooled = np.concatenate([np.asarray(group, dtype=float) for group in groups])
    if pooled.min() == pooled.max():
        return RankTest(p_value=1.0, effect_size=0.0)
    from scipy import stats

    statistic, p_value = stats.kruskal(*groups)
    return RankTest(p_value=float(p_value), effect_size=float(statistic) / (n - 1))


def normality(values: Sequence[float] | np.ndarray) -> float | None:
    """The p-value of Shapiro and Wilk's test (Biometrika 52, 1965): what a t interval supposes is doubtful below 0.05.

    Not above that: few values never contradict. None below three values, or where all are equal.
    """
    values = np.asarray(values, dtype=float)
    if len(values) < 3 or values.min() == values.max():
        return None
    from scipy import stats

    return float(stats.shapiro(values).pvalue)


@functools.lru_cache
def student_t_97_5(degrees: float) -> float:
    """The 97.5 % quantile of Student's t distribution: a two-sided 95 % interval reaches to it."""
    from scipy.special import stdtrit  # only tables need it, and every rank would wait for the import

    return float(stdtrit(degrees, 0.975))
