"""Fitting: relative least squares with coefficients that are not negative, bootstrapped over launches."""

from __future__ import annotations

import itertools
import math
from collections.abc import Sequence

import numpy as np

from harness import statistics
from harness.analyse.laws.models import Law

REPLICATES = 1000


def fit_nonnegative(columns: np.ndarray, values: np.ndarray, weights: np.ndarray | None = None) -> np.ndarray:
    """Coefficients c >= 0 that make ``columns`` @ c nearest to ``values`` in the sum of squared relative residuals.

    ``columns`` [..., points, coefficients] and ``values`` [..., points], positive; ``weights`` [..., points] multiplies
    the squares (0 leaves a point out). Returns [..., coefficients]. Errors of times multiply, hence relative. The best
    of all least-squares solutions over subsets of the columns that have no negative coefficient is the constrained
    optimum (Lawson and Hanson, "Solving Least Squares Problems", chapter 23), and here there are at most seven.
    """
    scaled = columns / values[..., None]
    size = np.sqrt((scaled**2).sum(axis=-2))
    scaled = scaled / size[..., None, :]
    weighted = scaled if weights is None else scaled * weights[..., None]
    gram = np.swapaxes(weighted, -1, -2) @ scaled
    target = weighted.sum(axis=-2)
    count = columns.shape[-1]
    best = np.zeros(target.shape)
    # of the squared residuals only the part that coefficients change: c' G c - 2 c' t
    lowest = np.zeros(target.shape[:-1])
    for subset in itertools.chain.from_iterable(itertools.combinations(range(count), k) for k in range(1, count + 1)):
        found = np.zeros_like(best)
        found[..., subset] = _solve(gram[..., subset, :][..., subset], target[..., subset])
        residual = ((gram @ found[..., None])[..., 0] * found).sum(axis=-1) - 2 * (found * target).sum(axis=-1)
        better = (found >= 0).all(axis=-1) & (residual < lowest)
        best = np.where(better[..., None], found, best)
        lowest = np.where(better, residual, lowest)
    return best / size


def _solve(gram: np.ndarray, target: np.ndarray) -> np.ndarray:
    """Solutions of small symmetric systems, where columns that tell the same give no more than either alone."""
    ridge = 1e-13 * np.eye(gram.shape[-1])
    return np.linalg.solve(gram + ridge, target[..., None])[..., 0]


def fit(law: Law, ranks: np.ndarray, times_s: np.ndarray, weights: np.ndarray | None = None) -> np.ndarray:
    """The law's coefficients [..., coefficients] for times [..., points] in seconds at ``ranks`` [points]."""
    return fit_nonnegative(law.columns(ranks), law.respond(ranks, times_s), weights)


def predict(law: Law, ranks: np.ndarray, coefficients: np.ndarray) -> np.ndarray:
    """Seconds [..., points] at ``ranks`` [points] by coefficients [..., coefficients]."""
    return law.respond(ranks, (law.columns(ranks) @ coefficients[..., None])[..., 0])


def leave_one_out(law: Law, ranks: np.ndarray, times_s: np.ndarray) -> np.ndarray:
    """Symmetric relative error of each point [points] as the law fitted to all others predicts it.

    Their mean is SMAPE, by which Extra-P selects.
    """
    coefficients = fit(law, ranks, *without_each(times_s))
    return symmetric_errors(np.diagonal(predict(law, ranks, coefficients)), times_s)


def without_each(times_s: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
    """Times [points] once a point, and weights [points, points] that leave each out once: what fits take."""
    points = len(times_s)
    return np.broadcast_to(times_s, (points, points)), 1 - np.eye(points)


def symmetric_errors(predicted_s: np.ndarray, times_s: np.ndarray) -> np.ndarray:
    """2 |prediction - time| / (prediction + time) of each point [points]."""
    with np.errstate(invalid="ignore"):
        errors = 2 * np.abs(predicted_s - times_s) / (predicted_s + times_s)
    # what is predicted to take for ever is as wrong as can be
    return np.where(np.isfinite(errors), errors, 2.0)


def centre_s(launch_medians_s: Sequence[float]) -> float:
    """The typical launch's median: the geometric mean, around which `statistics.launch_interval` lies."""
    return math.exp(np.log(launch_medians_s).mean())


def replicate_s(launches_s: Sequence[Sequence[float]], count: int = REPLICATES) -> np.ndarray:
    """Bootstrap replicates [count, points] of `centre_s` of each point, from one median a launch; the same each time.

    Parametric, over launches: normal in the logarithm, as launch effects multiply. A few launches cannot tell their
    own variance, so a point's is the mean of its own and that of all points, which moderates both (Smyth, Statistical
    Applications in Genetics and Molecular Biology 3, 2004, equation 3, with as much weight on either), and replicates
    are stretched from the normal distribution's 95 % to Student's. Launches drawn anew with replacement, the usual
    bootstrap, cover too little with so few. A point with one launch has the variance of all points.
    """
    logs = [np.log(values) for values in launches_s]
    sizes = np.array([len(values) for values in logs])
    squares = np.array([((values - values.mean()) ** 2).sum() for values in logs])
    degrees = int((sizes - 1).sum())
    pooled = squares.sum() / max(degrees, 1)
    own = np.where(sizes > 1, squares / np.maximum(sizes - 1, 1), pooled)
    spread = np.sqrt((own + pooled) / 2 / sizes) * statistics.student_t_97_5(max(degrees, 1)) / statistics.Z95
    drawn = np.random.default_rng(0).standard_normal((count, len(logs)))
    return np.exp([values.mean() for values in logs] + drawn * spread)
