"""Two kinds of network trained from the same seeds, compared pair by pair."""

from __future__ import annotations

from math import ceil
from typing import NamedTuple

import numpy as np
from numpy.typing import ArrayLike

from kernels.quantum.studies.quality import median_interval


class Difference(NamedTuple):
    """The median over pairs of first less second, and its 95 % interval; infinite where there are too few pairs."""

    median: float
    low: float
    high: float


def paired_difference(first: ArrayLike, second: ArrayLike) -> Difference:
    """One value a seed and kind; infinite ones mean never, and two of them are alike.

    That the interval leaves out 0 is, but for ties, the sign test at 5 %: it assumes nothing of the distributions.
    """
    pairs = np.stack([np.asarray(first, dtype=float), np.asarray(second, dtype=float)])
    differences = np.zeros(pairs.shape[1])
    different = pairs[0] != pairs[1]
    differences[different] = pairs[0][different] - pairs[1][different]
    low, high = median_interval(differences) or (-np.inf, np.inf)
    return Difference(float(np.median(differences)), low, high)


def common_target(*losses: ArrayLike, share: float = 0.9) -> float:
    """The lowest loss that every kind reaches from at least ``share`` of its seeds; losses are (seeds, epochs) a kind.

    A rule, so that nobody picks the loss at which one kind looks better.
    """
    reached = [np.sort(np.min(np.asarray(kind, dtype=float), axis=1)) for kind in losses]
    return max(float(best[ceil(share * len(best)) - 1]) for best in reached)


def verdict(epochs: Difference, accuracy: Difference) -> str:
    """On the claim "fewer epochs, no better accuracy", from quantum less classical."""
    accuracies = (
        "better accuracy" if accuracy.low > 0 else "worse accuracy" if accuracy.high < 0 else "no better accuracy"
    )
    if epochs.low > 0:
        return f"refuted: more epochs, {accuracies}"
    if epochs.high < 0:
        return f"{'refuted' if accuracy.low > 0 else 'holds'}: fewer epochs, {accuracies}"
    return f"not shown: no fewer epochs, {accuracies}"
