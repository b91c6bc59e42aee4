"""Where a series of measurements changed: E-divisive to find the places, a t test to believe them.

Matteson and James, "A Nonparametric Approach for Multiple Change Point Analysis of Multivariate Data" (Journal of the
American Statistical Association 109, 2014) find the split by the energy distance. Their permutation test gives way to a
t test, as in Fleming et al., "Hunter: Using Change Point Detection to Hunt for Performance Regressions" (ICPE 2023), so
that the same series always has the same change points.
"""

from __future__ import annotations

import math
from collections.abc import Sequence
from itertools import pairwise

import numpy as np

from harness.analyse.ratio import Launches, Ratio, p_value, unpaired

# a first look may be generous, for two changes can hide each other: what does not last is merged again
_FIRST_LOOK = 0.05
# the probability that a change point of an unchanged series survives, whatever the number of places it could be at
_SIGNIFICANCE = 0.01


def find_changes(points: Sequence[Sequence[float]], threshold: float) -> list[int]:
    """The indices of the points at which a new segment starts, ascending.

    ``points`` holds for each commit or date the logarithms of its launches. A change is significant, and the segments
    on its two sides differ by at least ``threshold`` (a logarithm).
    """
    borders = [0, *_divide(points, 0, len(points)), len(points)]
    while len(borders) > 2:
        doubts = _doubts(points, borders)
        sizes = _sizes(points, borders)
        if max(doubts) > _SIGNIFICANCE:
            del borders[1 + doubts.index(max(doubts))]
        elif min(sizes) < threshold:
            del borders[1 + sizes.index(min(sizes))]
        else:
            break
    return borders[1:-1]


def change_at(points: Sequence[Sequence[float]], start: int, change: int, stop: int) -> Ratio | None:
    """The ratio of the segment from ``change`` to ``stop`` over the one from ``start``; None if both are one launch."""
    before, after = _launches(points, start, change), _launches(points, change, stop)
    return unpaired(Launches.of(before), Launches.of(after))


def _divide(points: Sequence[Sequence[float]], start: int, stop: int) -> list[int]:
    """Change points between two borders, the strongest first and then those on either side of it."""
    change = _strongest(points, start, stop)
    if change is None:
        return []
    ratio = change_at(points, start, change, stop)
    if ratio is None or ratio.p_value > _FIRST_LOOK:
        return []
    return [*_divide(points, start, change), change, *_divide(points, change, stop)]


def _strongest(points: Sequence[Sequence[float]], start: int, stop: int) -> int | None:
    """The border between points with the largest energy statistic, at least two launches on either side.

    All distances at once, float64: 16 bytes times the launches squared, so 3,000 launches of a case take 144 MB.
    """
    logs = np.asarray(_launches(points, start, stop))
    ends = np.cumsum([len(point) for point in points[start:stop]])[:-1]
    count = len(logs)
    places = [(index, end) for index, end in enumerate(ends, start=start + 1) if 2 <= end <= count - 2]
    if not places:
        return None
    distances = np.abs(logs[:, None] - logs[None, :])
    sums = np.pad(distances.cumsum(0).cumsum(1), ((1, 0), (1, 0)))
    statistics = [_energy(sums, int(end), count) for _, end in places]
    return places[int(np.argmax(statistics))][0]


def _energy(sums: np.ndarray, left: int, count: int) -> float:
    """The scaled energy distance between the first ``left`` values and the rest (Matteson and James, equations 5 and
    6).

    ``sums`` of shape (count + 1, count + 1) holds the two-dimensional prefix sums of the absolute differences.
    """
    right = count - left
    within_left = sums[left, left] / (left * (left - 1))
    within_right = (sums[-1, -1] - 2 * sums[left, -1] + sums[left, left]) / (right * (right - 1))
    between = (sums[left, -1] - sums[left, left]) / (left * right)
    return float(left * right / count * (2 * between - within_left - within_right))


def _doubts(points: Sequence[Sequence[float]], borders: Sequence[int]) -> list[float]:
    """The p value of each change, times the number of places in the series (Bonferroni).

    The variance is that of all launches around their segments' means: somewhere in a long series two launches lie close
    together by chance, and by their own variance would look certain.
    """
    segments = [Launches.of(_launches(points, *ends)) for ends in pairwise(borders)]
    degrees = sum(segment.count for segment in segments) - len(segments)
    if degrees < 1:
        return [1.0] * (len(segments) - 1)
    variance = sum(segment.variance * (segment.count - 1) for segment in segments) / degrees
    return [
        min(1.0, (len(points) - 1) * p_value(after.mean - before.mean, math.sqrt(variance * share), degrees))
        for before, after in pairwise(segments)
        for share in [1 / before.count + 1 / after.count]
    ]


def _sizes(points: Sequence[Sequence[float]], borders: Sequence[int]) -> list[float]:
    means = [Launches.of(_launches(points, *ends)).mean for ends in pairwise(borders)]
    return [abs(after - before) for before, after in pairwise(means)]


def _launches(points: Sequence[Sequence[float]], start: int, stop: int) -> list[float]:
    return [value for point in points[start:stop] for value in point]
